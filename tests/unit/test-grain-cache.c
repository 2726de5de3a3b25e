/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "block/memory.h"
#include "build-records.h"
#include "harness.h"
#include "vmdk/grain-cache.h"

/* An extent of compressed grains over a model of its bytes. */
struct packed {
    struct build_image model;
    uint64_t capacity_sectors;
    uint64_t grain_sectors;
    struct vd_block *block;
    struct vd_extent *extent;
};

/* The record of grain `broken` is damaged; pass the number of grains for none. */
static void packed_init(struct packed *packed, uint64_t capacity_sectors, uint64_t grain_sectors,
                        uint64_t broken)
{
    struct build_image file = {0};
    uint64_t grains = vd_div_up(capacity_sectors, grain_sectors);
    uint64_t random = 11;
    uint64_t *places = calloc((size_t)grains, sizeof *places);
    check(places != NULL);
    *packed = (struct packed){.capacity_sectors = capacity_sectors, .grain_sectors = grain_sectors};
    build_image_extend(&packed->model, (size_t)(grains * grain_sectors * 512));
    build_random_sectors(&random, packed->model.bytes, capacity_sectors);
    build_image_extend(&file, 512);
    for (uint64_t i = 0; i < grains; i++) {
        const uint8_t *grain = packed->model.bytes + i * grain_sectors * 512;
        places[i] = build_record(&file, i * grain_sectors, grain, (size_t)grain_sectors * 512);
        if (i == broken)
            file.bytes[places[i] + 100] ^= 0xff;
    }
    check_code(vd_block_memory_new(file.bytes, file.length, &packed->block, NULL), VD_OK);
    packed->extent = build_records_open(packed->block, places, capacity_sectors, grain_sectors);
    build_image_done(&file);
}

static void packed_done(struct packed *packed)
{
    vd_extent_free(packed->extent);
    vd_block_free(packed->block);
    build_image_done(&packed->model);
}

static int packed_read(struct packed *packed, struct vd_grain_cache *cache, uint64_t sector,
                       uint64_t count, uint8_t *buffer, struct vd_error *err)
{
    struct vd_lookup at = {0};
    check_code(vd_extent_lookup(packed->extent, sector, count, &at, NULL), VD_OK);
    check_u64_eq(at.length_sectors, count);
    return vd_grain_cache_read(cache, packed->extent, sector, &at, buffer, err);
}

/* Reads sectors of one grain and compares them with the model. */
static void read_check(struct packed *packed, struct vd_grain_cache *cache, uint64_t sector,
                       uint64_t count)
{
    struct vd_error err = VD_ERROR_INIT;
    uint8_t *buffer VD_FREE = malloc((size_t)count * 512);
    check(buffer != NULL);
    check_code_err(packed_read(packed, cache, sector, count, buffer, &err), VD_OK, &err);
    check_mem_eq(buffer, packed->model.bytes + sector * 512, (size_t)count * 512);
}

static struct vd_grain_cache *cache_of(size_t budget_bytes)
{
    struct vd_grain_cache *cache = NULL;
    check_code(vd_grain_cache_new(budget_bytes, &cache, NULL), VD_OK);
    return cache;
}

VD_TEST(parts_of_a_grain_inflate_it_once)
{
    struct packed packed;
    struct vd_grain_cache *cache = cache_of(VD_GRAIN_CACHE_BUDGET_BYTES);
    packed_init(&packed, 1280, 128, 10);
    check_u64_eq(vd_grain_cache_bytes(cache), 0);
    for (uint64_t sector = 0; sector < 128; sector++)
        read_check(&packed, cache, sector, 1);
    read_check(&packed, cache, 1, 127);
    check_u64_eq(vd_grain_cache_inflated(cache), 1);
    check_u64_eq(vd_grain_cache_bytes(cache), 128 * 512);
    vd_grain_cache_free(cache);
    packed_done(&packed);
}

VD_TEST(a_whole_grain_is_not_kept)
{
    struct packed packed;
    struct vd_grain_cache *cache = cache_of(VD_GRAIN_CACHE_BUDGET_BYTES);
    packed_init(&packed, 1280, 128, 10);
    read_check(&packed, cache, 256, 128);
    check_u64_eq(vd_grain_cache_bytes(cache), 0);
    check_u64_eq(vd_grain_cache_inflated(cache), 1);
    vd_grain_cache_free(cache);
    packed_done(&packed);
}

VD_TEST(a_whole_grain_that_is_kept_is_not_inflated_again)
{
    struct packed packed;
    struct vd_grain_cache *cache = cache_of(VD_GRAIN_CACHE_BUDGET_BYTES);
    packed_init(&packed, 1280, 128, 10);
    read_check(&packed, cache, 256, 1);
    read_check(&packed, cache, 256, 128);
    check_u64_eq(vd_grain_cache_inflated(cache), 1);
    vd_grain_cache_free(cache);
    packed_done(&packed);
}

VD_TEST(the_short_last_grain)
{
    struct packed packed;
    struct vd_grain_cache *cache = cache_of(VD_GRAIN_CACHE_BUDGET_BYTES);
    packed_init(&packed, 200, 128, 2);
    read_check(&packed, cache, 128, 72);
    read_check(&packed, cache, 199, 1);
    check_u64_eq(vd_grain_cache_inflated(cache), 1);
    vd_grain_cache_free(cache);
    packed_done(&packed);
}

VD_TEST(the_grain_used_longest_ago_goes_first)
{
    struct packed packed;
    struct vd_grain_cache *cache = cache_of(2 * 128 * 512);
    packed_init(&packed, 1280, 128, 10);
    read_check(&packed, cache, 0, 1);
    read_check(&packed, cache, 128, 1);
    read_check(&packed, cache, 1, 1);
    read_check(&packed, cache, 256, 1); /* grain 1 goes */
    check_u64_eq(vd_grain_cache_bytes(cache), 2 * 128 * 512);
    check_u64_eq(vd_grain_cache_inflated(cache), 3);
    read_check(&packed, cache, 2, 1);
    check_u64_eq(vd_grain_cache_inflated(cache), 3);
    read_check(&packed, cache, 129, 1);
    check_u64_eq(vd_grain_cache_inflated(cache), 4);
    vd_grain_cache_free(cache);
    packed_done(&packed);
}

VD_TEST(the_number_of_grains_is_bounded_too)
{
    struct packed packed;
    struct vd_grain_cache *cache = cache_of(VD_GRAIN_CACHE_BUDGET_BYTES);
    const uint64_t grains = VD_GRAIN_CACHE_MAX_GRAINS + 10;
    packed_init(&packed, grains * 8, 8, grains);
    for (uint64_t i = 0; i < grains; i++)
        read_check(&packed, cache, i * 8 + 3, 2);
    check_u64_eq(vd_grain_cache_bytes(cache), VD_GRAIN_CACHE_MAX_GRAINS * 8 * 512);
    read_check(&packed, cache, 3, 2);
    check_u64_eq(vd_grain_cache_inflated(cache), grains + 1);
    vd_grain_cache_free(cache);
    packed_done(&packed);
}

VD_TEST(a_grain_larger_than_the_budget_is_held_alone)
{
    struct packed small, large;
    struct vd_grain_cache *cache = cache_of(20 * 512);
    packed_init(&small, 64, 8, 8);
    packed_init(&large, 256, 128, 2);
    read_check(&small, cache, 0, 1);
    read_check(&small, cache, 8, 1);
    check_u64_eq(vd_grain_cache_bytes(cache), 16 * 512);
    read_check(&large, cache, 5, 3);
    check_u64_eq(vd_grain_cache_bytes(cache), 128 * 512);
    read_check(&large, cache, 130, 3);
    check_u64_eq(vd_grain_cache_bytes(cache), 128 * 512);
    read_check(&small, cache, 9, 1);
    read_check(&small, cache, 17, 1);
    read_check(&large, cache, 5, 3);
    check_u64_eq(vd_grain_cache_bytes(cache), 128 * 512);
    vd_grain_cache_free(cache);
    packed_done(&large);
    packed_done(&small);
}

VD_TEST(a_broken_record_is_told_every_time)
{
    struct packed packed;
    struct vd_grain_cache *cache = cache_of(VD_GRAIN_CACHE_BUDGET_BYTES);
    uint8_t buffer[128 * 512];
    packed_init(&packed, 512, 128, 1);
    for (unsigned i = 0; i < 3; i++) {
        struct vd_error err = VD_ERROR_INIT;
        check_code(packed_read(&packed, cache, 130, 1, buffer, &err), VD_E_GRAIN_INFLATE);
        check(err.text[0] != '\0');
        check_code(packed_read(&packed, cache, 128, 128, buffer, NULL), VD_E_GRAIN_INFLATE);
        read_check(&packed, cache, 3, 1);
    }
    vd_grain_cache_free(cache);
    packed_done(&packed);
}

struct reader {
    pthread_t thread;
    struct packed *packed;
    struct vd_grain_cache *cache;
    uint64_t random;
    bool in_order;
};

static void *reader_run(void *data)
{
    struct reader *reader = data;
    struct packed *packed = reader->packed;
    uint64_t grains = packed->capacity_sectors / packed->grain_sectors;
    for (uint64_t i = 0; i < 4 * grains; i++) {
        uint64_t grain =
            reader->in_order ? i % grains : build_random_below(&reader->random, grains);
        uint64_t within = build_random_below(&reader->random, packed->grain_sectors - 1);
        read_check(packed, reader->cache, grain * packed->grain_sectors + within, 1);
    }
    return NULL;
}

static void read_by_many(struct packed *packed, struct vd_grain_cache *cache, bool in_order)
{
    struct reader readers[8];
    for (size_t i = 0; i < VD_ARRAY_SIZE(readers); i++) {
        readers[i] = (struct reader){
            .packed = packed, .cache = cache, .random = i + 1, .in_order = in_order};
        check_int_eq(pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]), 0);
    }
    for (size_t i = 0; i < VD_ARRAY_SIZE(readers); i++)
        check_int_eq(pthread_join(readers[i].thread, NULL), 0);
}

VD_TEST(many_threads_inflate_a_grain_once)
{
    struct packed packed;
    struct vd_grain_cache *cache = cache_of(VD_GRAIN_CACHE_BUDGET_BYTES);
    packed_init(&packed, 100 * 64, 64, 100);
    read_by_many(&packed, cache, true);
    check_u64_eq(vd_grain_cache_inflated(cache), 100);
    vd_grain_cache_free(cache);
    packed_done(&packed);
}

/* Fewer grains fit than threads ask for: some wait for others, all are served. */
VD_TEST(many_threads_share_a_budget_of_two_grains)
{
    struct packed packed;
    struct vd_grain_cache *cache = cache_of(2 * 64 * 512);
    packed_init(&packed, 20 * 64, 64, 20);
    read_by_many(&packed, cache, false);
    check(vd_grain_cache_bytes(cache) <= 2 * 64 * 512);
    vd_grain_cache_free(cache);
    packed_done(&packed);
}

VD_TEST(many_threads_share_room_for_less_than_one)
{
    struct packed packed;
    struct vd_grain_cache *cache = cache_of(0);
    packed_init(&packed, 20 * 64, 64, 20);
    read_by_many(&packed, cache, false);
    vd_grain_cache_free(cache);
    packed_done(&packed);
}
