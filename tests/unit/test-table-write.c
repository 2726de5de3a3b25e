/* SPDX-License-Identifier: Apache-2.0 */
/* Tables changed in memory and written in batches. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/fault.h"
#include "block/memory.h"
#include "block/trace.h"
#include "tests/harness.h"
#include "vmdk/table-cache.h"

#define PAGE VD_TABLE_PAGE_BYTES

/* A file of three pages of 7s behind a recorder and an injector of faults. */
struct setting {
    struct vd_fs_memory *files;
    struct vd_fs_trace *trace;
    struct vd_fs_fault *fault;
    struct vd_block *block;
    struct vd_table_cache *cache;
};

static void setting_done(struct setting *s)
{
    vd_table_cache_free(s->cache);
    vd_block_free(s->block);
    vd_fs_fault_free(s->fault);
    vd_fs_trace_free(s->trace);
    vd_fs_memory_free(s->files);
}
#define SETTING __attribute__((cleanup(setting_done))) struct setting

static void setting_init(struct setting *s, size_t budget_bytes)
{
    VD_FREE uint8_t *bytes = malloc(3 * PAGE);
    *s = (struct setting){0};
    check(bytes != NULL);
    memset(bytes, 7, 3 * PAGE);
    check_code(vd_fs_memory_new(&s->files, NULL), VD_OK);
    check_code(vd_fs_memory_add(s->files, "t", bytes, 3 * PAGE, NULL), VD_OK);
    check_code(vd_fs_trace_new(vd_fs_memory_fs(s->files), &s->trace, NULL), VD_OK);
    check_code(vd_fs_fault_new(vd_fs_trace_fs(s->trace), &s->fault, NULL), VD_OK);
    check_code(vd_fs_open(vd_fs_fault_fs(s->fault), "t", VD_FS_WRITE, &s->block, NULL), VD_OK);
    check_code(vd_table_cache_new(budget_bytes, &s->cache, NULL), VD_OK);
}

static void set(struct setting *s, uint64_t offset, uint32_t value, uint32_t phase)
{
    check_code(vd_table_cache_set_u32(s->cache, s->block, offset, value, phase, NULL), VD_OK);
}

static uint32_t get(struct setting *s, uint64_t offset)
{
    uint32_t value = 0;
    check_code(vd_table_cache_u32(s->cache, s->block, offset, &value, NULL), VD_OK);
    return value;
}

static uint32_t in_file(struct setting *s, uint64_t offset)
{
    uint8_t bytes[4];
    check_code(vd_block_read(s->block, offset, bytes, sizeof bytes, NULL), VD_OK);
    return vd_le32_decode(bytes);
}

static struct vd_table_batch *take(struct setting *s)
{
    struct vd_table_batch *batch = NULL;
    check_code(vd_table_batch_take(s->cache, s->block, &batch, NULL), VD_OK);
    return batch;
}

static void write_all(struct setting *s)
{
    struct vd_table_batch *batch = take(s);
    for (uint32_t phase = 0; phase < VD_TABLE_PHASES; phase++)
        check_code(vd_table_batch_write(batch, phase, NULL), VD_OK);
    vd_table_batch_end(batch, true);
}

#define OLD UINT32_C(0x07070707)

VD_TEST(seen_at_once_and_in_the_file_later)
{
    SETTING s;
    setting_init(&s, 1 << 20);
    set(&s, 100, 1, 1);
    check_u64_eq(get(&s, 100), 1);
    check_u64_eq(in_file(&s, 100), OLD);
    check_u64_eq(vd_table_cache_dirty_bytes(s.cache), PAGE);
    write_all(&s);
    check_u64_eq(in_file(&s, 100), 1);
    check_u64_eq(vd_table_cache_dirty_bytes(s.cache), 0);
}

VD_TEST(phases_share_a_page)
{
    SETTING s;
    setting_init(&s, 1 << 20);
    set(&s, 0, 1, 0);
    set(&s, 512, 2, 1);
    set(&s, PAGE + 1024, 3, 2);
    struct vd_table_batch *batch = take(&s);
    check(vd_table_batch_has(batch, 0) && vd_table_batch_has(batch, 1));
    check_code(vd_table_batch_write(batch, 0, NULL), VD_OK);
    check_u64_eq(in_file(&s, 0), 1);
    check_u64_eq(in_file(&s, 512), OLD);
    check_code(vd_table_batch_write(batch, 1, NULL), VD_OK);
    check_u64_eq(in_file(&s, 512), 2);
    check_u64_eq(in_file(&s, PAGE + 1024), OLD);
    check_code(vd_table_batch_write(batch, 2, NULL), VD_OK);
    check_u64_eq(in_file(&s, PAGE + 1024), 3);
    vd_table_batch_end(batch, true);
    batch = take(&s);
    check(!vd_table_batch_has(batch, 0) && !vd_table_batch_has(batch, 2));
    vd_table_batch_end(batch, true);
}

VD_TEST(only_changed_sectors_are_written)
{
    SETTING s;
    setting_init(&s, 1 << 20);
    uint8_t bytes[1024] = {1};
    set(&s, 0, 1, 0);
    check_code(vd_table_cache_write(s.cache, s.block, 3 * 512, bytes, sizeof bytes, 0, NULL),
               VD_OK);
    set(&s, PAGE - 4, 1, 0);
    size_t before = vd_fs_trace_count(s.trace);
    write_all(&s);
    check_u64_eq(vd_fs_trace_count(s.trace) - before, 3);
    check_u64_eq(vd_fs_trace_event(s.trace, before)->length, 512);
    check_u64_eq(vd_fs_trace_event(s.trace, before + 1)->offset_bytes, 1536);
    check_u64_eq(vd_fs_trace_event(s.trace, before + 1)->length, 1024);
    check_u64_eq(vd_fs_trace_event(s.trace, before + 2)->offset_bytes, PAGE - 512);
}

VD_TEST(whole_pages_in_one_write_each)
{
    SETTING s;
    setting_init(&s, 1 << 20);
    VD_FREE uint8_t *bytes = calloc(2, PAGE);
    check(bytes != NULL);
    check_code(vd_table_cache_write(s.cache, s.block, 512, bytes, 2 * PAGE, 0, NULL), VD_OK);
    size_t before = vd_fs_trace_count(s.trace);
    write_all(&s);
    check_u64_eq(vd_fs_trace_count(s.trace) - before, 3);
    check_u64_eq(vd_fs_trace_event(s.trace, before)->length, PAGE - 512);
    check_u64_eq(vd_fs_trace_event(s.trace, before + 1)->length, PAGE);
    check_u64_eq(vd_fs_trace_event(s.trace, before + 2)->length, 512);
    check_u64_eq(in_file(&s, 508), OLD);
    check_u64_eq(in_file(&s, 2 * PAGE + 512), OLD);
}

VD_TEST(later_changes_wait_for_the_next_batch)
{
    SETTING s;
    setting_init(&s, 1 << 20);
    set(&s, 0, 1, 0);
    struct vd_table_batch *batch = take(&s);
    set(&s, 0, 2, 0);
    set(&s, 4, 2, 0);
    check_u64_eq(get(&s, 0), 2);
    check_code(vd_table_batch_write(batch, 0, NULL), VD_OK);
    check_u64_eq(in_file(&s, 0), 1);
    check_u64_eq(in_file(&s, 4), OLD);
    vd_table_batch_end(batch, true);
    write_all(&s);
    check_u64_eq(in_file(&s, 0), 2);
    check_u64_eq(in_file(&s, 4), 2);
}

VD_TEST(reader_keeps_what_it_got)
{
    SETTING s;
    setting_init(&s, 1 << 20);
    struct vd_table_page *page;
    const uint8_t *bytes;
    size_t available;
    check_code(vd_table_cache_get(s.cache, s.block, 0, &page, &bytes, &available, NULL), VD_OK);
    set(&s, 0, 1, 0);
    check_u64_eq(vd_le32_decode(bytes), OLD);
    check_u64_eq(get(&s, 0), 1);
    vd_table_cache_put(s.cache, page);
}

VD_TEST(changed_pages_stay_whatever_the_budget)
{
    SETTING s;
    setting_init(&s, 1);
    set(&s, 0, 1, 0);
    set(&s, PAGE, 2, 0);
    check_u64_eq(get(&s, 2 * PAGE), OLD);
    check_u64_eq(get(&s, 0), 1);
    check_u64_eq(get(&s, PAGE), 2);
    write_all(&s);
    check(vd_table_cache_bytes(s.cache) <= 1);
    check_u64_eq(get(&s, PAGE), 2);
}

VD_TEST(known_to_the_file_is_not_written)
{
    SETTING s;
    setting_init(&s, 1 << 20);
    set(&s, 0, 1, VD_TABLE_IN_FILE);
    check_u64_eq(get(&s, 0), 1);
    check_u64_eq(vd_table_cache_dirty_bytes(s.cache), 0);
}

VD_TEST(failed_batch_is_written_again)
{
    SETTING s;
    setting_init(&s, 1 << 20);
    set(&s, 0, 1, 0);
    set(&s, PAGE, 2, 0);
    set(&s, PAGE + 512, 3, 1);
    struct vd_table_batch *batch = take(&s);
    set(&s, PAGE, 4, 0); /* meanwhile: this page is another one now */
    vd_fs_fault_arm(s.fault, VD_FAULT_WRITE, 2, EIO, false);
    check_code(vd_table_batch_write(batch, 0, NULL), VD_E_IO);
    vd_table_batch_end(batch, false);
    check_u64_eq(vd_table_cache_dirty_bytes(s.cache), 2 * PAGE);
    write_all(&s);
    check_u64_eq(in_file(&s, 0), 1);
    check_u64_eq(in_file(&s, PAGE), 4);
    check_u64_eq(in_file(&s, PAGE + 512), 3);
}

/* The batch's sectors are in no file yet, and the page that has them is none of the batch's. */
VD_TEST(page_changed_twice_stays_until_its_batch_is_written)
{
    SETTING s;
    setting_init(&s, 1);
    set(&s, 0, 1, 0);
    struct vd_table_batch *batch = take(&s);
    set(&s, 1024, 2, VD_TABLE_IN_FILE);
    check_u64_eq(get(&s, PAGE), OLD); /* no room for anything else */
    check_u64_eq(get(&s, 0), 1);
    check_u64_eq(get(&s, 1024), 2);
    vd_table_batch_end(batch, false);
    check_u64_eq(get(&s, 0), 1);
    write_all(&s);
    check_u64_eq(in_file(&s, 0), 1);
    check(vd_table_cache_bytes(s.cache) <= 1);
}

VD_TEST(page_that_cannot_be_read_is_not_changed)
{
    SETTING s;
    setting_init(&s, 1 << 20);
    vd_fs_fault_arm(s.fault, VD_FAULT_READ, 1, EIO, false);
    check_code(vd_table_cache_set_u32(s.cache, s.block, 0, 1, 0, NULL), VD_E_IO);
    check_u64_eq(vd_table_cache_dirty_bytes(s.cache), 0);
    check_u64_eq(get(&s, 0), OLD);
}

/* --- threads --- */

enum { THREADS = 4, ENTRIES = 3 * (PAGE / 4), TURNS = 2000 };

struct worker {
    struct setting *s;
    unsigned number;
    atomic_bool *stop;
};

/* Entries of its own: number modulo THREADS. */
static void *change(void *data)
{
    struct worker *w = data;
    for (uint32_t turn = 1; turn <= TURNS; turn++) {
        uint64_t at = 4 * ((turn * 37 % (ENTRIES / THREADS)) * THREADS + w->number);
        set(w->s, at, turn, w->number % 2);
        check_u64_eq(get(w->s, at), turn);
    }
    return NULL;
}

static void *flush(void *data)
{
    struct worker *w = data;
    while (!*w->stop)
        write_all(w->s);
    return NULL;
}

VD_TEST(many_writers_and_one_flusher)
{
    SETTING s;
    atomic_bool stop = false;
    pthread_t threads[THREADS + 1];
    struct worker workers[THREADS + 1];
    setting_init(&s, 2 * PAGE);
    for (unsigned i = 0; i <= THREADS; i++) {
        workers[i] = (struct worker){&s, i, &stop};
        check(pthread_create(&threads[i], NULL, i < THREADS ? change : flush, &workers[i]) == 0);
    }
    for (unsigned i = 0; i <= THREADS; i++) {
        stop = i == THREADS;
        check(pthread_join(threads[i], NULL) == 0);
    }
    write_all(&s);
    for (uint64_t at = 0; at < 4 * ENTRIES; at += 4)
        check_u64_eq(in_file(&s, at), get(&s, at));
}

/* --- threads, with little room and calls that fail --- */

enum { ROUGH_PAGES = 12, ROUGH_SECTORS = ROUGH_PAGES * PAGE / VD_SECTOR_BYTES };
enum { ROUGH_WRITERS = 6, ROUGH_READERS = 2, ROUGH_TURNS = 20000, ROUGH_FAILS_ONE_IN = 6 };

/* A file in memory, atomic by the sector, whose calls fail now and then while `failing`. */
struct rough {
    struct vd_block base;
    pthread_mutex_t lock;
    atomic_bool failing;
    atomic_uint calls;
    uint8_t bytes[ROUGH_PAGES * PAGE];
};

static bool rough_fails(struct rough *rough)
{
    uint32_t call = atomic_fetch_add(&rough->calls, 1) * 2654435761u;
    if (call % 3 == 0)
        (void)sched_yield();
    return rough->failing && (call >> 16) % ROUGH_FAILS_ONE_IN == 0;
}

static int rough_read(struct vd_block *self, uint64_t offset, void *buffer, size_t length,
                      size_t *ret_done, struct vd_error *err)
{
    struct rough *rough = (struct rough *)self;
    if (rough_fails(rough))
        return vd_error_set(err, VD_E_IO, "rough");
    for (size_t at = 0; at < length; at += VD_SECTOR_BYTES) {
        pthread_mutex_lock(&rough->lock);
        memcpy((uint8_t *)buffer + at, rough->bytes + offset + at, VD_SECTOR_BYTES);
        pthread_mutex_unlock(&rough->lock);
    }
    *ret_done = length;
    return 0;
}

static int rough_write(struct vd_block *self, uint64_t offset, const void *buffer, size_t length,
                       struct vd_error *err)
{
    struct rough *rough = (struct rough *)self;
    if (rough_fails(rough))
        return vd_error_set(err, VD_E_IO, "rough");
    for (size_t at = 0; at < length; at += VD_SECTOR_BYTES) {
        pthread_mutex_lock(&rough->lock);
        memcpy(rough->bytes + offset + at, (const uint8_t *)buffer + at, VD_SECTOR_BYTES);
        pthread_mutex_unlock(&rough->lock);
    }
    return 0;
}

static int rough_size(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err)
{
    (void)self;
    (void)err;
    *ret_bytes = ROUGH_PAGES * PAGE;
    return 0;
}

static const struct vd_block_ops rough_ops = {
    .name = "rough",
    .read = rough_read,
    .write = rough_write,
    .size = rough_size,
};

static char rough_path[] = "rough";

static void rough_init(struct rough *rough)
{
    memset(rough, 0, sizeof *rough);
    rough->base.ops = &rough_ops;
    rough->base.path = rough_path;
    rough->base.capabilities = VD_BLOCK_WRITABLE;
    rough->failing = true;
    pthread_mutex_init(&rough->lock, NULL);
}

struct rough_worker {
    pthread_t thread;
    struct rough *rough;
    struct vd_table_cache *cache;
    atomic_bool *stop;
    unsigned number;
    uint32_t seed;
    unsigned done;  /* changes that were made */
    unsigned wrong; /* sectors that showed anything but the last change */
    uint32_t expected[ROUGH_SECTORS];
};

static uint32_t rough_random(struct rough_worker *w)
{
    w->seed = w->seed * 1664525u + 1013904223u;
    return w->seed >> 8;
}

/* Every second sector of a writer goes the way of new tables: to the file, then to the cache. */
static int rough_change(struct rough_worker *w, uint64_t sector, uint32_t value)
{
    uint8_t bytes[VD_SECTOR_BYTES] = {0};
    uint64_t at = sector * VD_SECTOR_BYTES;
    int r;
    if (sector / ROUGH_WRITERS % 2 == 0)
        return vd_table_cache_set_u32(w->cache, &w->rough->base, at, value, sector % 2, NULL);
    vd_le32_encode(bytes, value);
    do
        r = vd_block_write(&w->rough->base, at, bytes, sizeof bytes, NULL);
    while (r < 0);
    do /* a new table that the cache did not hear of is not used */
        r = vd_table_cache_write(w->cache, &w->rough->base, at, bytes, sizeof bytes,
                                 VD_TABLE_IN_FILE, NULL);
    while (r < 0);
    return 0;
}

static void rough_compare(struct rough_worker *w, uint64_t sector)
{
    uint32_t value;
    if (vd_table_cache_u32(w->cache, &w->rough->base, sector * VD_SECTOR_BYTES, &value, NULL) >= 0)
        w->wrong += value != w->expected[sector];
}

static void *rough_writer(void *data)
{
    struct rough_worker *w = data;
    for (uint32_t turn = 1; turn <= ROUGH_TURNS; turn++) {
        uint64_t sector = rough_random(w) % (ROUGH_SECTORS / ROUGH_WRITERS);
        sector = sector * ROUGH_WRITERS + w->number;
        if (rough_change(w, sector, turn) >= 0) {
            w->expected[sector] = turn;
            w->done++;
        }
        rough_compare(w, sector);
        sector = rough_random(w) % (ROUGH_SECTORS / ROUGH_WRITERS);
        rough_compare(w, sector * ROUGH_WRITERS + w->number);
    }
    return NULL;
}

/* What a writer writes only grows, so that what is seen never falls. */
static void *rough_reader(void *data)
{
    struct rough_worker *w = data;
    struct vd_table_cursor cursor;
    vd_table_cursor_init(&cursor, w->cache, &w->rough->base);
    while (!*w->stop) {
        uint64_t sector = rough_random(w) % ROUGH_SECTORS;
        const uint8_t *bytes;
        size_t available;
        if (vd_table_cursor_at(&cursor, sector * VD_SECTOR_BYTES, &bytes, &available, NULL) < 0)
            continue;
        w->wrong += vd_le32_decode(bytes) < w->expected[sector];
        w->expected[sector] = vd_le32_decode(bytes);
    }
    vd_table_cursor_done(&cursor);
    return NULL;
}

static void rough_flush(struct rough_worker *w)
{
    struct vd_table_batch *batch = NULL;
    int r = vd_table_batch_take(w->cache, &w->rough->base, &batch, NULL);
    check_code(r, VD_OK);
    for (uint32_t phase = 0; r >= 0 && phase < VD_TABLE_PHASES; phase++)
        r = vd_table_batch_write(batch, phase, NULL);
    vd_table_batch_end(batch, r >= 0);
}

static void *rough_flusher(void *data)
{
    struct rough_worker *w = data;
    while (!*w->stop)
        rough_flush(w);
    return NULL;
}

static void rough_run(struct rough *rough, struct vd_table_cache *cache,
                      struct rough_worker *workers)
{
    static void *(*const runs[])(void *) = {rough_writer, rough_reader, rough_flusher};
    const unsigned ends[] = {ROUGH_WRITERS, ROUGH_WRITERS + ROUGH_READERS,
                             ROUGH_WRITERS + ROUGH_READERS + 1};
    atomic_bool stop = false;
    for (unsigned i = 0; i < ends[2]; i++) {
        struct rough_worker *w = &workers[i];
        unsigned kind = i < ends[0] ? 0 : i < ends[1] ? 1 : 2;
        w->rough = rough;
        w->cache = cache;
        w->stop = &stop;
        w->number = i;
        w->seed = i * 7919 + 1;
        check(pthread_create(&w->thread, NULL, runs[kind], w) == 0);
    }
    for (unsigned i = 0; i < ends[2]; i++) {
        stop = i >= ends[0];
        check(pthread_join(workers[i].thread, NULL) == 0);
    }
}

/* Room for one page, so that each is read and dropped again and again, while reading and writing
 * fail: nobody waits for ever, and what was changed is seen at once and stays. */
VD_TEST(many_threads_little_room_and_failing_calls)
{
    VD_FREE struct rough *rough = malloc(sizeof *rough);
    VD_FREE struct rough_worker *workers =
        calloc(ROUGH_WRITERS + ROUGH_READERS + 1, sizeof *workers);
    struct vd_table_cache *cache = NULL;
    check(rough != NULL && workers != NULL);
    rough_init(rough);
    check_code(vd_table_cache_new(PAGE, &cache, NULL), VD_OK);
    rough_run(rough, cache, workers);
    rough->failing = false;
    rough_flush(&workers[0]);
    for (unsigned i = 0; i < ROUGH_WRITERS + ROUGH_READERS; i++)
        check_u64_eq(workers[i].wrong, 0);
    for (unsigned i = 0; i < ROUGH_WRITERS; i++) {
        check(workers[i].done > ROUGH_TURNS / 2);
        for (uint64_t s = i; s < ROUGH_SECTORS; s += ROUGH_WRITERS)
            check_u64_eq(vd_le32_decode(rough->bytes + s * VD_SECTOR_BYTES),
                         workers[i].expected[s]);
    }
    printf("# %u calls of the file\n", atomic_load(&rough->calls));
    vd_table_cache_free(cache);
}
