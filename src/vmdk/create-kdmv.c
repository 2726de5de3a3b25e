/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An empty hosted sparse extent. All grain tables exist from the beginning, in order behind their
 * directory: VMware cannot use a disk that lacks one. Their zeros are holes of the file.
 */
#include <assert.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/create-int.h"

#define TABLE_ENTRIES 512u
#define TABLE_SECTORS 4u
/* Entries of a directory written at once. */
#define PIECE_ENTRIES 16384u

static uint64_t directory_sectors(uint64_t num_tables)
{
    return vd_bytes_to_sectors_up(num_tables * 4);
}

void vd_kdmv_layout(uint64_t capacity_sectors, uint64_t grain_sectors, uint64_t descriptor_sectors,
                    struct vd_kdmv_header *ret)
{
    *ret = (struct vd_kdmv_header){
        .version = 1,
        .flags = VD_KDMV_NEWLINES | VD_KDMV_REDUNDANT,
        .capacity_sectors = capacity_sectors,
        .grain_sectors = grain_sectors,
        .descriptor_offset_sectors = descriptor_sectors > 0 ? 1 : 0,
        .descriptor_sectors = descriptor_sectors,
        .table_entries = TABLE_ENTRIES,
        .rgd_offset_sectors = 1 + descriptor_sectors,
    };
    uint64_t num_tables = vd_kdmv_num_tables(ret);
    uint64_t one_set = directory_sectors(num_tables) + num_tables * TABLE_SECTORS;
    ret->gd_offset_sectors = ret->rgd_offset_sectors + one_set;
    uint64_t end = ret->gd_offset_sectors + one_set;
    ret->overhead_sectors = vd_div_up(end, grain_sectors) * grain_sectors;
    /* 62 TiB in grains of 4 KiB: 32.5 million tables, whose both sets end at sector 260,554,752;
     * so every table can be named by 32 bits. */
    assert(num_tables <= VD_KDMV_MAX_TABLES && ret->overhead_sectors <= UINT32_MAX);
}

static int write_directory(struct vd_block *block, uint64_t directory, uint64_t num_tables,
                           struct vd_error *err)
{
    VD_FREE uint8_t *bytes = malloc(PIECE_ENTRIES * 4);
    if (bytes == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for a grain directory");
    uint64_t tables = directory + directory_sectors(num_tables);
    for (uint64_t at = 0; at < num_tables; at += PIECE_ENTRIES) {
        size_t count = (size_t)VD_MIN(num_tables - at, (uint64_t)PIECE_ENTRIES);
        for (size_t i = 0; i < count; i++)
            vd_le32_encode(bytes + i * 4, (uint32_t)(tables + (at + i) * TABLE_SECTORS));
        int r =
            vd_block_write(block, vd_sectors_to_bytes(directory) + at * 4, bytes, count * 4, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_descriptor(const struct vd_create *create, struct vd_block *block,
                            struct vd_error *err)
{
    size_t room = VD_KDMV_DESCRIPTOR_SECTORS * VD_SECTOR_BYTES;
    if (create->text.length >= room)
        return vd_error_set(err, VD_E_TOO_BIG,
                            "the descriptor has %zu bytes, expected less than the %zu that the "
                            "file has room for",
                            create->text.length, room);
    return vd_block_write(block, VD_SECTOR_BYTES, create->text.data, create->text.length, err);
}

int vd_create_kdmv(struct vd_create *create, struct vd_block *block, uint64_t sectors,
                   struct vd_error *err)
{
    bool embedded = create->kind->suffix == NULL;
    struct vd_kdmv_header header;
    vd_kdmv_layout(sectors, create->grain_sectors, embedded ? VD_KDMV_DESCRIPTOR_SECTORS : 0,
                   &header);
    if (create->params->zeroed_grains) {
        header.version = 2;
        header.flags |= VD_KDMV_ZEROED;
    }
    uint64_t num_tables = vd_kdmv_num_tables(&header);
    int r = vd_block_resize(block, vd_sectors_to_bytes(header.overhead_sectors), err);
    if (r >= 0)
        r = write_directory(block, header.rgd_offset_sectors, num_tables, err);
    if (r >= 0)
        r = write_directory(block, header.gd_offset_sectors, num_tables, err);
    if (r >= 0 && embedded)
        r = write_descriptor(create, block, err);
    if (r < 0)
        return r;
    uint8_t bytes[VD_KDMV_HEADER_BYTES];
    vd_kdmv_header_encode(&header, bytes);
    return vd_block_write(block, 0, bytes, sizeof bytes, err);
}
