/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/extent.h"

#include <assert.h>

#include "base/units.h"

/* Bytes of the extent's file that belong to it end here at the latest; a lookup that points past it
 * would make the mover read what is not there. */
static void assert_data_inside(const struct vd_extent *extent, const struct vd_lookup *answer)
{
    assert(extent->block);
    assert(answer->stored_sectors >= 1 && answer->stored_sectors <= answer->length_sectors);
    assert(answer->offset_bytes < extent->file_bytes);
    uint64_t sectors_left = vd_bytes_to_sectors_up(extent->file_bytes - answer->offset_bytes);
    assert(answer->stored_sectors <= sectors_left);
}

static void assert_grain_inside(const struct vd_extent *extent, uint64_t sector,
                                const struct vd_lookup *answer)
{
    assert(extent->block);
    assert(extent->grain_sectors > 0);
    assert(answer->offset_bytes < extent->file_bytes);
    assert(answer->grain_start_sectors <= sector);
    assert(sector - answer->grain_start_sectors + answer->length_sectors <= extent->grain_sectors);
}

int vd_extent_lookup(struct vd_extent *extent, uint64_t sector, uint64_t max_sectors,
                     struct vd_lookup *ret, struct vd_error *err)
{
    assert(sector < extent->capacity_sectors);
    assert(max_sectors >= 1 && max_sectors <= extent->capacity_sectors - sector);

    struct vd_lookup answer = {0};
    int r = extent->ops->lookup(extent, sector, max_sectors, &answer, err);
    if (r < 0)
        return r;
    assert(answer.length_sectors >= 1 && answer.length_sectors <= max_sectors);
    if (answer.kind == VD_LOOKUP_DATA)
        assert_data_inside(extent, &answer);
    else if (answer.kind == VD_LOOKUP_COMPRESSED)
        assert_grain_inside(extent, sector, &answer);
    *ret = answer;
    return 0;
}

void vd_extent_free(struct vd_extent *extent)
{
    if (extent)
        extent->ops->free(extent);
}
