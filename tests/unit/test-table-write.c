/* SPDX-License-Identifier: Apache-2.0 */
/* Tables changed in memory and written in batches. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
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
