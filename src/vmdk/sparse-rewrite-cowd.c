/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COWD: header, directory, then each table directly before its grains; tables without entries are
 * left out. The header is the old one, with its names and generations, where a field need not
 * change.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/extent-cowd-int.h"
#include "vmdk/sparse-rewrite-int.h"

#define ENTRY_BYTES   4u
#define TABLE_SECTORS (VD_COWD_TABLE_ENTRIES * ENTRY_BYTES / VD_SECTOR_BYTES)

/* At most 2^20 tables. */
static int lay_out(struct vd_rewriting *self, size_t descriptor_bytes, struct vd_error *err)
{
    struct vd_block *old = self->asked->from->block;
    struct vd_cowd_header *header = &self->of.cowd.header;
    uint64_t capacity = self->asked->capacity_sectors;
    int r = vd_block_read(old, 0, self->of.cowd.bytes, sizeof self->of.cowd.bytes, err);

    (void)descriptor_bytes; /* none is ever inside */
    if (r == VD_OK)
        r = vd_cowd_header_decode(self->of.cowd.bytes, vd_block_path(old), header, err);
    if (r < 0)
        return r;
    if (capacity > UINT32_MAX)
        return vd_error_set(err, VD_E_TOO_BIG,
                            "cannot write '%s' anew for %" PRIu64
                            " sectors: a COWD file has at most %" PRIu32,
                            vd_block_path(old), capacity, UINT32_MAX);
    if (capacity != 0)
        header->capacity_sectors = (uint32_t)capacity;
    header->unclean_shutdown = false;
    header->directory_sector = VD_COWD_HEADER_SECTORS;
    header->num_tables = (uint32_t)vd_div_up(
        header->capacity_sectors, (uint64_t)header->grain_sectors * VD_COWD_TABLE_ENTRIES);
    self->grain_sectors = header->grain_sectors;
    self->table_entries = VD_COWD_TABLE_ENTRIES;
    self->next_sectors = vd_cowd_front_sectors(header->directory_sector, header->num_tables);
    self->end_sectors = UINT32_MAX; /* which the next free sector can say */
    return VD_OK;
}

static int write_front(const struct vd_rewriting *self, const struct vd_buf *descriptor,
                       struct vd_error *err)
{
    (void)descriptor; /* none is ever inside */
    return vd_block_resize(self->to, vd_sectors_to_bytes(self->next_sectors), err);
}

static int enter_table(struct vd_rewriting *self, struct vd_error *err)
{
    if (self->next_sectors + TABLE_SECTORS > self->end_sectors)
        return vd_error_set(err, VD_E_TOO_BIG,
                            "no room for a table in '%s', which ends at sector %" PRIu64
                            " at the latest",
                            vd_block_path(self->to), self->end_sectors);
    self->of.cowd.table_sector = self->next_sectors;
    self->next_sectors += TABLE_SECTORS;
    return VD_OK;
}

static uint64_t entry_of(const struct vd_rewriting *self, uint64_t sector)
{
    (void)self; /* everywhere the same */
    return sector;
}

static int put_table(const struct vd_rewriting *self, struct vd_error *err)
{
    uint8_t entry[ENTRY_BYTES];
    uint64_t directory = vd_sectors_to_bytes(self->of.cowd.header.directory_sector);
    int r = vd_block_write(self->to, vd_sectors_to_bytes(self->of.cowd.table_sector), self->table,
                           vd_rewrite_table_bytes(self), err);

    vd_le32_encode(entry, (uint32_t)self->of.cowd.table_sector);
    return r < 0 ? r
                 : vd_block_write(self->to, directory + self->table_index * ENTRY_BYTES, entry,
                                  sizeof entry, err);
}

static int finish(struct vd_rewriting *self, struct vd_error *err)
{
    self->of.cowd.header.free_sector = (uint32_t)self->next_sectors;
    vd_cowd_header_encode(&self->of.cowd.header, self->of.cowd.bytes);
    if (self->asked->geometry.cylinders != 0)
        vd_cowd_geometry_encode(self->asked->geometry, self->of.cowd.bytes);
    return vd_block_write(self->to, 0, self->of.cowd.bytes, sizeof self->of.cowd.bytes, err);
}

static int pass_table(const struct vd_extent *extent, uint64_t table, uint64_t *next_bytes,
                      bool *ret_in_order, struct vd_error *err)
{
    const struct vd_cowd *cowd = (const struct vd_cowd *)extent;
    uint64_t entry = 0;
    int r = vd_table_walk_directory(&cowd->walk, extent, table, &entry, err);

    if (table == 0) /* there may be a gap of a few sectors behind the directory */
        *next_bytes = vd_sectors_to_bytes(vd_cowd_front_sectors(
            cowd->walk.directory_offset / VD_SECTOR_BYTES, extent->facts.num_tables));
    if (r < 0 || entry == 0)
        return r;
    *ret_in_order = vd_sectors_to_bytes(entry) == *next_bytes;
    *next_bytes += vd_sectors_to_bytes(TABLE_SECTORS);
    return r;
}

const struct vd_rewrite_format vd_rewrite_cowd = {
    .name = "COWD",
    .entry_bytes = ENTRY_BYTES,
    .zero_entry = 1,
    .lay_out = lay_out,
    .write_front = write_front,
    .enter_table = enter_table,
    .entry_of = entry_of,
    .put_table = put_table,
    .finish = finish,
    .pass_table = pass_table,
};
