/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/table-walk.h"

#include <assert.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/units.h"

/* One lookup looks at no more entries than this (4 tables of 4096), so that a caller who can use
 * only a few runs does not pay for a scan of the whole disk. An absent table is one entry. */
#define WALK_MAX_ENTRIES 16384u

/* A lookup under way: `grains` neighbours that are one run. */
struct walk_run {
    const struct vd_table_walk *walk;
    struct vd_extent *extent;
    struct vd_grain_place first;
    uint64_t next_offset; /* where the next grain must lie to belong to a DATA run */
    uint64_t grains;
    uint64_t looked; /* entries looked at */
};

static uint64_t walk_grains(const struct vd_extent *extent)
{
    return vd_div_up(extent->capacity_sectors, extent->grain_sectors);
}

uint64_t vd_table_walk_tables(const struct vd_table_walk *walk, const struct vd_extent *extent)
{
    return vd_div_up(walk_grains(extent), walk->table_entries);
}

uint64_t vd_table_used_bytes(const struct vd_table_walk *walk, const struct vd_extent *extent,
                             uint64_t table)
{
    uint64_t left = walk_grains(extent) - table * walk->table_entries;
    return VD_MIN(left, walk->table_entries) * walk->entry_bytes;
}

uint64_t vd_grain_used_bytes(const struct vd_extent *extent, uint64_t grain)
{
    uint64_t left = extent->capacity_sectors - grain * extent->grain_sectors;
    return vd_sectors_to_bytes(VD_MIN(left, extent->grain_sectors));
}

/* True when the run, with `grains` more at `place`, is still one run; it then holds them. */
static bool run_take(struct walk_run *run, const struct vd_grain_place *place, uint64_t grains)
{
    run->looked++;
    if (run->grains == 0)
        run->first = *place;
    else if (run->first.kind != place->kind)
        return false;
    else if (place->kind == VD_LOOKUP_DATA && place->offset_bytes != run->next_offset)
        return false;
    run->next_offset = place->offset_bytes + vd_sectors_to_bytes(run->extent->grain_sectors);
    run->grains += grains;
    return true;
}

/* A failure past the first grain only ends the run: 1. On the first it is the caller's: its code,
 * with a sentence. */
static int run_failed(const struct walk_run *run, int code)
{
    return run->grains > 0 ? 1 : code;
}

static struct vd_error *run_error(const struct walk_run *run, struct vd_error *err)
{
    return run->grains > 0 ? NULL : err;
}

/* Takes `count` entries at `bytes`, those of grains from `grain` on. 0: all taken; 1: the run
 * ended. */
static int take_entries(struct walk_run *run, const uint8_t *bytes, uint64_t count, uint64_t grain,
                        struct vd_error *err)
{
    const struct vd_table_walk *walk = run->walk;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *at = bytes + i * walk->entry_bytes;
        uint64_t entry = walk->entry_bytes == 4 ? vd_le32_decode(at) : vd_le64_decode(at);
        struct vd_grain_place place = {0};
        int r = walk->grain_decode(run->extent, grain + i, entry, &place, run_error(run, err));
        if (r < 0)
            return run_failed(run, r);
        if (!run_take(run, &place, 1))
            return 1;
    }
    return 0;
}

/* As take_entries, for entries of one table at `offset` that may span pages. */
static int take_table(struct walk_run *run, uint64_t offset, uint64_t count, uint64_t grain,
                      struct vd_error *err)
{
    struct vd_extent *extent = run->extent;
    while (count > 0) {
        struct vd_table_page *page = NULL;
        const uint8_t *bytes = NULL;
        size_t available = 0;
        int r = vd_table_cache_get(extent->cache, extent->block, offset, &page, &bytes, &available,
                                   run_error(run, err));
        if (r < 0)
            return run_failed(run, r);
        uint64_t here = VD_MIN(available / run->walk->entry_bytes, count);
        assert(here > 0); /* entries are aligned to their size, so none crosses a page */
        r = take_entries(run, bytes, here, grain, err);
        vd_table_cache_put(extent->cache, page);
        if (r != 0)
            return r;
        offset += here * run->walk->entry_bytes;
        grain += here;
        count -= here;
    }
    return 0;
}

int vd_table_walk_directory(const struct vd_table_walk *walk, const struct vd_extent *extent,
                            uint64_t table, uint64_t *ret_entry, struct vd_error *err)
{
    uint64_t offset = walk->directory_offset + table * walk->entry_bytes;
    if (walk->entry_bytes == 8)
        return vd_table_cache_u64(extent->cache, extent->block, offset, ret_entry, err);
    uint32_t entry = 0;
    int r = vd_table_cache_u32(extent->cache, extent->block, offset, &entry, err);
    *ret_entry = entry;
    return r;
}

int vd_table_walk_entry(const struct vd_table_walk *walk, const struct vd_extent *extent,
                        uint64_t grain, uint64_t *ret_offset_bytes, struct vd_error *err)
{
    uint64_t table = grain / walk->table_entries;
    uint64_t entry = 0, offset = 0;
    int r = vd_table_walk_directory(walk, extent, table, &entry, err);
    if (r >= 0)
        r = walk->table_decode(extent, table, entry, &offset, err);
    if (r < 0)
        return r;
    *ret_offset_bytes = offset == 0 ? 0 : offset + grain % walk->table_entries * walk->entry_bytes;
    return 0;
}

int vd_table_walk_set(const struct vd_table_walk *walk, const struct vd_extent *extent,
                      uint64_t offset_bytes, uint64_t entry, uint32_t phase, struct vd_error *err)
{
    if (walk->entry_bytes == 8)
        return vd_table_cache_set_u64(extent->cache, extent->block, offset_bytes, entry, phase,
                                      err);
    return vd_table_cache_set_u32(extent->cache, extent->block, offset_bytes, (uint32_t)entry,
                                  phase, err);
}

/* Takes grains [grain, grain + count), all of one table. */
static int take_grains(struct walk_run *run, uint64_t grain, uint64_t count, struct vd_error *err)
{
    const struct vd_table_walk *walk = run->walk;
    uint64_t table = grain / walk->table_entries;
    uint64_t entry = 0, offset = 0;
    int r = vd_table_walk_directory(walk, run->extent, table, &entry, run_error(run, err));
    if (r < 0)
        return run_failed(run, r);
    r = walk->table_decode(run->extent, table, entry, &offset, run_error(run, err));
    if (r < 0)
        return run_failed(run, r);
    if (offset == 0) {
        struct vd_grain_place absent = {.kind = VD_LOOKUP_ABSENT};
        return run_take(run, &absent, count) ? 0 : 1;
    }
    offset += grain % walk->table_entries * walk->entry_bytes;
    return take_table(run, offset, count, grain, err);
}

static void run_tell(const struct walk_run *run, uint64_t within, uint64_t max_sectors,
                     struct vd_lookup *ret)
{
    uint64_t length = run->grains * run->extent->grain_sectors - within;
    *ret =
        (struct vd_lookup){.kind = run->first.kind, .length_sectors = VD_MIN(length, max_sectors)};
    if (ret->kind == VD_LOOKUP_DATA) {
        ret->offset_bytes = run->first.offset_bytes + vd_sectors_to_bytes(within);
        ret->stored_sectors = ret->length_sectors;
    }
}

int vd_table_walk_lookup(const struct vd_table_walk *walk, struct vd_extent *extent,
                         uint64_t sector, uint64_t max_sectors, struct vd_lookup *ret,
                         struct vd_error *err)
{
    uint64_t grain = sector / extent->grain_sectors;
    uint64_t end = (sector + max_sectors - 1) / extent->grain_sectors + 1;
    struct walk_run run = {.walk = walk, .extent = extent};

    while (grain < end && run.looked < WALK_MAX_ENTRIES) {
        uint64_t in_table = walk->table_entries - grain % walk->table_entries;
        uint64_t count = VD_MIN(in_table, end - grain);
        int r = take_grains(&run, grain, count, err);
        if (r < 0)
            return r;
        if (r > 0)
            break;
        grain += count;
    }
    run_tell(&run, sector % extent->grain_sectors, max_sectors, ret);
    return 0;
}
