/* SPDX-License-Identifier: Apache-2.0 */
#include "vdisk/blocks.h"

#include "base/units.h"
#include "vdisk/disk.h"
#include "vdisk/failure.h"

/* Tells what is held, inside what was asked for. */
static bool tell(struct vd_native_blocks *blocks)
{
    uint64_t start = VD_MAX(blocks->held_start_bytes, blocks->start_bytes);
    uint64_t end = VD_MIN(blocks->held_end_bytes, blocks->end_bytes);
    if (start < end)
        blocks->stopped = blocks->found(blocks->data, start, end - start);
    blocks->held_start_bytes = blocks->held_end_bytes = 0;
    return blocks->stopped == 0;
}

bool vd_native_blocks_add(struct vd_native_blocks *blocks, uint64_t start_sectors,
                          uint64_t count_sectors)
{
    uint64_t start = vd_sectors_to_bytes(start_sectors);
    uint64_t end = vd_sectors_to_bytes(start_sectors + count_sectors);
    bool joins = blocks->held_end_bytes > 0 && start <= blocks->held_end_bytes;
    if (joins) {
        blocks->held_end_bytes = VD_MAX(end, blocks->held_end_bytes);
        return true;
    }
    if (!tell(blocks))
        return false;
    blocks->held_start_bytes = start;
    blocks->held_end_bytes = end;
    return true;
}

static int query(struct vdisk *disk, struct vd_native_blocks *blocks, struct vdisk_error *err)
{
    const struct vd_native_session *session = &disk->session;
    uint64_t start = blocks->start_bytes / VD_SECTOR_BYTES;
    uint64_t end = vd_bytes_to_sectors_up(blocks->end_bytes);
    int r = session->provider->blocks(session->self, start, end - start, blocks, err);
    if (r < 0)
        return r;
    if (blocks->stopped == 0)
        (void)tell(blocks); /* what it answers is in `stopped` */
    return blocks->stopped;
}

VD_NATIVE_EXPORT int vdisk_blocks(struct vdisk *disk, uint64_t offset, uint64_t length,
                                  vdisk_block_fn *found, void *data, struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    int r = vd_native_disk_check(disk, err);
    if (r >= 0 && !found)
        r = vd_native_fail(err, VD_E_INVALID_ARG,
                           "listing the blocks of '%s': the function is NULL", disk->name);
    if (r < 0 || offset >= disk->size_bytes || length == 0)
        return r;
    struct vd_native_blocks blocks = {
        .found = found,
        .data = data,
        .start_bytes = offset,
        .end_bytes = offset + VD_MIN(length, disk->size_bytes - offset),
    };
    return query(disk, &blocks, err);
}
