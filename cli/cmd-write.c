/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "disk/raw.h"
#include "operation.h"
#include "ops/write-range.h"
#include "pipe-source.h"

static int open_disk(const struct cli_args *args, const struct vd_vmdk_options *options,
                     struct vd_disk **ret, struct vd_error *err)
{
    struct vd_source_options source = {.format = args->format, .vmdk = *options};
    enum vd_source_format format;
    int r = vd_source_detect(args->operands[0], &source, &format, err);

    if (r < 0)
        return r;
    if (format == VD_SOURCE_RAW)
        return vd_raw_open(options->fs ? options->fs : vd_fs_host(), args->operands[0],
                           VD_FS_ALLOW_DEVICE | VD_FS_WRITE, ret, err);
    return vd_vmdk_open(args->operands[0], options, ret, err);
}

static int write_disk(const struct cli_args *args, const struct vd_vmdk_options *options,
                      const struct vd_progress *progress, struct vd_error *err)
{
    VD_CLEANUP(cli_pipe_done) struct cli_pipe pipe = {.fd = -1};
    uint64_t length = cli_given(args, OPT_LENGTH) ? args->length_bytes : UINT64_MAX;
    struct vd_disk *disk = NULL;
    int r = open_disk(args, options, &disk, err);
    int close_result;

    if (r == VD_OK)
        r = cli_pipe_open(&pipe, args->input ? args->input : "-", err);
    if (r == VD_OK)
        r = vd_write_range(&pipe.source, disk, args->offset_bytes, length, progress, err);
    close_result = disk ? vd_disk_close(disk, r < 0 ? NULL : err) : VD_OK;
    return r < 0 ? r : close_result;
}

enum cli_exit cmd_write(const struct cli_args *args)
{
    return cli_operation_run(args, write_disk);
}
