/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/grow.h"

#include "base/units.h"
#include "commands.h"
#include "operation.h"

static int grow(const struct cli_args *args, const struct vd_vmdk_options *options,
                const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_grow_params params = {
        .capacity_sectors = args->size_bytes / VD_SECTOR_BYTES,
        .update_geometry = !cli_given(args, OPT_KEEP_GEOMETRY),
    };

    if (!cli_given(args, OPT_SIZE))
        return vd_error_set(err, VD_E_INVALID_ARG, "grow: --size is missing");
    if (args->size_bytes % VD_SECTOR_BYTES != 0)
        return vd_error_set(err, VD_E_INVALID_ARG, "--size is %ju bytes, expected a multiple of %u",
                            (uintmax_t)args->size_bytes, VD_SECTOR_BYTES);
    return vd_grow(args->operands[0], options, &params, progress, err);
}

enum cli_exit cmd_grow(const struct cli_args *args)
{
    return cli_operation_run(args, grow);
}
