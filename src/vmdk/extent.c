/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/extent.h"

#include <assert.h>
#include <stdatomic.h>

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

int vd_extent_split_hole(struct vd_extent *extent, struct vd_lookup *at, struct vd_error *err)
{
    if (at->kind != VD_LOOKUP_DATA || extent->grain_sectors != 0)
        return 0;
    uint64_t offset = at->offset_bytes, start = 0, end = 0;
    int r = vd_block_next_data(extent->block, offset, &start, &end, err);
    if (r < 0)
        return r;
    uint64_t hole = start > offset ? (start - offset) / VD_SECTOR_BYTES : 0;
    if (start >= end)
        hole = at->length_sectors; /* only a hole follows */
    if (hole > 0) {
        at->kind = VD_LOOKUP_ZERO;
        at->length_sectors = VD_MIN(at->length_sectors, hole);
    } else if (end > offset) {
        uint64_t stored = vd_bytes_to_sectors_up(end - offset);
        at->length_sectors = VD_MIN(at->length_sectors, stored);
    }
    return 0;
}

bool vd_extent_is_writable(const struct vd_extent *extent)
{
    return extent->ops->flush != NULL && (extent->block->capabilities & VD_BLOCK_WRITABLE) != 0;
}

int vd_extent_begin_write(struct vd_extent *extent, struct vd_error *err)
{
    assert(vd_extent_is_writable(extent));
    return extent->ops->begin_write ? extent->ops->begin_write(extent, err) : 0;
}

static void assert_grain(const struct vd_extent *extent, uint64_t grain)
{
    assert(vd_extent_is_writable(extent));
    assert(extent->grain_sectors > 0);
    assert(grain < vd_div_up(extent->capacity_sectors, extent->grain_sectors));
}

int vd_extent_allocate(struct vd_extent *extent, uint64_t grain, uint64_t *ret,
                       struct vd_error *err)
{
    assert_grain(extent, grain);
    return extent->ops->allocate(extent, grain, ret, err);
}

int vd_extent_publish(struct vd_extent *extent, uint64_t grain, uint64_t offset_bytes,
                      struct vd_error *err)
{
    assert_grain(extent, grain);
    assert(offset_bytes > 0 && offset_bytes % VD_SECTOR_BYTES == 0);
    vd_extent_grew(extent, offset_bytes + vd_sectors_to_bytes(extent->grain_sectors));
    return extent->ops->publish(extent, grain, offset_bytes, err);
}

int vd_extent_zero(struct vd_extent *extent, uint64_t grain, struct vd_error *err)
{
    assert_grain(extent, grain);
    return extent->ops->zero(extent, grain, err);
}

int vd_extent_flush(struct vd_extent *extent, struct vd_error *err)
{
    assert(vd_extent_is_writable(extent));
    return extent->ops->flush(extent, err);
}

int vd_extent_finish(struct vd_extent *extent, struct vd_error *err)
{
    assert(vd_extent_is_writable(extent));
    return extent->ops->finish ? extent->ops->finish(extent, err) : 0;
}

void vd_extent_grew(struct vd_extent *extent, uint64_t end_bytes)
{
    uint64_t known = extent->file_bytes;
    while (known < end_bytes &&
           !atomic_compare_exchange_weak(&extent->file_bytes, &known, end_bytes)) {
    }
}

void vd_extent_free(struct vd_extent *extent)
{
    if (extent)
        extent->ops->free(extent);
}
