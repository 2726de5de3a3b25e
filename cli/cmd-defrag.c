/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/defragment.h"

#include "commands.h"
#include "operation.h"

static int defragment(const struct cli_args *args, const struct vd_vmdk_options *options,
                      const struct vd_progress *progress, struct vd_error *err)
{
    return vd_defragment(args->operands[0], options, progress, err);
}

enum cli_exit cmd_defrag(const struct cli_args *args)
{
    return cli_operation_run(args, defragment);
}
