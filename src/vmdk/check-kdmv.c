/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/units.h"
#include "vmdk/check-kdmv-int.h"

#define UNCLEAN_AT 72u
/* Bits 0 to 15 may be unknown to a reader; these it knows. */
#define KNOWN_COMPATIBLE (VD_KDMV_NEWLINES | VD_KDMV_REDUNDANT | VD_KDMV_ZEROED)
/* What a 32-bit sector number reaches, and a grain more. */
#define MAX_FILE_SECTORS ((UINT64_C(1) << 32) + VD_KDMV_MAX_GRAIN_SECTORS)

static void tell_capacity(struct vd_kdmv_check *k)
{
    const struct vd_extent_line *line = k->line;
    uint64_t capacity = k->header.capacity_sectors;
    if (line->sectors > vd_kdmv_mapped_sectors(&k->header))
        vd_check_fault(k->file, "extent-size", 12, false,
                       "'%s': the header has a capacity of %" PRIu64 " sectors, expected %" PRIu64
                       " as in the descriptor; compare both with the other links and correct the "
                       "wrong one",
                       k->file->path, capacity, line->sectors);
    else if (capacity < line->sectors || capacity - line->sectors >= k->header.grain_sectors)
        vd_check_info(k->file, "extent-size", 12, false,
                      "'%s': the header has a capacity of %" PRIu64
                      " sectors, the descriptor %" PRIu64,
                      k->file->path, capacity, line->sectors);
}

static void tell_header(struct vd_kdmv_check *k)
{
    uint32_t unknown = k->header.flags & ~VD_KDMV_INCOMPATIBLE_FLAGS & ~KNOWN_COMPATIBLE;
    if (unknown != 0)
        vd_check_info(k->file, "unknown-flags", 8, false,
                      "'%s': the header's flags 0x%" PRIx32 " have 0x%" PRIx32
                      " among them, which is not known here",
                      k->file->path, k->header.flags, unknown);
    /* A short file is not refused by most programs, but qemu-img does. */
    if (k->header.overhead_sectors > k->file_sectors)
        vd_check_fault(k->file, "file-short", vd_sectors_to_bytes(k->file_sectors), false,
                       "'%s' ends at sector %" PRIu64 ", before its first grain at sector %" PRIu64
                       " (byte 64 of the header): its end is missing, restore it from a backup",
                       k->file->path, k->file_sectors, k->header.overhead_sectors);
}

/* What follows from the header and the file's size. */
static void measure(struct vd_kdmv_check *k)
{
    const struct vd_kdmv_header *header = &k->header;
    uint64_t sectors =
        k->compressed ? vd_bytes_to_sectors_up(k->file_bytes) : k->file_bytes / VD_SECTOR_BYTES;
    k->file_sectors = VD_MIN(sectors, MAX_FILE_SECTORS);
    k->num_tables = vd_kdmv_num_tables(header);
    k->num_grains = vd_div_up(header->capacity_sectors, header->grain_sectors);
    k->table_bytes = (size_t)header->table_entries * VD_KDMV_ENTRY_BYTES;
    k->table_sectors = k->table_bytes / VD_SECTOR_BYTES;
    /* One writer's footer has a larger overHead than its header, so a stream's says nothing. */
    if (!k->compressed && header->overhead_sectors <= k->file_sectors)
        k->first_grain_sectors = header->overhead_sectors;
}

static int open_parts(struct vd_kdmv_check *k, struct vd_error *err)
{
    int r = vd_check_bitmap_new(k->file_sectors + 1, &k->metadata, err);
    for (int i = 0; r >= 0 && i < VD_KDMV_COPIES; i++) {
        vd_check_window_init(&k->copies[i].directory, k->block);
        vd_check_window_init(&k->copies[i].tables, k->block);
        r = vd_check_bitmap_new(k->num_tables, &k->copies[i].bad, err);
    }
    return r;
}

static void close_parts(struct vd_kdmv_check *k)
{
    for (int i = 0; i < VD_KDMV_COPIES; i++) {
        vd_check_window_done(&k->copies[i].directory);
        vd_check_window_done(&k->copies[i].tables);
        vd_check_bitmap_free(k->copies[i].bad);
    }
    vd_check_bitmap_free(k->metadata);
    vd_check_bitmap_free(k->used);
    vd_check_bitmap_free(k->twice);
    vd_check_bitmap_free(k->claimed);
    vd_check_bitmap_free(k->plain);
}

static int check_tables(struct vd_kdmv_check *k, struct vd_error *err)
{
    int r = vd_kdmv_judge_directories(k, err);
    if (r < 0 || (!k->copies[VD_KDMV_PRIMARY].present && !k->copies[VD_KDMV_SECONDARY].present))
        return r;
    r = vd_kdmv_mark_grains(k, err);
    return r < 0 ? r : vd_kdmv_judge_grains(k, err);
}

static void tell_unclean(struct vd_kdmv_check *k)
{
    if (k->header.unclean_shutdown)
        vd_check_info(k->file, "unclean", UNCLEAN_AT, k->file->lasting_faults == 0,
                      "'%s' was not closed cleanly (byte %u of the header is set)", k->file->path,
                      UNCLEAN_AT);
}

/* In this order: the tables durable, the tail cut off, the mark cleared last. */
static int finish_repair(struct vd_kdmv_check *k, struct vd_error *err)
{
    static const uint8_t clean = 0;
    struct vd_repair *repair = k->file->repair;
    uint64_t end = VD_MAX(k->end_sectors, k->first_grain_sectors);
    int r = vd_repair_commit(repair, err);
    if (r < 0 || k->file->lasting_faults > 0)
        return r;
    if (k->used != NULL && !k->gave_up && end < k->file_sectors &&
        k->header.overhead_sectors <= k->file_sectors)
        r = vd_repair_truncate(repair, vd_sectors_to_bytes(end), err);
    if (r >= 0 && k->header.unclean_shutdown)
        r = vd_repair_put(repair, VD_REPAIR_SECOND, UNCLEAN_AT, &clean, 1, err);
    return r < 0 ? r : vd_repair_commit(repair, err);
}

static int check_plain(struct vd_kdmv_check *k, struct vd_error *err)
{
    int r = check_tables(k, err);
    if (r < 0)
        return r;
    if (k->used != NULL) /* there are tables */
        vd_kdmv_tell_leaks(k);
    tell_unclean(k);
    return k->file->repair != NULL ? finish_repair(k, err) : 0;
}

static int check_stream(struct vd_kdmv_check *k, struct vd_error *err)
{
    int r = check_tables(k, err);
    if (r < 0)
        return r;
    tell_unclean(k);
    return vd_stream_check_records(k, err);
}

static int check_header(struct vd_kdmv_check *k, struct vd_error *err)
{
    struct vd_error failure = VD_ERROR_INIT;
    int r = vd_kdmv_header_read(k->block, &k->header, &failure);
    if (r >= 0)
        return 1;
    if (vd_check_is_fatal(r))
        return vd_error_set(err, r, "%s", failure.text);
    vd_check_fault(k->file, "header-invalid", 0, false,
                   "%s; restore the first sector from a backup", failure.text);
    return 0;
}

int vd_kdmv_check_body(struct vd_kdmv_check *k, struct vd_error *err)
{
    k->compressed = (k->header.flags & VD_KDMV_COMPRESSED) != 0;
    measure(k);
    tell_capacity(k);
    tell_header(k);
    int r = open_parts(k, err);
    if (r >= 0)
        r = k->compressed ? check_stream(k, err) : check_plain(k, err);
    close_parts(k);
    return r;
}

int vd_check_kdmv(struct vd_check_file *file, struct vd_block *block,
                  const struct vd_extent_line *line, struct vd_error *err)
{
    struct vd_kdmv_check k = {.file = file, .block = block, .line = line};
    int r = vd_block_size(block, &k.file_bytes, err);
    if (r >= 0)
        r = check_header(&k, err);
    if (r > 0 && (k.header.flags & VD_KDMV_COMPRESSED) != 0) {
        r = vd_stream_check_ends(&k, err);
        file->never_repairable = true; /* from here on: tables and records stay as they are */
        file->repair = NULL;
    }
    return r <= 0 ? r : vd_kdmv_check_body(&k, err);
}
