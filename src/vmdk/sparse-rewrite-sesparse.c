/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SESparse: both headers, then the areas where they were, or laid out for the new capacity as in a
 * new file. Tables are numbered and slots taken in the order of the disk; bitmap, backmap and
 * journal are empty, as they were.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/create.h"
#include "vmdk/extent-sesparse-int.h"
#include "vmdk/sparse-rewrite-int.h"

#define ENTRY_BYTES 8u

static int read_header(struct vd_block *block, uint8_t *bytes, struct vd_sesparse_header *ret,
                       struct vd_error *err)
{
    int r = vd_block_read(block, 0, bytes, VD_SESPARSE_HEADER_BYTES, err);

    return r < 0 ? r : vd_sesparse_header_decode(bytes, vd_block_path(block), ret, err);
}

static int check(const struct vd_extent *extent, struct vd_error *err)
{
    uint8_t bytes[VD_SESPARSE_HEADER_BYTES];
    struct vd_sesparse_header header = {0};
    int r = read_header(extent->block, bytes, &header, err);

    return r < 0 ? r : vd_sesparse_check_write(extent->block, &header, err);
}

/* Grains are appended, so nothing may lie behind them. */
static bool grains_are_last(const struct vd_sesparse_header *header)
{
    for (unsigned i = 0; i < VD_SESPARSE_GRAINS; i++) {
        if (header->areas[i].offset_sectors > header->areas[VD_SESPARSE_GRAINS].offset_sectors)
            return false;
    }
    return true;
}

static int lay_out(struct vd_rewriting *self, size_t descriptor_bytes, struct vd_error *err)
{
    struct vd_block *old = self->asked->from->block;
    struct vd_sesparse_header *header = &self->of.sesparse.header;
    const struct vd_sesparse_area *areas = header->areas;
    uint64_t capacity = self->asked->capacity_sectors;
    int r = read_header(old, self->of.sesparse.constant_bytes, header, err);

    (void)descriptor_bytes; /* none is ever inside */
    if (r == VD_OK)
        r = vd_block_read(old, vd_sectors_to_bytes(areas[VD_SESPARSE_VOLATILE].offset_sectors),
                          self->of.sesparse.volatile_bytes, VD_SESPARSE_HEADER_BYTES, err);
    if (r < 0)
        return r;
    if (capacity == 0)
        capacity = header->capacity_sectors;
    if (capacity != header->capacity_sectors || !grains_are_last(header)) {
        if (capacity > VD_CREATE_MAX_SECTORS)
            return vd_error_set(err, VD_E_TOO_BIG,
                                "cannot write '%s' anew for %" PRIu64
                                " sectors: a SESparse file is made for at most %" PRIu64,
                                vd_block_path(old), capacity, VD_CREATE_MAX_SECTORS);
        header->capacity_sectors = capacity;
        vd_sesparse_lay_out(header);
    }
    self->grain_sectors = header->grain_sectors;
    self->table_entries = vd_sesparse_table_entries(header);
    self->next_sectors = areas[VD_SESPARSE_GRAINS].offset_sectors;
    self->end_sectors = self->next_sectors +
                        vd_div_up(areas[VD_SESPARSE_GRAINS].size_sectors, header->grain_sectors) *
                            header->grain_sectors;
    return VD_OK;
}

static int write_front(const struct vd_rewriting *self, const struct vd_buf *descriptor,
                       struct vd_error *err)
{
    (void)descriptor; /* none is ever inside */
    return vd_block_resize(self->to, vd_sectors_to_bytes(self->next_sectors), err);
}

static uint64_t entry_of(const struct vd_rewriting *self, uint64_t sector)
{
    uint64_t within = sector - self->of.sesparse.header.areas[VD_SESPARSE_GRAINS].offset_sectors;

    return vd_sesparse_slot_entry(within / self->grain_sectors);
}

static int enter_table(struct vd_rewriting *self, struct vd_error *err)
{
    const struct vd_sesparse_header *header = &self->of.sesparse.header;
    const struct vd_sesparse_area *area = &header->areas[VD_SESPARSE_TABLES];

    if ((self->of.sesparse.num_made + 1) * header->table_sectors > area->size_sectors)
        return vd_error_set(err, VD_E_DAMAGED,
                            "cannot write '%s' anew: its area for tables has %" PRIu64
                            " sectors, expected room for more than %" PRIu64 " tables",
                            vd_block_path(self->asked->from->block), area->size_sectors,
                            self->of.sesparse.num_made);
    self->of.sesparse.num_made++;
    return VD_OK;
}

static int put_table(const struct vd_rewriting *self, struct vd_error *err)
{
    const struct vd_sesparse_header *header = &self->of.sesparse.header;
    uint64_t number = self->of.sesparse.num_made - 1;
    uint64_t table =
        header->areas[VD_SESPARSE_TABLES].offset_sectors + number * header->table_sectors;
    uint64_t directory = vd_sectors_to_bytes(header->areas[VD_SESPARSE_DIRECTORY].offset_sectors);
    uint8_t entry[ENTRY_BYTES];
    int r = vd_block_write(self->to, vd_sectors_to_bytes(table), self->table,
                           vd_rewrite_table_bytes(self), err);

    vd_le64_encode(entry, vd_sesparse_table_entry(number));
    return r < 0 ? r
                 : vd_block_write(self->to, directory + self->table_index * ENTRY_BYTES, entry,
                                  sizeof entry, err);
}

static int finish(struct vd_rewriting *self, struct vd_error *err)
{
    const struct vd_sesparse_header *header = &self->of.sesparse.header;
    uint64_t at = vd_sectors_to_bytes(header->areas[VD_SESPARSE_VOLATILE].offset_sectors);
    int r;

    vd_sesparse_header_encode(header, self->of.sesparse.constant_bytes);
    vd_sesparse_volatile_encode(self->of.sesparse.num_made, self->of.sesparse.volatile_bytes);
    r = vd_block_write(self->to, 0, self->of.sesparse.constant_bytes, VD_SESPARSE_HEADER_BYTES,
                       err);
    return r < 0 ? r
                 : vd_block_write(self->to, at, self->of.sesparse.volatile_bytes,
                                  VD_SESPARSE_HEADER_BYTES, err);
}

const struct vd_rewrite_format vd_rewrite_sesparse = {
    .name = "SESparse",
    .entry_bytes = ENTRY_BYTES,
    .zero_entry = (uint64_t)VD_SESPARSE_GRAIN_ZERO << VD_SESPARSE_ENTRY_TYPE_SHIFT,
    .check = check,
    .lay_out = lay_out,
    .write_front = write_front,
    .enter_table = enter_table,
    .entry_of = entry_of,
    .put_table = put_table,
    .finish = finish,
};
