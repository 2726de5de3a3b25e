/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMFSSPARSE extents (COWD files of ESX): header, grain directory, then tables of 4096 entries and
 * grains in the order they were allocated. All addresses are 32-bit sectors.
 *
 *   directory entry 0: no table, ask the parent; else the sector of the table
 *   table entry     0: ask the parent; 1: zeros; else the sector of the grain
 *
 * Source: Virtual Disk Format 5.0, "ESX Server Sparse Extents"; entry 1 as qemu-img 7.2 reads it.
 */
#include "vmdk/extent-cowd-int.h"

#include <assert.h>
#include <inttypes.h>

#include "base/checked.h"
#include "base/units.h"

/* True when `length` bytes at `offset` overlap neither header nor directory and are in the file. */
static bool place_usable(const struct vd_cowd *cowd, uint64_t offset, uint64_t length)
{
    if (!vd_range_inside(offset, length, cowd->base.file_bytes))
        return false;
    if (offset < vd_sectors_to_bytes(VD_COWD_HEADER_SECTORS))
        return false;
    return offset >= cowd->directory_end_bytes || offset + length <= cowd->walk.directory_offset;
}

static int cowd_table(const struct vd_extent *extent, uint64_t table, uint64_t entry,
                      uint64_t *ret_offset_bytes, struct vd_error *err)
{
    const struct vd_cowd *cowd = (const struct vd_cowd *)extent;
    uint64_t offset = vd_sectors_to_bytes(entry);
    uint64_t used = vd_table_used_bytes(&cowd->walk, extent, table);
    if (entry != 0 && !place_usable(cowd, offset, used))
        return vd_error_set(err, VD_E_GDE,
                            "'%s': grain directory entry %" PRIu64 " at byte %" PRIu64
                            " puts its table at sector %" PRIu64
                            ", expected a place behind the directory where %" PRIu64
                            " bytes end within the file's %" PRIu64,
                            vd_block_path(extent->block), table,
                            cowd->walk.directory_offset + table * 4, entry, used,
                            extent->file_bytes);
    *ret_offset_bytes = offset;
    return 0;
}

static int cowd_grain(const struct vd_extent *extent, uint64_t grain, uint64_t entry,
                      struct vd_grain_place *ret, struct vd_error *err)
{
    const struct vd_cowd *cowd = (const struct vd_cowd *)extent;
    if (entry <= 1) {
        *ret = (struct vd_grain_place){.kind = entry ? VD_LOOKUP_ZERO : VD_LOOKUP_ABSENT};
        return 0;
    }
    uint64_t offset = vd_sectors_to_bytes(entry);
    uint64_t used = vd_grain_used_bytes(extent, grain);
    if (!place_usable(cowd, offset, used))
        return vd_error_set(err, VD_E_GTE,
                            "'%s': entry %" PRIu64 " of grain table %" PRIu64
                            " puts its grain at sector %" PRIu64
                            ", expected a place behind the directory where %" PRIu64
                            " bytes end within the file's %" PRIu64,
                            vd_block_path(extent->block), grain % VD_COWD_TABLE_ENTRIES,
                            grain / VD_COWD_TABLE_ENTRIES, entry, used, extent->file_bytes);
    *ret = (struct vd_grain_place){.kind = VD_LOOKUP_DATA, .offset_bytes = offset};
    return 0;
}

static int cowd_lookup(struct vd_extent *self, uint64_t sector, uint64_t max_sectors,
                       struct vd_lookup *ret, struct vd_error *err)
{
    const struct vd_cowd *cowd = (const struct vd_cowd *)self;
    return vd_table_walk_lookup(&cowd->walk, self, sector, max_sectors, ret, err);
}

static void cowd_free(struct vd_extent *self)
{
    struct vd_cowd *cowd = (struct vd_cowd *)self;
    vd_extent_writer_done(&cowd->writer);
    free(cowd);
}

static const struct vd_extent_ops cowd_ops = {
    .name = "cowd",
    .lookup = cowd_lookup,
    .begin_write = vd_cowd_begin_write,
    .allocate = vd_cowd_allocate,
    .publish = vd_cowd_publish,
    .zero = vd_cowd_zero,
    .flush = vd_cowd_flush,
    .finish = vd_cowd_finish,
    .free = cowd_free,
};

static int header_read(struct vd_block *block, uint64_t file_bytes, struct vd_cowd_header *ret,
                       struct vd_error *err)
{
    uint8_t bytes[VD_COWD_HEADER_BYTES];
    if (file_bytes < sizeof bytes)
        return vd_error_set(err, VD_E_TRUNCATED,
                            "opening '%s' as a COWD extent: the file has %" PRIu64
                            " bytes, its header alone needs %zu",
                            vd_block_path(block), file_bytes, sizeof bytes);
    int r = vd_block_read(block, 0, bytes, sizeof bytes, err);
    if (r < 0)
        return r;
    return vd_cowd_header_decode(bytes, vd_block_path(block), ret, err);
}

/* What the header says against the extent line and the file. */
static int header_check_against(const struct vd_cowd_header *header, const char *path,
                                uint64_t line_sectors, uint64_t file_bytes, struct vd_error *err)
{
    if (header->capacity_sectors < line_sectors)
        return vd_error_set(err, VD_E_COWD_HEADER,
                            "opening '%s': capacity %" PRIu32
                            " sectors in the COWD header at byte 12, expected the %" PRIu64
                            " of the descriptor",
                            path, header->capacity_sectors, line_sectors);
    uint64_t directory = vd_sectors_to_bytes(header->directory_sector);
    if (!vd_range_inside(directory, (uint64_t)header->num_tables * 4, file_bytes))
        return vd_error_set(err, VD_E_TRUNCATED,
                            "opening '%s': the grain directory of %" PRIu32
                            " entries at sector %" PRIu32
                            " ends beyond the file, which has %" PRIu64 " bytes",
                            path, header->num_tables, header->directory_sector, file_bytes);
    return 0;
}

static void facts_fill(const struct vd_cowd *cowd, const struct vd_cowd_header *header,
                       struct vd_extent_facts *facts)
{
    *facts = (struct vd_extent_facts){
        .format = "COWD",
        .version = header->version,
        .flags = header->flags,
        .header_capacity_sectors = header->capacity_sectors,
        .grain_sectors = header->grain_sectors,
        .table_entries = VD_COWD_TABLE_ENTRIES,
        .num_tables = header->num_tables,
        .overhead_sectors = vd_bytes_to_sectors_up(cowd->directory_end_bytes),
        .zeroed_grains = true,
        .unclean_shutdown = header->unclean_shutdown,
    };
}

static void cowd_fill(struct vd_cowd *cowd, const struct vd_extent_params *params,
                      uint64_t file_bytes, const struct vd_cowd_header *header)
{
    uint64_t directory = vd_sectors_to_bytes(header->directory_sector);
    cowd->walk = (struct vd_table_walk){
        .entry_bytes = 4,
        .table_entries = VD_COWD_TABLE_ENTRIES,
        .directory_offset = directory,
        .table_decode = cowd_table,
        .grain_decode = cowd_grain,
    };
    cowd->directory_end_bytes = directory + (uint64_t)header->num_tables * 4;
    cowd->base = (struct vd_extent){
        .ops = &cowd_ops,
        .block = params->block,
        .cache = params->cache,
        .capacity_sectors = params->line->sectors,
        .file_bytes = file_bytes,
        .grain_sectors = header->grain_sectors,
    };
    facts_fill(cowd, header, &cowd->base.facts);
}

int vd_extent_cowd_open(const struct vd_extent_params *params, struct vd_extent **ret,
                        struct vd_error *err)
{
    assert(params->block && params->cache);
    const char *path = vd_block_path(params->block);
    uint64_t file_bytes = 0;
    int r = vd_block_size(params->block, &file_bytes, err);
    if (r < 0)
        return r;
    struct vd_cowd_header header = {0};
    r = header_read(params->block, file_bytes, &header, err);
    if (r < 0)
        return r;
    r = header_check_against(&header, path, params->line->sectors, file_bytes, err);
    if (r < 0)
        return r;
    struct vd_cowd *cowd = calloc(1, sizeof *cowd);
    if (!cowd)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory opening '%s'", path);
    cowd_fill(cowd, params, file_bytes, &header);
    vd_extent_writer_init(&cowd->writer, vd_cowd_first_free(cowd, header.free_sector));
    if (params->writable && header.unclean_shutdown)
        vd_log(params->log, VD_LOG_WARNING,
               "'%s': the disk was not closed cleanly; new data goes behind all that the file has",
               path);
    *ret = &cowd->base;
    return 0;
}
