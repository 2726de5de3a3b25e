/* SPDX-License-Identifier: Apache-2.0 */
/* One input as the file of one extent: opened, then asked for places all over its capacity. What it
 * answers must be legal (the dispatcher asserts it) and readable. */
#ifndef VD_FUZZ_EXTENT_H
#define VD_FUZZ_EXTENT_H

#include <stdint.h>
#include <stdlib.h>

#include "base/units.h"
#include "block/memory.h"
#include "vmdk/extent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Enough to walk every entry of a few tables; small enough to run thousands of inputs a second. */
#define FUZZ_LOOKUPS_IN_ORDER 128u
#define FUZZ_LOOKUPS_SPREAD   32u
#define FUZZ_SPREAD_SECTORS   64u

typedef int fuzz_opener(const struct vd_extent_params *params, struct vd_extent **ret,
                        struct vd_error *err);

static inline void fuzz_data_read(const struct vd_extent *extent, const struct vd_lookup *at)
{
    uint8_t bytes[4096];
    uint64_t length = VD_MIN(vd_sectors_to_bytes(at->stored_sectors), sizeof bytes);
    length = VD_MIN(length, extent->file_bytes - at->offset_bytes);
    if (vd_block_read(extent->block, at->offset_bytes, bytes, (size_t)length, NULL) < 0)
        abort();
}

/* Where to go on behind the run at `sector`. */
static inline uint64_t fuzz_lookup(struct vd_extent *extent, uint64_t sector, uint64_t max_sectors)
{
    struct vd_lookup at;
    struct vd_error err = VD_ERROR_INIT;
    uint64_t left = extent->capacity_sectors - sector;
    left = VD_MIN(left, max_sectors);
    if (vd_extent_lookup(extent, sector, left, &at, &err) < 0) {
        if (err.text[0] == '\0')
            abort(); /* every failure tells its story */
        return sector + VD_MIN(left, extent->grain_sectors);
    }
    if (at.kind == VD_LOOKUP_DATA)
        fuzz_data_read(extent, &at);
    return sector + at.length_sectors;
}

static inline void fuzz_lookups(struct vd_extent *extent)
{
    uint64_t capacity = extent->capacity_sectors;
    uint64_t sector = 0;
    for (unsigned i = 0; i < FUZZ_LOOKUPS_IN_ORDER && sector < capacity; i++)
        sector = fuzz_lookup(extent, sector, capacity);
    uint64_t step = capacity / FUZZ_LOOKUPS_SPREAD + 1;
    /* Only these places are asked for; where they would go on does not matter. */
    for (sector = step / 2; sector < capacity; sector += step)
        (void)fuzz_lookup(extent, sector, FUZZ_SPREAD_SECTORS);
    (void)fuzz_lookup(extent, capacity - 1, 1);
}

static inline void fuzz_extent(fuzz_opener *opener, const uint8_t *data, size_t size,
                               uint64_t capacity_sectors)
{
    if (capacity_sectors == 0 || capacity_sectors > VD_MAX_SECTORS)
        capacity_sectors = 1;
    struct vd_extent_line line = {.sectors = capacity_sectors};
    struct vd_extent_params params = {.line = &line};
    struct vd_extent *extent = NULL;
    struct vd_error err = VD_ERROR_INIT;
    if (vd_block_memory_new(data, size, &params.block, NULL) < 0 ||
        vd_table_cache_new(8u * VD_TABLE_PAGE_BYTES, &params.cache, NULL) < 0)
        abort();
    if (opener(&params, &extent, &err) >= 0)
        fuzz_lookups(extent);
    else if (err.text[0] == '\0')
        abort();
    vd_extent_free(extent);
    vd_table_cache_free(params.cache);
    vd_block_free(params.block);
}

#endif
