/* SPDX-License-Identifier: Apache-2.0 */
/* Allocated blocks of a VixDiskLib: asked for in whole chunks inside the disk, at most so many at a
 * time. */
#include "base/units.h"
#include "vdisk/blocks.h"
#include "vdisk/failure.h"
#include "vdisk/log.h"
#include "vdisk/vix-disk.h"

#define CHUNK_SECTORS     VIXDISKLIB_MIN_CHUNK_SIZE
#define MAX_QUERY_SECTORS ((uint64_t)VIXDISKLIB_MAX_CHUNK_NUMBER * CHUNK_SECTORS)

/* What a broken answer names outside the question, or behind what came before, would be told twice
 * or never: it is not believed. */
static bool is_sound(const VixDiskLibBlock *block, uint64_t *at, uint64_t end)
{
    if (block->offset < *at || block->length > end || block->offset > end - block->length)
        return false;
    *at = block->offset + block->length;
    return true;
}

static int take_list(const struct vd_native_vix_disk *disk, uint64_t start, uint64_t end,
                     const VixDiskLibBlockList *list, struct vd_native_blocks *blocks,
                     struct vdisk_error *err)
{
    uint64_t at = start;
    for (uint32_t i = 0; i < list->numBlocks && blocks->stopped == 0; i++) {
        const VixDiskLibBlock *block = &list->blocks[i];
        if (!is_sound(block, &at, end))
            return vd_native_fail(err, VD_E_FAIL,
                                  "listing the blocks of '%s': '%s' names %llu sectors from sector "
                                  "%llu, expected ascending ones between %llu and %llu",
                                  disk->name, disk->vix->path, (unsigned long long)block->length,
                                  (unsigned long long)block->offset, (unsigned long long)start,
                                  (unsigned long long)end);
        (void)vd_native_blocks_add(blocks, block->offset, block->length); /* `stopped` tells */
    }
    return 0;
}

static int query(const struct vd_native_vix_disk *disk, uint64_t start, uint64_t end,
                 struct vd_native_blocks *blocks, struct vdisk_error *err)
{
    VixDiskLibBlockList *list = NULL;
    VixError result =
        disk->vix->QueryAllocatedBlocks(disk->handle, start, end - start, CHUNK_SECTORS, &list);
    int r = vd_native_vix_result(disk->vix, result, "listing the blocks of", disk->name, err);
    if (r < 0 || !list)
        return r;
    r = take_list(disk, start, end, list, blocks, err);
    (void)disk->vix->FreeBlockList(list); /* nothing is lost with it */
    return r;
}

static int query_all(const struct vd_native_vix_disk *disk, uint64_t start, uint64_t end,
                     struct vd_native_blocks *blocks, struct vdisk_error *err)
{
    int r = 0;
    while (r >= 0 && start < end && blocks->stopped == 0) {
        uint64_t until = start + VD_MIN(end - start, MAX_QUERY_SECTORS);
        r = query(disk, start, until, blocks, err);
        start = until;
    }
    return r;
}

/* Disks whose storage cannot tell what is allocated are read whole. */
static bool cannot_tell(const struct vdisk_error *err)
{
    return err->code == VIX_E_NOT_SUPPORTED || err->code == VIX_E_DISK_NOTSUPPORTED ||
           err->code == VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT;
}

/* The part of a chunk at the end of the disk cannot be asked for, and counts as allocated. */
int vd_native_vix_blocks(void *self, uint64_t start_sectors, uint64_t count_sectors,
                         struct vd_native_blocks *blocks, struct vdisk_error *err)
{
    const struct vd_native_vix_disk *disk = self;
    uint64_t capacity = disk->info.capacity_bytes / VD_SECTOR_BYTES;
    uint64_t whole = capacity - capacity % CHUNK_SECTORS;
    uint64_t start = start_sectors - start_sectors % CHUNK_SECTORS;
    uint64_t end = vd_div_up(start_sectors + count_sectors, CHUNK_SECTORS) * CHUNK_SECTORS;
    uint64_t ask_end = VD_MIN(end, whole);
    if (!disk->vix->QueryAllocatedBlocks)
        start = ask_end = VD_MIN(start, whole);
    int r = query_all(disk, start, ask_end, blocks, err);
    if (r < 0 && !cannot_tell(err))
        return r;
    if (r < 0) {
        vd_log(vd_native_log(), VD_LOG_INFO, "%s; all of it counts as allocated", err->text);
        *err = (struct vdisk_error)VDISK_ERROR_INIT;
        ask_end = VD_MAX(start, blocks->held_end_bytes / VD_SECTOR_BYTES);
    }
    if (blocks->stopped == 0 && ask_end < VD_MIN(end, capacity))
        (void)vd_native_blocks_add(blocks, ask_end, VD_MIN(end, capacity) - ask_end);
    return 0;
}
