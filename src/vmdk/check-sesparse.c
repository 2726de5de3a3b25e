/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SESparse: areas, numbers of tables, slots. Nothing is repaired: bitmap, backmap and journal of
 * the format are not public, and a change of tables alone would contradict them.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/check-bitmap.h"
#include "vmdk/check-int.h"
#include "vmdk/check-window.h"
#include "vmdk/sesparse-header.h"

#define ENTRY_BYTES     8u
#define PROGRESS_TABLES 256u

struct sesparse_check {
    struct vd_check_file *file;
    struct vd_block *block;
    struct vd_sesparse_header header;
    uint64_t file_bytes;
    uint64_t num_grains;
    uint64_t num_tables; /* of the directory */
    uint64_t entries;    /* per table */
    uint64_t max_tables; /* of the table area */
    uint64_t max_slots;  /* of the grain area, as far as the file goes */
    uint64_t end_slots;  /* behind the highest in use */
    struct vd_check_window directory;
    struct vd_check_window tables;
    struct vd_check_bitmap *taken_tables;
    struct vd_check_bitmap *slots;
};

static const struct vd_sesparse_area *area_of(const struct sesparse_check *s,
                                              enum vd_sesparse_area_kind kind)
{
    return &s->header.areas[kind];
}

/* Sectors of an area that the file really has. */
static uint64_t sectors_there(const struct sesparse_check *s, enum vd_sesparse_area_kind kind)
{
    const struct vd_sesparse_area *area = area_of(s, kind);
    uint64_t file_sectors = s->file_bytes / VD_SECTOR_BYTES;
    if (area->offset_sectors >= file_sectors)
        return 0;
    return VD_MIN(area->size_sectors, file_sectors - area->offset_sectors);
}

static uint64_t slot_of(uint64_t entry)
{
    return (entry & UINT64_C(0x0fff000000000000)) >> 48 | (entry & UINT64_C(0x0000ffffffffffff))
                                                              << 12;
}

static void tell_entry(struct sesparse_check *s, const char *id, uint64_t table, uint64_t index,
                       uint64_t entry, uint64_t offset)
{
    vd_check_fault(s->file, id, offset, false,
                   "'%s': entry %" PRIu64 " of grain table %" PRIu64 " is 0x%016" PRIx64
                   ", expected 0, type 1 or 2, or type 3 and a slot of its own below %" PRIu64
                   "; restore sector %" PRIu64 " of the disk from a backup",
                   s->file->path, index, table, entry, s->max_slots,
                   (table * s->entries + index) * s->header.grain_sectors);
}

static int check_slot(struct sesparse_check *s, uint64_t table, uint64_t index, uint64_t entry,
                      uint64_t offset, struct vd_error *err)
{
    uint64_t slot = slot_of(entry);
    bool taken = false;
    if (slot >= s->max_slots) {
        tell_entry(s, "gte-invalid", table, index, entry, offset);
        return 0;
    }
    int r = vd_check_bitmap_take(s->slots, slot, 1, &taken, err);
    if (r < 0)
        return r;
    if (taken)
        tell_entry(s, "gte-crosslinked", table, index, entry, offset);
    s->file->run->result.allocated_grains++;
    s->end_slots = VD_MAX(s->end_slots, slot + 1);
    return 0;
}

static int check_grain(struct sesparse_check *s, uint64_t table, uint64_t index, uint64_t entry,
                       uint64_t offset, struct vd_error *err)
{
    unsigned type = (unsigned)(entry >> 60);
    if (table * s->entries + index >= s->num_grains) {
        vd_check_leak(s->file, "entry-beyond", offset, false,
                      "'%s': entry %" PRIu64 " of grain table %" PRIu64 " is 0x%016" PRIx64
                      ", expected 0 because the disk ends before it",
                      s->file->path, index, table, entry);
        return 0;
    }
    if (type == 3)
        return check_slot(s, table, index, entry, offset, err);
    if (type > 3 || type == 0)
        tell_entry(s, "gte-invalid", table, index, entry, offset);
    return 0;
}

static int check_table(struct sesparse_check *s, uint64_t table, uint64_t number,
                       struct vd_error *err)
{
    size_t length = (size_t)vd_sectors_to_bytes(s->header.table_sectors);
    uint64_t start = vd_sectors_to_bytes(area_of(s, VD_SESPARSE_TABLES)->offset_sectors +
                                         number * s->header.table_sectors);
    const uint8_t *bytes;
    int r = vd_check_window_at(&s->tables, start, length, &bytes, err);
    if (r < 0 || bytes == NULL || vd_bytes_all_zero(bytes, length))
        return r;
    for (uint64_t i = 0; r >= 0 && i < s->entries; i++) {
        uint64_t entry = vd_le64_decode(bytes + i * ENTRY_BYTES);
        if (entry != 0)
            r = check_grain(s, table, i, entry, start + i * ENTRY_BYTES, err);
    }
    return r;
}

static int check_directory_entry(struct sesparse_check *s, uint64_t table, uint64_t entry,
                                 struct vd_error *err)
{
    uint64_t number = entry & UINT64_C(0xffffffff);
    uint64_t offset = vd_sectors_to_bytes(area_of(s, VD_SESPARSE_DIRECTORY)->offset_sectors) +
                      table * ENTRY_BYTES;
    bool typed = entry >> 32 == UINT64_C(0x10000000);
    bool taken = false;
    if (typed && number < s->max_tables) {
        int r = vd_check_bitmap_take(s->taken_tables, number, 1, &taken, err);
        if (r < 0)
            return r;
        if (!taken)
            return check_table(s, table, number, err);
    }
    vd_check_fault(s->file, taken ? "gde-crosslinked" : "gde-invalid", offset, false,
                   "'%s': entry %" PRIu64 " of the grain directory is 0x%016" PRIx64
                   ", expected 0 or 0x10000000 and the number of a table of its own below %" PRIu64
                   "; restore the disk from a backup",
                   s->file->path, table, entry, s->max_tables);
    return 0;
}

static int check_directory(struct sesparse_check *s, struct vd_error *err)
{
    uint64_t start = vd_sectors_to_bytes(area_of(s, VD_SESPARSE_DIRECTORY)->offset_sectors);
    const uint64_t piece = 4096;
    int r = 0;
    for (uint64_t first = 0; r >= 0 && first < s->num_tables; first += piece) {
        uint64_t count = VD_MIN(piece, s->num_tables - first);
        const uint8_t *bytes;
        r = vd_check_window_at(&s->directory, start + first * ENTRY_BYTES,
                               (size_t)count * ENTRY_BYTES, &bytes, err);
        for (uint64_t i = 0; r >= 0 && bytes != NULL && i < count; i++) {
            uint64_t entry = vd_le64_decode(bytes + i * ENTRY_BYTES);
            if (entry != 0)
                r = check_directory_entry(s, first + i, entry, err);
            if (r >= 0 && entry != 0 && i % PROGRESS_TABLES == 0)
                r = vd_check_progress(s->file, first + i, s->num_tables, err);
        }
    }
    return r;
}

static void tell_leaks(struct sesparse_check *s)
{
    uint64_t leaked = s->end_slots - vd_check_bitmap_count(s->slots);
    if (leaked == 0)
        return;
    vd_check_leak(s->file, "leaked-grains", VD_CHECK_NOWHERE, false,
                  "'%s': %" PRIu64 " slots of %" PRIu64
                  " sectors below the last one in use belong to nothing; defragmenting the disk "
                  "gives the space back",
                  s->file->path, leaked, s->header.grain_sectors);
    s->file->run->result.leaked_bytes += vd_sectors_to_bytes(leaked * s->header.grain_sectors);
}

/* One of the two headers; 1 when it is fine. */
static int check_header(struct sesparse_check *s, bool constant, struct vd_error *err)
{
    uint8_t bytes[VD_SESPARSE_HEADER_BYTES] = {0};
    uint64_t offset =
        constant ? 0 : vd_sectors_to_bytes(area_of(s, VD_SESPARSE_VOLATILE)->offset_sectors);
    struct vd_error failure = VD_ERROR_INIT;
    size_t done;
    int r = vd_block_read_some(s->block, offset, bytes, sizeof bytes, &done, err);
    if (r < 0)
        return r;
    r = constant ? vd_sesparse_header_decode(bytes, s->file->path, &s->header, &failure)
                 : vd_sesparse_volatile_check(bytes, s->file->path, &failure);
    if (r >= 0)
        return 1;
    vd_check_fault(s->file, r == VD_E_SESPARSE_JOURNAL ? "journal-dirty" : "header-invalid", offset,
                   false, "%s%s", failure.text,
                   r == VD_E_SESPARSE_JOURNAL ? "" : "; restore it from a backup");
    return 0;
}

static void measure(struct sesparse_check *s)
{
    s->num_grains = vd_div_up(s->header.capacity_sectors, s->header.grain_sectors);
    s->entries = vd_sesparse_table_entries(&s->header);
    s->num_tables = vd_div_up(s->num_grains, s->entries);
    s->max_tables = sectors_there(s, VD_SESPARSE_TABLES) / s->header.table_sectors;
    s->max_slots = sectors_there(s, VD_SESPARSE_GRAINS) / s->header.grain_sectors;
}

/* 1 when the directory is all there. */
static int check_sizes(struct sesparse_check *s, const struct vd_extent_line *line)
{
    const struct vd_sesparse_area *directory = area_of(s, VD_SESPARSE_DIRECTORY);
    if (s->header.capacity_sectors < line->sectors)
        vd_check_fault(s->file, "extent-size", 16, false,
                       "'%s': the header has a capacity of %" PRIu64 " sectors, expected %" PRIu64
                       " as in the descriptor; compare both with the other links and correct the "
                       "wrong one",
                       s->file->path, s->header.capacity_sectors, line->sectors);
    if (vd_range_inside(vd_sectors_to_bytes(directory->offset_sectors), s->num_tables * ENTRY_BYTES,
                        s->file_bytes))
        return 1;
    vd_check_fault(s->file, "gd-outside", 128, false,
                   "'%s': the grain directory at sector %" PRIu64
                   " ends beyond the file of %" PRIu64 " bytes; restore the file from a backup",
                   s->file->path, directory->offset_sectors, s->file_bytes);
    return 0;
}

static int check_tables(struct sesparse_check *s, struct vd_error *err)
{
    vd_check_window_init(&s->directory, s->block);
    vd_check_window_init(&s->tables, s->block);
    int r = vd_check_bitmap_new(s->max_tables, &s->taken_tables, err);
    if (r >= 0)
        r = vd_check_bitmap_new(s->max_slots, &s->slots, err);
    if (r >= 0)
        r = check_directory(s, err);
    if (r >= 0)
        tell_leaks(s);
    vd_check_bitmap_free(s->taken_tables);
    vd_check_bitmap_free(s->slots);
    vd_check_window_done(&s->directory);
    vd_check_window_done(&s->tables);
    return r;
}

int vd_check_sesparse(struct vd_check_file *file, struct vd_block *block,
                      const struct vd_extent_line *line, struct vd_error *err)
{
    struct sesparse_check s = {.file = file, .block = block};
    file->never_repairable = true;
    int r = vd_block_size(block, &s.file_bytes, err);
    if (r >= 0)
        r = check_header(&s, true, err);
    if (r > 0) {
        measure(&s);
        r = check_header(&s, false, err);
    }
    if (r <= 0 || check_sizes(&s, line) == 0)
        return VD_MIN(r, 0);
    return check_tables(&s, err);
}
