/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/repair.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/repair-backup.h"

/* 512 sectors of old and new bytes: half a megabyte, and a barrier per 128 KiB of each copy. */
#define BATCH_SECTORS 512u

struct change {
    uint64_t sector;
    enum vd_repair_rank rank;
    size_t length; /* a sector, or what the file has of its last one */
    uint8_t old_bytes[VD_SECTOR_BYTES];
    uint8_t new_bytes[VD_SECTOR_BYTES];
};

struct vd_repair {
    const struct vd_fs *fs;
    struct vd_block *block;
    struct vd_repair_backup backup;
    size_t count;
    struct change changes[BATCH_SECTORS];
};

int vd_repair_open(const struct vd_fs *fs, const char *path, struct vd_repair **ret,
                   struct vd_error *err)
{
    struct vd_repair *repair = malloc(sizeof *repair);
    if (repair == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to repair '%s'", path);
    repair->fs = fs;
    repair->backup = (struct vd_repair_backup){0};
    repair->count = 0;
    int r = vd_fs_open(fs, path, VD_FS_WRITE, &repair->block, err);
    if (r < 0) {
        free(repair);
        return r;
    }
    *ret = repair;
    return 0;
}

struct vd_block *vd_repair_block(struct vd_repair *repair)
{
    return repair->block;
}

/* The change of a sector that is gathered already; the newest are the likeliest. */
static struct change *find_change(struct vd_repair *repair, uint64_t sector)
{
    for (size_t i = repair->count; i-- > 0;) {
        if (repair->changes[i].sector == sector)
            return &repair->changes[i];
    }
    return NULL;
}

static int add_change(struct vd_repair *repair, enum vd_repair_rank rank, uint64_t sector,
                      struct change **ret, struct vd_error *err)
{
    int r = repair->count == BATCH_SECTORS ? vd_repair_commit(repair, err) : 0;
    if (r < 0)
        return r;
    struct change *change = &repair->changes[repair->count];
    memset(change->old_bytes, 0, VD_SECTOR_BYTES);
    r = vd_block_read_some(repair->block, vd_sectors_to_bytes(sector), change->old_bytes,
                           VD_SECTOR_BYTES, &change->length, err);
    if (r < 0)
        return r;
    memcpy(change->new_bytes, change->old_bytes, VD_SECTOR_BYTES);
    change->sector = sector;
    change->rank = rank;
    repair->count++;
    *ret = change;
    return 0;
}

int vd_repair_put(struct vd_repair *repair, enum vd_repair_rank rank, uint64_t offset_bytes,
                  const void *bytes, size_t length, struct vd_error *err)
{
    uint64_t sector = offset_bytes / VD_SECTOR_BYTES;
    size_t within = (size_t)(offset_bytes % VD_SECTOR_BYTES);
    struct change *change = find_change(repair, sector);
    assert(length <= VD_SECTOR_BYTES - within);
    if (change == NULL) {
        int r = add_change(repair, rank, sector, &change, err);
        if (r < 0)
            return r;
    }
    memcpy(change->new_bytes + within, bytes, length);
    return 0;
}

int vd_repair_put_u32(struct vd_repair *repair, enum vd_repair_rank rank, uint64_t offset_bytes,
                      uint32_t value, struct vd_error *err)
{
    uint8_t bytes[4];
    vd_le32_encode(bytes, value);
    return vd_repair_put(repair, rank, offset_bytes, bytes, sizeof bytes, err);
}

static int begin_backup(struct vd_repair *repair, struct vd_error *err)
{
    if (repair->backup.block != NULL)
        return 0;
    return vd_repair_backup_begin(repair->fs, repair->block, &repair->backup, err);
}

static int keep_old(struct vd_repair *repair, struct vd_error *err)
{
    int r = begin_backup(repair, err);
    for (size_t i = 0; r >= 0 && i < repair->count; i++)
        r = vd_repair_backup_add(&repair->backup, repair->changes[i].sector,
                                 repair->changes[i].old_bytes, err);
    return r < 0 ? r : vd_block_flush(repair->backup.block, err);
}

static int write_rank(struct vd_repair *repair, enum vd_repair_rank rank, struct vd_error *err)
{
    for (size_t i = 0; i < repair->count; i++) {
        const struct change *change = &repair->changes[i];
        if (change->rank != rank || change->length == 0)
            continue;
        int r = vd_block_write(repair->block, vd_sectors_to_bytes(change->sector),
                               change->new_bytes, change->length, err);
        if (r < 0)
            return r;
    }
    /* Also where nothing was written: what a process that died left in the cache, and what the next
     * rank relies on, is durable from here on. */
    return vd_block_flush(repair->block, err);
}

int vd_repair_commit(struct vd_repair *repair, struct vd_error *err)
{
    if (repair->count == 0)
        return 0;
    int r = keep_old(repair, err);
    if (r >= 0)
        r = write_rank(repair, VD_REPAIR_FIRST, err);
    if (r >= 0)
        r = write_rank(repair, VD_REPAIR_SECOND, err);
    if (r < 0) {
        vd_error_prefix(err, "repair of '%s'", vd_block_path(repair->block));
        return r;
    }
    repair->count = 0;
    return 0;
}

int vd_repair_truncate(struct vd_repair *repair, uint64_t size_bytes, struct vd_error *err)
{
    int r = vd_repair_commit(repair, err);
    if (r >= 0)
        r = vd_block_flush(repair->block, err);
    if (r >= 0)
        r = vd_block_resize(repair->block, size_bytes, err);
    return r < 0 ? r : vd_block_flush(repair->block, err);
}

static int keep_from(struct vd_repair *repair, uint64_t size_bytes, struct vd_error *err)
{
    uint64_t file_bytes;
    int r = vd_block_size(repair->block, &file_bytes, err);
    if (r < 0 || file_bytes <= size_bytes)
        return r;
    r = begin_backup(repair, err);
    for (uint64_t at = size_bytes; r >= 0 && at < file_bytes; at += VD_SECTOR_BYTES) {
        uint8_t bytes[VD_SECTOR_BYTES] = {0};
        size_t length;
        r = vd_block_read_some(repair->block, at, bytes, sizeof bytes, &length, err);
        if (r >= 0)
            r = vd_repair_backup_add(&repair->backup, at / VD_SECTOR_BYTES, bytes, err);
    }
    return r < 0 ? r : vd_block_flush(repair->backup.block, err);
}

int vd_repair_cut(struct vd_repair *repair, uint64_t size_bytes, struct vd_error *err)
{
    assert(size_bytes % VD_SECTOR_BYTES == 0);
    int r = vd_repair_commit(repair, err);
    if (r >= 0)
        r = keep_from(repair, size_bytes, err);
    return r < 0 ? r : vd_repair_truncate(repair, size_bytes, err);
}

int vd_repair_keep_text(const struct vd_fs *fs, const char *path, const void *bytes, size_t length,
                        struct vd_error *err)
{
    struct vd_repair_backup backup;
    int r = vd_repair_backup_create(fs, path, &backup, err);
    if (r < 0)
        return r;
    r = length == 0 ? 0 : vd_block_write(backup.block, 0, bytes, length, err);
    if (r >= 0)
        r = vd_block_flush(backup.block, err);
    int closed = vd_repair_backup_close(&backup, r < 0 ? NULL : err);
    return r < 0 ? r : closed;
}

int vd_repair_close(struct vd_repair *repair, struct vd_error *err)
{
    if (repair == NULL)
        return 0;
    int backup = vd_repair_backup_close(&repair->backup, err);
    int file = vd_block_close(repair->block, err);
    free(repair);
    return backup < 0 ? backup : file;
}
