/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing into COWD files: tables and grains come one behind the other at the end, as they are
 * needed. (Virtual Disk Format 5.0, "ESX Server Sparse Extents".)
 *
 * New places begin behind both freeSector and the end of the file: ESX extends files ahead of
 * freeSector, qemu appends to the file without moving it, and a crash may leave it behind.
 *
 * The order in the file: data; freeSector; tables; the directory. A table's sectors are zeros in
 * the file before the directory can name it.
 */
#include <inttypes.h>

#include "base/units.h"
#include "vmdk/extent-cowd-int.h"

#define FREE_SECTOR_AT 28u
#define UNCLEAN_AT     1648u
#define TABLE_BYTES    (VD_COWD_TABLE_ENTRIES * 4u)
#define GRAIN_ZERO     1u
/* The first sector no entry can name. */
#define END_BYTES ((UINT64_C(1) << 32) * VD_SECTOR_BYTES)

enum { PHASE_HEADER, PHASE_TABLES, PHASE_DIRECTORY };

static struct vd_cowd *cowd_of(struct vd_extent *self)
{
    return (struct vd_cowd *)self;
}

uint64_t vd_cowd_first_free(const struct vd_cowd *cowd, uint32_t free_sector)
{
    uint64_t end = VD_MAX(cowd->base.file_bytes, vd_sectors_to_bytes(free_sector));
    end = VD_MAX(end, cowd->directory_end_bytes);
    return vd_bytes_to_sectors_up(end) * VD_SECTOR_BYTES;
}

int vd_cowd_begin_write(struct vd_extent *self, struct vd_error *err)
{
    return vd_extent_set_byte(self, UNCLEAN_AT, 1, err);
}

int vd_cowd_finish(struct vd_extent *self, struct vd_error *err)
{
    return vd_extent_set_byte(self, UNCLEAN_AT, 0, err);
}

static int take_locked(struct vd_cowd *cowd, uint64_t length, uint64_t *ret_offset_bytes,
                       struct vd_error *err)
{
    uint64_t offset = cowd->writer.next_bytes;
    if (offset + length >= END_BYTES)
        return vd_error_set(err, VD_E_TOO_BIG,
                            "cannot add to '%s': the file would end at byte %" PRIu64
                            ", and the format's sector numbers end at %" PRIu64,
                            vd_block_path(cowd->base.block), offset + length, END_BYTES);
    cowd->writer.next_bytes = offset + length;
    *ret_offset_bytes = offset;
    return 0;
}

int vd_cowd_allocate(struct vd_extent *self, uint64_t grain, uint64_t *ret_offset_bytes,
                     struct vd_error *err)
{
    (void)grain; /* any place will do */
    struct vd_cowd *cowd = cowd_of(self);
    (void)pthread_mutex_lock(&cowd->writer.lock);
    int r = take_locked(cowd, vd_sectors_to_bytes(self->grain_sectors), ret_offset_bytes, err);
    (void)pthread_mutex_unlock(&cowd->writer.lock);
    return r;
}

/* An empty table at the end of the file, entered in the directory. */
static int table_add_locked(struct vd_cowd *cowd, uint64_t table, struct vd_error *err)
{
    static const uint8_t zeros[TABLE_BYTES];
    struct vd_extent *extent = &cowd->base;
    uint64_t at = 0;
    int r = take_locked(cowd, TABLE_BYTES, &at, err);
    if (r >= 0)
        r = vd_block_write(extent->block, at, zeros, sizeof zeros, err);
    if (r >= 0) /* the cache may know the place from when it was not a table */
        r = vd_table_cache_write(extent->cache, extent->block, at, zeros, sizeof zeros,
                                 VD_TABLE_IN_FILE, err);
    if (r < 0)
        return r;
    vd_extent_grew(extent, at + TABLE_BYTES);
    return vd_table_walk_set(&cowd->walk, extent, cowd->walk.directory_offset + table * 4,
                             at / VD_SECTOR_BYTES, PHASE_DIRECTORY, err);
}

static int entry_set_locked(struct vd_cowd *cowd, uint64_t grain, uint64_t entry,
                            struct vd_error *err)
{
    uint64_t at = 0;
    int r = vd_table_walk_entry(&cowd->walk, &cowd->base, grain, &at, err);
    if (r >= 0 && at == 0 && entry == 0)
        return 0;
    if (r >= 0 && at == 0) {
        r = table_add_locked(cowd, grain / VD_COWD_TABLE_ENTRIES, err);
        if (r >= 0)
            r = vd_table_walk_entry(&cowd->walk, &cowd->base, grain, &at, err);
    }
    return r < 0 ? r : vd_table_walk_set(&cowd->walk, &cowd->base, at, entry, PHASE_TABLES, err);
}

static int entry_set(struct vd_extent *self, uint64_t grain, uint64_t entry, struct vd_error *err)
{
    struct vd_cowd *cowd = cowd_of(self);
    (void)pthread_mutex_lock(&cowd->writer.lock);
    int r = entry_set_locked(cowd, grain, entry, err);
    (void)pthread_mutex_unlock(&cowd->writer.lock);
    return r;
}

int vd_cowd_publish(struct vd_extent *self, uint64_t grain, uint64_t offset_bytes,
                    struct vd_error *err)
{
    return entry_set(self, grain, offset_bytes / VD_SECTOR_BYTES, err);
}

int vd_cowd_zero(struct vd_extent *self, uint64_t grain, struct vd_error *err)
{
    return entry_set(self, grain, GRAIN_ZERO, err);
}

/* freeSector: behind all that the tables of this batch name. It never points past the file, which
 * reaches as far as what was published. */
static int enter_free_sector(struct vd_extent *self, struct vd_error *err)
{
    uint32_t before = 0;
    uint64_t now = self->file_bytes / VD_SECTOR_BYTES;
    int r = vd_table_cache_u32(self->cache, self->block, FREE_SECTOR_AT, &before, err);
    if (r < 0 || now <= before)
        return r;
    return vd_table_cache_set_u32(self->cache, self->block, FREE_SECTOR_AT, (uint32_t)now,
                                  PHASE_HEADER, err);
}

int vd_cowd_flush(struct vd_extent *self, struct vd_error *err)
{
    return vd_extent_writer_flush(&cowd_of(self)->writer, self, enter_free_sector, err);
}
