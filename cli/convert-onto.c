/* SPDX-License-Identifier: Apache-2.0 */
#include "convert-onto.h"

#include "disk-open.h"
#include "operation.h"
#include "ops/fill.h"
#include "pipe-source.h"

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
    if (cli_is_pipe(args->operands[0]))
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "'%s' is a pipe, which cannot be converted onto a virtual machine's "
                            "disk; 'vdisk write' writes raw bytes from one",
                            args->operands[0]);
    return VD_OK;
}

static int copy_onto(const struct cli_args *args, const struct vd_vmdk_options *options,
                     const struct vd_progress *progress, struct vd_error *err)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *source = NULL;
    struct vd_disk *target = NULL;
    int close_result;
    int r = check(args, err);

    (void)options; /* disk-open.h has them from `args` */
    if (r == VD_OK)
        r = cli_disk_open(args, args->operands[0], &source, err);
    if (r == VD_OK)
        r = cli_disk_open_writable(args, args->operands[1], &target, err);
    if (r == VD_OK)
        r = vd_fill_disk(source, target, progress, err);
    close_result = target ? vd_disk_close(target, r < 0 ? NULL : err) : VD_OK;
    return r < 0 ? r : close_result;
}

enum cli_exit cli_convert_onto(const struct cli_args *args)
{
    return cli_operation_run(args, copy_onto);
}
