/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rename.h"

#include "commands.h"
#include "operation.h"
#include "ops/children.h"
#include "terminal.h"

static int rename_disk(const struct cli_args *args, const struct vd_vmdk_options *options,
                       const struct vd_progress *progress, struct vd_error *err)
{
    const struct vd_fs *fs = options->fs ? options->fs : vd_fs_host();
    struct vd_path_list children = {0};
    int r = vd_children_find(fs, args->operands[0], &children, err);

    (void)progress; /* there is none to tell */
    if (r == VD_OK)
        r = vd_rename(args->operands[0], args->operands[1], options, err);
    for (size_t i = 0; r == VD_OK && i < children.count; i++)
        cli_print(stderr,
                  "vdisk: warning: '%s' names '%s' as its parent; 'vdisk attach' tells it the new "
                  "name\n",
                  children.paths[i], args->operands[0]);
    vd_path_list_done(&children);
    return r;
}

enum cli_exit cmd_rename(const struct cli_args *args)
{
    return cli_operation_run(args, rename_disk);
}
