/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <signal.h>
#include <unistd.h>

#include "interrupt.h"
#include "progress-line.h"
#include "terminal.h"
#include "transport/url.h"

static bool stop(void *data)
{
    (void)data;
    return cli_interrupted();
}

static int open_target(const struct cli_args *args, const char *path, struct vd_target **ret,
                       struct vd_error *err)
{
    const struct vd_target_options options = {
        .overwrite = cli_given(args, OPT_OVERWRITE),
        .stop = stop,
    };

    if (cli_is_stdio(path))
        return vd_target_open_fd(STDOUT_FILENO, "standard output", &options, ret, err);
    /* A reader that leaves a pipe early is an error to tell, not a reason to vanish. */
    (void)signal(SIGPIPE, SIG_IGN);
    return vd_target_open(path, &options, ret, err);
}

int cli_output_write(const struct cli_args *args, const char *path, cli_output_fn write, void *data,
                     struct vd_error *err)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    struct cli_progress line;
    int r = open_target(args, path, &target, err);

    if (r < 0)
        return r;
    cli_progress_init(&line, cli_given(args, OPT_PROGRESS));
    if (cli_is_stdio(path) && isatty(STDOUT_FILENO) && !cli_given(args, OPT_PROGRESS))
        line.show = false; /* the bytes themselves go to that terminal */
    r = write(data, target, &line.progress, err);
    if (r == VD_OK)
        r = vd_target_finish(target, err);
    cli_progress_done(&line);
    return r;
}

enum cli_exit cli_output_run(const struct cli_args *args, const char *path, cli_output_fn write,
                             void *data)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;

    cli_interrupt_catch();
    r = cli_output_write(args, path, write, data, &err);
    return r < 0 ? cli_fail(&err, r) : CLI_DONE;
}

int cli_output_check(const struct cli_args *args, const char *source, const char *path,
                     struct vd_error *err)
{
    struct vd_source_options options = cli_source_options(args);
    struct vd_block_identity identity;
    bool exists;
    bool held;
    int r;

    if (vd_url_is(source))
        return VD_OK; /* on another machine */
    /* A redirection to the source has emptied it already, but not a parent or an extent. */
    if (cli_is_stdio(path))
        path = "/dev/stdout";
    r = vd_target_identity(path, &exists, &identity, err);
    if (r < 0 || !exists)
        return r;
    options.vmdk.log = NULL; /* opening the disk itself has told, or will tell */
    r = vd_source_holds_file(source, &options, &identity, &held, err);
    if (r < 0 || !held)
        return r;
    return vd_error_set(err, VD_E_INVALID_ARG, "the target '%s' is a file of the source '%s'", path,
                        source);
}
