/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/stream-front.h"

#include "base/bytes.h"
#include "base/units.h"

#define ENTRY_BYTES 4u
#define FIRST_GRAIN 2u /* entries of 0 and 1 are no grains */

void vd_stream_front_init(struct vd_stream_front *front, const struct vd_kdmv_header *header)
{
    *front = (struct vd_stream_front){
        .num_tables = vd_kdmv_num_tables(header),
        .table_sectors = (uint64_t)header->table_entries * ENTRY_BYTES / VD_SECTOR_BYTES,
        .gd_start_sectors = header->gd_offset_sectors,
        .directory = VD_BUF_INIT(VD_KDMV_MAX_TABLES * ENTRY_BYTES + VD_SECTOR_BYTES),
    };
    /* A directory in the header's own sector would never be fed. */
    front->lost = front->gd_start_sectors == 0 ||
                  front->gd_start_sectors >= header->overhead_sectors ||
                  !vd_add_u64(front->gd_start_sectors,
                              vd_bytes_to_sectors_up(front->num_tables * ENTRY_BYTES),
                              &front->gd_end_sectors);
}

void vd_stream_front_done(struct vd_stream_front *front)
{
    vd_buf_done(&front->directory);
}

static uint64_t table_place(const struct vd_stream_front *front, uint64_t table)
{
    return vd_le32_decode(vd_buf_text(&front->directory) + table * ENTRY_BYTES);
}

static void pass_absent_tables(struct vd_stream_front *front)
{
    while (front->next_table < front->num_tables && table_place(front, front->next_table) == 0)
        front->next_table++;
}

static uint64_t count_grains(const uint8_t *bytes)
{
    uint64_t grains = 0;

    for (size_t at = 0; at < VD_SECTOR_BYTES; at += ENTRY_BYTES)
        grains += vd_le32_decode(bytes + at) >= FIRST_GRAIN;
    return grains;
}

static void feed_table(struct vd_stream_front *front, uint64_t sector, const uint8_t *bytes)
{
    uint64_t place;

    if (front->next_table == front->num_tables)
        return;
    place = table_place(front, front->next_table);
    if (sector < place)
        return;
    if (sector != place + front->seen_sectors) {
        front->lost = true; /* it began before the directory, or before the table before it ended */
        return;
    }
    front->promised_grains += count_grains(bytes);
    if (++front->seen_sectors == front->table_sectors) {
        front->seen_sectors = 0;
        front->next_table++;
        pass_absent_tables(front);
    }
}

void vd_stream_front_feed(struct vd_stream_front *front, uint64_t sector, const uint8_t *bytes)
{
    if (front->lost || sector < front->gd_start_sectors)
        return;
    if (sector >= front->gd_end_sectors) {
        feed_table(front, sector, bytes);
        return;
    }
    if (vd_buf_append(&front->directory, bytes, VD_SECTOR_BYTES) < 0)
        front->lost = true;
    else if (sector + 1 == front->gd_end_sectors)
        pass_absent_tables(front);
}

bool vd_stream_front_promise(const struct vd_stream_front *front, uint64_t *ret_grains)
{
    bool whole = front->directory.length >= front->num_tables * ENTRY_BYTES;

    if (front->lost || !whole || front->next_table < front->num_tables)
        return false;
    *ret_grains = front->promised_grains;
    return true;
}
