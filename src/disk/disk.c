/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one caller of struct vd_disk_ops. Requests are checked before it, answers after it: what a
 * caller asks is judged and refused with a sentence, what an implementation answers is asserted,
 * because every caller above relies on it.
 */
#include "disk/disk.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

static int check_range(const struct vd_disk *disk, const char *verb, uint64_t start, uint64_t count,
                       struct vd_error *err)
{
    if (vd_range_inside(start, count, disk->capacity_sectors))
        return VD_OK;
    return vd_error_set(err, VD_E_OUT_OF_RANGE,
                        "cannot %s %" PRIu64 " sectors at sector %" PRIu64
                        " of '%s': the disk has %" PRIu64 " sectors",
                        verb, count, start, disk->path, disk->capacity_sectors);
}

static int refuse_read_only(const struct vd_disk *disk, const char *what, struct vd_error *err)
{
    return vd_error_set(err, VD_E_READ_ONLY, "cannot %s '%s': the disk was opened for reading only",
                        what, disk->path);
}

int vd_disk_read(struct vd_disk *disk, uint64_t start_sectors, uint64_t count_sectors, void *buffer,
                 struct vd_error *err)
{
    int ret = check_range(disk, "read", start_sectors, count_sectors, err);
    if (ret < 0 || count_sectors == 0)
        return ret;
    return disk->ops->read(disk, start_sectors, count_sectors, buffer, err);
}

int vd_disk_write(struct vd_disk *disk, uint64_t start_sectors, uint64_t count_sectors,
                  const void *buffer, struct vd_error *err)
{
    if (disk->read_only)
        return refuse_read_only(disk, "write to", err);
    int ret = check_range(disk, "write", start_sectors, count_sectors, err);
    if (ret < 0 || count_sectors == 0)
        return ret;
    assert(disk->ops->write); /* what has none is opened read-only */
    return disk->ops->write(disk, start_sectors, count_sectors, buffer, err);
}

int vd_disk_flush(struct vd_disk *disk, struct vd_error *err)
{
    return disk->read_only ? VD_OK : disk->ops->flush(disk, err);
}

/* Where the bytes are must continue too. The pieces of one compressed grain share its record. */
static bool data_continues(const struct vd_run *a, const struct vd_run *b)
{
    if (a->compressed != b->compressed)
        return false;
    uint64_t step = a->compressed ? 0 : vd_sectors_to_bytes(a->length_sectors);
    return a->offset_bytes + step == b->offset_bytes &&
           (a->file == b->file || strcmp(a->file, b->file) == 0);
}

/* `b` follows `a` on the disk; is it more of the same? */
static bool run_continues(const struct vd_run *a, const struct vd_run *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == VD_RUN_ABSENT)
        return a->unknown == b->unknown;
    if (a->link != b->link || a->extent != b->extent)
        return false;
    return a->kind == VD_RUN_ZERO || data_continues(a, b);
}

/* Checks that the new runs tile on from `start`, merges them onto the `have` merged ones before
 * them, and gives how many there are then. */
static size_t merge_runs(struct vd_run *runs, size_t have, size_t added, uint64_t start,
                         uint64_t end)
{
    size_t last = have + added;
    for (size_t i = have; i < last; i++) {
        struct vd_run run = runs[i];
        assert(run.start_sectors == start);
        assert(run.length_sectors > 0 && run.length_sectors <= end - start);
        assert(run.kind != VD_RUN_DATA || run.file);
        start += run.length_sectors;

        if (have > 0 && run_continues(&runs[have - 1], &run))
            runs[have - 1].length_sectors += run.length_sectors;
        else
            runs[have++] = run;
    }
    return have;
}

/* Merging makes room, so the implementation is asked again until the array or the range is full. */
int vd_disk_map(struct vd_disk *disk, uint64_t start_sectors, uint64_t count_sectors,
                struct vd_run *runs, size_t max_runs, size_t *ret_runs, struct vd_error *err)
{
    assert(count_sectors > 0 && max_runs > 0);
    int ret = check_range(disk, "map", start_sectors, count_sectors, err);
    if (ret < 0)
        return ret;

    uint64_t at = start_sectors;
    uint64_t end = start_sectors + count_sectors;
    size_t have = 0;
    while (at < end && have < max_runs) {
        size_t added = 0;
        /* What was found so far is told; the trouble behind it when it is asked for. */
        ret = disk->ops->map(disk, at, end - at, runs + have, max_runs - have, &added,
                             have > 0 ? NULL : err);
        if (ret < 0 && have > 0)
            break;
        if (ret < 0)
            return ret;
        assert(added > 0 && added <= max_runs - have);
        have = merge_runs(runs, have, added, at, end);
        at = runs[have - 1].start_sectors + runs[have - 1].length_sectors;
    }
    *ret_runs = have;
    return VD_OK;
}

/* Pieces that end at a multiple of this, so that as few grains as can be are written in parts. */
#define ZERO_PIECE_SECTORS (VD_MIB / VD_SECTOR_BYTES)

static int write_zeros(struct vd_disk *disk, uint64_t start, uint64_t count, struct vd_error *err)
{
    VD_FREE uint8_t *zeros = calloc(1, (size_t)vd_sectors_to_bytes(ZERO_PIECE_SECTORS));
    int ret = VD_OK;
    if (!zeros)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to write zeros to '%s'", disk->path);
    while (ret >= 0 && count > 0) {
        uint64_t piece = VD_MIN(count, ZERO_PIECE_SECTORS - start % ZERO_PIECE_SECTORS);
        ret = disk->ops->write(disk, start, piece, zeros, err);
        start += piece;
        count -= piece;
    }
    return ret;
}

static int zero_run(struct vd_disk *disk, const struct vd_run *run, struct vd_error *err)
{
    bool stored = run->kind == VD_RUN_DATA;
    if (!stored && !run->unknown)
        return VD_OK;
    if (stored && run->link == 0 && !run->compressed && disk->ops->punch)
        return disk->ops->punch(disk, run->start_sectors, run->length_sectors, err);
    return write_zeros(disk, run->start_sectors, run->length_sectors, err);
}

int vd_disk_zero(struct vd_disk *disk, uint64_t start_sectors, uint64_t count_sectors,
                 struct vd_error *err)
{
    struct vd_run runs[16];
    if (disk->read_only)
        return refuse_read_only(disk, "write zeros to", err);
    int ret = check_range(disk, "write zeros to", start_sectors, count_sectors, err);
    uint64_t at = start_sectors;
    uint64_t end = start_sectors + count_sectors;
    while (ret >= 0 && at < end) {
        size_t told = 0;
        ret = vd_disk_map(disk, at, end - at, runs, VD_ARRAY_SIZE(runs), &told, err);
        for (size_t i = 0; ret >= 0 && i < told; i++) {
            ret = zero_run(disk, &runs[i], err);
            at = runs[i].start_sectors + runs[i].length_sectors;
        }
    }
    return ret;
}

void vd_disk_info(struct vd_disk *disk, struct vd_disk_info *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->logical_sector_bytes = VD_SECTOR_BYTES;
    ret->physical_sector_bytes = VD_SECTOR_BYTES;
    ret->capacity_sectors = disk->capacity_sectors;
    ret->read_only = disk->read_only;
    disk->ops->info(disk, ret);
    assert(ret->capacity_sectors == disk->capacity_sectors);
    assert(ret->read_only == disk->read_only);
}

const char *vd_disk_meta_get(struct vd_disk *disk, const char *key)
{
    return disk->ops->meta_get ? disk->ops->meta_get(disk, key) : NULL;
}

const char *vd_disk_meta_key(struct vd_disk *disk, size_t index)
{
    return disk->ops->meta_key ? disk->ops->meta_key(disk, index) : NULL;
}

int vd_disk_meta_set(struct vd_disk *disk, const char *key, const char *value, struct vd_error *err)
{
    if (disk->read_only)
        return refuse_read_only(disk, "set a key in the database of", err);
    if (!disk->ops->meta_set)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "cannot set the key '%s' of '%s': the disk has no database", key,
                            disk->path);
    return disk->ops->meta_set(disk, key, value, err);
}

uint64_t vd_disk_capacity(const struct vd_disk *disk)
{
    return disk->capacity_sectors;
}

const char *vd_disk_path(const struct vd_disk *disk)
{
    return disk->path;
}

int vd_disk_close(struct vd_disk *disk, struct vd_error *err)
{
    if (!disk)
        return VD_OK;
    char *path = disk->path; /* the implementation may still name it */
    int ret = disk->ops->close(disk, err);
    free(path);
    return ret;
}

void vd_disk_free(struct vd_disk *disk)
{
    (void)vd_disk_close(disk, NULL); /* nothing was written, so nothing can be lost */
}
