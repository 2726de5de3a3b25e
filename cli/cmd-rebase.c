/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rebase.h"

#include "commands.h"
#include "operation.h"
#include "ops/attach.h"

static int check_usage(const struct cli_args *args, struct vd_error *err)
{
    if (cli_given(args, OPT_PARENT) == cli_given(args, OPT_FLATTEN))
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "rebase: expected either --parent DISK or --flatten; 'vdisk rebase "
                            "--help' tells more");
    if (cli_given(args, OPT_UNSAFE) && cli_given(args, OPT_FLATTEN))
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "rebase: --flatten copies what the parents hold, and --unsafe nothing");
    return VD_OK;
}

static int rebase(const struct cli_args *args, const struct vd_vmdk_options *options,
                  const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_vmdk_options forced = *options;
    int r = check_usage(args, err);

    forced.flags |= VD_VMDK_IGNORE_CID;
    if (r < 0)
        return r;
    if (cli_given(args, OPT_UNSAFE))
        return vd_attach(args->parent, args->operands[0], &forced, err);
    return vd_rebase(args->operands[0], args->parent, options, progress, err);
}

enum cli_exit cmd_rebase(const struct cli_args *args)
{
    return cli_operation_run(args, rebase);
}
