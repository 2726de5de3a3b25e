/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only a stream has: a footer, an end mark, markers in front of tables, and grains in records.
 * Streams whose tables stand in front (qemu-img, vmdk-convert) have none of the first three.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/check-kdmv-int.h"
#include "vmdk/grain-record.h"
#include "vmdk/stream-footer.h"
#include "vmdk/stream-marker.h"

#define PROGRESS_GRAINS 64u

/* --- the ends --- */

/* A sector of the file; zeros where the file has none. */
static int read_sector(struct vd_kdmv_check *k, uint64_t sector, uint8_t *bytes,
                       struct vd_error *err)
{
    size_t done;
    memset(bytes, 0, VD_SECTOR_BYTES);
    return vd_block_read_some(k->block, vd_sectors_to_bytes(sector), bytes, VD_SECTOR_BYTES, &done,
                              err);
}

static struct vd_stream_marker marker_before(struct vd_kdmv_check *k, uint64_t sector,
                                             uint8_t *bytes, int *ret, struct vd_error *err)
{
    *ret = read_sector(k, sector - 1, bytes, err);
    return vd_stream_marker_decode(bytes);
}

/* Behind the footer nothing else can be meant. */
static int mend_end(struct vd_kdmv_check *k, uint64_t sector, struct vd_error *err)
{
    static const uint8_t zeros[VD_SECTOR_BYTES];
    struct vd_repair *repair = k->file->repair;
    vd_check_fault(k->file, "eos-missing", vd_sectors_to_bytes(sector), true,
                   "'%s': the last sector is no end mark, expected zeros", k->file->path);
    if (repair == NULL)
        return 0;
    int r = vd_repair_put(repair, VD_REPAIR_SECOND, vd_sectors_to_bytes(sector), zeros,
                          sizeof zeros, err);
    return r < 0 ? r : vd_repair_commit(repair, err);
}

/* The footer is where it belongs, between its marker and the end mark? */
static int check_end(struct vd_kdmv_check *k, struct vd_error *err)
{
    uint8_t bytes[VD_SECTOR_BYTES];
    uint64_t sectors = k->file_bytes / VD_SECTOR_BYTES;
    int r = sectors < 3 ? 0 : read_sector(k, sectors - 2, bytes, err);
    if (r < 0)
        return r;
    if (sectors < 3 || vd_le32_decode(bytes) != VD_KDMV_MAGIC) {
        vd_check_info(k->file, "trailing-bytes", VD_CHECK_NOWHERE, false,
                      "'%s': bytes follow the end of the stream; some programs do not find its "
                      "footer then",
                      k->file->path);
        return 0;
    }
    struct vd_stream_marker marker = marker_before(k, sectors - 2, bytes, &r, err);
    if (r < 0)
        return r;
    if (marker.size_bytes != 0 || marker.type != VD_MARKER_FOOTER)
        vd_check_info(k->file, "marker-missing", vd_sectors_to_bytes(sectors - 3), false,
                      "'%s': no footer marker stands before the footer", k->file->path);
    r = read_sector(k, sectors - 1, bytes, err);
    return r < 0 || vd_bytes_all_zero(bytes, sizeof bytes) ? r : mend_end(k, sectors - 1, err);
}

int vd_stream_check_ends(struct vd_kdmv_check *k, struct vd_error *err)
{
    struct vd_kdmv_header footer;
    struct vd_error failure = VD_ERROR_INIT;
    if (k->header.gd_offset_sectors != VD_KDMV_GD_IN_FOOTER)
        return 1;
    int r = vd_stream_footer_find(k->block, &k->header, &footer, &failure);
    if (r < 0 && vd_check_is_fatal(r))
        return vd_error_set(err, r, "%s", failure.text);
    if (r < 0)
        return vd_stream_mend_footer(k, &failure, err);
    r = check_end(k, err);
    if (r < 0)
        return r;
    k->header = footer;
    return 1;
}

/* --- records --- */

struct records {
    struct vd_kdmv_check *k;
    struct vd_extent extent; /* as far as grain-record.h needs one */
    struct vd_record_scratch scratch;
    struct vd_check_bitmap *sectors; /* taken by records */
    uint8_t *grain;
};

/* What lies behind the data in the record's last sector. */
static int check_padding(struct records *records, uint64_t offset, uint64_t length,
                         struct vd_error *err)
{
    uint8_t bytes[VD_SECTOR_BYTES] = {0};
    uint64_t end = offset + length;
    size_t rest = (size_t)((VD_SECTOR_BYTES - end % VD_SECTOR_BYTES) % VD_SECTOR_BYTES);
    size_t done;
    int r = vd_block_read_some(records->k->block, end, bytes, rest, &done, err);
    if (r >= 0 && !vd_bytes_all_zero(bytes, rest))
        vd_check_info(records->k->file, "record-padding", end, false,
                      "'%s': the record at byte %" PRIu64 " is not followed by zeros",
                      records->k->file->path, offset);
    return r;
}

static int check_place(struct records *records, uint64_t offset, uint64_t length,
                       struct vd_error *err)
{
    struct vd_kdmv_check *k = records->k;
    uint64_t first = offset / VD_SECTOR_BYTES;
    uint64_t count = VD_MIN(vd_bytes_to_sectors_up(length), k->file_sectors - first);
    bool taken;
    int r = vd_check_bitmap_take(records->sectors, first, count, &taken, err);
    if (r >= 0 && (taken || vd_check_bitmap_any(k->metadata, first, count)))
        vd_check_fault(k->file, "record-overlap", offset, false,
                       "'%s': the record at byte %" PRIu64 ", %" PRIu64
                       " bytes, overlaps another one or tables; restore the disk from a backup",
                       k->file->path, offset, length);
    return r;
}

static int check_record(struct records *records, uint64_t grain, uint32_t entry,
                        struct vd_error *err)
{
    struct vd_kdmv_check *k = records->k;
    uint64_t start = grain * k->header.grain_sectors;
    uint64_t needed = VD_MIN(k->header.grain_sectors, k->header.capacity_sectors - start);
    uint64_t offset = (uint64_t)entry * VD_SECTOR_BYTES;
    struct vd_error failure = VD_ERROR_INIT;
    int r =
        vd_grain_record_read(&records->extent, offset, start, (size_t)vd_sectors_to_bytes(needed),
                             &records->scratch, records->grain, &failure);
    if (r < 0 && vd_check_is_fatal(r))
        return vd_error_set(err, r, "%s", failure.text);
    if (r < 0) {
        vd_check_fault(k->file, "record-invalid", offset, false, "%s; restore it from a backup",
                       failure.text);
        return 0;
    }
    size_t head = records->extent.record_form == VD_RECORD_MARKER ? 12 : 4;
    uint64_t length = head + vd_le32_decode(records->scratch.bytes + head - 4);
    r = check_place(records, offset, length, err);
    return r < 0 ? r : check_padding(records, offset, length, err);
}

/* Programs that read streams forward need a marker before each table. */
static int check_marker(struct records *records, uint32_t sector, bool *told, struct vd_error *err)
{
    struct vd_kdmv_check *k = records->k;
    uint8_t bytes[VD_SECTOR_BYTES];
    int r;
    if (*told || (k->header.flags & VD_KDMV_MARKERS) == 0)
        return 0;
    struct vd_stream_marker marker = marker_before(k, sector, bytes, &r, err);
    /* One marker stands for all tables that follow each other. */
    bool follows = vd_check_bitmap_any(k->metadata, sector - 1, 1);
    if (r < 0 || follows || (marker.size_bytes == 0 && marker.type == VD_MARKER_GT))
        return r;
    *told = true;
    vd_check_info(k->file, "marker-missing", vd_sectors_to_bytes(sector - 1), false,
                  "'%s': no marker stands before the grain table at sector %" PRIu32
                  "; programs that read streams from front to back may refuse it",
                  k->file->path, sector);
    return 0;
}

static int check_table_records(struct records *records, uint64_t table, const uint8_t *bytes,
                               struct vd_error *err)
{
    struct vd_kdmv_check *k = records->k;
    uint64_t first = table * k->header.table_entries;
    uint64_t count = VD_MIN(k->num_grains - first, (uint64_t)k->header.table_entries);
    int r = 0;
    for (uint64_t i = 0; r >= 0 && bytes != NULL && i < count; i++) {
        uint32_t entry = vd_le32_decode(bytes + i * VD_KDMV_ENTRY_BYTES);
        if (vd_kdmv_classify(k, first + i, entry) == VD_ENTRY_GOOD)
            r = check_record(records, first + i, entry, err);
        if (r >= 0 && entry != 0 && i % PROGRESS_GRAINS == 0)
            r = vd_check_progress(k->file, first + i, k->num_grains, err);
    }
    return r;
}

static int check_all_records(struct records *records, struct vd_error *err)
{
    struct vd_kdmv_check *k = records->k;
    bool told = false;
    int r = 0;
    for (uint64_t table = 0; r >= 0 && table < k->num_tables; table++) {
        const uint8_t *bytes = NULL;
        uint32_t sector;
        r = vd_kdmv_table(k, VD_KDMV_PRIMARY, table, &sector, &bytes, err);
        if (r > 0)
            r = check_marker(records, sector, &told, err);
        if (r >= 0)
            r = check_table_records(records, table, bytes, err);
    }
    return r;
}

int vd_stream_check_records(struct vd_kdmv_check *k, struct vd_error *err)
{
    size_t grain_bytes = (size_t)vd_sectors_to_bytes(k->header.grain_sectors);
    struct records records = {
        .k = k,
        .extent =
            {
                .block = k->block,
                .file_bytes = k->file_bytes,
                .grain_sectors = k->header.grain_sectors,
                .record_form = (k->header.flags & VD_KDMV_MARKERS) != 0 ? VD_RECORD_MARKER
                                                                        : VD_RECORD_SIZE_ONLY,
            },
        .grain = malloc(grain_bytes),
    };
    int r = records.grain != NULL
                ? vd_check_bitmap_new(k->file_sectors, &records.sectors, err)
                : vd_error_set(err, VD_E_NO_MEMORY, "no memory to check '%s'", k->file->path);
    if (r >= 0)
        r = check_all_records(&records, err);
    vd_check_bitmap_free(records.sectors);
    vd_record_scratch_done(&records.scratch);
    free(records.grain);
    return r;
}
