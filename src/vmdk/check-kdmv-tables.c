/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where directories and tables lie. In the standard layout tables follow their directory one after
 * the other; where most of them do, or where the header's numbers leave room for nothing else, an
 * entry that says otherwise and leads outside the file, or into what belongs to somebody else, is
 * known to be wrong, and what it was is known, too.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/check-kdmv-int.h"

#define CHUNK_ENTRIES 4096u

typedef int entry_visitor(struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t table,
                          uint32_t entry, struct vd_error *err);

static const char *const directory_text[] = {"grain directory", "redundant grain directory"};
static const char *const directory_id[] = {"gde-invalid", "rgde-invalid"};

static bool is_bad(const struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t table)
{
    return vd_check_bitmap_any(k->copies[which].bad, table, 1);
}

static uint64_t standard_place(const struct vd_kdmv_check *k, enum vd_kdmv_which which,
                               uint64_t table)
{
    return k->copies[which].first_sector + table * k->table_sectors;
}

int vd_kdmv_directory_entry(struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t table,
                            uint32_t *ret, struct vd_error *err)
{
    struct vd_kdmv_copy *copy = &k->copies[which];
    const uint8_t *bytes;
    int r = vd_check_window_at(&copy->directory, copy->gd_bytes + table * VD_KDMV_ENTRY_BYTES,
                               VD_KDMV_ENTRY_BYTES, &bytes, err);
    if (r >= 0)
        *ret = bytes != NULL ? vd_le32_decode(bytes) : 0;
    return r;
}

/* In large pieces. */
static int visit_entries(struct vd_kdmv_check *k, enum vd_kdmv_which which, entry_visitor *visit,
                         struct vd_error *err)
{
    struct vd_kdmv_copy *copy = &k->copies[which];
    for (uint64_t table = 0; copy->present && table < k->num_tables;) {
        uint64_t count = VD_MIN(k->num_tables - table, (uint64_t)CHUNK_ENTRIES);
        const uint8_t *bytes;
        int r = vd_check_window_at(&copy->directory, copy->gd_bytes + table * VD_KDMV_ENTRY_BYTES,
                                   (size_t)count * VD_KDMV_ENTRY_BYTES, &bytes, err);
        for (uint64_t i = 0; r >= 0 && i < count; i++)
            r = visit(k, which, table + i,
                      bytes != NULL ? vd_le32_decode(bytes + i * VD_KDMV_ENTRY_BYTES) : 0, err);
        if (r < 0)
            return r;
        table += count;
    }
    return 0;
}

/* --- what is taken by whom --- */

/* 1 when none of it was taken before. */
static int take_metadata(struct vd_kdmv_check *k, uint64_t first, uint64_t count,
                         struct vd_error *err)
{
    bool taken;
    int r = vd_check_bitmap_take(k->metadata, first, count, &taken, err);
    if (r < 0)
        return r;
    k->end_sectors = VD_MAX(k->end_sectors, first + count);
    return !taken;
}

/* An area the header names. */
static int take_area(struct vd_kdmv_check *k, uint64_t first, uint64_t count, const char *what,
                     struct vd_error *err)
{
    int r = take_metadata(k, first, count, err);
    if (r == 0)
        vd_check_fault(k->file, "metadata-overlap", vd_sectors_to_bytes(first), false,
                       "'%s': the %s, %" PRIu64 " sectors from sector %" PRIu64
                       " on, overlaps other metadata; copy what can be read to a new disk",
                       k->file->path, what, count, first);
    return r < 0 ? r : 0;
}

static int take_directory(struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t gd_sector,
                          struct vd_error *err)
{
    struct vd_kdmv_copy *copy = &k->copies[which];
    uint64_t sectors = vd_bytes_to_sectors_up(k->num_tables * VD_KDMV_ENTRY_BYTES);
    copy->present = gd_sector > 0 && gd_sector <= UINT32_MAX &&
                    vd_range_inside(gd_sector * VD_SECTOR_BYTES,
                                    k->num_tables * VD_KDMV_ENTRY_BYTES, k->file_bytes);
    if (!copy->present) {
        vd_check_fault(k->file, which == VD_KDMV_PRIMARY ? "gd-outside" : "rgd-outside",
                       which == VD_KDMV_PRIMARY ? 56 : 48, false,
                       "'%s': the header places the %s, %" PRIu64 " sectors, at sector %" PRIu64
                       ", expected it inside the file of %" PRIu64
                       " sectors; copy what can be read to a new disk",
                       k->file->path, directory_text[which], sectors, gd_sector, k->file_sectors);
        return 0;
    }
    copy->gd_bytes = gd_sector * VD_SECTOR_BYTES;
    copy->first_sector = gd_sector + sectors;
    if (k->num_tables == 0)
        return 0;
    return take_area(k, gd_sector, VD_MIN(sectors, k->file_sectors - gd_sector),
                     directory_text[which], err);
}

/* --- the entries --- */

static int count_standard(struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t table,
                          uint32_t entry, struct vd_error *err)
{
    (void)err;
    k->copies[which].num_standard += entry == standard_place(k, which, table);
    return 0;
}

static int set_bad(struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t table,
                   struct vd_error *err)
{
    return vd_check_bitmap_take(k->copies[which].bad, table, 1, NULL, err);
}

static int judge_entry(struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t table,
                       uint32_t entry, struct vd_error *err)
{
    bool inside = entry != 0 &&
                  vd_range_inside((uint64_t)entry * VD_SECTOR_BYTES, k->table_bytes, k->file_bytes);
    if (entry == 0 && k->compressed)
        return 0;
    if (!inside)
        return set_bad(k, which, table, err);
    int r = take_metadata(k, entry, VD_MIN(k->table_sectors, k->file_sectors - entry), err);
    return r == 0 ? set_bad(k, which, table, err) : r;
}

/* Those in their standard place come first, so that it is the stray one that overlaps. */
static int judge_standard(struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t table,
                          uint32_t entry, struct vd_error *err)
{
    if (!k->copies[which].standard || entry != standard_place(k, which, table))
        return 0;
    return judge_entry(k, which, table, entry, err);
}

static int judge_stray(struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t table,
                       uint32_t entry, struct vd_error *err)
{
    if (k->copies[which].standard && entry == standard_place(k, which, table))
        return 0;
    return judge_entry(k, which, table, entry, err);
}

/* The redundant directory and its tables end where the primary directory begins, and its tables
 * where the grains do: Virtual Disk Format 5.0, "Hosted Sparse Extent Metadata". */
static bool header_is_standard(const struct vd_kdmv_check *k)
{
    const struct vd_kdmv_header *header = &k->header;
    const struct vd_kdmv_copy *copies = k->copies;
    uint64_t tables_end = standard_place(k, VD_KDMV_PRIMARY, k->num_tables);
    return copies[VD_KDMV_PRIMARY].present && copies[VD_KDMV_SECONDARY].present &&
           standard_place(k, VD_KDMV_SECONDARY, k->num_tables) == header->gd_offset_sectors &&
           vd_div_up(tables_end, header->grain_sectors) * header->grain_sectors ==
               header->overhead_sectors;
}

static int recognise_standard(struct vd_kdmv_check *k, enum vd_kdmv_which which,
                              struct vd_error *err)
{
    struct vd_kdmv_copy *copy = &k->copies[which];
    int r = visit_entries(k, which, count_standard, err);
    uint64_t end = standard_place(k, which, k->num_tables);
    copy->standard = copy->present && !k->compressed && end <= k->header.overhead_sectors &&
                     end <= k->file_sectors &&
                     (header_is_standard(k) ||
                      (copy->num_standard > 0 && copy->num_standard * 2 >= k->num_tables));
    return r;
}

static int take_areas(struct vd_kdmv_check *k, struct vd_error *err)
{
    const struct vd_kdmv_header *header = &k->header;
    int r = take_area(k, 0, 1, "header", err);
    if (r >= 0 && header->descriptor_offset_sectors != 0)
        r = take_area(k, header->descriptor_offset_sectors, header->descriptor_sectors,
                      "embedded descriptor", err);
    if (r >= 0)
        r = take_directory(k, VD_KDMV_PRIMARY, header->gd_offset_sectors, err);
    if (r >= 0 && (header->flags & VD_KDMV_REDUNDANT) != 0)
        r = take_directory(k, VD_KDMV_SECONDARY, header->rgd_offset_sectors, err);
    return r;
}

int vd_kdmv_judge_directories(struct vd_kdmv_check *k, struct vd_error *err)
{
    entry_visitor *const steps[] = {judge_standard, judge_stray};
    int r = take_areas(k, err);
    for (int which = 0; r >= 0 && which < VD_KDMV_COPIES; which++)
        r = recognise_standard(k, (enum vd_kdmv_which)which, err);
    for (size_t i = 0; r >= 0 && i < VD_ARRAY_SIZE(steps); i++) {
        r = visit_entries(k, VD_KDMV_PRIMARY, steps[i], err);
        if (r >= 0)
            r = visit_entries(k, VD_KDMV_SECONDARY, steps[i], err);
    }
    return r;
}

int vd_kdmv_table(struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t table,
                  uint32_t *ret_sector, const uint8_t **ret_bytes, struct vd_error *err)
{
    struct vd_kdmv_copy *copy = &k->copies[which];
    uint32_t entry;
    if (!copy->present || is_bad(k, which, table))
        return 0;
    int r = vd_kdmv_directory_entry(k, which, table, &entry, err);
    if (r < 0 || entry == 0)
        return r < 0 ? r : 0;
    *ret_sector = entry;
    r = vd_check_window_at(&copy->tables, (uint64_t)entry * VD_SECTOR_BYTES, k->table_bytes,
                           ret_bytes, err);
    return r < 0 ? r : 1;
}

/* --- repair of an entry --- */

static uint32_t entry_at(const uint8_t *table, size_t i)
{
    return table != NULL ? vd_le32_decode(table + i * VD_KDMV_ENTRY_BYTES) : 0;
}

/* May `wanted` take the place of `found`, which nothing points at? Only where that loses no entry,
 * and none of the new ones is bad: what is absent now can at least be read. */
static bool may_replace(const struct vd_kdmv_check *k, uint64_t table, const uint8_t *wanted,
                        const uint8_t *found)
{
    uint64_t first = table * k->header.table_entries;
    for (size_t i = 0; i < k->header.table_entries; i++) {
        uint32_t entry = entry_at(wanted, i);
        if (entry_at(found, i) != 0 && entry_at(found, i) != entry)
            return false;
        if (first + i < k->num_grains && vd_kdmv_classify(k, first + i, entry) == VD_ENTRY_BAD)
            return false;
    }
    return true;
}

static int put_table(struct vd_kdmv_check *k, uint64_t sector, const uint8_t *bytes,
                     struct vd_error *err)
{
    int r = 0;
    for (size_t at = 0; r >= 0 && bytes != NULL && at < k->table_bytes; at += VD_SECTOR_BYTES)
        r = vd_repair_put(k->file->repair, VD_REPAIR_FIRST, vd_sectors_to_bytes(sector) + at,
                          bytes + at, VD_SECTOR_BYTES, err);
    return r;
}

/* The table of `which` is where arithmetic says, with the entries of the other copy; where neither
 * has one, empty. 1 when that is provable (and, where repairs are made, was put), 0 when not. */
static int restore_entry(struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t table,
                         uint32_t entry, struct vd_error *err)
{
    enum vd_kdmv_which other = which == VD_KDMV_PRIMARY ? VD_KDMV_SECONDARY : VD_KDMV_PRIMARY;
    struct vd_kdmv_copy *copy = &k->copies[which];
    uint64_t place = standard_place(k, which, table);
    const uint8_t *wanted = NULL;
    const uint8_t *found;
    uint32_t sector;

    if (!copy->standard || vd_check_bitmap_any(k->metadata, place, k->table_sectors))
        return 0;
    int r = vd_kdmv_table(k, other, table, &sector, &wanted, err);
    if (r < 0 || (r == 0 && entry != 0))
        return r;
    r = vd_check_window_at(&copy->tables, vd_sectors_to_bytes(place), k->table_bytes, &found, err);
    if (r < 0 || !may_replace(k, table, wanted, found))
        return r < 0 ? r : 0;
    if (k->file->repair == NULL)
        return 1;
    r = put_table(k, place, wanted, err);
    if (r >= 0)
        r = vd_repair_put_u32(k->file->repair, VD_REPAIR_SECOND,
                              copy->gd_bytes + table * VD_KDMV_ENTRY_BYTES, (uint32_t)place, err);
    return r < 0 ? r : 1;
}

static int tell_entry(struct vd_kdmv_check *k, enum vd_kdmv_which which, uint64_t table,
                      struct vd_error *err)
{
    uint32_t entry;
    if (!k->copies[which].present || !is_bad(k, which, table))
        return 0;
    int r = vd_kdmv_directory_entry(k, which, table, &entry, err);
    if (r < 0)
        return r;
    int mended = restore_entry(k, which, table, entry, err);
    if (mended < 0)
        return mended;
    vd_check_fault(k->file, directory_id[which],
                   k->copies[which].gd_bytes + table * VD_KDMV_ENTRY_BYTES, mended > 0,
                   "'%s': entry %" PRIu64 " of the %s is sector %" PRIu32
                   ", expected a table of its own inside the file of %" PRIu64 " sectors%s",
                   k->file->path, table, directory_text[which], entry, k->file_sectors,
                   mended > 0 ? ""
                              : ", and no copy proves what it was; copy what can be read to a new "
                                "disk");
    return 0;
}

int vd_kdmv_tell_directory(struct vd_kdmv_check *k, uint64_t table, struct vd_error *err)
{
    int r = tell_entry(k, VD_KDMV_PRIMARY, table, err);
    return r < 0 ? r : tell_entry(k, VD_KDMV_SECONDARY, table, err);
}
