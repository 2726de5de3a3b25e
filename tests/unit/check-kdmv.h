/* SPDX-License-Identifier: Apache-2.0 */
/* The hosted sparse extent that tests of checking damage: small grains and tables, both copies, a
 * last grain and a last table that are short. */
#ifndef VD_TESTS_CHECK_KDMV_H
#define VD_TESTS_CHECK_KDMV_H

#include "base/units.h"
#include "build-kdmv.h"
#include "check-disk.h"

enum {
    GRAIN = 8,
    ENTRIES = 128,
    CAPACITY = 3 * ENTRIES * GRAIN + 20,
    GRAINS = 3 * ENTRIES + 3,
    TABLES = 4,
    BEYOND = GRAINS, /* the first entry of the last table that stands for nothing */
};

static const uint64_t stored[] = {0, 1, 5, 127, 128, 200, 383, 386};

static inline void check_kdmv_build(struct kdmv_image *image)
{
    kdmv_plain(image, &(struct kdmv_shape){.capacity_sectors = CAPACITY,
                                           .grain_sectors = GRAIN,
                                           .table_entries = ENTRIES});
    for (size_t i = 0; i < VD_ARRAY_SIZE(stored); i++)
        (void)kdmv_add_grain(image, stored[i]);
}

static inline struct vd_fs_memory *check_kdmv_files(const struct kdmv_image *image)
{
    struct vd_fs_memory *files = NULL;
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    check_disk_descriptor(files, CAPACITY, "SPARSE", NULL);
    check_code(vd_fs_memory_add(files, "extent", image->bytes, image->length, NULL), VD_OK);
    return files;
}

/* Every sector that could be read reads the same, but for those of `changed`, a grain, or none. */
static inline void check_kdmv_same(const uint8_t *before, const uint8_t *after, uint64_t changed)
{
    for (uint64_t i = 0; i < CAPACITY; i++) {
        if (i / GRAIN != changed && before[i * 513] != 0)
            check_mem_eq(after + i * 513, before + i * 513, 513);
    }
}

/* The same entry in both tables. */
static inline void check_kdmv_set(struct kdmv_image *image, uint64_t grain, uint32_t value)
{
    kdmv_set_gte(image, false, grain, value);
    kdmv_set_gte(image, true, grain, value);
}

static inline uint32_t check_kdmv_end(const struct kdmv_image *image)
{
    return (uint32_t)(image->length / VD_SECTOR_BYTES);
}

#endif
