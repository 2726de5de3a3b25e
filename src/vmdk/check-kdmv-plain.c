/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of which nothing needs to be told: both copies are equal, and each entry is absent, a
 * grain of zeros where the header announces such, or a grain at a multiple of the grain size,
 * inside the file and behind all metadata. In a healthy disk that is every table, so they are
 * recognised at the speed of memory: one comparison of the copies, and one loop without branches
 * that the compiler turns into vector instructions. What remains of a million entries is one bit
 * each, set for runs of neighbours at once.
 *
 * That no grain is used twice is only known when all tables have been seen. Where one is, all are
 * judged entry by entry, as is every table that is not plain.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/check-kdmv-int.h"

/* What the loop below gathers. */
struct gathered {
    uint32_t outside; /* 0: every entry is absent or between the bounds, at a multiple */
    uint32_t zeros;
    uint32_t grains;
    uint32_t last; /* the highest entry */
};

static void gather(const uint8_t *table, size_t count, uint32_t low, uint32_t high,
                   uint32_t grain_mask, struct gathered *ret)
{
    uint32_t outside = 0, zeros = 0, grains = 0, last = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t entry = vd_le32_decode(table + i * VD_KDMV_ENTRY_BYTES);
        uint32_t is_grain = entry > 1;
        /* Wraps below `low` to more than any distance that is good. */
        uint32_t is_outside = (entry - low > high - low) | ((entry & grain_mask) != 0);
        outside |= is_grain & is_outside;
        zeros += entry == 1;
        grains += is_grain;
        last = VD_MAX(last, entry);
    }
    *ret = (struct gathered){outside, zeros, grains, last};
}

/* Bounds of what may be taken for granted; false when there is nothing between them. */
static bool bounds(const struct vd_kdmv_check *k, uint32_t *ret_low, uint32_t *ret_high)
{
    uint64_t low = VD_MAX(k->first_grain_sectors, vd_check_bitmap_end(k->metadata));
    uint64_t grain = k->header.grain_sectors;
    if (k->file_sectors < grain || low > k->file_sectors - grain || low < 2 ||
        k->file_sectors - grain > UINT32_MAX)
        return false;
    *ret_low = (uint32_t)low;
    *ret_high = (uint32_t)(k->file_sectors - grain);
    return true;
}

/* Entries of grains that lie side by side take their bits together. */
static int mark_runs(struct vd_kdmv_check *k, const uint8_t *table, struct vd_error *err)
{
    size_t count = k->header.table_entries;
    uint32_t grain = (uint32_t)k->header.grain_sectors;
    for (size_t i = 0; i < count;) {
        uint32_t entry = vd_le32_decode(table + i++ * VD_KDMV_ENTRY_BYTES);
        uint64_t run = 1;
        if (entry <= 1)
            continue;
        while (i < count &&
               vd_le32_decode(table + i * VD_KDMV_ENTRY_BYTES) == entry + run * grain) {
            run++;
            i++;
        }
        int r = vd_kdmv_mark_run(k, entry, run, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int tables_of(struct vd_kdmv_check *k, uint64_t table, const uint8_t *ret[VD_KDMV_COPIES],
                     struct vd_error *err)
{
    int r = 1;
    for (int i = 0; r > 0 && i < VD_KDMV_COPIES; i++) {
        uint32_t sector;
        ret[i] = NULL;
        r = vd_kdmv_table(k, (enum vd_kdmv_which)i, table, &sector, &ret[i], err);
    }
    return r;
}

/* Can a table of this disk be plain at all, and does all of it stand for grains? */
static bool may_be_plain(const struct vd_kdmv_check *k, uint64_t table)
{
    return !k->compressed && k->slot_sectors == k->header.grain_sectors &&
           vd_is_power_of_two(k->header.grain_sectors) &&
           (table + 1) * k->header.table_entries <= k->num_grains;
}

/* 1 when the entries of both copies are as the head of this file says. */
static int look(struct vd_kdmv_check *k, uint64_t table, const uint8_t *tables[VD_KDMV_COPIES],
                struct gathered *ret, struct vd_error *err)
{
    uint32_t low, high;
    if (!bounds(k, &low, &high))
        return 0;
    int r = tables_of(k, table, tables, err);
    if (r <= 0 || tables[0] == NULL || tables[1] == NULL ||
        memcmp(tables[0], tables[1], k->table_bytes) != 0)
        return r < 0 ? r : 0;
    gather(tables[0], k->header.table_entries, low, high, (uint32_t)k->header.grain_sectors - 1,
           ret);
    return ret->outside == 0 && (ret->zeros == 0 || (k->header.flags & VD_KDMV_ZEROED) != 0);
}

int vd_kdmv_mark_plain(struct vd_kdmv_check *k, uint64_t table, struct vd_error *err)
{
    const uint8_t *tables[VD_KDMV_COPIES];
    struct gathered gathered;

    int r = may_be_plain(k, table) ? look(k, table, tables, &gathered, err) : 0;
    if (r <= 0)
        return r;
    r = gathered.grains > 0 ? mark_runs(k, tables[0], err) : 0;
    if (r >= 0)
        r = vd_check_bitmap_take(k->plain, table, 1, NULL, err);
    if (r < 0)
        return r;
    k->plain_grains += gathered.grains;
    if (gathered.grains > 0)
        k->plain_end_sectors =
            VD_MAX(k->plain_end_sectors, gathered.last + k->header.grain_sectors);
    return 1;
}

bool vd_kdmv_settle_plain(struct vd_kdmv_check *k)
{
    if (vd_check_bitmap_count(k->twice) > 0)
        return false;
    k->file->run->result.allocated_grains += k->plain_grains;
    k->end_sectors = VD_MAX(k->end_sectors, k->plain_end_sectors);
    return true;
}
