/* SPDX-License-Identifier: Apache-2.0 */
#include "export.h"

#include <assert.h>
#include <errno.h>

#include "base/units.h"

/* What clients take as usual, and the most that qemu sends at once. */
#define LEAST_PREFERRED_BYTES 4096u
#define MOST_BYTES            (32u << 20)

#define BATCH_RUNS            64

static int check_size(struct vd_disk *disk, struct vd_error *err)
{
    if (vd_sectors_to_bytes(vd_disk_capacity(disk)) <= INT64_MAX)
        return VD_OK;
    return vd_error_set(err, VD_E_TOO_BIG, "'%s' has 2^63 bytes, one more than can be served",
                        vd_disk_path(disk));
}

int vd_export_take(struct vd_export *ret, struct vd_disk *disk, struct vd_error *err)
{
    int r = check_size(disk, err);

    if (r < 0) {
        vd_disk_free(disk);
        return r;
    }
    vd_byte_access_init(&ret->bytes, disk);
    ret->disk = disk;
    return VD_OK;
}

int vd_export_open(struct vd_export *ret, const char *path, const struct vd_source_options *options,
                   bool writable, struct vd_error *err)
{
    struct vd_disk *disk = NULL;
    int r = writable ? vd_source_open_writable(path, options, &disk, err)
                     : vd_source_open(path, options, &disk, err);

    return r < 0 ? r : vd_export_take(ret, disk, err);
}

int vd_export_close(struct vd_export *export, struct vd_error *err)
{
    if (!export->disk)
        return VD_OK;
    vd_byte_access_done(&export->bytes);
    return vd_disk_close(VD_TAKE_PTR(export->disk), err);
}

void vd_export_block_size(const struct vd_export *export, uint32_t *ret_minimum,
                          uint32_t *ret_preferred, uint32_t *ret_maximum)
{
    struct vd_disk_info info;
    uint64_t grain_bytes;

    vd_disk_info(export->disk, &info);
    grain_bytes = vd_sectors_to_bytes(info.grain_sectors);
    *ret_minimum = 1;
    *ret_maximum = MOST_BYTES;
    *ret_preferred = LEAST_PREFERRED_BYTES;
    if (vd_is_power_of_two(grain_bytes) && grain_bytes > LEAST_PREFERRED_BYTES)
        *ret_preferred = (uint32_t)VD_MIN(grain_bytes, (uint64_t)MOST_BYTES);
}

/* The sectors that hold the bytes [at, end). */
static int map(struct vd_export *export, uint64_t at, uint64_t end, struct vd_run *runs,
               size_t *ret_count, struct vd_error *err)
{
    uint64_t first = at / VD_SECTOR_BYTES;

    return vd_disk_map(export->disk, first, vd_bytes_to_sectors_up(end) - first, runs, BATCH_RUNS,
                       ret_count, err);
}

static uint64_t run_start(const struct vd_run *run)
{
    return vd_sectors_to_bytes(run->start_sectors);
}

static uint64_t run_end(const struct vd_run *run)
{
    return vd_sectors_to_bytes(run->start_sectors + run->length_sectors);
}

/* As nothing but a map tells: an unknown run may be anything. */
static bool reads_as_zeros(const struct vd_run *run)
{
    return run->kind == VD_RUN_ZERO || (run->kind == VD_RUN_ABSENT && !run->unknown);
}

int vd_export_extents(struct vd_export *export, uint64_t offset_bytes, uint64_t length_bytes,
                      vd_export_run_fn tell, void *data, struct vd_error *err)
{
    uint64_t at = offset_bytes;
    uint64_t end = offset_bytes + length_bytes;
    struct vd_run runs[BATCH_RUNS];

    assert(length_bytes > 0);
    while (at < end) {
        bool first = at == offset_bytes;
        size_t count = 0;
        int r = map(export, at, end, runs, &count, first ? err : NULL);

        if (r < 0)
            return first ? r : VD_OK;
        for (size_t i = 0; i < count; i++) {
            const struct vd_run *run = &runs[i];

            at = run_end(run);
            if (tell(data, run_start(run), at - run_start(run), run->kind == VD_RUN_ABSENT,
                     reads_as_zeros(run)) != 0)
                return VD_OK;
        }
    }
    return VD_OK;
}

int vd_export_zero_fast(struct vd_export *export, uint64_t offset_bytes, uint64_t length_bytes,
                        struct vd_error *err)
{
    uint64_t at = offset_bytes;
    uint64_t end = offset_bytes + length_bytes;
    struct vd_run runs[BATCH_RUNS];

    while (at < end) {
        size_t count = 0;
        int r = map(export, at, end, runs, &count, err);

        if (r < 0)
            return r;
        for (size_t i = 0; i < count; i++) {
            if (!reads_as_zeros(&runs[i]))
                return vd_error_set(err, VD_E_NOT_SUPPORTED,
                                    "a part of the range may not read as zeros");
            at = run_end(&runs[i]);
        }
    }
    return VD_OK;
}

static int trim_run(struct vd_export *export, const struct vd_run *run, struct vd_error *err)
{
    if (run->kind != VD_RUN_DATA || run->link != 0)
        return VD_OK;
    return vd_byte_access_zero(&export->bytes, run_start(run), run_end(run) - run_start(run), err);
}

int vd_export_trim(struct vd_export *export, uint64_t offset_bytes, uint64_t length_bytes,
                   struct vd_error *err)
{
    uint64_t at = vd_bytes_to_sectors_up(offset_bytes) * VD_SECTOR_BYTES;
    uint64_t end = (offset_bytes + length_bytes) / VD_SECTOR_BYTES * VD_SECTOR_BYTES;
    struct vd_run runs[BATCH_RUNS];
    int r = VD_OK;

    while (r == VD_OK && at < end) {
        size_t count = 0;

        r = map(export, at, end, runs, &count, err);
        for (size_t i = 0; r == VD_OK && i < count; i++) {
            r = trim_run(export, &runs[i], err);
            at = run_end(&runs[i]);
        }
    }
    return r;
}

int vd_export_errno(int code)
{
    switch (vd_error_errno(code)) {
    case EROFS:
    case EACCES:
        return EROFS;
    case ENOMEM:
        return ENOMEM;
    case ENOSPC:
    case EFBIG:
        return ENOSPC;
    case ENOTSUP:
        return ENOTSUP;
    default:
        return EIO;
    }
}
