/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/defragment.h"

#include "base/units.h"
#include "ops/rebuild.h"
#include "vmdk/sparse-rewrite.h"

static int defragment_extents(struct vd_rebuild *rebuild, struct vd_error *err)
{
    int r = vd_rebuild_check(rebuild, "cannot defragment", err);

    for (size_t i = 0; r == VD_OK && i < rebuild->link->num_extents; i++) {
        bool compact;

        r = vd_sparse_is_compact(rebuild->link->extents[i].extent, &compact, err);
        if (r == VD_OK && !compact)
            r = vd_rebuild_extent(rebuild, i, 0, false, err);
    }
    return r;
}

int vd_defragment(const char *path, const struct vd_vmdk_options *options,
                  const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_rebuild rebuild = {0};
    uint64_t total;
    int r = vd_rebuild_open(path, options, progress, &rebuild, err);

    if (r < 0)
        return r;
    total = vd_sectors_to_bytes(rebuild.link->capacity_sectors);
    if (!vd_rebuild_is_raw(&rebuild))
        r = defragment_extents(&rebuild, err);
    vd_rebuild_done(&rebuild);
    if (r == VD_OK)
        (void)vd_progress_report(progress, total, total); /* too late to stop */
    return r;
}
