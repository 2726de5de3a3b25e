/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COWD: a directory, then tables and grains in the order they were allocated, all counted in
 * sectors of one bitmap. There is one copy of everything, so little can be proved; what the header
 * counts (the next free sector) and what lies past the capacity can.
 *
 * The next free sector is where ESX writes next. qemu does not move it, and a crash may leave it
 * behind, since it is written last.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/check-bitmap.h"
#include "vmdk/check-int.h"
#include "vmdk/check-window.h"
#include "vmdk/cowd-header.h"

#define ENTRY_BYTES     4u
#define TABLE_BYTES     (VD_COWD_TABLE_ENTRIES * ENTRY_BYTES)
#define TABLE_SECTORS   (TABLE_BYTES / VD_SECTOR_BYTES)
#define FREE_AT         28u
#define UNCLEAN_AT      1648u
#define PROGRESS_TABLES 64u
#define MAX_SECTORS     ((UINT64_C(1) << 32) + VD_COWD_MAX_GRAIN_SECTORS)

struct cowd_check {
    struct vd_check_file *file;
    struct vd_block *block;
    struct vd_cowd_header header;
    uint64_t file_bytes;
    uint64_t file_sectors;
    uint64_t num_grains;
    uint64_t first_sectors; /* behind the directory */
    uint64_t end_sectors;   /* behind all that is referred to */
    struct vd_check_window directory;
    struct vd_check_window tables;
    struct vd_check_bitmap *used; /* sectors */
    struct vd_check_bitmap *good; /* tables whose entry is good */
};

/* 1 taken, 0 when somebody else has a part of it. */
static int take(struct cowd_check *c, uint64_t first, uint64_t count, struct vd_error *err)
{
    bool taken;
    int r =
        vd_check_bitmap_take(c->used, first, VD_MIN(count, c->file_sectors - first), &taken, err);
    if (r < 0)
        return r;
    c->end_sectors = VD_MAX(c->end_sectors, first + count);
    return !taken;
}

static bool is_place(const struct cowd_check *c, uint64_t entry, uint64_t sectors)
{
    return entry >= c->first_sectors && vd_range_inside(entry, sectors, c->file_sectors);
}

static uint64_t gde_offset(const struct cowd_check *c, uint64_t table)
{
    return vd_sectors_to_bytes(c->header.directory_sector) + table * ENTRY_BYTES;
}

static int entry_of(struct cowd_check *c, uint64_t table, uint32_t *ret, struct vd_error *err)
{
    const uint8_t *bytes;
    int r = vd_check_window_at(&c->directory, gde_offset(c, table), ENTRY_BYTES, &bytes, err);
    if (r >= 0)
        *ret = bytes != NULL ? vd_le32_decode(bytes) : 0;
    return r;
}

/* --- tables first, then what they point at: a grain in a table is the grain's fault --- */

/* The end of the last table may be missing: it stands for nothing. */
static uint64_t bytes_in_use(const struct cowd_check *c, uint64_t table)
{
    uint64_t left = c->num_grains - table * VD_COWD_TABLE_ENTRIES;
    return VD_MIN(left * ENTRY_BYTES, (uint64_t)TABLE_BYTES);
}

static int check_gde(struct cowd_check *c, uint64_t table, struct vd_error *err)
{
    uint32_t entry;
    int r = entry_of(c, table, &entry, err);
    if (r < 0 || entry == 0)
        return r;
    bool inside = is_place(c, entry, vd_bytes_to_sectors_up(bytes_in_use(c, table)));
    int taken = inside ? take(c, entry, TABLE_SECTORS, err) : 0;
    if (taken < 0)
        return taken;
    if (taken > 0)
        return vd_check_bitmap_take(c->good, table, 1, NULL, err);
    vd_check_fault(c->file, inside ? "gde-crosslinked" : "gde-invalid", gde_offset(c, table), false,
                   "'%s': entry %" PRIu64 " of the grain directory is sector %" PRIu32
                   ", expected 0 or a table of its own between sector %" PRIu64
                   " and the end of the file at %" PRIu64 "; restore the disk from a backup",
                   c->file->path, table, entry, c->first_sectors, c->file_sectors);
    return 0;
}

static int check_grain(struct cowd_check *c, uint64_t grain, uint32_t entry, uint64_t offset,
                       struct vd_error *err)
{
    uint64_t start = grain * c->header.grain_sectors;
    uint64_t needed = VD_MIN((uint64_t)c->header.grain_sectors, c->header.capacity_sectors - start);
    if (entry <= 1)
        return 0;
    bool inside = is_place(c, entry, needed);
    int taken = inside ? take(c, entry, c->header.grain_sectors, err) : 0;
    if (taken < 0)
        return taken;
    c->file->run->result.allocated_grains += inside;
    if (taken > 0)
        return 0;
    vd_check_fault(c->file, inside ? "gte-crosslinked" : "gte-invalid", offset, false,
                   "'%s': entry %" PRIu64 " of grain table %" PRIu64 " is sector %" PRIu32
                   ", expected 0, 1 or a grain of its own between sector %" PRIu64
                   " and the end of the file at %" PRIu64 "; restore sector %" PRIu64
                   " of the disk from a backup",
                   c->file->path, grain % VD_COWD_TABLE_ENTRIES, grain / VD_COWD_TABLE_ENTRIES,
                   entry, c->first_sectors, c->file_sectors, start);
    return 0;
}

static int check_beyond(struct cowd_check *c, uint64_t grain, uint32_t entry, uint64_t offset,
                        struct vd_error *err)
{
    vd_check_leak(c->file, "entry-beyond", offset, true,
                  "'%s': entry %" PRIu64 " of grain table %" PRIu64 " is %" PRIu32
                  ", expected 0 because the disk ends before it",
                  c->file->path, grain % VD_COWD_TABLE_ENTRIES, grain / VD_COWD_TABLE_ENTRIES,
                  entry);
    return c->file->repair == NULL
               ? 0
               : vd_repair_put_u32(c->file->repair, VD_REPAIR_SECOND, offset, 0, err);
}

static int check_table(struct cowd_check *c, uint64_t table, struct vd_error *err)
{
    const uint8_t *bytes;
    uint32_t sector;
    if (!vd_check_bitmap_any(c->good, table, 1))
        return 0;
    int r = entry_of(c, table, &sector, err);
    if (r < 0)
        return r;
    uint64_t start = vd_sectors_to_bytes(sector);
    r = vd_check_window_at(&c->tables, start, TABLE_BYTES, &bytes, err);
    for (uint64_t i = 0; r >= 0 && bytes != NULL && i < VD_COWD_TABLE_ENTRIES; i++) {
        uint64_t grain = table * VD_COWD_TABLE_ENTRIES + i;
        uint32_t entry = vd_le32_decode(bytes + i * ENTRY_BYTES);
        uint64_t offset = start + i * ENTRY_BYTES;
        if (entry != 0)
            r = grain < c->num_grains ? check_grain(c, grain, entry, offset, err)
                                      : check_beyond(c, grain, entry, offset, err);
    }
    if (r >= 0 && table % PROGRESS_TABLES == 0)
        r = vd_check_progress(c->file, table, c->header.num_tables, err);
    return r;
}

static int check_tables(struct cowd_check *c, struct vd_error *err)
{
    int r = take(c, 0, c->first_sectors, err);
    for (uint64_t table = 0; r >= 0 && table < c->header.num_tables; table++)
        r = check_gde(c, table, err);
    for (uint64_t table = 0; r >= 0 && table < c->header.num_tables; table++)
        r = check_table(c, table, err);
    return r;
}

/* What lies between the directory and the next multiple of 4 KiB may belong to nothing: ESX makes
 * files of whole multiples, and who appends to one begins behind it. */
static int take_gap(struct cowd_check *c, struct vd_error *err)
{
    uint64_t end = vd_cowd_front_sectors(c->header.directory_sector, c->header.num_tables);
    uint64_t gap = VD_MIN(end, c->file_sectors) - c->first_sectors;
    if (gap == 0 || vd_check_bitmap_any(c->used, c->first_sectors, gap))
        return 0;
    if (c->end_sectors == c->first_sectors) /* in an empty disk it is free, or counted as used */
        c->end_sectors =
            VD_MIN(VD_MAX(c->header.free_sector, c->first_sectors), c->first_sectors + gap);
    return vd_check_bitmap_take(c->used, c->first_sectors, gap, NULL, err);
}

/* --- the header --- */

/* The next free sector may lie within the last thing referred to, or past what nothing refers to.
 */
static void tell_free(struct cowd_check *c)
{
    bool can = c->file->lasting_faults == 0;
    uint64_t in_use = vd_check_bitmap_count(c->used);
    uint64_t end = VD_MIN(VD_MAX(c->end_sectors, c->header.free_sector), c->file_sectors);
    uint64_t leaked = end > in_use ? end - in_use : 0;
    if (c->header.free_sector < c->end_sectors && c->header.unclean_shutdown)
        vd_check_leak(c->file, "free-sector", FREE_AT, can,
                      "'%s': the header's next free sector is %" PRIu32 ", expected %" PRIu64
                      ": an allocation was cut short",
                      c->file->path, c->header.free_sector, c->end_sectors);
    else if (c->header.free_sector < c->end_sectors)
        vd_check_fault(c->file, "free-sector", FREE_AT, can,
                       "'%s': the header's next free sector is %" PRIu32 ", expected %" PRIu64
                       " or more, for what is below is in use%s",
                       c->file->path, c->header.free_sector, c->end_sectors,
                       can ? "" : "; restore what else is wrong first");
    else if (c->header.free_sector > c->end_sectors)
        vd_check_leak(c->file, "leaked-tail", FREE_AT, can,
                      "'%s': the header's next free sector is %" PRIu32
                      ", although nothing from sector %" PRIu64 " on is in use",
                      c->file->path, c->header.free_sector, c->end_sectors);
    if (c->end_sectors > in_use)
        vd_check_leak(c->file, "leaked-grains", VD_CHECK_NOWHERE, false,
                      "'%s': %" PRIu64 " sectors in the file belong to nothing; defragmenting the "
                      "disk gives the space back",
                      c->file->path, c->end_sectors - in_use);
    c->file->run->result.leaked_bytes += vd_sectors_to_bytes(leaked);
}

static void tell_unclean(struct cowd_check *c)
{
    if (c->header.unclean_shutdown)
        vd_check_info(c->file, "unclean", UNCLEAN_AT, c->file->lasting_faults == 0,
                      "'%s' was not closed cleanly (byte %u of the header is set)", c->file->path,
                      UNCLEAN_AT);
}

static int finish_repair(struct cowd_check *c, struct vd_error *err)
{
    struct vd_repair *repair = c->file->repair;
    int r = vd_repair_commit(repair, err);
    if (r < 0 || c->file->lasting_faults > 0)
        return r;
    if (c->header.free_sector != c->end_sectors)
        r = vd_repair_put_u32(repair, VD_REPAIR_SECOND, FREE_AT,
                              (uint32_t)VD_MIN(c->end_sectors, (uint64_t)UINT32_MAX), err);
    if (r >= 0)
        r = vd_repair_commit(repair, err);
    if (r >= 0 && c->header.unclean_shutdown)
        r = vd_repair_put_u32(repair, VD_REPAIR_SECOND, UNCLEAN_AT, 0, err);
    return r < 0 ? r : vd_repair_commit(repair, err);
}

/* 1 when the header is fine and the directory all there. */
static int check_header(struct cowd_check *c, const struct vd_extent_line *line,
                        struct vd_error *err)
{
    uint8_t bytes[VD_COWD_HEADER_BYTES] = {0};
    struct vd_error failure = VD_ERROR_INIT;
    size_t done;
    int r = vd_block_read_some(c->block, 0, bytes, sizeof bytes, &done, err);
    if (r < 0)
        return r;
    r = vd_cowd_header_decode(bytes, c->file->path, &c->header, &failure);
    if (r < 0) {
        vd_check_fault(c->file, "header-invalid", 0, false, "%s; restore it from a backup",
                       failure.text);
        return 0;
    }
    if (c->header.capacity_sectors < line->sectors)
        vd_check_fault(c->file, "extent-size", 12, false,
                       "'%s': the header has a capacity of %" PRIu32 " sectors, expected %" PRIu64
                       " as in the descriptor; compare both with the other links and correct the "
                       "wrong one",
                       c->file->path, c->header.capacity_sectors, line->sectors);
    uint64_t directory_bytes = (uint64_t)c->header.num_tables * ENTRY_BYTES;
    c->first_sectors = c->header.directory_sector + vd_bytes_to_sectors_up(directory_bytes);
    if (vd_range_inside(vd_sectors_to_bytes(c->header.directory_sector), directory_bytes,
                        c->file_bytes) &&
        c->first_sectors <= c->file_sectors)
        return 1;
    vd_check_fault(c->file, "gd-outside", 20, false,
                   "'%s': the grain directory at sector %" PRIu32
                   " ends beyond the file of %" PRIu64 " bytes; restore the file from a backup",
                   c->file->path, c->header.directory_sector, c->file_bytes);
    return 0;
}

static int check_content(struct cowd_check *c, struct vd_error *err)
{
    vd_check_window_init(&c->directory, c->block);
    vd_check_window_init(&c->tables, c->block);
    int r = vd_check_bitmap_new(c->file_sectors, &c->used, err);
    if (r >= 0)
        r = vd_check_bitmap_new(c->header.num_tables, &c->good, err);
    if (r >= 0)
        r = check_tables(c, err);
    if (r >= 0)
        r = take_gap(c, err);
    if (r >= 0) {
        tell_free(c);
        tell_unclean(c);
    }
    if (r >= 0 && c->file->repair != NULL)
        r = finish_repair(c, err);
    vd_check_bitmap_free(c->used);
    vd_check_bitmap_free(c->good);
    vd_check_window_done(&c->directory);
    vd_check_window_done(&c->tables);
    return r;
}

int vd_check_cowd(struct vd_check_file *file, struct vd_block *block,
                  const struct vd_extent_line *line, struct vd_error *err)
{
    struct cowd_check c = {.file = file, .block = block};
    int r = vd_block_size(block, &c.file_bytes, err);
    if (r < 0)
        return r;
    /* A last sector that is not whole counts: a table's unused end need not be there. */
    c.file_sectors = VD_MIN(vd_bytes_to_sectors_up(c.file_bytes), MAX_SECTORS);
    r = check_header(&c, line, err);
    if (r <= 0)
        return r;
    c.num_grains = vd_div_up(c.header.capacity_sectors, c.header.grain_sectors);
    return check_content(&c, err);
}
