/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosted sparse: header, descriptor, redundant directory and tables where the old file has them,
 * directory, all tables, grains from the next multiple of the grain size (as Workstation writes it;
 * Virtual Disk Format 5.0).
 */
#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/sparse-rewrite-int.h"

#define ENTRY_BYTES      4u
#define MAX_FILE_SECTORS (UINT64_C(1) << 32)

static uint64_t directory_sectors(const struct vd_rewriting *self)
{
    return vd_bytes_to_sectors_up(self->of.kdmv.num_tables * ENTRY_BYTES);
}

static uint64_t table_sectors(const struct vd_rewriting *self)
{
    return vd_bytes_to_sectors_up(vd_rewrite_table_bytes(self));
}

static uint64_t table_at(const struct vd_rewriting *self, uint64_t directory, uint64_t table)
{
    return directory + directory_sectors(self) + table * table_sectors(self);
}

static uint64_t lay_out_descriptor(const struct vd_rewriting *self, struct vd_kdmv_header *header,
                                   size_t descriptor_bytes)
{
    header->descriptor_offset_sectors = 0;
    if (!self->asked->descriptor) {
        header->descriptor_sectors = 0;
        return 1;
    }
    header->descriptor_sectors =
        VD_MAX(header->descriptor_sectors, vd_bytes_to_sectors_up(descriptor_bytes + 1));
    header->descriptor_offset_sectors = 1;
    return 1 + header->descriptor_sectors;
}

/* Numbers are small: 2^25 tables of at most 32 sectors. */
static int lay_out(struct vd_rewriting *self, size_t descriptor_bytes, struct vd_error *err)
{
    struct vd_kdmv_header *header = &self->of.kdmv.header;
    int r = vd_kdmv_header_read(self->asked->from->block, header, err);

    if (r < 0)
        return r;
    if (self->asked->capacity_sectors != 0)
        header->capacity_sectors = self->asked->capacity_sectors;
    header->unclean_shutdown = false;
    self->grain_sectors = header->grain_sectors;
    self->table_entries = header->table_entries;
    self->of.kdmv.num_tables = vd_kdmv_num_tables(header);
    if (self->of.kdmv.num_tables > VD_KDMV_MAX_TABLES)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "cannot write '%s' anew: %ju tables, at most %ju are handled",
                            vd_block_path(self->to), (uintmax_t)self->of.kdmv.num_tables,
                            (uintmax_t)VD_KDMV_MAX_TABLES);
    uint64_t at = lay_out_descriptor(self, header, descriptor_bytes);
    header->rgd_offset_sectors = 0;
    if (header->flags & VD_KDMV_REDUNDANT) {
        header->rgd_offset_sectors = at;
        at = table_at(self, at, self->of.kdmv.num_tables);
    }
    header->gd_offset_sectors = at;
    at = table_at(self, at, self->of.kdmv.num_tables);
    header->overhead_sectors = vd_div_up(at, header->grain_sectors) * header->grain_sectors;
    self->next_sectors = header->overhead_sectors;
    self->end_sectors = MAX_FILE_SECTORS;
    return VD_OK;
}

static int write_directory(const struct vd_rewriting *self, uint64_t directory,
                           struct vd_error *err)
{
    size_t length = (size_t)vd_sectors_to_bytes(directory_sectors(self));
    VD_FREE uint8_t *bytes = calloc(1, length);

    if (!bytes)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to write '%s'",
                            vd_block_path(self->to));
    for (uint64_t i = 0; i < self->of.kdmv.num_tables; i++)
        vd_le32_encode(bytes + i * ENTRY_BYTES, (uint32_t)table_at(self, directory, i));
    return vd_block_write(self->to, vd_sectors_to_bytes(directory), bytes, length, err);
}

static int write_front(const struct vd_rewriting *self, const struct vd_buf *descriptor,
                       struct vd_error *err)
{
    const struct vd_kdmv_header *header = &self->of.kdmv.header;
    uint8_t sector[VD_KDMV_HEADER_BYTES];
    int r = vd_block_resize(self->to, vd_sectors_to_bytes(header->overhead_sectors), err);

    vd_kdmv_header_encode(header, sector);
    if (r == VD_OK)
        r = vd_block_write(self->to, 0, sector, sizeof sector, err);
    if (r == VD_OK && descriptor->length > 0)
        r = vd_block_write(self->to, vd_sectors_to_bytes(header->descriptor_offset_sectors),
                           vd_buf_text(descriptor), descriptor->length, err);
    if (r == VD_OK && header->rgd_offset_sectors != 0)
        r = write_directory(self, header->rgd_offset_sectors, err);
    return r < 0 ? r : write_directory(self, header->gd_offset_sectors, err);
}

static uint64_t entry_of(const struct vd_rewriting *self, uint64_t sector)
{
    (void)self; /* everywhere the same */
    return sector;
}

static int put_table_of(const struct vd_rewriting *self, uint64_t directory, struct vd_error *err)
{
    return vd_block_write(self->to,
                          vd_sectors_to_bytes(table_at(self, directory, self->table_index)),
                          self->table, vd_rewrite_table_bytes(self), err);
}

static int put_table(const struct vd_rewriting *self, struct vd_error *err)
{
    const struct vd_kdmv_header *header = &self->of.kdmv.header;
    int r = VD_OK;

    if (header->rgd_offset_sectors != 0)
        r = put_table_of(self, header->rgd_offset_sectors, err);
    return r < 0 ? r : put_table_of(self, header->gd_offset_sectors, err);
}

const struct vd_rewrite_format vd_rewrite_kdmv = {
    .name = "KDMV",
    .entry_bytes = ENTRY_BYTES,
    .zero_entry = 1,
    .lay_out = lay_out,
    .write_front = write_front,
    .entry_of = entry_of,
    .put_table = put_table,
};
