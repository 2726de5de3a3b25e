/* SPDX-License-Identifier: Apache-2.0 */
#include "disk-open.h"

#include "machine-disk.h"
#include "terminal.h"
#include "transport/url.h"

int cli_disk_open(const struct cli_args *args, const char *operand, struct vd_disk **ret,
                  struct vd_error *err)
{
    struct vd_source_options options = cli_source_options(args);

    if (vd_url_is(operand))
        return cli_machine_disk_open(args, operand, true, ret, err);
    return vd_source_open(operand, &options, ret, err);
}

int cli_disk_open_writable(const struct cli_args *args, const char *operand, struct vd_disk **ret,
                           struct vd_error *err)
{
    struct vd_source_options options = cli_source_options(args);

    if (vd_url_is(operand))
        return cli_machine_disk_open(args, operand, false, ret, err);
    options.vmdk.flags &= ~(unsigned)VD_VMDK_READ_ONLY;
    return vd_source_open_writable(operand, &options, ret, err);
}

static int check_operand(const struct cli_args *args, const char *operand, struct vd_error *err)
{
    if (!operand || !vd_url_is(operand))
        return VD_OK;
    return vd_error_set(err, VD_E_NOT_SUPPORTED,
                        "'vdisk %s' works on files of this machine, not on '%s'; info, map, "
                        "convert, read, compare, space, write, serve, bench and meta take URLs",
                        args->command->name, operand);
}

int cli_disk_check_operands(const struct cli_args *args, struct vd_error *err)
{
    int r = check_operand(args, args->parent, err);

    if (args->command->options & CLI_BIT(OPT_THUMBPRINT))
        return r;
    for (int i = 0; r == VD_OK && i < args->num_operands; i++)
        r = check_operand(args, args->operands[i], err);
    return r;
}
