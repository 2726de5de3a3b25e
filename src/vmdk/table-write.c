/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing tables. A page that nobody looks at is changed in place; one that is in use, by a reader
 * or by a batch on its way to the file, is replaced by a changed copy. Either takes the cache's
 * lock and no I/O, so whoever has a page may read it without a lock.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/table-cache-int.h"

#define PAGE_SECTORS (VD_TABLE_PAGE_BYTES / VD_SECTOR_BYTES)

static_assert(PAGE_SECTORS == 32, "a page's sectors are the bits of a uint32_t");

/* A change inside one page. */
struct change {
    size_t within;
    const void *bytes;
    size_t length;
    uint32_t phase;
};

static uint32_t sectors_of(const struct change *change)
{
    unsigned first = (unsigned)(change->within / VD_SECTOR_BYTES);
    unsigned last = (unsigned)((change->within + change->length - 1) / VD_SECTOR_BYTES);

    return (uint32_t)((UINT64_C(2) << last) - (UINT64_C(1) << first));
}

static void dirty_locked(struct vd_table_cache *cache, struct vd_table_page *page, uint32_t phase,
                         uint32_t sectors)
{
    if (sectors == 0)
        return;
    if (!vd_table_page_is_dirty(page))
        cache->dirty_bytes += VD_TABLE_PAGE_BYTES;
    page->dirty[phase] |= sectors;
}

static int change_locked(struct vd_table_cache *cache, struct vd_table_page *page,
                         const struct change *change)
{
    if (!page->owned || !vd_table_page_close_locked(page)) {
        page = vd_table_page_replace_locked(cache, page);
        if (!page)
            return VD_E_NO_MEMORY;
    }
    memcpy(page->owned + change->within, change->bytes, change->length);
    vd_table_page_reopen_locked(page);
    if (change->phase != VD_TABLE_IN_FILE)
        dirty_locked(cache, page, change->phase, sectors_of(change));
    vd_table_cache_evict_locked(cache);
    return 0;
}

static int page_change(struct vd_table_cache *cache, struct vd_block *block, uint64_t index,
                       const struct change *change, struct vd_error *err)
{
    struct vd_table_page *page;
    int r = vd_table_page_ref_and_lock(cache, block, index, &page, err);

    if (r < 0)
        return r;
    vd_table_page_unref_locked(cache, page); /* the lock keeps it */
    r = change_locked(cache, page, change);
    pthread_mutex_unlock(&cache->lock);
    if (r < 0)
        return vd_error_set(err, r, "out of memory for the tables of '%s'", vd_block_path(block));
    return 0;
}

int vd_table_cache_write(struct vd_table_cache *cache, struct vd_block *block,
                         uint64_t offset_bytes, const void *bytes, size_t length, uint32_t phase,
                         struct vd_error *err)
{
    const uint8_t *from = bytes;

    assert(length > 0 && (phase < VD_TABLE_PHASES || phase == VD_TABLE_IN_FILE));
    while (length > 0) {
        size_t within = offset_bytes % VD_TABLE_PAGE_BYTES;
        size_t here = VD_MIN(length, VD_TABLE_PAGE_BYTES - within);
        struct change change = {within, from, here, phase};
        int r = page_change(cache, block, offset_bytes / VD_TABLE_PAGE_BYTES, &change, err);
        if (r < 0)
            return r;
        offset_bytes += here;
        from += here;
        length -= here;
    }
    return 0;
}

int vd_table_cache_set_u32(struct vd_table_cache *cache, struct vd_block *block,
                           uint64_t offset_bytes, uint32_t value, uint32_t phase,
                           struct vd_error *err)
{
    uint8_t bytes[4];

    assert(offset_bytes % sizeof bytes == 0);
    vd_le32_encode(bytes, value);
    return vd_table_cache_write(cache, block, offset_bytes, bytes, sizeof bytes, phase, err);
}

int vd_table_cache_set_u64(struct vd_table_cache *cache, struct vd_block *block,
                           uint64_t offset_bytes, uint64_t value, uint32_t phase,
                           struct vd_error *err)
{
    uint8_t bytes[8];

    assert(offset_bytes % sizeof bytes == 0);
    vd_le64_encode(bytes, value);
    return vd_table_cache_write(cache, block, offset_bytes, bytes, sizeof bytes, phase, err);
}

size_t vd_table_cache_dirty_bytes(struct vd_table_cache *cache)
{
    return atomic_load_explicit(&cache->dirty_bytes, memory_order_relaxed);
}

/* --- batches --- */

struct batch_page {
    struct vd_table_page *page;
    uint32_t sectors[VD_TABLE_PHASES];
};

struct vd_table_batch {
    struct vd_table_cache *cache;
    struct vd_block *block;
    size_t count;
    struct batch_page pages[]; /* in the order of the file */
};

static int compare_pages(const void *left, const void *right)
{
    const struct batch_page *a = left, *b = right;

    return (a->page->index > b->page->index) - (a->page->index < b->page->index);
}

static size_t count_locked(const struct vd_table_cache *cache, const struct vd_block *block)
{
    size_t count = 0;

    if (cache->dirty_bytes == 0)
        return 0;
    for (const struct vd_table_page *page = cache->newest; page; page = page->older)
        count += page->block == block && vd_table_page_is_dirty(page);
    return count;
}

/* Nobody changes the page from here on: it has a reference. */
static void take_locked(struct vd_table_batch *batch, struct vd_table_page *page)
{
    struct batch_page *taken = &batch->pages[batch->count++];

    taken->page = page;
    memcpy(taken->sectors, page->dirty, sizeof taken->sectors);
    memset(page->dirty, 0, sizeof page->dirty);
    batch->cache->dirty_bytes -= VD_TABLE_PAGE_BYTES;
    page->in_batch = true;
    (void)atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed); /* the old value */
}

static struct vd_table_batch *gather_locked(struct vd_table_cache *cache, struct vd_block *block)
{
    size_t count = count_locked(cache, block);
    struct vd_table_batch *batch = malloc(sizeof *batch + count * sizeof batch->pages[0]);

    if (!batch)
        return NULL;
    batch->cache = cache;
    batch->block = block;
    batch->count = 0;
    for (struct vd_table_page *page = cache->newest; page && batch->count < count;
         page = page->older) {
        if (page->block == block && vd_table_page_is_dirty(page))
            take_locked(batch, page);
    }
    return batch;
}

int vd_table_batch_take(struct vd_table_cache *cache, struct vd_block *block,
                        struct vd_table_batch **ret, struct vd_error *err)
{
    struct vd_table_batch *batch;

    pthread_mutex_lock(&cache->lock);
    batch = gather_locked(cache, block);
    pthread_mutex_unlock(&cache->lock);
    if (!batch)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory writing the tables of '%s'",
                            vd_block_path(block));
    if (batch->count > 1)
        qsort(batch->pages, batch->count, sizeof batch->pages[0], compare_pages);
    *ret = batch;
    return 0;
}

bool vd_table_batch_has(const struct vd_table_batch *batch, uint32_t phase)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->pages[i].sectors[phase] != 0)
            return true;
    }
    return false;
}

static int page_write(const struct vd_table_batch *batch, const struct batch_page *taken,
                      uint32_t sectors, struct vd_error *err)
{
    const struct vd_table_page *page = taken->page;
    unsigned first = 0;

    while (sectors != 0) {
        unsigned skip = (unsigned)__builtin_ctz(sectors);
        sectors >>= skip;
        unsigned run = sectors == UINT32_MAX ? PAGE_SECTORS : (unsigned)__builtin_ctz(~sectors);
        first += skip;
        int r = vd_block_write(batch->block,
                               page->index * VD_TABLE_PAGE_BYTES + first * VD_SECTOR_BYTES,
                               page->bytes + first * VD_SECTOR_BYTES, run * VD_SECTOR_BYTES, err);
        if (r < 0)
            return r;
        first += run;
        sectors = run == PAGE_SECTORS ? 0 : sectors >> run;
    }
    return 0;
}

int vd_table_batch_write(const struct vd_table_batch *batch, uint32_t phase, struct vd_error *err)
{
    assert(phase < VD_TABLE_PHASES);
    for (size_t i = 0; i < batch->count; i++) {
        int r = page_write(batch, &batch->pages[i], batch->pages[i].sectors[phase], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The page in the cache has all that the batch has: it is the same, or a later copy, which stays
 * there as long as the batch lives. */
static void end_locked(struct vd_table_cache *cache, const struct batch_page *taken, bool written)
{
    struct vd_table_page *page =
        vd_table_page_find_locked(cache, taken->page->block, taken->page->index);

    assert(page && page->state == PAGE_READY && page->in_batch);
    page->in_batch = false;
    for (uint32_t phase = 0; phase < VD_TABLE_PHASES && !written; phase++)
        dirty_locked(cache, page, phase, taken->sectors[phase]);
    vd_table_page_unref_locked(cache, taken->page);
}

void vd_table_batch_end(struct vd_table_batch *batch, bool written)
{
    struct vd_table_cache *cache = batch->cache;

    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < batch->count; i++)
        end_locked(cache, &batch->pages[i], written);
    vd_table_cache_evict_locked(cache);
    pthread_mutex_unlock(&cache->lock);
    free(batch);
}
