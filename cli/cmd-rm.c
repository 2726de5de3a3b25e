/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "operation.h"
#include "ops/unlink.h"

static int remove_disk(const struct cli_args *args, const struct vd_vmdk_options *options,
                       const struct vd_progress *progress, struct vd_error *err)
{
    (void)progress; /* there is none to tell */
    return vd_unlink(args->operands[0], options, !cli_given(args, OPT_FORCE), err);
}

enum cli_exit cmd_rm(const struct cli_args *args)
{
    return cli_operation_run(args, remove_disk);
}
