/* SPDX-License-Identifier: Apache-2.0 */
/* COWD files of ESX built from Virtual Disk Format 5.0: header, directory, then tables and grains
 * in the order they are added. */
#ifndef VD_TESTS_BUILD_COWD_H
#define VD_TESTS_BUILD_COWD_H

#include "build-image.h"

enum {
    COWD_AT_VERSION = 4,
    COWD_AT_FLAGS = 8,
    COWD_AT_CAPACITY = 12,
    COWD_AT_GRAIN = 16,
    COWD_AT_DIRECTORY = 20,
    COWD_AT_TABLES = 24,
    COWD_AT_FREE = 28,
    COWD_AT_UNCLEAN = 1648,
    COWD_DIRECTORY_SECTOR = 4,
    COWD_ENTRIES = 4096,
    COWD_TABLE_SECTORS = 32,
};

struct build_cowd {
    struct build_image image;
    uint32_t capacity_sectors;
    uint32_t grain_sectors;
    uint32_t num_tables;
    uint32_t free_sector;
};

static inline void build_cowd_init(struct build_cowd *cowd, uint32_t capacity_sectors,
                                   uint32_t grain_sectors)
{
    uint32_t tables = (uint32_t)vd_div_up(capacity_sectors, (uint64_t)COWD_ENTRIES * grain_sectors);
    uint32_t directory = (uint32_t)vd_bytes_to_sectors_up((uint64_t)tables * 4);
    *cowd = (struct build_cowd){
        .capacity_sectors = capacity_sectors,
        .grain_sectors = grain_sectors,
        .num_tables = tables,
        .free_sector = COWD_DIRECTORY_SECTOR + directory,
    };
    struct build_image *image = &cowd->image;
    build_image_extend(image, (size_t)cowd->free_sector * VD_SECTOR_BYTES);
    memcpy(image->bytes, "COWD", 4);
    build_image_u32(image, COWD_AT_VERSION, 1);
    build_image_u32(image, COWD_AT_FLAGS, 3);
    build_image_u32(image, COWD_AT_CAPACITY, capacity_sectors);
    build_image_u32(image, COWD_AT_GRAIN, grain_sectors);
    build_image_u32(image, COWD_AT_DIRECTORY, COWD_DIRECTORY_SECTOR);
    build_image_u32(image, COWD_AT_TABLES, tables);
    build_image_u32(image, COWD_AT_FREE, cowd->free_sector);
}

static inline void build_cowd_done(struct build_cowd *cowd)
{
    build_image_done(&cowd->image);
}

/* Takes sectors from the end of the file. */
static inline uint32_t build_cowd_allocate(struct build_cowd *cowd, uint32_t sectors)
{
    uint32_t at = cowd->free_sector;
    cowd->free_sector += sectors;
    build_image_extend(&cowd->image, (size_t)cowd->free_sector * VD_SECTOR_BYTES);
    build_image_u32(&cowd->image, COWD_AT_FREE, cowd->free_sector);
    return at;
}

/* Byte offset of a directory entry. */
static inline uint64_t build_cowd_gde(uint64_t table)
{
    return COWD_DIRECTORY_SECTOR * VD_SECTOR_BYTES + table * 4;
}

/* Byte offset of a grain's table entry; adds the table where it is missing. */
static inline uint64_t build_cowd_gte(struct build_cowd *cowd, uint64_t grain)
{
    uint64_t gde = build_cowd_gde(grain / COWD_ENTRIES);
    uint32_t table = build_image_get_u32(&cowd->image, gde);
    if (table == 0) {
        table = build_cowd_allocate(cowd, COWD_TABLE_SECTORS);
        build_image_u32(&cowd->image, gde, table);
    }
    return (uint64_t)table * VD_SECTOR_BYTES + grain % COWD_ENTRIES * 4;
}

/* Stores a grain of data. */
static inline void build_cowd_data(struct build_cowd *cowd, uint64_t grain, const void *bytes)
{
    uint64_t gte = build_cowd_gte(cowd, grain);
    uint32_t at = build_cowd_allocate(cowd, cowd->grain_sectors);
    build_image_u32(&cowd->image, gte, at);
    build_image_put(&cowd->image, (uint64_t)at * VD_SECTOR_BYTES, bytes,
                    (size_t)cowd->grain_sectors * VD_SECTOR_BYTES);
}

static inline void build_cowd_zero(struct build_cowd *cowd, uint64_t grain)
{
    build_image_u32(&cowd->image, build_cowd_gte(cowd, grain), 1);
}

#endif
