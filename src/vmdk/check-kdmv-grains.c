/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What table entries point at, and whether the two copies agree.
 *
 * Where they do not, the order in which writers work says what happened. Ours: data, barrier,
 * redundant table, barrier, primary table. So where only the redundant table has a grain, its data
 * was durable before, and the allocation is completed rather than dropped: a write that was not
 * flushed may be there or not, but if it was the primary table that lost the entry, dropping it
 * would lose data that was flushed. Where only the primary table has it (qemu writes that one
 * first, or a grain was being given back), what is readable now stays so. Two different grains are
 * never chosen between, unless they hold the same.
 *
 * An entry that leads nowhere in every copy has lost its data whatever is done. Where the caller
 * accepts that (salvage), it becomes absent, so that the sectors can be read and written again.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/check-kdmv-int.h"

#define PROGRESS_TABLES 1024u
#define COMPARE_BYTES   (64u << 10)

/* One entry in both copies. */
struct pair {
    uint64_t grain;
    uint64_t table;
    uint32_t entries[VD_KDMV_COPIES];
    uint64_t offsets[VD_KDMV_COPIES]; /* in the file */
    bool known[VD_KDMV_COPIES];       /* the copy has the table */
    enum vd_kdmv_entry kinds[VD_KDMV_COPIES];
};

static uint64_t grain_length(const struct vd_kdmv_check *k, uint32_t entry)
{
    uint64_t sectors = k->compressed ? 1 : k->header.grain_sectors;
    return VD_MIN(sectors, k->file_sectors - entry);
}

enum vd_kdmv_entry vd_kdmv_classify(const struct vd_kdmv_check *k, uint64_t grain, uint32_t entry)
{
    uint64_t start = grain * k->header.grain_sectors;
    uint64_t needed =
        k->compressed ? 1 : VD_MIN(k->header.grain_sectors, k->header.capacity_sectors - start);
    if (entry <= 1)
        return entry == 0 ? VD_ENTRY_ABSENT : VD_ENTRY_ZERO;
    if (entry < k->first_grain_sectors || !vd_range_inside(entry, needed, k->file_sectors) ||
        vd_check_bitmap_any(k->metadata, entry, grain_length(k, entry)))
        return VD_ENTRY_BAD;
    return VD_ENTRY_GOOD;
}

static uint64_t first_slot(const struct vd_kdmv_check *k, uint32_t entry)
{
    return entry / k->slot_sectors;
}

static uint64_t num_slots(const struct vd_kdmv_check *k)
{
    return k->compressed ? 1 : k->header.grain_sectors / k->slot_sectors;
}

static bool is_in(const struct vd_kdmv_check *k, const struct vd_check_bitmap *bitmap,
                  uint32_t entry)
{
    return vd_check_bitmap_any(bitmap, first_slot(k, entry), num_slots(k));
}

/* --- marking --- */

int vd_kdmv_mark_run(struct vd_kdmv_check *k, uint32_t entry, uint64_t run, struct vd_error *err)
{
    uint64_t slots = run * num_slots(k);
    bool taken;
    int r = 0;
    if (!vd_check_bitmap_any(k->used, first_slot(k, entry), slots))
        return vd_check_bitmap_take(k->used, first_slot(k, entry), slots, NULL, err);
    for (uint64_t slot = first_slot(k, entry); r >= 0 && slots > 0; slot++, slots--) {
        r = vd_check_bitmap_take(k->used, slot, 1, &taken, err);
        if (r >= 0 && taken)
            r = vd_check_bitmap_take(k->twice, slot, 1, NULL, err);
    }
    return r;
}

/* 1 when the entry does not begin at a slot, and slots must be finer. */
static int mark_entry(struct vd_kdmv_check *k, uint64_t grain, uint32_t entry, struct vd_error *err)
{
    bool taken;
    if (vd_kdmv_classify(k, grain, entry) != VD_ENTRY_GOOD)
        return 0;
    if (entry % k->slot_sectors != 0) {
        k->slot_sectors = entry & -entry;
        return 1;
    }
    int r = vd_check_bitmap_take(k->used, first_slot(k, entry), num_slots(k), &taken, err);
    if (r >= 0 && taken)
        r = vd_check_bitmap_take(k->twice, first_slot(k, entry), num_slots(k), NULL, err);
    return r;
}

/* Entries of a table that stand for grains below the capacity. */
static size_t entries_in_use(const struct vd_kdmv_check *k, uint64_t table)
{
    uint64_t left = k->num_grains - table * k->header.table_entries;
    return (size_t)VD_MIN(left, (uint64_t)k->header.table_entries);
}

static int mark_table(struct vd_kdmv_check *k, uint64_t table, struct vd_error *err)
{
    const uint8_t *bytes = NULL;
    uint32_t sector;
    int r = vd_kdmv_mark_plain(k, table, err);
    if (r != 0)
        return VD_MIN(r, 0);
    r = vd_kdmv_table(k, VD_KDMV_PRIMARY, table, &sector, &bytes, err);
    if (r == 0)
        r = vd_kdmv_table(k, VD_KDMV_SECONDARY, table, &sector, &bytes, err);
    if (r <= 0 || bytes == NULL || vd_bytes_all_zero(bytes, k->table_bytes))
        return r < 0 ? r : 0;
    r = 0;
    for (size_t i = 0; r == 0 && i < entries_in_use(k, table); i++)
        r = mark_entry(k, table * k->header.table_entries + i,
                       vd_le32_decode(bytes + i * VD_KDMV_ENTRY_BYTES), err);
    return r;
}

static int renew_bitmaps(struct vd_kdmv_check *k, struct vd_error *err)
{
    struct vd_check_bitmap **const bitmaps[] = {&k->used, &k->twice, &k->claimed};
    uint64_t slots = k->file_sectors / k->slot_sectors + num_slots(k) + 1;
    for (size_t i = 0; i < VD_ARRAY_SIZE(bitmaps); i++) {
        vd_check_bitmap_free(*bitmaps[i]);
        *bitmaps[i] = NULL;
        int r = vd_check_bitmap_new(slots, bitmaps[i], err);
        if (r < 0)
            return r;
    }
    vd_check_bitmap_free(k->plain);
    k->plain = NULL;
    k->plain_grains = k->plain_end_sectors = 0;
    return vd_check_bitmap_new(k->num_tables, &k->plain, err);
}

/* Progress of the two walks over all tables: the first is one part, the second two. */
static int progress(const struct vd_kdmv_check *k, uint64_t done, struct vd_error *err)
{
    if (done % PROGRESS_TABLES != 0)
        return 0;
    return vd_check_progress(k->file, done, k->num_tables * 3, err);
}

int vd_kdmv_mark_grains(struct vd_kdmv_check *k, struct vd_error *err)
{
    int r;
    k->slot_sectors = k->compressed ? 1 : k->header.grain_sectors;
    do {
        r = renew_bitmaps(k, err);
        for (uint64_t table = 0; r == 0 && table < k->num_tables; table++) {
            r = mark_table(k, table, err);
            if (r == 0)
                r = progress(k, table, err);
        }
    } while (r > 0); /* each time with slots at most half as long */
    return r;
}

/* --- repair --- */

static int put(struct vd_kdmv_check *k, const struct pair *pair, enum vd_kdmv_which which,
               uint32_t value, struct vd_error *err)
{
    if (k->file->repair == NULL)
        return 0;
    return vd_repair_put_u32(k->file->repair,
                             which == VD_KDMV_PRIMARY ? VD_REPAIR_SECOND : VD_REPAIR_FIRST,
                             pair->offsets[which], value, err);
}

static int copy_to_redundant(struct vd_kdmv_check *k, const struct pair *pair, struct vd_error *err)
{
    return put(k, pair, VD_KDMV_SECONDARY, pair->entries[VD_KDMV_PRIMARY], err);
}

/* The grain that only the redundant table has belongs to this entry from now on. 1, or 0 when
 * somebody else has it. */
static int claim(struct vd_kdmv_check *k, const struct pair *pair, struct vd_error *err)
{
    uint32_t entry = pair->entries[VD_KDMV_SECONDARY];
    if (pair->kinds[VD_KDMV_SECONDARY] == VD_ENTRY_GOOD) {
        if (entry % k->slot_sectors != 0 || is_in(k, k->used, entry) || is_in(k, k->claimed, entry))
            return 0;
        int r = vd_check_bitmap_take(k->claimed, first_slot(k, entry), num_slots(k), NULL, err);
        if (r < 0)
            return r;
        k->file->run->result.allocated_grains++;
    }
    int r = put(k, pair, VD_KDMV_PRIMARY, entry, err);
    return r < 0 ? r : 1;
}

/* Do both grains hold the same? 1 or 0. */
static int same_content(const struct vd_kdmv_check *k, const struct pair *pair,
                        struct vd_error *err)
{
    VD_FREE uint8_t *bytes = malloc(2 * (size_t)COMPARE_BYTES);
    uint64_t length = VD_MIN(grain_length(k, pair->entries[0]), grain_length(k, pair->entries[1])) *
                      VD_SECTOR_BYTES;
    if (bytes == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to check '%s'", k->file->path);
    for (uint64_t at = 0; at < length; at += COMPARE_BYTES) {
        size_t here = (size_t)VD_MIN(length - at, (uint64_t)COMPARE_BYTES);
        for (int which = 0; which < VD_KDMV_COPIES; which++) {
            int r = vd_block_read(k->block, (uint64_t)pair->entries[which] * VD_SECTOR_BYTES + at,
                                  bytes + (size_t)which * COMPARE_BYTES, here, err);
            if (r < 0)
                return r;
        }
        if (memcmp(bytes, bytes + COMPARE_BYTES, here) != 0)
            return 0;
    }
    return 1;
}

/* Gives the grain up in both copies. 1, or 0 where that may not be. */
static int give_up(struct vd_kdmv_check *k, const struct pair *pair, struct vd_error *err)
{
    int r = 0;
    if (!k->file->run->options->salvage || k->compressed)
        return 0;
    for (int i = 0; r >= 0 && i < VD_KDMV_COPIES; i++) {
        if (pair->known[i] && pair->entries[i] != 0)
            r = put(k, pair, (enum vd_kdmv_which)i, 0, err);
    }
    k->gave_up = true;
    return r < 0 ? r : 1;
}

/* --- findings --- */

enum remedy { REMEDY_NONE, REMEDY_COPY, REMEDY_ABSENT };

static void tell_gte_invalid(const struct vd_kdmv_check *k, const struct pair *pair,
                             enum vd_kdmv_which which, enum remedy remedy)
{
    static const char *const advice[] = {
        [REMEDY_NONE] = "; what it held cannot be known here, restore it from a backup",
        [REMEDY_COPY] = ", as its redundant copy has it",
        [REMEDY_ABSENT] = "; what it held is lost",
    };
    vd_check_fault(k->file, "gte-invalid", pair->offsets[which], remedy != REMEDY_NONE,
                   "'%s': entry %" PRIu64 " of grain table %" PRIu64 " is sector %" PRIu32
                   ", expected a grain between sector %" PRIu64
                   " and the end of the file at %" PRIu64 "%s",
                   k->file->path, pair->grain % k->header.table_entries, pair->table,
                   pair->entries[which], k->first_grain_sectors, k->file_sectors, advice[remedy]);
}

static void tell_rgte(const struct vd_kdmv_check *k, const struct pair *pair, bool repairable)
{
    vd_check_fault(k->file, "rgte-invalid", pair->offsets[VD_KDMV_SECONDARY], repairable,
                   "'%s': entry %" PRIu64 " of redundant grain table %" PRIu64 " is sector %" PRIu32
                   ", expected %" PRIu32 " as in the primary table%s",
                   k->file->path, pair->grain % k->header.table_entries, pair->table,
                   pair->entries[VD_KDMV_SECONDARY], pair->entries[VD_KDMV_PRIMARY],
                   repairable ? "" : "; copy what can be read to a new disk");
}

static void tell_behind(const struct vd_kdmv_check *k, const struct pair *pair,
                        enum vd_kdmv_which behind)
{
    vd_check_leak(k->file, behind == VD_KDMV_PRIMARY ? "gt-behind" : "rgt-behind",
                  pair->offsets[behind], true,
                  "'%s': entry %" PRIu64 " of grain table %" PRIu64 " is %" PRIu32
                  " and its redundant copy %" PRIu32 ": a change of it was cut short",
                  k->file->path, pair->grain % k->header.table_entries, pair->table,
                  pair->entries[VD_KDMV_PRIMARY], pair->entries[VD_KDMV_SECONDARY]);
}

static void tell_differs(const struct vd_kdmv_check *k, const struct pair *pair)
{
    vd_check_fault(k->file, "gt-differs", pair->offsets[VD_KDMV_PRIMARY], false,
                   "'%s': entry %" PRIu64 " of grain table %" PRIu64 " is sector %" PRIu32
                   ", its redundant copy sector %" PRIu32
                   ": both may be right; compare the two versions of the disk's sector %" PRIu64
                   " and copy the right one",
                   k->file->path, pair->grain % k->header.table_entries, pair->table,
                   pair->entries[VD_KDMV_PRIMARY], pair->entries[VD_KDMV_SECONDARY],
                   pair->grain * k->header.grain_sectors);
}

/* No copy leads anywhere. */
static int judge_lost(struct vd_kdmv_check *k, const struct pair *pair, enum vd_kdmv_which which,
                      struct vd_error *err)
{
    int mended = give_up(k, pair, err);
    if (mended < 0)
        return mended;
    tell_gte_invalid(k, pair, which, mended > 0 ? REMEDY_ABSENT : REMEDY_NONE);
    return 0;
}

/* The primary entry points outside: the other copy may know better. */
static int judge_bad_primary(struct vd_kdmv_check *k, const struct pair *pair, struct vd_error *err)
{
    enum vd_kdmv_entry other = pair->kinds[VD_KDMV_SECONDARY];
    if (other != VD_ENTRY_GOOD && other != VD_ENTRY_ZERO)
        return judge_lost(k, pair, VD_KDMV_PRIMARY, err);
    int mended = claim(k, pair, err);
    if (mended >= 0)
        tell_gte_invalid(k, pair, VD_KDMV_PRIMARY, mended > 0 ? REMEDY_COPY : REMEDY_NONE);
    return mended < 0 ? mended : 0;
}

/* The primary table has nothing. */
static int judge_absent_primary(struct vd_kdmv_check *k, const struct pair *pair,
                                struct vd_error *err)
{
    int mended = 0;
    if (pair->kinds[VD_KDMV_SECONDARY] != VD_ENTRY_BAD)
        mended = claim(k, pair, err);
    if (mended < 0)
        return mended;
    if (mended > 0) {
        tell_behind(k, pair, VD_KDMV_PRIMARY);
        return 0;
    }
    /* Outside the file, or another grain's: of no use, unless somebody else claimed it just now. */
    bool disputed = pair->kinds[VD_KDMV_SECONDARY] == VD_ENTRY_GOOD &&
                    !is_in(k, k->used, pair->entries[VD_KDMV_SECONDARY]);
    tell_rgte(k, pair, !disputed);
    return disputed ? 0 : copy_to_redundant(k, pair, err);
}

/* Both have a grain. */
static int judge_two_grains(struct vd_kdmv_check *k, const struct pair *pair, struct vd_error *err)
{
    int same = k->compressed ? 0 : same_content(k, pair, err);
    if (same < 0)
        return same;
    if (same == 0 || is_in(k, k->twice, pair->entries[VD_KDMV_PRIMARY])) {
        tell_differs(k, pair);
        return 0;
    }
    tell_behind(k, pair, VD_KDMV_SECONDARY);
    return copy_to_redundant(k, pair, err);
}

static int judge_difference(struct vd_kdmv_check *k, const struct pair *pair, struct vd_error *err)
{
    switch (pair->kinds[VD_KDMV_PRIMARY]) {
    case VD_ENTRY_BAD:
        return judge_bad_primary(k, pair, err);
    case VD_ENTRY_ABSENT:
        return judge_absent_primary(k, pair, err);
    default:
        break;
    }
    if (pair->kinds[VD_KDMV_SECONDARY] == VD_ENTRY_BAD)
        tell_rgte(k, pair, true);
    else if (pair->kinds[VD_KDMV_PRIMARY] == VD_ENTRY_GOOD &&
             pair->kinds[VD_KDMV_SECONDARY] == VD_ENTRY_GOOD)
        return judge_two_grains(k, pair, err);
    else
        tell_behind(k, pair, VD_KDMV_SECONDARY);
    return copy_to_redundant(k, pair, err);
}

/* What can be said of the entry the disk is read by. */
static void judge_effective(struct vd_kdmv_check *k, const struct pair *pair,
                            enum vd_kdmv_which which)
{
    uint32_t entry = pair->entries[which];
    if (pair->kinds[which] == VD_ENTRY_ZERO && (k->header.flags & VD_KDMV_ZEROED) == 0)
        vd_check_fault(k->file, "gte-zero-unflagged", pair->offsets[which], false,
                       "'%s': entry %" PRIu64 " of grain table %" PRIu64
                       " is 1, a zero grain, although the header's flags 0x%" PRIx32
                       " announce none, so other programs read it wrongly; convert the disk",
                       k->file->path, pair->grain % k->header.table_entries, pair->table,
                       k->header.flags);
    if (pair->kinds[which] != VD_ENTRY_GOOD)
        return;
    k->file->run->result.allocated_grains++;
    if (k->compressed)
        return;
    if (is_in(k, k->twice, entry))
        vd_check_fault(k->file, "gte-crosslinked", pair->offsets[which], false,
                       "'%s': entry %" PRIu64 " of grain table %" PRIu64
                       " points at sector %" PRIu32
                       ", and so does another; one of the two has lost its data, restore sector "
                       "%" PRIu64 " of the disk from a backup",
                       k->file->path, pair->grain % k->header.table_entries, pair->table, entry,
                       pair->grain * k->header.grain_sectors);
    if (entry % k->header.grain_sectors != k->header.overhead_sectors % k->header.grain_sectors &&
        entry % k->header.grain_sectors != 0)
        vd_check_info(k->file, "gte-misaligned", pair->offsets[which], false,
                      "'%s': entry %" PRIu64 " of grain table %" PRIu64 " is sector %" PRIu32
                      ", not at a multiple of %" PRIu64 " sectors",
                      k->file->path, pair->grain % k->header.table_entries, pair->table, entry,
                      k->header.grain_sectors);
}

static void note_end(struct vd_kdmv_check *k, const struct pair *pair, enum vd_kdmv_which which)
{
    uint64_t end = pair->entries[which] + k->header.grain_sectors;
    if (pair->known[which] && pair->kinds[which] == VD_ENTRY_GOOD)
        k->end_sectors = VD_MAX(k->end_sectors, end);
}

static int judge_pair(struct vd_kdmv_check *k, struct pair *pair, struct vd_error *err)
{
    enum vd_kdmv_which which = pair->known[VD_KDMV_PRIMARY] ? VD_KDMV_PRIMARY : VD_KDMV_SECONDARY;
    for (int i = 0; i < VD_KDMV_COPIES; i++) {
        pair->kinds[i] = vd_kdmv_classify(k, pair->grain, pair->entries[i]);
        note_end(k, pair, (enum vd_kdmv_which)i);
    }
    if (pair->kinds[VD_KDMV_SECONDARY] == VD_ENTRY_ZERO &&
        pair->kinds[VD_KDMV_PRIMARY] != VD_ENTRY_ZERO && (k->header.flags & VD_KDMV_ZEROED) == 0)
        pair->kinds[VD_KDMV_SECONDARY] = VD_ENTRY_BAD;
    judge_effective(k, pair, which);
    if (pair->known[VD_KDMV_PRIMARY] && pair->known[VD_KDMV_SECONDARY] &&
        pair->entries[VD_KDMV_PRIMARY] != pair->entries[VD_KDMV_SECONDARY])
        return judge_difference(k, pair, err);
    return pair->kinds[which] == VD_ENTRY_BAD ? judge_lost(k, pair, which, err) : 0;
}

/* Past the capacity there is nothing to point at. */
static int judge_beyond(struct vd_kdmv_check *k, const struct pair *pair, struct vd_error *err)
{
    int r = 0;
    for (int i = 0; r >= 0 && i < VD_KDMV_COPIES; i++) {
        if (!pair->known[i] || pair->entries[i] == 0)
            continue;
        vd_check_leak(k->file, "entry-beyond", pair->offsets[i], !k->compressed,
                      "'%s': entry %" PRIu64 " of grain table %" PRIu64 " is %" PRIu32
                      ", expected 0 because the disk ends before it",
                      k->file->path, pair->grain % k->header.table_entries, pair->table,
                      pair->entries[i]);
        if (!k->compressed)
            r = put(k, pair, (enum vd_kdmv_which)i, 0, err);
    }
    return r;
}

static int judge_entries(struct vd_kdmv_check *k, uint64_t table,
                         const uint8_t *const tables[VD_KDMV_COPIES],
                         const uint32_t sectors[VD_KDMV_COPIES], struct vd_error *err)
{
    size_t in_use = entries_in_use(k, table);
    int r = 0;
    for (size_t i = 0; r >= 0 && i < k->header.table_entries; i++) {
        struct pair pair = {.grain = table * k->header.table_entries + i, .table = table};
        for (int c = 0; c < VD_KDMV_COPIES; c++) {
            size_t at = i * VD_KDMV_ENTRY_BYTES;
            pair.known[c] = sectors[c] != 0;
            pair.offsets[c] = (uint64_t)sectors[c] * VD_SECTOR_BYTES + at;
            pair.entries[c] = tables[c] != NULL ? vd_le32_decode(tables[c] + at) : 0;
        }
        if ((pair.entries[0] | pair.entries[1]) != 0)
            r = i < in_use ? judge_pair(k, &pair, err) : judge_beyond(k, &pair, err);
    }
    return r;
}

static int judge_table(struct vd_kdmv_check *k, uint64_t table, struct vd_error *err)
{
    const uint8_t *tables[VD_KDMV_COPIES] = {NULL, NULL};
    uint32_t sectors[VD_KDMV_COPIES] = {0, 0};
    bool empty = true;
    int r = vd_kdmv_tell_directory(k, table, err);
    for (int c = 0; r >= 0 && c < VD_KDMV_COPIES; c++) {
        r = vd_kdmv_table(k, (enum vd_kdmv_which)c, table, &sectors[c], &tables[c], err);
        empty = empty && (tables[c] == NULL || vd_bytes_all_zero(tables[c], k->table_bytes));
    }
    return r < 0 || empty ? VD_MIN(r, 0) : judge_entries(k, table, tables, sectors, err);
}

int vd_kdmv_judge_grains(struct vd_kdmv_check *k, struct vd_error *err)
{
    bool settled = vd_kdmv_settle_plain(k);
    int r = 0;
    for (uint64_t table = 0; r >= 0 && table < k->num_tables; table++) {
        if (!settled || !vd_check_bitmap_any(k->plain, table, 1))
            r = judge_table(k, table, err);
        if (r >= 0)
            r = progress(k, k->num_tables + table * 2, err);
    }
    return r;
}

void vd_kdmv_tell_leaks(struct vd_kdmv_check *k)
{
    struct vd_check_result *result = &k->file->run->result;
    uint64_t first = k->first_grain_sectors;
    uint64_t end = VD_MAX(VD_MIN(k->end_sectors, k->file_sectors), first);
    uint64_t in_use =
        (vd_check_bitmap_count(k->used) + vd_check_bitmap_count(k->claimed)) * k->slot_sectors;
    uint64_t span = VD_MAX(k->end_sectors, first) - first;
    uint64_t grains = span > in_use ? (span - in_use) / k->header.grain_sectors : 0;
    uint64_t tail = k->file_sectors - VD_MIN(end, k->file_sectors);

    if (k->header.overhead_sectors > k->file_sectors)
        return; /* nobody knows where grains begin */
    if (grains > 0)
        vd_check_leak(k->file, "leaked-grains", VD_CHECK_NOWHERE, false,
                      "'%s': %" PRIu64 " grains of %" PRIu64
                      " sectors in the file belong to nothing; converting the disk gives the "
                      "space back",
                      k->file->path, grains, k->header.grain_sectors);
    if (tail > 0)
        vd_check_leak(k->file, "leaked-tail", vd_sectors_to_bytes(end),
                      k->file->lasting_faults == 0 && !k->gave_up,
                      "'%s': the last %" PRIu64 " sectors of the file, from sector %" PRIu64
                      " on, belong to nothing",
                      k->file->path, tail, end);
    result->leaked_bytes += vd_sectors_to_bytes(grains * k->header.grain_sectors + tail);
}
