/* SPDX-License-Identifier: Apache-2.0 */
/* SESparse files with the areas in the order ESXi puts them, but each only as large as it must be;
 * table numbers and slots are handed out in order of first use. */
#ifndef VD_TESTS_BUILD_SESPARSE_H
#define VD_TESTS_BUILD_SESPARSE_H

#include "build-image.h"

enum {
    SESPARSE_AT_MAGIC = 0,
    SESPARSE_AT_VERSION = 8,
    SESPARSE_AT_CAPACITY = 16,
    SESPARSE_AT_GRAIN = 24,
    SESPARSE_AT_TABLE = 32,
    SESPARSE_AT_FLAGS = 40,
    SESPARSE_AT_RESERVED1 = 48,
    SESPARSE_AT_AREAS = 80, /* offset and size of each, in the order below */
    SESPARSE_AT_REPLAY = 512 + 24,
    SESPARSE_GRAIN_SECTORS = 8,
};

enum build_sesparse_area {
    AREA_VOLATILE,
    AREA_JOURNAL_HEADER,
    AREA_JOURNAL,
    AREA_DIRECTORY,
    AREA_TABLES,
    AREA_BITMAP,
    AREA_BACKMAP,
    AREA_GRAINS,
    AREA_COUNT,
};

struct build_sesparse {
    struct build_image image;
    uint64_t capacity_sectors;
    uint64_t table_sectors;
    uint64_t areas[AREA_COUNT]; /* first sector of each */
    uint64_t next_table;
    uint64_t next_slot;
};

static inline uint64_t build_sesparse_area_at(enum build_sesparse_area area)
{
    return SESPARSE_AT_AREAS + (uint64_t)area * 16;
}

static inline void build_sesparse_areas(struct build_sesparse *se)
{
    uint64_t grains = vd_div_up(se->capacity_sectors, SESPARSE_GRAIN_SECTORS);
    uint64_t tables = vd_div_up(grains, se->table_sectors * 64);
    const uint64_t sizes[AREA_COUNT] = {
        [AREA_VOLATILE] = 1,
        [AREA_JOURNAL_HEADER] = 2,
        [AREA_JOURNAL] = 4,
        [AREA_DIRECTORY] = vd_bytes_to_sectors_up(tables * 8),
        [AREA_TABLES] = tables * se->table_sectors,
        [AREA_BITMAP] = vd_bytes_to_sectors_up(vd_div_up(grains, 8)),
        [AREA_BACKMAP] = tables * se->table_sectors,
        [AREA_GRAINS] = se->capacity_sectors,
    };
    uint64_t sector = 1;
    for (unsigned i = 0; i < AREA_COUNT; i++) {
        se->areas[i] = sector;
        build_image_u64(&se->image, build_sesparse_area_at(i), sector);
        build_image_u64(&se->image, build_sesparse_area_at(i) + 8, sizes[i]);
        sector += sizes[i];
    }
}

/* Header and directory only, so that huge capacities cost little. */
static inline void build_sesparse_init_short(struct build_sesparse *se, uint64_t capacity_sectors,
                                             uint64_t table_sectors)
{
    *se = (struct build_sesparse){
        .capacity_sectors = capacity_sectors,
        .table_sectors = table_sectors,
    };
    struct build_image *image = &se->image;
    build_image_u64(image, SESPARSE_AT_MAGIC, UINT64_C(0xcafebabe));
    build_image_u64(image, SESPARSE_AT_VERSION, UINT64_C(0x200000001));
    build_image_u64(image, SESPARSE_AT_CAPACITY, capacity_sectors);
    build_image_u64(image, SESPARSE_AT_GRAIN, SESPARSE_GRAIN_SECTORS);
    build_image_u64(image, SESPARSE_AT_TABLE, table_sectors);
    build_sesparse_areas(se);
    build_image_u64(image, VD_SECTOR_BYTES, UINT64_C(0xcafecafe));
    build_image_extend(image, (size_t)(se->areas[AREA_TABLES] * VD_SECTOR_BYTES));
}

/* `table_sectors` is 64 in the field; less makes smaller files. */
static inline void build_sesparse_init(struct build_sesparse *se, uint64_t capacity_sectors,
                                       uint64_t table_sectors)
{
    build_sesparse_init_short(se, capacity_sectors, table_sectors);
    build_image_extend(&se->image, (size_t)(se->areas[AREA_GRAINS] * VD_SECTOR_BYTES));
}

static inline void build_sesparse_done(struct build_sesparse *se)
{
    build_image_done(&se->image);
}

static inline uint64_t build_sesparse_gde(const struct build_sesparse *se, uint64_t table)
{
    return se->areas[AREA_DIRECTORY] * VD_SECTOR_BYTES + table * 8;
}

/* Byte offset of a grain's table entry; adds the table where it is missing. */
static inline uint64_t build_sesparse_gte(struct build_sesparse *se, uint64_t grain)
{
    uint64_t entries = se->table_sectors * 64;
    uint64_t gde = build_sesparse_gde(se, grain / entries);
    uint64_t entry = build_image_get_u64(&se->image, gde);
    if (entry == 0) {
        entry = UINT64_C(1) << 60 | se->next_table++;
        build_image_u64(&se->image, gde, entry);
    }
    uint64_t index = entry & UINT64_C(0xffffffff);
    uint64_t sector = se->areas[AREA_TABLES] + index * se->table_sectors;
    return sector * VD_SECTOR_BYTES + grain % entries * 8;
}

static inline uint64_t build_sesparse_slot_entry(uint64_t slot)
{
    return UINT64_C(3) << 60 | (slot & 0xfff) << 48 | slot >> 12;
}

/* Stores a grain of data in a slot of the caller's choice. */
static inline void build_sesparse_data_at(struct build_sesparse *se, uint64_t grain, uint64_t slot,
                                          const void *bytes)
{
    uint64_t sector = se->areas[AREA_GRAINS] + slot * SESPARSE_GRAIN_SECTORS;
    build_image_u64(&se->image, build_sesparse_gte(se, grain), build_sesparse_slot_entry(slot));
    build_image_put(&se->image, sector * VD_SECTOR_BYTES, bytes,
                    SESPARSE_GRAIN_SECTORS * VD_SECTOR_BYTES);
}

static inline void build_sesparse_data(struct build_sesparse *se, uint64_t grain, const void *bytes)
{
    build_sesparse_data_at(se, grain, se->next_slot++, bytes);
}

/* 1: unmapped by the guest, keeping a slot; 2: written zeros. */
static inline void build_sesparse_zero(struct build_sesparse *se, uint64_t grain, unsigned type)
{
    uint64_t entry = (uint64_t)type << 60 | (type == 1 ? 7 : 0);
    build_image_u64(&se->image, build_sesparse_gte(se, grain), entry);
}

#endif
