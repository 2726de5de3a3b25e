/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains of links in memory beside a plain model of what they hold: for every link and sector
 * whether it is absent, zero or data, and its bytes. What a chain reads as is computed from the
 * model sector by sector, and compared with what the library says.
 */
#ifndef VD_TESTS_BUILD_CHAIN_H
#define VD_TESTS_BUILD_CHAIN_H

#include "block/fault.h"
#include "block/memory.h"
#include "build-cowd.h"
#include "build-records.h"
#include "build-sesparse.h"
#include "harness.h"
#include "vmdk/link.h"
#include "vmdk/mover.h"

enum { CHAIN_MAX_LINKS = 8, CHAIN_MAX_EXTENTS = 4 };

struct chain_link {
    struct vd_link link;
    struct vd_descriptor descriptor;
    char path[32];
    struct vd_link_extent extents[CHAIN_MAX_EXTENTS];
    char files[CHAIN_MAX_EXTENTS][48];
    uint64_t capacity_sectors;
    uint8_t *kinds; /* enum vd_lookup_kind per sector */
    uint8_t *bytes;
};

struct chain {
    struct vd_fs_memory *files;
    struct vd_fs_fault *fault;
    struct vd_table_cache *cache;
    struct chain_link links[CHAIN_MAX_LINKS];
    struct vd_link *pointers[CHAIN_MAX_LINKS];
    size_t num_links;
    bool missing_parent;
    struct vd_mover *mover;
};

static inline void chain_init(struct chain *chain)
{
    *chain = (struct chain){0};
    check_code(vd_fs_memory_new(&chain->files, NULL), VD_OK);
    check_code(vd_fs_fault_new(vd_fs_memory_fs(chain->files), &chain->fault, NULL), VD_OK);
    /* few pages, so that they come and go */
    check_code(vd_table_cache_new(4 * VD_TABLE_PAGE_BYTES, &chain->cache, NULL), VD_OK);
}

static inline void chain_done(struct chain *chain)
{
    vd_mover_free(chain->mover);
    for (size_t i = 0; i < chain->num_links; i++) {
        struct chain_link *link = &chain->links[i];
        for (size_t j = 0; j < link->link.num_extents; j++)
            vd_extent_free(link->extents[j].extent);
    }
    vd_table_cache_free(chain->cache); /* before the blocks it knows by address */
    for (size_t i = 0; i < chain->num_links; i++) {
        struct chain_link *link = &chain->links[i];
        for (size_t j = 0; j < link->link.num_extents; j++)
            vd_block_free(link->extents[j].block);
        free(link->kinds);
        free(link->bytes);
    }
    vd_fs_fault_free(chain->fault);
    vd_fs_memory_free(chain->files);
}

/* The next parent; the first one added is the leaf. */
static inline struct chain_link *chain_link_add(struct chain *chain, uint64_t capacity_sectors)
{
    check(chain->num_links < CHAIN_MAX_LINKS);
    struct chain_link *link = &chain->links[chain->num_links];
    (void)snprintf(link->path, sizeof link->path, "link%zu.vmdk", chain->num_links);
    link->capacity_sectors = capacity_sectors;
    link->kinds = calloc(1, (size_t)capacity_sectors);
    link->bytes = calloc(1, (size_t)capacity_sectors * 512);
    check(link->kinds && link->bytes);
    link->descriptor.parent_hint = NULL;
    link->link.path = link->path;
    link->link.descriptor = &link->descriptor;
    link->link.extents = link->extents;
    chain->pointers[chain->num_links++] = &link->link;
    return link;
}

static inline void chain_open(struct chain *chain)
{
    check_code(
        vd_mover_new(chain->pointers, chain->num_links, chain->missing_parent, &chain->mover, NULL),
        VD_OK);
}

/* Puts sectors of a link's model. */
static inline void chain_model_put(struct chain_link *link, uint64_t sector, uint64_t count,
                                   enum vd_lookup_kind kind, const uint8_t *bytes)
{
    memset(link->kinds + sector, (int)kind, (size_t)count);
    if (kind == VD_LOOKUP_DATA)
        memcpy(link->bytes + sector * 512, bytes, (size_t)count * 512);
}

/* Fills sectors of a link's model grain by grain with runs of all kinds. */
static inline void chain_model_random(struct chain_link *link, uint64_t sector, uint64_t count,
                                      uint64_t grain_sectors, uint64_t *random)
{
    enum vd_lookup_kind kind = VD_LOOKUP_ABSENT;
    for (uint64_t done = 0; done < count; done += grain_sectors) {
        uint64_t here = VD_MIN(grain_sectors, count - done);
        if (build_random_below(random, 4) == 0)
            kind = (enum vd_lookup_kind)build_random_below(random, 3);
        memset(link->kinds + sector + done, (int)kind, (size_t)here);
        if (kind == VD_LOOKUP_DATA)
            build_random_sectors(random, link->bytes + (sector + done) * 512, here);
    }
}

/* Adds a file and opens it as the block of the link's next extent. */
static inline struct vd_block *chain_file(struct chain *chain, struct chain_link *link,
                                          const struct build_image *image)
{
    size_t index = link->link.num_extents;
    char *name = link->files[index];
    struct vd_block *block = NULL;
    (void)snprintf(name, sizeof link->files[index], "link%zu.vmdk-%zu",
                   (size_t)(link - chain->links), index);
    check_code(vd_fs_memory_add(chain->files, name, image->bytes, image->length, NULL), VD_OK);
    check_code(vd_fs_open(vd_fs_fault_fs(chain->fault), name, 0, &block, NULL), VD_OK);
    return block;
}

static inline void chain_extent_put(struct chain_link *link, struct vd_extent *extent,
                                    struct vd_block *block)
{
    check(link->link.num_extents < CHAIN_MAX_EXTENTS);
    size_t index = link->link.num_extents++;
    link->extents[index] = (struct vd_link_extent){
        .extent = extent,
        .block = block,
        .start_sectors = link->link.capacity_sectors,
        .path = block ? link->files[index] : NULL,
    };
    link->link.capacity_sectors += extent->capacity_sectors;
}

typedef int chain_opener(const struct vd_extent_params *params, struct vd_extent **ret,
                         struct vd_error *err);

static inline void chain_extent_open(struct chain *chain, struct chain_link *link,
                                     chain_opener *opener, const struct build_image *image,
                                     const struct vd_extent_line *line)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_extent_params params = {.cache = chain->cache, .line = line, .fill_short = true};
    struct vd_extent *extent = NULL;
    if (image)
        params.block = chain_file(chain, link, image);
    check_code_err(opener(&params, &extent, &err), VD_OK, &err);
    chain_extent_put(link, extent, params.block);
}

/* The kind of a grain in the model, and its bytes padded with zeros to a whole grain. */
static inline enum vd_lookup_kind chain_grain(const struct chain_link *link, uint64_t start,
                                              uint64_t sectors, uint64_t grain_sectors,
                                              uint64_t grain, uint8_t *bytes)
{
    uint64_t at = grain * grain_sectors;
    uint64_t here = VD_MIN(grain_sectors, sectors - at);
    memset(bytes, 0, (size_t)grain_sectors * 512);
    memcpy(bytes, link->bytes + (start + at) * 512, (size_t)here * 512);
    return (enum vd_lookup_kind)link->kinds[start + at];
}

/* The adders: each appends an extent of `sectors` sectors built from the link's model there. */

static inline void chain_flat(struct chain *chain, struct chain_link *link, uint64_t sectors,
                              uint64_t offset_sectors)
{
    struct build_image image = {0};
    uint64_t start = link->link.capacity_sectors;
    struct vd_extent_line line = {.sectors = sectors, .offset_sectors = offset_sectors};
    build_image_put(&image, offset_sectors * 512, link->bytes + start * 512, (size_t)sectors * 512);
    memset(link->kinds + start, VD_LOOKUP_DATA, (size_t)sectors);
    chain_extent_open(chain, link, vd_extent_flat_open, &image, &line);
    build_image_done(&image);
}

static inline void chain_zero(struct chain *chain, struct chain_link *link, uint64_t sectors)
{
    struct vd_extent_line line = {.sectors = sectors};
    memset(link->kinds + link->link.capacity_sectors, VD_LOOKUP_ZERO, (size_t)sectors);
    chain_extent_open(chain, link, vd_extent_zero_open, NULL, &line);
}

static inline void chain_cowd(struct chain *chain, struct chain_link *link, uint64_t sectors,
                              uint32_t grain_sectors)
{
    struct build_cowd cowd;
    struct vd_extent_line line = {.sectors = sectors};
    uint64_t start = link->link.capacity_sectors;
    uint8_t *bytes VD_FREE = malloc((size_t)grain_sectors * 512);
    build_cowd_init(&cowd, (uint32_t)sectors, grain_sectors);
    for (uint64_t grain = 0; grain * grain_sectors < sectors; grain++) {
        enum vd_lookup_kind kind = chain_grain(link, start, sectors, grain_sectors, grain, bytes);
        if (kind == VD_LOOKUP_DATA)
            build_cowd_data(&cowd, grain, bytes);
        else if (kind == VD_LOOKUP_ZERO)
            build_cowd_zero(&cowd, grain);
    }
    chain_extent_open(chain, link, vd_extent_cowd_open, &cowd.image, &line);
    build_cowd_done(&cowd);
}

static inline void chain_sesparse(struct chain *chain, struct chain_link *link, uint64_t sectors,
                                  uint64_t table_sectors)
{
    struct build_sesparse se;
    struct vd_extent_line line = {.sectors = sectors};
    uint64_t start = link->link.capacity_sectors;
    uint8_t bytes[SESPARSE_GRAIN_SECTORS * 512];
    build_sesparse_init(&se, sectors, table_sectors);
    for (uint64_t grain = 0; grain * SESPARSE_GRAIN_SECTORS < sectors; grain++) {
        enum vd_lookup_kind kind =
            chain_grain(link, start, sectors, SESPARSE_GRAIN_SECTORS, grain, bytes);
        if (kind == VD_LOOKUP_DATA)
            build_sesparse_data(&se, grain, bytes);
        else if (kind == VD_LOOKUP_ZERO)
            build_sesparse_zero(&se, grain, 1 + (unsigned)grain % 2);
    }
    chain_extent_open(chain, link, vd_extent_sesparse_open, &se.image, &line);
    build_sesparse_done(&se);
}

static inline void chain_records(struct chain *chain, struct chain_link *link, uint64_t sectors,
                                 uint64_t grain_sectors)
{
    struct build_image image = {0};
    uint64_t start = link->link.capacity_sectors;
    uint64_t *places = calloc((size_t)vd_div_up(sectors, grain_sectors), sizeof *places);
    uint8_t *bytes VD_FREE = malloc((size_t)grain_sectors * 512);
    check(places && bytes);
    build_image_extend(&image, 512);
    for (uint64_t grain = 0; grain * grain_sectors < sectors; grain++) {
        enum vd_lookup_kind kind = chain_grain(link, start, sectors, grain_sectors, grain, bytes);
        if (kind == VD_LOOKUP_DATA)
            places[grain] =
                build_record(&image, grain * grain_sectors, bytes, (size_t)grain_sectors * 512);
        else if (kind == VD_LOOKUP_ZERO)
            places[grain] = 1;
    }
    struct vd_block *block = chain_file(chain, link, &image);
    chain_extent_put(link, build_records_open(block, places, sectors, grain_sectors), block);
    build_image_done(&image);
}

/* What the model says. */

/* The link that answers for a sector, or NULL: zeros that nobody holds. */
static inline const struct chain_link *chain_holder(const struct chain *chain, uint64_t sector)
{
    for (size_t i = 0; i < chain->num_links; i++) {
        const struct chain_link *link = &chain->links[i];
        if (sector >= link->capacity_sectors)
            return NULL;
        if (link->kinds[sector] != VD_LOOKUP_ABSENT)
            return link;
    }
    return NULL;
}

/* The sector's bytes; NULL for zeros. */
static inline const uint8_t *chain_sector(const struct chain *chain, uint64_t sector)
{
    const struct chain_link *link = chain_holder(chain, sector);
    return link && link->kinds[sector] == VD_LOOKUP_DATA ? link->bytes + sector * 512 : NULL;
}

/* What `count` sectors at `buffer` should be, told by the first sector that is not. */
static inline void chain_compare(const struct chain *chain, uint64_t start, uint64_t count,
                                 const uint8_t *buffer)
{
    static const uint8_t zeros[512];
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *want = chain_sector(chain, start + i);
        if (memcmp(buffer + i * 512, want ? want : zeros, 512) != 0)
            test_fail("sector %llu differs from the model", (unsigned long long)(start + i));
    }
}

static inline void chain_read_check(const struct chain *chain, uint64_t start, uint64_t count)
{
    struct vd_error err = VD_ERROR_INIT;
    uint8_t *buffer VD_FREE = malloc((size_t)count * 512 + 1);
    check(buffer != NULL);
    memset(buffer, 0xee, (size_t)count * 512 + 1);
    check_code_err(vd_mover_read(chain->mover, start, count, buffer, &err), VD_OK, &err);
    chain_compare(chain, start, count, buffer);
    check_int_eq(buffer[count * 512], 0xee);
}

#endif
