/* SPDX-License-Identifier: Apache-2.0 */
/* A disk made of a pattern, for tests of what stands on vd_disk. Each character is a block of
 * `block_sectors`: 'd' data that differs from sector to sector, 'z' zero by link 0, '-' absent, 'n'
 * data that is all zero, 'x' data that cannot be read. */
#ifndef VD_TESTS_FAKE_DISK_H
#define VD_TESTS_FAKE_DISK_H

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "disk/disk.h"

struct fake_disk {
    struct vd_disk disk;
    const char *pattern;
    uint64_t block_sectors;
    const char *file;          /* where maps say the data is */
    uint64_t map_error_sector; /* maps fail from here on; 0: never */
    size_t map_most_runs;      /* at most so many runs at once; 0: as asked */
    atomic_uint_fast64_t sectors_read;
};

static inline char fake_kind(const struct fake_disk *fake, uint64_t sector)
{
    return fake->pattern[sector / fake->block_sectors];
}

/* What a sector of kind 'd' holds. */
static inline void fake_sector(uint64_t sector, uint8_t out[VD_SECTOR_BYTES])
{
    for (size_t i = 0; i < VD_SECTOR_BYTES; i++)
        out[i] = (uint8_t)(1 + (sector * 7 + i) % 251);
}

static inline int fake_read(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                            void *buffer, struct vd_error *err)
{
    struct fake_disk *fake = (struct fake_disk *)self;
    uint8_t *out = buffer;

    for (uint64_t s = start_sectors; s < start_sectors + count_sectors; s++) {
        if (fake_kind(fake, s) == 'x')
            return vd_error_set(err, VD_E_IO, "bad sector %ju", (uintmax_t)s);
        memset(out, 0, VD_SECTOR_BYTES);
        if (fake_kind(fake, s) == 'd')
            fake_sector(s, out);
        out += VD_SECTOR_BYTES;
    }
    atomic_fetch_add(&fake->sectors_read, count_sectors);
    return VD_OK;
}

static inline int fake_map(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                           struct vd_run *runs, size_t max_runs, size_t *ret_runs,
                           struct vd_error *err)
{
    struct fake_disk *fake = (struct fake_disk *)self;
    uint64_t end = start_sectors + count_sectors;
    size_t count = 0;

    if (fake->map_most_runs)
        max_runs = VD_MIN(max_runs, fake->map_most_runs);
    while (start_sectors < end && count < max_runs) {
        char kind = fake_kind(fake, start_sectors);
        uint64_t stop = start_sectors - start_sectors % fake->block_sectors + fake->block_sectors;

        if (fake->map_error_sector && start_sectors >= fake->map_error_sector)
            break;
        stop = VD_MIN(stop, end);
        runs[count++] = (struct vd_run){
            .start_sectors = start_sectors,
            .length_sectors = stop - start_sectors,
            .kind = kind == 'z'   ? VD_RUN_ZERO
                    : kind == '-' ? VD_RUN_ABSENT
                                  : VD_RUN_DATA,
            .offset_bytes = kind == 'z' || kind == '-' ? 0 : start_sectors * VD_SECTOR_BYTES,
            .file = kind == 'z' || kind == '-' ? NULL : fake->file,
        };
        start_sectors = stop;
    }
    if (count == 0)
        return vd_error_set(err, VD_E_GTE, "bad table at sector %ju", (uintmax_t)start_sectors);
    *ret_runs = count;
    return VD_OK;
}

static inline void fake_info(struct vd_disk *self, struct vd_disk_info *ret)
{
    *ret = (struct vd_disk_info){.capacity_sectors = self->capacity_sectors};
}

static inline const char *fake_no_meta(struct vd_disk *self, const char *key)
{
    (void)self;
    (void)key;
    return NULL;
}

static inline const char *fake_no_key(struct vd_disk *self, size_t index)
{
    (void)self;
    (void)index;
    return NULL;
}

static inline int fake_close(struct vd_disk *self, struct vd_error *err)
{
    (void)self;
    (void)err;
    return VD_OK;
}

static const struct vd_disk_ops fake_ops = {
    .name = "fake",
    .read = fake_read,
    .map = fake_map,
    .info = fake_info,
    .meta_get = fake_no_meta,
    .meta_key = fake_no_key,
    .close = fake_close,
};

/* On the stack, never closed. */
static inline void fake_disk_init(struct fake_disk *fake, const char *pattern,
                                  uint64_t block_sectors)
{
    memset(fake, 0, sizeof *fake);
    fake->disk.ops = &fake_ops;
    fake->disk.path = (char *)(uintptr_t) "fake";
    fake->disk.capacity_sectors = strlen(pattern) * block_sectors;
    fake->disk.read_only = true;
    fake->pattern = pattern;
    fake->block_sectors = block_sectors;
    fake->file = "fake-data";
}

/* All it reads, malloc'd. */
static inline uint8_t *fake_content(struct fake_disk *fake)
{
    uint8_t *all = malloc(fake->disk.capacity_sectors * VD_SECTOR_BYTES + 1);

    if (!all || fake_read(&fake->disk, 0, fake->disk.capacity_sectors, all, NULL) < 0)
        abort();
    return all;
}

#endif
