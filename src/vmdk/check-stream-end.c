/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/check-stream-end.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/stream-marker.h"

/* Of what is written, a piece at a time. */
#define CHUNK_BYTES (64u << 10)
#define ENTRY_BYTES 4u

/* Writes forward at the end of the file. */
struct tail {
    struct vd_block *block;
    uint64_t sector; /* the next one */
};

static int put_sectors(struct tail *tail, const uint8_t *bytes, size_t length, struct vd_error *err)
{
    int r = vd_block_write(tail->block, vd_sectors_to_bytes(tail->sector), bytes, length, err);
    if (r >= 0)
        tail->sector += length / VD_SECTOR_BYTES;
    return r;
}

static int put_marker(struct tail *tail, uint64_t value, enum vd_marker_type type,
                      struct vd_error *err)
{
    uint8_t bytes[VD_SECTOR_BYTES] = {0};
    vd_stream_marker_encode(&(struct vd_stream_marker){.value = value, .type = type}, bytes);
    return put_sectors(tail, bytes, sizeof bytes, err);
}

static int put_footer(struct tail *tail, const struct vd_kdmv_header *footer, struct vd_error *err)
{
    uint8_t bytes[VD_KDMV_HEADER_BYTES];
    vd_kdmv_header_encode(footer, bytes);
    int r = put_marker(tail, 1, VD_MARKER_FOOTER, err);
    if (r >= 0)
        r = put_sectors(tail, bytes, sizeof bytes, err);
    if (r >= 0)
        r = put_marker(tail, 0, VD_MARKER_EOS, err);
    return r < 0 ? r : vd_block_flush(tail->block, err);
}

int vd_stream_put_end(struct vd_repair *repair, const struct vd_kdmv_header *footer,
                      uint64_t sector, struct vd_error *err)
{
    struct tail tail = {vd_repair_block(repair), sector};
    int r = vd_repair_cut(repair, vd_sectors_to_bytes(sector), err);
    return r < 0 ? r : put_footer(&tail, footer, err);
}

/* --- tables --- */

/* The table of the record number `first`, and how many records it has. */
static int put_table(struct tail *tail, const struct vd_kdmv_header *header,
                     const struct vd_carving *carving, size_t first, size_t *ret_count,
                     struct vd_error *err)
{
    static_assert(VD_KDMV_MAX_TABLE_ENTRIES * ENTRY_BYTES <= CHUNK_BYTES, "a table is one piece");
    size_t length = (size_t)header->table_entries * ENTRY_BYTES;
    uint64_t table = carving->records[first].grain / header->table_entries;
    VD_FREE uint8_t *bytes = calloc(1, length);
    size_t i = first;
    if (bytes == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to repair '%s'",
                            vd_block_path(tail->block));
    for (; i < carving->count; i++) {
        const struct vd_carved_record *record = &carving->records[i];
        if (record->grain / header->table_entries != table)
            break;
        vd_le32_encode(bytes + record->grain % header->table_entries * ENTRY_BYTES, record->sector);
    }
    *ret_count = i - first;
    int r = put_marker(tail, length / VD_SECTOR_BYTES, VD_MARKER_GT, err);
    return r < 0 ? r : put_sectors(tail, bytes, length, err);
}

/* The tables; afterwards the records of the carving are their numbers and places. */
static int put_all_tables(struct tail *tail, const struct vd_kdmv_header *header,
                          struct vd_carving *carving, struct vd_error *err)
{
    size_t tables = 0, count;
    int r = 0;
    for (size_t i = 0; r >= 0 && i < carving->count; i += count) {
        uint64_t table = carving->records[i].grain / header->table_entries;
        count = 1;
        r = put_table(tail, header, carving, i, &count, err);
        uint64_t sector = tail->sector - header->table_entries * ENTRY_BYTES / VD_SECTOR_BYTES;
        carving->records[tables++] = (struct vd_carved_record){table, (uint32_t)sector};
    }
    carving->count = tables;
    return r;
}

static int put_directory(struct tail *tail, uint64_t num_tables, const struct vd_carving *tables,
                         struct vd_error *err)
{
    uint64_t left = vd_bytes_to_sectors_up(num_tables * ENTRY_BYTES) * VD_SECTOR_BYTES;
    VD_FREE uint8_t *bytes = malloc(CHUNK_BYTES);
    uint64_t first = 0; /* entry of the piece */
    size_t next = 0;
    if (bytes == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to repair '%s'",
                            vd_block_path(tail->block));
    int r = put_marker(tail, left / VD_SECTOR_BYTES, VD_MARKER_GD, err);
    while (r >= 0 && left > 0) {
        size_t length = (size_t)VD_MIN(left, (uint64_t)CHUNK_BYTES);
        memset(bytes, 0, length);
        for (; next < tables->count && tables->records[next].grain - first < length / ENTRY_BYTES;
             next++)
            vd_le32_encode(bytes + (tables->records[next].grain - first) * ENTRY_BYTES,
                           tables->records[next].sector);
        r = put_sectors(tail, bytes, length, err);
        first += length / ENTRY_BYTES;
        left -= length;
    }
    return r < 0 ? r : vd_block_flush(tail->block, err);
}

/* Sectors that tables and directory take at most. */
static uint64_t room_sectors(const struct vd_kdmv_header *header, const struct vd_carving *carving)
{
    uint64_t tables = VD_MIN(vd_kdmv_num_tables(header), (uint64_t)carving->count);
    return tables * (1 + header->table_entries * ENTRY_BYTES / VD_SECTOR_BYTES) + 1 +
           vd_bytes_to_sectors_up(vd_kdmv_num_tables(header) * ENTRY_BYTES);
}

int vd_stream_put_tables(struct vd_repair *repair, const struct vd_kdmv_header *header,
                         struct vd_carving *carving, struct vd_kdmv_header *ret_footer,
                         struct vd_error *err)
{
    struct tail tail = {vd_repair_block(repair), carving->end_sector};
    uint64_t num_tables = vd_kdmv_num_tables(header);
    uint64_t end = carving->end_sector + room_sectors(header, carving);
    if (end > UINT32_MAX)
        return vd_error_set(err, VD_E_TOO_BIG,
                            "cannot repair '%s': tables behind its grains would end at sector "
                            "%" PRIu64 ", and the format counts sectors in 32 bits",
                            vd_block_path(tail.block), end);
    int r = vd_repair_cut(repair, vd_sectors_to_bytes(carving->end_sector), err);
    if (r >= 0)
        r = put_all_tables(&tail, header, carving, err);
    uint64_t directory = tail.sector + 1;
    if (r >= 0)
        r = put_directory(&tail, num_tables, carving, err);
    if (r < 0)
        return r;
    *ret_footer = *header;
    ret_footer->gd_offset_sectors = directory;
    return put_footer(&tail, ret_footer, err);
}
