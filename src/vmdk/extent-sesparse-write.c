/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing into SESparse files, as far as the facts reach.
 *
 * Known (as qemu-img 7.2 reads it): headers, directory, tables, grains. Not public: what a bit of
 * the free bitmap means, the entries of the backmap, the records of the journal. ESXi keeps all
 * three; a writer that changes tables alone would leave them telling an older story. So only files
 * in which they are empty are written, which this library's own new files are: any byte that is not
 * 0 in one of them, or in the journal's header, and the file is refused. They stay empty; whether
 * ESXi accepts such a file for writing is not known, whoever reads tables does.
 *
 * Tables are numbered and taken in order behind the highest in use, slots likewise; the volatile
 * header's count of tables follows. There is no mark of an unclean shutdown, and nothing needs one:
 * places that a crash left without an entry are not used again while the file reaches beyond them,
 * and a table's sectors are zeros in the file before the directory can name it.
 *
 * The order in the file: data; the volatile header; tables; the directory.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/extent-sesparse-int.h"

#define FREE_TABLE_AT   8u
#define CHECK_BYTES     65536u
#define MAX_TABLE_BYTES (VD_SESPARSE_MAX_TABLE_SECTORS * VD_SECTOR_BYTES)

enum { PHASE_HEADER, PHASE_TABLES, PHASE_DIRECTORY };

static struct vd_sesparse *sesparse_of(struct vd_extent *self)
{
    return (struct vd_sesparse *)self;
}

/* --- opening for writing --- */

static int refuse_used(const struct vd_block *block, enum vd_sesparse_area_kind kind,
                       uint64_t offset_bytes, struct vd_error *err)
{
    return vd_error_set(err, VD_E_NOT_SUPPORTED,
                        "cannot open '%s' for writing: its %s is in use (around byte %" PRIu64
                        "), as in files of ESXi; how it is kept is not public, so only ESXi can "
                        "write this file: convert it to another type",
                        vd_block_path(block), vd_sesparse_area_text(kind), offset_bytes);
}

/* All zeros in [offset, end), which is stored? */
static int check_stored(struct vd_block *block, enum vd_sesparse_area_kind kind, uint64_t offset,
                        uint64_t end, struct vd_error *err)
{
    VD_FREE uint8_t *bytes = malloc(CHECK_BYTES);
    if (!bytes)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory opening '%s'",
                            vd_block_path(block));
    while (offset < end) {
        size_t length = (size_t)VD_MIN(end - offset, CHECK_BYTES);
        int r = vd_block_read(block, offset, bytes, length, err);
        if (r < 0)
            return r;
        if (!vd_bytes_all_zero(bytes, length))
            return refuse_used(block, kind, offset, err);
        offset += length;
    }
    return 0;
}

static int check_area(struct vd_block *block, const struct vd_sesparse_header *header,
                      enum vd_sesparse_area_kind kind, struct vd_error *err)
{
    const struct vd_sesparse_area *area = &header->areas[kind];
    uint64_t file_bytes = 0;
    int r = vd_block_size(block, &file_bytes, err);
    if (r < 0)
        return r;
    uint64_t at = vd_sectors_to_bytes(area->offset_sectors);
    uint64_t end = VD_MIN(at + vd_sectors_to_bytes(area->size_sectors), file_bytes);
    while (at < end) { /* holes are passed over: these areas are large */
        uint64_t stored_start = 0, stored_end = 0;
        r = vd_block_next_data(block, at, &stored_start, &stored_end, err);
        if (r < 0 || stored_start >= end || stored_start == stored_end)
            return r;
        at = VD_MIN(stored_end, end);
        r = check_stored(block, kind, stored_start, at, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int vd_sesparse_check_write(struct vd_block *block, const struct vd_sesparse_header *header,
                            struct vd_error *err)
{
    static const enum vd_sesparse_area_kind unknown[] = {
        VD_SESPARSE_JOURNAL_HEADER, VD_SESPARSE_JOURNAL, VD_SESPARSE_BITMAP, VD_SESPARSE_BACKMAP};
    for (size_t i = 0; i < VD_ARRAY_SIZE(unknown); i++) {
        int r = check_area(block, header, unknown[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- what is free --- */

/* The number behind the highest table in the directory, or behind that of the volatile header. */
static int find_next_table(struct vd_sesparse *se, struct vd_error *err)
{
    struct vd_extent *extent = &se->base;
    uint64_t next = 0;
    int r = vd_table_cache_u64(extent->cache, extent->block, se->volatile_bytes + FREE_TABLE_AT,
                               &next, err);
    uint64_t num_tables = vd_table_walk_tables(&se->walk, extent);
    for (uint64_t table = 0; r >= 0 && table < num_tables; table++) {
        uint64_t entry = 0;
        r = vd_table_walk_directory(&se->walk, extent, table, &entry, err);
        if (entry != 0)
            next = VD_MAX(next, (entry & VD_SESPARSE_TABLE_INDEX_MASK) + 1);
    }
    if (r >= 0)
        se->next_table = next;
    return r;
}

/* The end of the last grain that any table names. */
static int find_used_end(struct vd_sesparse *se, uint64_t *ret_bytes, struct vd_error *err)
{
    struct vd_extent *extent = &se->base;
    uint64_t end = vd_sectors_to_bytes(se->grains.offset_sectors);
    for (uint64_t sector = 0; sector < extent->capacity_sectors;) {
        struct vd_lookup at = {0};
        int r = vd_extent_lookup(extent, sector, extent->capacity_sectors - sector, &at, err);
        if (r < 0)
            return r;
        if (at.kind == VD_LOOKUP_DATA)
            end = VD_MAX(end, at.offset_bytes + vd_sectors_to_bytes(at.length_sectors));
        sector += at.length_sectors;
    }
    *ret_bytes = end;
    return 0;
}

/* The file's end tells what is free, without a look at every table, unless it reaches over all
 * grains anyway. */
static int find_next_slot(struct vd_sesparse *se, struct vd_error *err)
{
    uint64_t start = vd_sectors_to_bytes(se->grains.offset_sectors);
    uint64_t slot_bytes = vd_sectors_to_bytes(se->base.grain_sectors);
    uint64_t end = VD_MAX(start, se->base.file_bytes);
    if (end >= start + vd_sectors_to_bytes(se->grains.size_sectors)) {
        int r = find_used_end(se, &end, err);
        if (r < 0)
            return r;
    }
    se->writer.next_bytes = start + vd_div_up(end - start, slot_bytes) * slot_bytes;
    return 0;
}

int vd_sesparse_begin_write(struct vd_extent *self, struct vd_error *err)
{
    struct vd_sesparse *se = sesparse_of(self);
    (void)pthread_mutex_lock(&se->writer.lock);
    int r = find_next_table(se, err);
    if (r >= 0)
        r = find_next_slot(se, err);
    (void)pthread_mutex_unlock(&se->writer.lock);
    return r;
}

/* --- writing --- */

int vd_sesparse_allocate(struct vd_extent *self, uint64_t grain, uint64_t *ret_offset_bytes,
                         struct vd_error *err)
{
    (void)grain; /* any slot will do */
    struct vd_sesparse *se = sesparse_of(self);
    uint64_t end = vd_sectors_to_bytes(se->grains.offset_sectors + se->grains.size_sectors);

    (void)pthread_mutex_lock(&se->writer.lock);
    uint64_t offset = se->writer.next_bytes;
    bool fits = offset < end; /* the last slot may be short */
    if (fits)
        se->writer.next_bytes = offset + vd_sectors_to_bytes(self->grain_sectors);
    (void)pthread_mutex_unlock(&se->writer.lock);
    if (!fits)
        return vd_error_set(
            err, VD_E_TOO_BIG,
            "cannot add a grain to '%s': its area for grains ends at byte %" PRIu64
            " and no slot behind the last is free; defragmenting the disk makes room",
            vd_block_path(self->block), end);
    *ret_offset_bytes = offset;
    return 0;
}

/* Makes `index` an empty table: a crash may have left entries there. */
static int table_clear_locked(struct vd_sesparse *se, uint64_t index, struct vd_error *err)
{
    struct vd_extent *extent = &se->base;
    size_t length = (size_t)vd_sectors_to_bytes(se->table_sectors);
    uint64_t at = 0;
    VD_FREE uint8_t *zeros = calloc(1, MAX_TABLE_BYTES);
    if (!zeros)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory writing '%s'",
                            vd_block_path(extent->block));
    if (index >= VD_SESPARSE_TABLE_INDEX_MASK ||
        !vd_sesparse_item(&se->tables, index, se->table_sectors, length, UINT64_MAX, &at))
        return vd_error_set(err, VD_E_DAMAGED,
                            "cannot add a table to '%s': number %" PRIu64
                            " is the next, and its area has %" PRIu64
                            " sectors from sector %" PRIu64 " on",
                            vd_block_path(extent->block), index, se->tables.size_sectors,
                            se->tables.offset_sectors);
    int r = vd_block_write(extent->block, at, zeros, length, err);
    if (r >= 0) /* the cache may know the place as it was */
        r = vd_table_cache_write(extent->cache, extent->block, at, zeros, length, VD_TABLE_IN_FILE,
                                 err);
    if (r >= 0)
        vd_extent_grew(extent, at + length);
    return r;
}

static int table_add_locked(struct vd_sesparse *se, uint64_t table, struct vd_error *err)
{
    struct vd_extent *extent = &se->base;
    uint64_t index = se->next_table;
    int r = table_clear_locked(se, index, err);
    if (r >= 0)
        r = vd_table_cache_set_u64(extent->cache, extent->block, se->volatile_bytes + FREE_TABLE_AT,
                                   index + 1, PHASE_HEADER, err);
    if (r < 0)
        return r;
    se->next_table = index + 1;
    return vd_table_walk_set(&se->walk, extent, se->walk.directory_offset + table * 8,
                             vd_sesparse_table_entry(index), PHASE_DIRECTORY, err);
}

static int entry_set_locked(struct vd_sesparse *se, uint64_t grain, uint64_t entry,
                            struct vd_error *err)
{
    uint64_t at = 0;
    int r = vd_table_walk_entry(&se->walk, &se->base, grain, &at, err);
    if (r >= 0 && at == 0 && entry == 0)
        return 0;
    if (r >= 0 && at == 0) {
        r = table_add_locked(se, grain / se->walk.table_entries, err);
        if (r >= 0)
            r = vd_table_walk_entry(&se->walk, &se->base, grain, &at, err);
    }
    return r < 0 ? r : vd_table_walk_set(&se->walk, &se->base, at, entry, PHASE_TABLES, err);
}

static int entry_set(struct vd_extent *self, uint64_t grain, uint64_t entry, struct vd_error *err)
{
    struct vd_sesparse *se = sesparse_of(self);
    (void)pthread_mutex_lock(&se->writer.lock);
    int r = entry_set_locked(se, grain, entry, err);
    (void)pthread_mutex_unlock(&se->writer.lock);
    return r;
}

int vd_sesparse_publish(struct vd_extent *self, uint64_t grain, uint64_t offset_bytes,
                        struct vd_error *err)
{
    const struct vd_sesparse *se = sesparse_of(self);
    uint64_t within = offset_bytes - vd_sectors_to_bytes(se->grains.offset_sectors);
    uint64_t slot = within / vd_sectors_to_bytes(self->grain_sectors);
    return entry_set(self, grain, vd_sesparse_slot_entry(slot), err);
}

int vd_sesparse_zero(struct vd_extent *self, uint64_t grain, struct vd_error *err)
{
    uint64_t entry = (uint64_t)VD_SESPARSE_GRAIN_ZERO << VD_SESPARSE_ENTRY_TYPE_SHIFT;
    return entry_set(self, grain, entry, err);
}

int vd_sesparse_flush(struct vd_extent *self, struct vd_error *err)
{
    return vd_extent_writer_flush(&sesparse_of(self)->writer, self, NULL, err);
}
