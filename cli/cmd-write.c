/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "disk-open.h"
#include "operation.h"
#include "ops/write-range.h"
#include "pipe-source.h"

static int write_disk(const struct cli_args *args, const struct vd_vmdk_options *options,
                      const struct vd_progress *progress, struct vd_error *err)
{
    VD_CLEANUP(cli_pipe_done) struct cli_pipe pipe = {.fd = -1};
    uint64_t length = cli_given(args, OPT_LENGTH) ? args->length_bytes : UINT64_MAX;
    struct vd_disk *disk = NULL;
    int r = cli_disk_open_writable(args, args->operands[0], &disk, err);
    int close_result;

    (void)options; /* disk-open.h has them from `args` */
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
