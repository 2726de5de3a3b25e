/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `size_bytes` is what the file held when it was opened, or what writing its last, partial sector
 * made of it; it is atomic, all else is fixed at open. A file that somebody shortens later makes
 * reads fail rather than read as zeros: bytes that were there are missing.
 */
#include "disk/raw.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

struct raw_disk {
    struct vd_disk base;
    struct vd_block *block;
    _Atomic uint64_t size_bytes;
};

static struct raw_disk *raw_of(struct vd_disk *disk)
{
    return (struct raw_disk *)disk;
}

static int raw_read(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                    void *buffer, struct vd_error *err)
{
    struct raw_disk *raw = raw_of(self);
    uint64_t offset = vd_sectors_to_bytes(start_sectors);
    size_t length = (size_t)vd_sectors_to_bytes(count_sectors);
    /* The range ends inside the capacity, so less than a sector can be missing. */
    size_t stored = (size_t)VD_MIN((uint64_t)length, atomic_load(&raw->size_bytes) - offset);

    int ret = vd_block_read(raw->block, offset, buffer, stored, err);
    if (ret < 0)
        return ret;
    if (stored < length)
        memset((char *)buffer + stored, 0, length - stored);
    return VD_OK;
}

static int raw_write(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                     const void *buffer, struct vd_error *err)
{
    struct raw_disk *raw = raw_of(self);
    uint64_t offset = vd_sectors_to_bytes(start_sectors);
    uint64_t length = vd_sectors_to_bytes(count_sectors);
    int ret = vd_block_write(raw->block, offset, buffer, (size_t)length, err);
    if (ret < 0)
        return ret;
    if (offset + length > atomic_load(&raw->size_bytes)) /* only ever to the same value */
        atomic_store(&raw->size_bytes, offset + length);
    return VD_OK;
}

/* What the map calls data may end in a sector that the file holds in part. */
static int raw_punch(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                     struct vd_error *err)
{
    return vd_block_punch(raw_of(self)->block, vd_sectors_to_bytes(start_sectors),
                          vd_sectors_to_bytes(count_sectors), err);
}

static int raw_flush(struct vd_disk *self, struct vd_error *err)
{
    return vd_block_flush(raw_of(self)->block, err);
}

/* The next stored range at or after `at`, in whole sectors, cut to end at `end`; both `end` when
 * there is none. */
static int next_stored(struct raw_disk *raw, uint64_t at, uint64_t end, uint64_t *ret_start,
                       uint64_t *ret_end, struct vd_error *err)
{
    uint64_t start_bytes;
    uint64_t end_bytes;
    int ret =
        vd_block_next_data(raw->block, vd_sectors_to_bytes(at), &start_bytes, &end_bytes, err);
    if (ret < 0)
        return ret;
    bool none = start_bytes == end_bytes;
    *ret_start = none ? end : VD_MIN(end, start_bytes / VD_SECTOR_BYTES);
    *ret_end = none ? end : VD_MIN(end, vd_bytes_to_sectors_up(end_bytes));
    return VD_OK;
}

static int raw_map(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                   struct vd_run *runs, size_t max_runs, size_t *ret_runs, struct vd_error *err)
{
    struct raw_disk *raw = raw_of(self);
    uint64_t at = start_sectors;
    uint64_t end = start_sectors + count_sectors;
    size_t count = 0;

    while (at < end && count < max_runs) {
        uint64_t data_start;
        uint64_t data_end;
        int ret = next_stored(raw, at, end, &data_start, &data_end, err);
        if (ret < 0)
            return ret;
        if (at < data_start)
            runs[count++] = (struct vd_run){
                .start_sectors = at, .length_sectors = data_start - at, .kind = VD_RUN_ABSENT};
        at = VD_MAX(at, data_start);
        if (at == data_end || count == max_runs)
            continue;
        runs[count++] = (struct vd_run){.start_sectors = at,
                                        .length_sectors = data_end - at,
                                        .kind = VD_RUN_DATA,
                                        .offset_bytes = vd_sectors_to_bytes(at),
                                        .file = vd_block_path(raw->block)};
        at = data_end;
    }
    *ret_runs = count;
    return VD_OK;
}

static void raw_info(struct vd_disk *self, struct vd_disk_info *ret)
{
    (void)self;
    ret->type = VD_DISK_RAW;
    ret->num_links = 1;
    ret->transport = "file";
}

static int raw_close(struct vd_disk *self, struct vd_error *err)
{
    int ret = vd_block_close(raw_of(self)->block, err);
    free(self);
    return ret;
}

static const struct vd_disk_ops raw_ops = {
    .name = "raw",
    .read = raw_read,
    .write = raw_write,
    .punch = raw_punch,
    .flush = raw_flush,
    .map = raw_map,
    .info = raw_info,
    .close = raw_close,
};

int vd_raw_open(const struct vd_fs *fs, const char *path, unsigned flags, struct vd_disk **ret,
                struct vd_error *err)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    uint64_t size_bytes;
    int code = vd_fs_open(fs, path, flags, &block, err);
    if (code >= 0)
        code = vd_block_size(block, &size_bytes, err);
    if (code < 0)
        return code;

    struct raw_disk *raw = calloc(1, sizeof *raw);
    char *name = strdup(path);
    if (!raw || !name) {
        free(raw);
        free(name);
        return vd_error_set_errno(err, ENOMEM, "cannot open '%s'", path);
    }
    raw->base.ops = &raw_ops;
    raw->base.path = name;
    raw->base.capacity_sectors = vd_bytes_to_sectors_up(size_bytes);
    raw->base.read_only = !(flags & VD_FS_WRITE);
    raw->block = VD_TAKE_PTR(block);
    atomic_init(&raw->size_bytes, size_bytes);
    *ret = &raw->base;
    return VD_OK;
}
