/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shrink.h"

#include "commands.h"
#include "operation.h"

static int shrink(const struct cli_args *args, const struct vd_vmdk_options *options,
                  const struct vd_progress *progress, struct vd_error *err)
{
    return vd_shrink(args->operands[0], options, progress, err);
}

enum cli_exit cmd_shrink(const struct cli_args *args)
{
    return cli_operation_run(args, shrink);
}
