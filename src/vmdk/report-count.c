/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/report-count.h"

#include "base/units.h"

struct vd_count_range {
    uint64_t start_sectors;
    uint64_t end_sectors;
};

static int push(struct vd_count_ranges *list, uint64_t start_sectors, uint64_t end_sectors,
                struct vd_error *err)
{
    if (list->count == list->allocated) {
        size_t wanted = list->allocated == 0 ? 64 : list->allocated * 2;
        struct vd_count_range *grown = reallocarray(list->ranges, wanted, sizeof *grown);
        if (grown == NULL)
            return vd_error_set(err, VD_E_NO_MEMORY, "no memory to count what a disk holds");
        list->ranges = grown;
        list->allocated = wanted;
    }
    list->ranges[list->count++] = (struct vd_count_range){start_sectors, end_sectors};
    return 0;
}

void vd_count_done(struct vd_count *count)
{
    free(count->above.ranges);
    free(count->through.ranges);
}

int vd_count_window(struct vd_count *count, uint64_t start_sectors, uint64_t end_sectors,
                    struct vd_error *err)
{
    count->links_left = count->num_links;
    count->start_sectors = start_sectors;
    count->end_sectors = end_sectors;
    count->above.count = 0;
    count->through.count = 0;
    count->at = 0;
    if (start_sectors >= count->capacity_sectors)
        return 0;
    return push(&count->above, start_sectors, VD_MIN(end_sectors, count->capacity_sectors), err);
}

/* The link leaves a range to its parents. Nobody asks the last one what it leaves. */
static int leave(struct vd_count *count, uint64_t start_sectors, uint64_t end_sectors,
                 struct vd_error *err)
{
    return count->links_left == 1 ? 0 : push(&count->through, start_sectors, end_sectors, err);
}

/* Leaves all that was open before `sector`. */
static int leave_before(struct vd_count *count, uint64_t sector, struct vd_error *err)
{
    for (; count->at < count->above.count; count->at++) {
        struct vd_count_range *range = &count->above.ranges[count->at];
        if (range->start_sectors >= sector)
            break;
        int r = leave(count, range->start_sectors, VD_MIN(range->end_sectors, sector), err);
        if (r < 0)
            return r;
        if (range->end_sectors > sector) {
            range->start_sectors = sector;
            break;
        }
    }
    return 0;
}

/* This link holds [start, end): what of it was open is settled. */
static int settle(struct vd_count *count, uint64_t start_sectors, uint64_t end_sectors, bool data,
                  struct vd_error *err)
{
    int r = leave_before(count, start_sectors, err);
    for (; r >= 0 && count->at < count->above.count; count->at++) {
        struct vd_count_range *range = &count->above.ranges[count->at];
        if (range->start_sectors >= end_sectors)
            break;
        uint64_t until_sectors = VD_MIN(range->end_sectors, end_sectors);
        count->seen_sectors += data ? until_sectors - range->start_sectors : 0;
        range->start_sectors = until_sectors;
        if (range->end_sectors > until_sectors)
            break;
    }
    return r;
}

int vd_count_extent(struct vd_count *count, const struct vd_link_extent *extent, uint64_t *bytes,
                    struct vd_error *err)
{
    uint64_t start = extent->start_sectors;
    uint64_t end = VD_MIN(count->end_sectors, start + extent->extent->capacity_sectors);
    for (uint64_t sector = VD_MAX(count->start_sectors, start); sector < end;) {
        struct vd_lookup at;
        int r = vd_extent_lookup(extent->extent, sector - start, end - sector, &at, err);
        if (r >= 0)
            r = vd_extent_split_hole(extent->extent, &at, err);
        if (r < 0)
            return r;
        uint64_t next = sector + at.length_sectors;
        bool data = at.kind == VD_LOOKUP_DATA || at.kind == VD_LOOKUP_COMPRESSED;
        if (data)
            *bytes += vd_sectors_to_bytes(at.length_sectors);
        if (at.kind != VD_LOOKUP_ABSENT && (r = settle(count, sector, next, data, err)) < 0)
            return r;
        sector = next;
    }
    return 0;
}

int vd_count_parent(struct vd_count *count, struct vd_error *err)
{
    int r = leave_before(count, UINT64_MAX, err);
    struct vd_count_ranges passed = count->above;
    count->above = count->through;
    count->through = passed;
    count->through.count = 0;
    count->at = 0;
    count->links_left--;
    return r;
}
