/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "interrupt.h"
#include "ops/copy.h"
#include "output.h"
#include "pipe-source.h"
#include "terminal.h"

/* createTypes that exist, so that a wish for one is told apart from a slip. */
static const char *const vmdk_types[] = {
    "monolithicSparse",   "monolithicFlat",  "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat", "streamOptimized", "vmfs",
    "vmfsThin",           "vmfsSparse",      "seSparse",
};

static int check_type(const char *type, struct vd_error *err)
{
    if (!type || strcmp(type, "raw") == 0)
        return VD_OK;
    for (size_t i = 0; i < VD_ARRAY_SIZE(vmdk_types); i++) {
        if (strcmp(type, vmdk_types[i]) == 0)
            return vd_error_set(err, VD_E_NOT_SUPPORTED,
                                "convert cannot write %s yet; it can write: raw", type);
    }
    return vd_error_set(err, VD_E_INVALID_ARG, "convert knows no type '%s'; it can write: raw",
                        type);
}

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

static enum cli_exit convert_pipe(const struct cli_args *args)
{
    VD_CLEANUP(cli_pipe_done) struct cli_pipe pipe;
    struct vd_stream_reader *reader = NULL;
    struct vd_error err = VD_ERROR_INIT;
    enum cli_exit code;
    int r;

    cli_interrupt_catch();
    r = cli_pipe_open(&pipe, args->operands[0], &err);
    if (r == VD_OK && args->format == VD_SOURCE_RAW)
        return cli_output_run(args, args->operands[1], write_raw_stream, &pipe.source);
    if (r == VD_OK)
        r = vd_stream_reader_open(&pipe.source, &cli_log, &reader, &err);
    if (r < 0)
        return cli_fail(&err, r);
    code = cli_output_run(args, args->operands[1], write_stream, reader);
    vd_stream_reader_free(reader);
    return code;
}

static enum cli_exit convert_disk(const struct cli_args *args)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_source_options options = cli_source_options(args);
    struct vd_error err = VD_ERROR_INIT;
    int r = vd_source_open(args->operands[0], &options, &disk, &err);

    if (r == VD_OK)
        r = cli_output_check(args, args->operands[0], args->operands[1], &err);
    return r < 0 ? cli_fail(&err, r) : cli_output_run(args, args->operands[1], write_disk, disk);
}

enum cli_exit cmd_convert(const struct cli_args *args)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = check_type(args->output_type, &err);

    if (r == VD_OK)
        r = check_stdout(args->operands[1], &err);
    if (r < 0)
        return cli_fail(&err, r);
    return cli_is_pipe(args->operands[0]) ? convert_pipe(args) : convert_disk(args);
}
