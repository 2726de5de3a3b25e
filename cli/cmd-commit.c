/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/commit.h"

#include "commands.h"
#include "operation.h"

static int commit(const struct cli_args *args, const struct vd_vmdk_options *options,
                  const struct vd_progress *progress, struct vd_error *err)
{
    return vd_commit(args->operands[0], options, cli_given(args, OPT_KEEP), progress, err);
}

enum cli_exit cmd_commit(const struct cli_args *args)
{
    return cli_operation_run(args, commit);
}
