/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "commands.h"
#include "convert-onto.h"
#include "disk-open.h"
#include "interrupt.h"
#include "ops/clone.h"
#include "ops/copy.h"
#include "output.h"
#include "pipe-source.h"
#include "progress-line.h"
#include "terminal.h"
#include "transport/url.h"

static int check_stdout(const char *target, struct vd_error *err)
{
    if (!cli_is_stdio(target) || !isatty(STDOUT_FILENO))
        return VD_OK;
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "standard output is a terminal, and a disk's bytes are not for it");
}

static int write_disk(void *data, struct vd_target *target, const struct vd_progress *progress,
                      struct vd_error *err)
{
    return vd_copy_disk(data, target, progress, err);
}

static int write_raw_stream(void *data, struct vd_target *target,
                            const struct vd_progress *progress, struct vd_error *err)
{
    return vd_copy_raw_stream(data, target, progress, err);
}

static int write_stream(void *data, struct vd_target *target, const struct vd_progress *progress,
                        struct vd_error *err)
{
    return vd_copy_stream(data, target, progress, err);
}

static struct vd_clone_params clone_params(const struct cli_args *args, enum vd_disk_type type)
{
    return (struct vd_clone_params){
        .type = type,
        .adapter = args->adapter,
        .level = args->level,
        .overwrite = cli_given(args, OPT_OVERWRITE),
    };
}

/* A source on its way to a VMDK: one of these. */
struct conversion {
    struct vd_disk *disk;
    struct vd_stream_reader *reader;
    struct vd_raw_stream *raw;
    struct vd_clone_params params;
};

static int clone_to_stream(void *data, struct vd_target *target, const struct vd_progress *progress,
                           struct vd_error *err)
{
    const struct conversion *from = data;

    if (from->reader)
        return vd_clone_stream_to_target(from->reader, target, &from->params, progress, err);
    if (from->raw)
        return vd_clone_raw_to_target(from->raw, target, &from->params, progress, err);
    return vd_clone_to_target(from->disk, target, &from->params, progress, err);
}

static int clone_to_files(const struct conversion *from, const char *path,
                          const struct vd_progress *progress, struct vd_error *err)
{
    if (from->reader)
        return vd_clone_from_stream(from->reader, path, &from->params, NULL, progress, err);
    if (from->raw)
        return vd_clone_from_raw(from->raw, path, &from->params, NULL, progress, err);
    return vd_clone(from->disk, path, &from->params, NULL, progress, err);
}

static enum cli_exit make_disk(const struct cli_args *args, const struct conversion *from)
{
    struct vd_error err = VD_ERROR_INIT;
    struct cli_progress line;
    int r;

    if (cli_is_stdio(args->operands[1])) {
        r = vd_error_set(&err, VD_E_INVALID_ARG,
                         "standard output can take raw and streamOptimized, not %s",
                         args->output_type);
        return cli_fail(&err, r);
    }
    cli_interrupt_catch();
    cli_progress_init(&line, cli_given(args, OPT_PROGRESS));
    r = clone_to_files(from, args->operands[1], &line.progress, &err);
    cli_progress_done(&line);
    return r < 0 ? cli_fail(&err, r) : CLI_DONE;
}

static enum cli_exit make_vmdk(const struct cli_args *args, enum vd_disk_type type,
                               struct conversion *from)
{
    from->params = clone_params(args, type);
    if (type == VD_DISK_STREAM_OPTIMIZED)
        return cli_output_run(args, args->operands[1], clone_to_stream, from);
    return make_disk(args, from);
}

static enum cli_exit convert_raw_stream(const struct cli_args *args, const struct cli_pipe *pipe,
                                        enum vd_disk_type type)
{
    struct vd_raw_stream raw = {
        .source = &pipe->source,
        .size_bytes = cli_given(args, OPT_SIZE) ? args->size_bytes : pipe->size_bytes,
    };
    struct conversion from = {.raw = &raw};

    if (type == VD_DISK_RAW)
        return cli_output_run(args, args->operands[1], write_raw_stream, &raw);
    return make_vmdk(args, type, &from);
}

static enum cli_exit convert_stream(const struct cli_args *args, const struct cli_pipe *pipe,
                                    enum vd_disk_type type)
{
    VD_CLEANUP(vd_stream_reader_free_cleanup) struct vd_stream_reader *reader = NULL;
    struct vd_error err = VD_ERROR_INIT;
    struct conversion from = {0};
    int r = vd_stream_reader_open(&pipe->source, &cli_log, &reader, &err);

    if (r < 0)
        return cli_fail(&err, r);
    from.reader = reader;
    if (type == VD_DISK_RAW)
        return cli_output_run(args, args->operands[1], write_stream, reader);
    return make_vmdk(args, type, &from);
}

static int check_size(const struct cli_args *args, struct vd_error *err)
{
    if (!cli_given(args, OPT_SIZE))
        return VD_OK;
    if (!cli_is_pipe(args->operands[0]) || args->format == VD_SOURCE_VMDK)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "--size tells how long a raw image on standard input or in a pipe is; "
                            "'%s' tells its size itself",
                            args->operands[0]);
    if (args->size_bytes == 0)
        return vd_error_set(err, VD_E_INVALID_ARG, "--size is 0, and a disk is not empty");
    return VD_OK;
}

static enum cli_exit convert_pipe(const struct cli_args *args, enum vd_disk_type type)
{
    VD_CLEANUP(cli_pipe_done) struct cli_pipe pipe;
    struct vd_error err = VD_ERROR_INIT;
    int r;

    cli_interrupt_catch();
    r = cli_pipe_open(&pipe, args->operands[0], &err);
    if (r < 0)
        return cli_fail(&err, r);
    return cli_pipe_is_raw(args) ? convert_raw_stream(args, &pipe, type)
                                 : convert_stream(args, &pipe, type);
}

static enum cli_exit convert_disk(const struct cli_args *args, enum vd_disk_type type)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    struct conversion from = {0};
    int r = cli_disk_open(args, args->operands[0], &disk, &err);

    if (r == VD_OK)
        r = cli_output_check(args, args->operands[0], args->operands[1], &err);
    if (r < 0)
        return cli_fail(&err, r);
    from.disk = disk;
    if (type == VD_DISK_RAW)
        return cli_output_run(args, args->operands[1], write_disk, disk);
    return make_vmdk(args, type, &from);
}

enum cli_exit cmd_convert(const struct cli_args *args)
{
    struct vd_error err = VD_ERROR_INIT;
    enum vd_disk_type type;
    int r = cli_output_type(args, VD_DISK_RAW, &type, &err);

    if (r == VD_OK)
        r = check_size(args, &err);
    if (r == VD_OK)
        r = check_stdout(args->operands[1], &err);
    if (r < 0)
        return cli_fail(&err, r);
    if (vd_url_is(args->operands[1]))
        return cli_convert_onto(args);
    return cli_is_pipe(args->operands[0]) ? convert_pipe(args, type) : convert_disk(args, type);
}
