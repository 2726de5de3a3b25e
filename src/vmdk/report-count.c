/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/report-count.h"

#include "base/units.h"
#include "vmdk/mover.h"

#define RUNS_AT_ONCE 64u

static int count_grains(struct vd_extent *extent, uint64_t *ret_bytes, struct vd_error *err)
{
    uint64_t held_sectors = 0;
    for (uint64_t sector = 0; sector < extent->capacity_sectors;) {
        struct vd_lookup at;
        int r = vd_extent_lookup(extent, sector, extent->capacity_sectors - sector, &at, err);
        if (r < 0)
            return r;
        if (at.kind == VD_LOOKUP_DATA || at.kind == VD_LOOKUP_COMPRESSED)
            held_sectors += at.length_sectors;
        sector += at.length_sectors;
    }
    *ret_bytes = vd_sectors_to_bytes(held_sectors);
    return 0;
}

static int count_stored(struct vd_extent *extent, const struct vd_extent_line *line,
                        uint64_t *ret_bytes, struct vd_error *err)
{
    uint64_t position = vd_sectors_to_bytes(line->offset_sectors);
    uint64_t end = position + vd_sectors_to_bytes(line->sectors);
    uint64_t held_bytes = 0;
    while (position < end) {
        uint64_t stored_start;
        uint64_t stored_end;
        int r = vd_block_next_data(extent->block, position, &stored_start, &stored_end, err);
        if (r < 0)
            return r;
        if (stored_start >= end || stored_end <= position)
            break;
        stored_end = VD_MIN(stored_end, end);
        held_bytes += stored_end - stored_start;
        position = stored_end;
    }
    *ret_bytes = held_bytes;
    return 0;
}

int vd_report_count_extent(struct vd_extent *extent, const struct vd_extent_line *line,
                           uint64_t *ret_bytes, struct vd_error *err)
{
    if (extent->block != NULL && extent->grain_sectors == 0)
        return count_stored(extent, line, ret_bytes, err);
    return count_grains(extent, ret_bytes, err);
}

static int count_mapped(struct vd_mover *mover, uint64_t capacity_sectors, uint64_t *ret_bytes,
                        struct vd_error *err)
{
    struct vd_run runs[RUNS_AT_ONCE];
    uint64_t held_sectors = 0;
    for (uint64_t sector = 0; sector < capacity_sectors;) {
        size_t count;
        int r =
            vd_mover_map(mover, sector, capacity_sectors - sector, runs, RUNS_AT_ONCE, &count, err);
        if (r < 0)
            return r;
        for (size_t i = 0; i < count; i++)
            held_sectors += runs[i].kind == VD_RUN_DATA ? runs[i].length_sectors : 0;
        sector = runs[count - 1].start_sectors + runs[count - 1].length_sectors;
    }
    *ret_bytes = vd_sectors_to_bytes(held_sectors);
    return 0;
}

int vd_report_count_chain(const struct vd_chain *chain, uint64_t *ret_bytes, struct vd_error *err)
{
    struct vd_mover *mover;
    int r = vd_mover_new(chain->links, chain->num_links, chain->missing_parent, &mover, err);
    if (r < 0)
        return r;
    r = count_mapped(mover, chain->links[0]->capacity_sectors, ret_bytes, err);
    vd_mover_free(mover);
    return r;
}
