/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shrink.h"

#include "base/units.h"
#include "ops/copy-int.h"
#include "ops/rebuild.h"

static int check(const struct vd_rebuild *rebuild, struct vd_error *err)
{
    int r;

    if (vd_disk_files_is_child(&rebuild->files))
        return vd_error_set(err, VD_E_CANT_SHRINK,
                            "cannot shrink '%s': it is a child of '%s', and its zeros hide what "
                            "that holds",
                            rebuild->files.path,
                            rebuild->files.descriptor->parent_hint
                                ? rebuild->files.descriptor->parent_hint
                                : "another disk");
    r = vd_rebuild_check(rebuild, "cannot shrink", err);
    return r == VD_E_NOT_SUPPORTED ? vd_error_recode(err, VD_E_CANT_SHRINK) : r;
}

static int shrink_extents(struct vd_rebuild *rebuild, struct vd_error *err)
{
    int r = VD_OK;

    for (size_t i = 0; r == VD_OK && i < rebuild->link->num_extents; i++)
        r = vd_rebuild_extent(rebuild, i, 0, true, err);
    return r;
}

int vd_shrink(const char *path, const struct vd_vmdk_options *options,
              const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_rebuild rebuild = {0};
    uint64_t total;
    int r = vd_rebuild_open(path, options, progress, &rebuild, err);

    if (r < 0)
        return r;
    rebuild.drop_zeros = true;
    total = vd_sectors_to_bytes(rebuild.link->capacity_sectors);
    if (!vd_rebuild_is_raw(&rebuild)) {
        r = check(&rebuild, err);
        if (r == VD_OK)
            r = shrink_extents(&rebuild, err);
    }
    vd_rebuild_done(&rebuild);
    if (r == VD_OK)
        (void)vd_progress_report(progress, total, total); /* too late to stop */
    return r;
}
