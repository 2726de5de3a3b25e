/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/ranges.h"

#include <stdlib.h>
#include <string.h>

/* The first range that ends behind `start`. */
static size_t find(const struct vd_nfc_ranges *ranges, uint32_t start)
{
    size_t low = 0;
    size_t high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->list[middle].end > start)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int make_room(struct vd_nfc_ranges *ranges)
{
    if (ranges->count < ranges->allocated)
        return VD_OK;
    if (ranges->count >= VD_NFC_RANGES_MAX)
        return VD_E_PROTOCOL;
    size_t wanted = ranges->allocated ? ranges->allocated * 2 : 4;
    struct vd_nfc_range *list = realloc(ranges->list, wanted * sizeof *list);
    if (!list)
        return VD_E_NO_MEMORY;
    ranges->list = list;
    ranges->allocated = wanted;
    return VD_OK;
}

static int insert(struct vd_nfc_ranges *ranges, size_t at, struct vd_nfc_range range)
{
    int r = make_room(ranges);
    if (r < 0)
        return r;
    memmove(ranges->list + at + 1, ranges->list + at, (ranges->count - at) * sizeof *ranges->list);
    ranges->list[at] = range;
    ranges->count++;
    return VD_OK;
}

static void remove_at(struct vd_nfc_ranges *ranges, size_t at)
{
    ranges->count--;
    memmove(ranges->list + at, ranges->list + at + 1, (ranges->count - at) * sizeof *ranges->list);
}

int vd_nfc_ranges_add(struct vd_nfc_ranges *ranges, uint32_t start, uint32_t length)
{
    if (length == 0 || start > UINT32_MAX - length)
        return VD_E_PROTOCOL;
    struct vd_nfc_range range = {start, start + length};
    size_t at = find(ranges, start);
    bool has_next = at < ranges->count;
    if (has_next && ranges->list[at].start < range.end)
        return VD_E_PROTOCOL;
    bool joins_next = has_next && ranges->list[at].start == range.end;
    bool joins_last = at > 0 && ranges->list[at - 1].end == start;
    if (!joins_next && !joins_last)
        return insert(ranges, at, range);
    if (joins_next)
        ranges->list[at].start = start;
    if (joins_last)
        ranges->list[at - 1].end = range.end;
    if (joins_next && joins_last) {
        ranges->list[at - 1].end = ranges->list[at].end;
        remove_at(ranges, at);
    }
    return VD_OK;
}

bool vd_nfc_ranges_full(const struct vd_nfc_ranges *ranges, uint32_t length)
{
    return ranges->count == 1 && ranges->list[0].start == 0 && ranges->list[0].end == length;
}

void vd_nfc_ranges_done(struct vd_nfc_ranges *ranges)
{
    free(ranges->list);
    *ranges = (struct vd_nfc_ranges){NULL, 0, 0};
}
