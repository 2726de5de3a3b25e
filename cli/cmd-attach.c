/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/attach.h"

#include "commands.h"
#include "operation.h"

static int attach(const struct cli_args *args, const struct vd_vmdk_options *options,
                  const struct vd_progress *progress, struct vd_error *err)
{
    (void)progress; /* there is none to tell */
    if (cli_given(args, OPT_CHECK))
        return vd_attach_check(args->operands[0], args->operands[1], options, err);
    return vd_attach(args->operands[0], args->operands[1], options, err);
}

enum cli_exit cmd_attach(const struct cli_args *args)
{
    return cli_operation_run(args, attach);
}
