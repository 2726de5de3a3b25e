/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/table-cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/fault.h"
#include "block/memory.h"
#include "tests/harness.h"

#define PAGE      VD_TABLE_PAGE_BYTES
#define NUM_PAGES 64u

/* A file whose every u32 is its own place in it, never 0. */
static uint8_t *numbered_bytes(size_t length)
{
    uint8_t *bytes = malloc(length);

    check(bytes != NULL);
    for (size_t at = 0; at + 4 <= length; at += 4)
        vd_le32_encode(bytes + at, (uint32_t)at + 1);
    return bytes;
}

static struct vd_block *numbered_block(size_t length)
{
    uint8_t VD_FREE *bytes = numbered_bytes(length);
    struct vd_block *block = NULL;

    check_code(vd_block_memory_new(bytes, length, &block, NULL), VD_OK);
    return block;
}

static struct vd_table_cache *cache_of(size_t budget_bytes)
{
    struct vd_table_cache *cache = NULL;

    check_code(vd_table_cache_new(budget_bytes, &cache, NULL), VD_OK);
    return cache;
}

VD_TEST(page_at_hand)
{
    struct vd_table_cache *cache = cache_of(1 << 20);
    struct vd_block *block = numbered_block(3 * PAGE);
    struct vd_table_page *page = NULL;
    const uint8_t *bytes = NULL;
    size_t available = 0;

    check_code(vd_table_cache_get(cache, block, PAGE + 100, &page, &bytes, &available, NULL),
               VD_OK);
    check_u64_eq(available, PAGE - 100);
    check_u64_eq(vd_le32_decode(bytes), PAGE + 101);
    check_u64_eq(vd_le32_decode(bytes + available - 4), 2 * PAGE - 3);
    vd_table_cache_put(cache, page);
    vd_table_cache_free(cache);
    vd_block_free(block);
}

VD_TEST(entries)
{
    struct vd_table_cache *cache = cache_of(1 << 20);
    struct vd_block *block = numbered_block(2 * PAGE);
    uint32_t u32 = 0;
    uint64_t u64 = 0;

    check_code(vd_table_cache_u32(cache, block, PAGE - 4, &u32, NULL), VD_OK);
    check_u64_eq(u32, PAGE - 3);
    check_code(vd_table_cache_u64(cache, block, PAGE + 8, &u64, NULL), VD_OK);
    check_u64_eq(u64, (PAGE + 9) | ((uint64_t)(PAGE + 13) << 32));
    vd_table_cache_free(cache);
    vd_block_free(block);
}

VD_TEST(zeros_past_the_end_of_the_file)
{
    struct vd_table_cache *cache = cache_of(1 << 20);
    struct vd_block *block = numbered_block(PAGE + 8);
    uint32_t value = 1;

    check_code(vd_table_cache_u32(cache, block, PAGE + 4, &value, NULL), VD_OK);
    check_u64_eq(value, PAGE + 5);
    check_code(vd_table_cache_u32(cache, block, PAGE + 8, &value, NULL), VD_OK);
    check_u64_eq(value, 0);
    check_code(vd_table_cache_u32(cache, block, 10 * PAGE, &value, NULL), VD_OK);
    check_u64_eq(value, 0);
    check_code(vd_table_cache_u32(cache, block, UINT64_MAX - 3, &value, NULL), VD_OK);
    check_u64_eq(value, 0);
    vd_table_cache_free(cache);
    vd_block_free(block);
}

VD_TEST(same_page_of_two_files)
{
    struct vd_table_cache *cache = cache_of(1 << 20);
    struct vd_block *a = numbered_block(PAGE), *b = NULL;
    uint8_t other[4] = {9, 0, 0, 0};
    uint32_t value = 0;

    check_code(vd_block_memory_new(other, sizeof other, &b, NULL), VD_OK);
    check_code(vd_table_cache_u32(cache, a, 0, &value, NULL), VD_OK);
    check_u64_eq(value, 1);
    check_code(vd_table_cache_u32(cache, b, 0, &value, NULL), VD_OK);
    check_u64_eq(value, 9);
    vd_table_cache_free(cache);
    vd_block_free(a);
    vd_block_free(b);
}

/* A file of NUM_PAGES behind a counter of reads. */
struct counted {
    struct vd_fs_memory *files;
    struct vd_fs_fault *fault;
    struct vd_block *block;
};

static struct counted counted_new(const uint8_t *bytes, size_t length, uint64_t size)
{
    struct counted counted = {0};

    check_code(vd_fs_memory_new(&counted.files, NULL), VD_OK);
    check_code(vd_fs_memory_add_sparse(counted.files, "t", bytes, length, size, NULL), VD_OK);
    check_code(vd_fs_fault_new(vd_fs_memory_fs(counted.files), &counted.fault, NULL), VD_OK);
    check_code(vd_fs_open(vd_fs_fault_fs(counted.fault), "t", 0, &counted.block, NULL), VD_OK);
    vd_fs_fault_arm(counted.fault, VD_FAULT_READ, 0, 0, false);
    return counted;
}

static void counted_free(struct counted *counted)
{
    vd_block_free(counted->block);
    vd_fs_fault_free(counted->fault);
    vd_fs_memory_free(counted->files);
}

static void touch(struct vd_table_cache *cache, struct vd_block *block, uint64_t page)
{
    uint32_t value = 0;

    check_code(vd_table_cache_u32(cache, block, page * PAGE, &value, NULL), VD_OK);
    check_u64_eq(value, page * PAGE + 1);
}

VD_TEST(a_page_is_read_once)
{
    uint8_t VD_FREE *bytes = numbered_bytes(NUM_PAGES * PAGE);
    struct counted counted = counted_new(bytes, NUM_PAGES * PAGE, NUM_PAGES * PAGE);
    struct vd_table_cache *cache = cache_of(16 << 20);

    for (int round = 0; round < 3; round++) {
        for (uint64_t page = 0; page < NUM_PAGES; page++)
            touch(cache, counted.block, page);
    }
    check_u64_eq(vd_fs_fault_calls(counted.fault), NUM_PAGES);
    vd_table_cache_free(cache);
    counted_free(&counted);
}

VD_TEST(budget_is_kept_and_the_oldest_goes)
{
    uint8_t VD_FREE *bytes = numbered_bytes(NUM_PAGES * PAGE);
    struct counted counted = counted_new(bytes, NUM_PAGES * PAGE, NUM_PAGES * PAGE);
    struct vd_table_cache *cache = cache_of(8 * (PAGE + 512));
    uint64_t reads;

    for (uint64_t page = 0; page < NUM_PAGES; page++) {
        touch(cache, counted.block, page);
        touch(cache, counted.block, 0); /* always the one but newest */
        check(vd_table_cache_bytes(cache) <= 8 * (PAGE + 512));
    }
    check(vd_table_cache_bytes(cache) >= 7 * PAGE);
    check_u64_eq(vd_fs_fault_calls(counted.fault), NUM_PAGES);
    reads = vd_fs_fault_calls(counted.fault);
    touch(cache, counted.block, 0);
    touch(cache, counted.block, NUM_PAGES - 6);
    check_u64_eq(vd_fs_fault_calls(counted.fault), reads);
    touch(cache, counted.block, 1);
    check_u64_eq(vd_fs_fault_calls(counted.fault), reads + 1);
    vd_table_cache_free(cache);
    counted_free(&counted);
}

VD_TEST(pages_in_use_stay_beyond_the_budget)
{
    struct vd_block *block = numbered_block(NUM_PAGES * PAGE);
    struct vd_table_cache *cache = cache_of(0);
    struct vd_table_page *pages[NUM_PAGES];
    const uint8_t *bytes[NUM_PAGES];
    size_t available;

    for (size_t i = 0; i < NUM_PAGES; i++)
        check_code(
            vd_table_cache_get(cache, block, i * PAGE, &pages[i], &bytes[i], &available, NULL),
            VD_OK);
    for (size_t i = 0; i < NUM_PAGES; i++)
        check_u64_eq(vd_le32_decode(bytes[i]), i * PAGE + 1);
    check(vd_table_cache_bytes(cache) > NUM_PAGES * PAGE);
    for (size_t i = 0; i < NUM_PAGES; i++)
        vd_table_cache_put(cache, pages[i]);
    check_u64_eq(vd_table_cache_bytes(cache), 0);
    vd_table_cache_free(cache);
    vd_block_free(block);
}

VD_TEST(pages_of_zeros_cost_little)
{
    uint64_t size = UINT64_C(8) << 30;
    struct counted counted = counted_new((const uint8_t *)"", 1, size);
    struct vd_table_cache *cache = cache_of(1 << 20);
    uint32_t value = 1;

    for (uint64_t page = 0; page < 1000; page++) {
        check_code(vd_table_cache_u32(cache, counted.block, page * PAGE, &value, NULL), VD_OK);
        check_u64_eq(value, 0);
    }
    check_u64_eq(vd_fs_fault_calls(counted.fault), 1000);
    check_code(vd_table_cache_u32(cache, counted.block, 0, &value, NULL), VD_OK);
    check_u64_eq(vd_fs_fault_calls(counted.fault), 1000); /* 16 MiB of zeros fit 1 MiB */
    check(vd_table_cache_bytes(cache) <= 1 << 20);
    vd_table_cache_free(cache);
    counted_free(&counted);
}

VD_TEST(failed_read_is_told_and_tried_again)
{
    uint8_t VD_FREE *bytes = numbered_bytes(2 * PAGE);
    struct counted counted = counted_new(bytes, 2 * PAGE, 2 * PAGE);
    struct vd_table_cache *cache = cache_of(1 << 20);
    struct vd_error err = VD_ERROR_INIT;
    uint32_t value = 77;

    vd_fs_fault_arm(counted.fault, VD_FAULT_READ, 1, EIO, false);
    check_code_err(vd_table_cache_u32(cache, counted.block, PAGE, &value, &err), VD_E_IO, &err);
    check_str_has(err.text, "'t'");
    check_u64_eq(value, 77);
    check_u64_eq(vd_table_cache_bytes(cache), 0);
    touch(cache, counted.block, 1);
    vd_table_cache_free(cache);
    counted_free(&counted);
}

VD_TEST(cursor_keeps_its_page)
{
    uint8_t VD_FREE *bytes = numbered_bytes(2 * PAGE);
    struct counted counted = counted_new(bytes, 2 * PAGE, 2 * PAGE);
    struct vd_table_cache *cache = cache_of(0);
    struct vd_table_cursor cursor;
    const uint8_t *at = NULL;
    size_t available = 0;

    vd_table_cursor_init(&cursor, cache, counted.block);
    for (uint64_t offset = 0; offset < 2 * PAGE; offset += 4) {
        check_code(vd_table_cursor_at(&cursor, offset, &at, &available, NULL), VD_OK);
        check_u64_eq(vd_le32_decode(at), offset + 1);
        check_u64_eq(available, PAGE - offset % PAGE);
    }
    check_u64_eq(vd_fs_fault_calls(counted.fault), 2);
    vd_fs_fault_arm(counted.fault, VD_FAULT_READ, 1, EIO, false);
    check_code(vd_table_cursor_at(&cursor, 0, &at, &available, NULL), VD_E_IO);
    check_code(vd_table_cursor_at(&cursor, 0, &at, &available, NULL), VD_OK);
    vd_table_cursor_done(&cursor);
    vd_table_cursor_done(&cursor);
    check_u64_eq(vd_table_cache_bytes(cache), 0);
    vd_table_cache_free(cache);
    counted_free(&counted);
}

/* --- threads --- */

/* A block whose read of page `slow` waits until it is let go, or fails then. */
struct gate {
    struct vd_block base;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t slow;
    bool entered;
    bool open;
    bool fail;
    atomic_uint reads[NUM_PAGES];
};

static int gate_read(struct vd_block *self, uint64_t offset, void *buffer, size_t length,
                     size_t *ret_done, struct vd_error *err)
{
    struct gate *gate = (struct gate *)self;
    uint64_t page = offset / PAGE;
    bool fail;

    atomic_fetch_add(&gate->reads[page], 1);
    pthread_mutex_lock(&gate->lock);
    if (page == gate->slow) {
        gate->entered = true;
        pthread_cond_broadcast(&gate->changed);
        while (!gate->open)
            pthread_cond_wait(&gate->changed, &gate->lock);
    }
    fail = page == gate->slow && gate->fail;
    pthread_mutex_unlock(&gate->lock);
    if (fail)
        return vd_error_set(err, VD_E_IO, "gate");
    for (size_t at = 0; at < length; at += 4)
        vd_le32_encode((uint8_t *)buffer + at, (uint32_t)(offset + at) + 1);
    *ret_done = length;
    return 0;
}

static int gate_size(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err)
{
    (void)self;
    (void)err;
    *ret_bytes = NUM_PAGES * PAGE;
    return 0;
}

static const struct vd_block_ops gate_ops = {
    .name = "gate",
    .read = gate_read,
    .size = gate_size,
};

static char gate_path[] = "gate";

static void gate_init(struct gate *gate, uint64_t slow)
{
    memset(gate, 0, sizeof *gate);
    gate->base.ops = &gate_ops;
    gate->base.path = gate_path;
    gate->slow = slow;
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, NULL);
}

static void gate_wait_entered(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    while (!gate->entered)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_let_go(struct gate *gate, bool fail)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    gate->fail = fail;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

struct getter {
    pthread_t thread;
    struct vd_table_cache *cache;
    struct gate *gate;
    uint64_t page;
    int result;
    uint32_t value;
};

static void *getter_run(void *data)
{
    struct getter *getter = data;

    getter->result = vd_table_cache_u32(getter->cache, &getter->gate->base, getter->page * PAGE,
                                        &getter->value, NULL);
    return NULL;
}

static void getters_start(struct getter *getters, size_t count, struct vd_table_cache *cache,
                          struct gate *gate, uint64_t page)
{
    for (size_t i = 0; i < count; i++) {
        getters[i] = (struct getter){.cache = cache, .gate = gate, .page = page};
        check_int_eq(pthread_create(&getters[i].thread, NULL, getter_run, &getters[i]), 0);
    }
}

static void getters_join(struct getter *getters, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_int_eq(pthread_join(getters[i].thread, NULL), 0);
}

VD_TEST(slow_page_holds_up_only_its_own_readers)
{
    struct vd_table_cache *cache = cache_of(1 << 20);
    struct getter getters[6];
    struct gate gate;

    gate_init(&gate, 3);
    getters_start(getters, 6, cache, &gate, 3);
    gate_wait_entered(&gate);
    for (uint64_t page = 4; page < 20; page++) /* while page 3 is being read */
        touch(cache, &gate.base, page);
    gate_let_go(&gate, false);
    getters_join(getters, 6);
    for (size_t i = 0; i < 6; i++) {
        check_code(getters[i].result, VD_OK);
        check_u64_eq(getters[i].value, 3 * PAGE + 1);
    }
    check_u64_eq(atomic_load(&gate.reads[3]), 1);
    vd_table_cache_free(cache);
}

VD_TEST(everyone_who_waited_for_a_failure_fails)
{
    struct vd_table_cache *cache = cache_of(1 << 20);
    struct getter getters[6];
    struct gate gate;
    uint32_t value;

    gate_init(&gate, 3);
    getters_start(getters, 6, cache, &gate, 3);
    gate_wait_entered(&gate);
    gate_let_go(&gate, true);
    getters_join(getters, 6);
    for (size_t i = 0; i < 6; i++)
        check_code(getters[i].result, VD_E_IO);
    gate.fail = false;
    check_code(vd_table_cache_u32(cache, &gate.base, 3 * PAGE, &value, NULL), VD_OK);
    vd_table_cache_free(cache);
}

struct hammer {
    pthread_t thread;
    struct vd_table_cache *cache;
    struct vd_block *block;
    uint32_t seed;
    unsigned wrong;
};

static void hammer_once(struct hammer *hammer)
{
    struct vd_table_page *page;
    const uint8_t *bytes;
    size_t available;
    uint64_t offset;

    hammer->seed = hammer->seed * 1664525u + 1013904223u;
    offset = (hammer->seed >> 8) % (NUM_PAGES * PAGE / 4) * 4;
    if (vd_table_cache_get(hammer->cache, hammer->block, offset, &page, &bytes, &available, NULL) <
        0) {
        hammer->wrong++;
        return;
    }
    hammer->wrong += vd_le32_decode(bytes) != offset + 1;
    hammer->wrong += vd_le32_decode(bytes + available - 4) != offset + available - 3;
    vd_table_cache_put(hammer->cache, page);
}

static void *hammer_run(void *data)
{
    for (int i = 0; i < 4000; i++)
        hammer_once(data);
    return NULL;
}

/* Eight threads, and room for a quarter of the pages. */
VD_TEST(many_threads_and_little_room)
{
    struct vd_block *block = numbered_block(NUM_PAGES * PAGE);
    struct vd_table_cache *cache = cache_of(NUM_PAGES / 4 * (PAGE + 512));
    struct hammer hammers[8];

    for (size_t i = 0; i < 8; i++) {
        hammers[i] =
            (struct hammer){.cache = cache, .block = block, .seed = (uint32_t)(i * 7919 + 1)};
        check_int_eq(pthread_create(&hammers[i].thread, NULL, hammer_run, &hammers[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        check_int_eq(pthread_join(hammers[i].thread, NULL), 0);
        check_u64_eq(hammers[i].wrong, 0);
    }
    check(vd_table_cache_bytes(cache) <= NUM_PAGES / 4 * (PAGE + 512));
    vd_table_cache_free(cache);
    vd_block_free(block);
}

VD_TEST(free_takes_null)
{
    vd_table_cache_free(NULL);
}
