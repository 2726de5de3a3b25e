/* SPDX-License-Identifier: Apache-2.0 */
#include "convert-onto.h"

#include "disk-open.h"
#include "operation.h"
#include "ops/fill.h"
#include "pipe-source.h"
#include "terminal.h"

static int check(const struct cli_args *args, struct vd_error *err)
{
    if (args->output_type || args->adapter || args->level)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "'%s' exists and stays what it is; --output-type, --adapter and "
                            "--level are for new disks",
                            args->operands[1]);
    if (!cli_given(args, OPT_OVERWRITE))
        return vd_error_set(err, VD_E_EXISTS, "'%s' exists; --overwrite writes over its content",
                            args->operands[1]);
    return VD_OK;
}

/* What comes onto the disk: one of these. */
struct origin {
    struct vd_disk *disk;
    struct cli_pipe pipe;
    struct vd_stream_reader *reader; /* of the pipe; NULL: it is raw */
};

static void origin_done(struct origin *origin)
{
    vd_disk_free(origin->disk);
    vd_stream_reader_free(origin->reader);
    cli_pipe_done(&origin->pipe);
}

static int origin_open(const struct cli_args *args, struct origin *ret, struct vd_error *err)
{
    const char *path = args->operands[0];
    int r;

    if (!cli_is_pipe(path))
        return cli_disk_open(args, path, &ret->disk, err);
    r = cli_pipe_open(&ret->pipe, path, err);
    if (r < 0 || cli_pipe_is_raw(args))
        return r;
    return vd_stream_reader_open(&ret->pipe.source, &cli_log, &ret->reader, err);
}

static int fill(const struct cli_args *args, const struct origin *origin, struct vd_disk *target,
                const struct vd_progress *progress, struct vd_error *err)
{
    const struct cli_pipe *pipe = &origin->pipe;
    struct vd_raw_stream raw = {
        .source = &pipe->source,
        .size_bytes = cli_given(args, OPT_SIZE) ? args->size_bytes : pipe->size_bytes,
    };

    if (origin->disk)
        return vd_fill_disk(origin->disk, target, progress, err);
    if (origin->reader)
        return vd_fill_from_stream(origin->reader, pipe->source.name, target, progress, err);
    return vd_fill_from_raw(&raw, target, progress, err);
}

static int copy_onto(const struct cli_args *args, const struct vd_vmdk_options *options,
                     const struct vd_progress *progress, struct vd_error *err)
{
    VD_CLEANUP(origin_done) struct origin origin = {.pipe = {.fd = -1}};
    struct vd_disk *target = NULL;
    int close_result;
    int r = check(args, err);

    (void)options; /* disk-open.h has them from `args` */
    if (r == VD_OK)
        r = origin_open(args, &origin, err);
    if (r == VD_OK)
        r = cli_disk_open_writable(args, args->operands[1], &target, err);
    if (r == VD_OK)
        r = fill(args, &origin, target, progress, err);
    close_result = target ? vd_disk_close(target, r < 0 ? NULL : err) : VD_OK;
    return r < 0 ? r : close_result;
}

enum cli_exit cli_convert_onto(const struct cli_args *args)
{
    return cli_operation_run(args, copy_onto);
}
