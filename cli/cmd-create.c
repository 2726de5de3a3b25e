/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"
#include "commands.h"
#include "operation.h"
#include "vmdk/create.h"

static int check(const struct cli_args *args, enum vd_disk_type type, struct vd_error *err)
{
    if (!cli_given(args, OPT_TYPE))
        return vd_error_set(err, VD_E_INVALID_ARG, "create: --type is missing");
    if (type == VD_DISK_UNKNOWN || type == VD_DISK_DEVICE || type == VD_DISK_RAW)
        return vd_error_set(
            err, VD_E_INVALID_ARG,
            "create knows no type '%s'; it can make: streamOptimized " CLI_DISK_TYPES,
            args->disk_type);
    if (!cli_given(args, OPT_SIZE) && !args->parent)
        return vd_error_set(err, VD_E_INVALID_ARG, "create: --size is missing");
    if (cli_given(args, OPT_SIZE) && (args->size_bytes == 0 || args->size_bytes % VD_SECTOR_BYTES))
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "--size is %ju bytes, expected a multiple of %u above 0",
                            (uintmax_t)args->size_bytes, VD_SECTOR_BYTES);
    return VD_OK;
}

static int create(const struct cli_args *args, const struct vd_vmdk_options *options,
                  const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_vmdk_create_params params = {
        .type = args->disk_type ? vd_disk_type_parse(args->disk_type) : VD_DISK_UNKNOWN,
        .capacity_sectors = args->size_bytes / VD_SECTOR_BYTES,
        .adapter = args->adapter,
        .parent_path = args->parent,
    };
    int r = check(args, params.type, err);

    return r < 0 ? r : vd_vmdk_create(args->operands[0], &params, options->fs, progress, err);
}

enum cli_exit cmd_create(const struct cli_args *args)
{
    return cli_operation_run(args, create);
}
