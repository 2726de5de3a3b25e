/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SESPARSE extents: 64-bit tables, 4 KiB grains, tables and grains numbered rather than addressed.
 *
 *   directory entry 0: no table, ask the parent; else 0x10000000_iiiiiiii, table number i of the
 *                      table area
 *   table entry  0             : ask the parent
 *                0x1.., 0x2..  : zeros (unmapped by the guest; written zeros)
 *                0x3sssyyyyyyyyyyyy : data in slot 0xyyyyyyyyyyyysss of the grain area
 *
 * Anything else is damage. There is no public specification; encoding as qemu-img 7.2 reads it.
 */
#include "vmdk/extent-sesparse-int.h"

#include <assert.h>
#include <inttypes.h>

#include "base/checked.h"
#include "base/units.h"

bool vd_sesparse_item(const struct vd_sesparse_area *area, uint64_t index, uint64_t item_sectors,
                      uint64_t used, uint64_t file_bytes, uint64_t *ret_offset)
{
    if (index >= vd_div_up(area->size_sectors, item_sectors))
        return false;
    uint64_t start = area->offset_sectors + index * item_sectors;
    if (start > VD_MAX_SECTORS || !vd_range_inside(vd_sectors_to_bytes(start), used, file_bytes))
        return false;
    *ret_offset = vd_sectors_to_bytes(start);
    return true;
}

static int sesparse_table(const struct vd_extent *extent, uint64_t table, uint64_t entry,
                          uint64_t *ret_offset_bytes, struct vd_error *err)
{
    const struct vd_sesparse *se = (const struct vd_sesparse *)extent;
    if (entry == 0) {
        *ret_offset_bytes = 0;
        return 0;
    }
    uint64_t used = vd_table_used_bytes(&se->walk, extent, table);
    bool typed = (entry & ~VD_SESPARSE_TABLE_INDEX_MASK) == (uint64_t)VD_SESPARSE_TABLE_TYPE
                                                                << VD_SESPARSE_ENTRY_TYPE_SHIFT;
    if (typed && vd_sesparse_item(&se->tables, entry & VD_SESPARSE_TABLE_INDEX_MASK,
                                  se->table_sectors, used, extent->file_bytes, ret_offset_bytes))
        return 0;
    return vd_error_set(
        err, VD_E_GDE,
        "'%s': grain directory entry %" PRIu64 " at byte %" PRIu64 " is 0x%016" PRIx64
        ", expected 0 or 0x10000000 and the number of one of the %" PRIu64
        " tables from sector %" PRIu64 " on, inside the file's %" PRIu64 " bytes",
        vd_block_path(extent->block), table, se->walk.directory_offset + table * 8, entry,
        se->tables.size_sectors / se->table_sectors, se->tables.offset_sectors, extent->file_bytes);
}

static int grain_error(const struct vd_extent *extent, uint64_t grain, uint64_t entry,
                       struct vd_error *err)
{
    const struct vd_sesparse *se = (const struct vd_sesparse *)extent;
    return vd_error_set(err, VD_E_GTE,
                        "'%s': entry %" PRIu64 " of grain table %" PRIu64 " is 0x%016" PRIx64
                        ", expected 0, type 1, 2 or 3, and a slot among the %" PRIu64
                        " sectors of grains from sector %" PRIu64 " on, inside the file's %" PRIu64
                        " bytes",
                        vd_block_path(extent->block), grain % se->walk.table_entries,
                        grain / se->walk.table_entries, entry, se->grains.size_sectors,
                        se->grains.offset_sectors, extent->file_bytes);
}

static int grain_slot(const struct vd_extent *extent, uint64_t grain, uint64_t entry,
                      struct vd_grain_place *ret, struct vd_error *err)
{
    const struct vd_sesparse *se = (const struct vd_sesparse *)extent;
    uint64_t slot = (entry & VD_SESPARSE_GRAIN_LOW_MASK) >> VD_SESPARSE_GRAIN_LOW_SHIFT |
                    (entry & VD_SESPARSE_GRAIN_HIGH_MASK) << VD_SESPARSE_GRAIN_HIGH_SHIFT;
    uint64_t used = vd_grain_used_bytes(extent, grain);
    uint64_t offset = 0;
    if (!vd_sesparse_item(&se->grains, slot, extent->grain_sectors, used, extent->file_bytes,
                          &offset))
        return grain_error(extent, grain, entry, err);
    *ret = (struct vd_grain_place){.kind = VD_LOOKUP_DATA, .offset_bytes = offset};
    return 0;
}

static int sesparse_grain(const struct vd_extent *extent, uint64_t grain, uint64_t entry,
                          struct vd_grain_place *ret, struct vd_error *err)
{
    switch (entry >> VD_SESPARSE_ENTRY_TYPE_SHIFT) {
    case VD_SESPARSE_GRAIN_ABSENT:
        if (entry != 0)
            return grain_error(extent, grain, entry, err);
        *ret = (struct vd_grain_place){.kind = VD_LOOKUP_ABSENT};
        return 0;
    case VD_SESPARSE_GRAIN_UNMAPPED:
    case VD_SESPARSE_GRAIN_ZERO:
        *ret = (struct vd_grain_place){.kind = VD_LOOKUP_ZERO};
        return 0;
    case VD_SESPARSE_GRAIN_DATA:
        return grain_slot(extent, grain, entry, ret, err);
    default:
        return grain_error(extent, grain, entry, err);
    }
}

static int sesparse_lookup(struct vd_extent *self, uint64_t sector, uint64_t max_sectors,
                           struct vd_lookup *ret, struct vd_error *err)
{
    const struct vd_sesparse *se = (const struct vd_sesparse *)self;
    return vd_table_walk_lookup(&se->walk, self, sector, max_sectors, ret, err);
}

static void sesparse_free(struct vd_extent *self)
{
    struct vd_sesparse *se = (struct vd_sesparse *)self;
    vd_extent_writer_done(&se->writer);
    free(se);
}

static const struct vd_extent_ops sesparse_ops = {
    .name = "sesparse",
    .lookup = sesparse_lookup,
    .begin_write = vd_sesparse_begin_write,
    .allocate = vd_sesparse_allocate,
    .publish = vd_sesparse_publish,
    .zero = vd_sesparse_zero,
    .flush = vd_sesparse_flush,
    .free = sesparse_free,
};

/* One sector of metadata that must be there. */
static int sector_read(struct vd_block *block, uint64_t sector, uint64_t file_bytes,
                       const char *what, uint8_t *bytes, struct vd_error *err)
{
    if (!vd_range_inside(vd_sectors_to_bytes(sector), VD_SECTOR_BYTES, file_bytes))
        return vd_error_set(err, VD_E_TRUNCATED,
                            "opening '%s' as a SESparse extent: the file has %" PRIu64
                            " bytes, its %s is at byte %" PRIu64,
                            vd_block_path(block), file_bytes, what, vd_sectors_to_bytes(sector));
    return vd_block_read(block, vd_sectors_to_bytes(sector), bytes, VD_SECTOR_BYTES, err);
}

static int headers_read(struct vd_block *block, uint64_t file_bytes, struct vd_sesparse_header *ret,
                        struct vd_error *err)
{
    uint8_t bytes[VD_SESPARSE_HEADER_BYTES];
    int r = sector_read(block, 0, file_bytes, "constant header", bytes, err);
    if (r < 0)
        return r;
    r = vd_sesparse_header_decode(bytes, vd_block_path(block), ret, err);
    if (r < 0)
        return r;
    r = sector_read(block, ret->areas[VD_SESPARSE_VOLATILE].offset_sectors, file_bytes,
                    vd_sesparse_area_text(VD_SESPARSE_VOLATILE), bytes, err);
    if (r < 0)
        return r;
    return vd_sesparse_volatile_check(bytes, vd_block_path(block), err);
}

/* What the header says against the extent line and the file. */
static int header_check_against(const struct vd_sesparse_header *header, const char *path,
                                uint64_t line_sectors, uint64_t file_bytes, struct vd_error *err)
{
    if (header->capacity_sectors < line_sectors)
        return vd_error_set(err, VD_E_SESPARSE_HEADER,
                            "opening '%s': capacity %" PRIu64
                            " sectors in the SESparse header at byte 16, expected the %" PRIu64
                            " of the descriptor",
                            path, header->capacity_sectors, line_sectors);
    const struct vd_sesparse_area *directory = &header->areas[VD_SESPARSE_DIRECTORY];
    uint64_t per_table = header->grain_sectors * vd_sesparse_table_entries(header);
    uint64_t used = vd_div_up(header->capacity_sectors, per_table) * 8;
    if (!vd_range_inside(vd_sectors_to_bytes(directory->offset_sectors), used, file_bytes))
        return vd_error_set(err, VD_E_TRUNCATED,
                            "opening '%s': the grain directory of %" PRIu64
                            " bytes at sector %" PRIu64 " ends beyond the file, which has %" PRIu64
                            " bytes",
                            path, used, directory->offset_sectors, file_bytes);
    return 0;
}

static void facts_fill(const struct vd_sesparse_header *header, struct vd_extent_facts *facts)
{
    uint64_t per_table = header->grain_sectors * vd_sesparse_table_entries(header);
    *facts = (struct vd_extent_facts){
        .format = "SESparse",
        .version = (uint32_t)(header->version >> 32), /* major; the minor is always 1 */
        .header_capacity_sectors = header->capacity_sectors,
        .grain_sectors = header->grain_sectors,
        .table_entries = vd_sesparse_table_entries(header),
        .num_tables = vd_div_up(header->capacity_sectors, per_table),
        .overhead_sectors = header->areas[VD_SESPARSE_GRAINS].offset_sectors,
        .zeroed_grains = true,
    };
}

static void sesparse_fill(struct vd_sesparse *se, const struct vd_extent_params *params,
                          uint64_t file_bytes, const struct vd_sesparse_header *header)
{
    uint64_t directory = header->areas[VD_SESPARSE_DIRECTORY].offset_sectors;
    se->walk = (struct vd_table_walk){
        .entry_bytes = 8,
        .table_entries = vd_sesparse_table_entries(header),
        .directory_offset = vd_sectors_to_bytes(directory),
        .table_decode = sesparse_table,
        .grain_decode = sesparse_grain,
    };
    se->tables = header->areas[VD_SESPARSE_TABLES];
    se->grains = header->areas[VD_SESPARSE_GRAINS];
    se->volatile_bytes = vd_sectors_to_bytes(header->areas[VD_SESPARSE_VOLATILE].offset_sectors);
    se->table_sectors = header->table_sectors;
    se->base = (struct vd_extent){
        .ops = &sesparse_ops,
        .block = params->block,
        .cache = params->cache,
        .capacity_sectors = params->line->sectors,
        .file_bytes = file_bytes,
        .grain_sectors = header->grain_sectors,
    };
    facts_fill(header, &se->base.facts);
}

int vd_extent_sesparse_open(const struct vd_extent_params *params, struct vd_extent **ret,
                            struct vd_error *err)
{
    assert(params->block && params->cache);
    const char *path = vd_block_path(params->block);
    uint64_t file_bytes = 0;
    int r = vd_block_size(params->block, &file_bytes, err);
    if (r < 0)
        return r;
    struct vd_sesparse_header header = {0};
    r = headers_read(params->block, file_bytes, &header, err);
    if (r < 0)
        return r;
    r = header_check_against(&header, path, params->line->sectors, file_bytes, err);
    if (r < 0)
        return r;
    if (params->writable) {
        r = vd_sesparse_check_write(params->block, &header, err);
        if (r < 0)
            return r;
    }
    struct vd_sesparse *se = calloc(1, sizeof *se);
    if (!se)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory opening '%s'", path);
    sesparse_fill(se, params, file_bytes, &header);
    vd_extent_writer_init(&se->writer, 0);
    *ret = &se->base;
    return 0;
}
