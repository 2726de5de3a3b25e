/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"
#include "vmdk/create-int.h"

/* Hands the progress of one extent on as that of the whole disk. */
static bool report_extent(void *data, uint64_t done, uint64_t total)
{
    (void)total;
    return vd_create_report(data, done, NULL) >= 0;
}

int vd_create_flat(struct vd_create *create, struct vd_block *block, uint64_t sectors,
                   struct vd_error *err)
{
    struct vd_progress progress = {report_extent, create};
    return vd_block_allocate(block, 0, vd_sectors_to_bytes(sectors), &progress, err);
}

int vd_create_flat_thin(struct vd_create *create, struct vd_block *block, uint64_t sectors,
                        struct vd_error *err)
{
    (void)create;
    return vd_block_resize(block, vd_sectors_to_bytes(sectors), err);
}
