/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One lock, never held during I/O, and not needed to find a page that is there (table-cache-int.h).
 * A page is in the hash from the moment somebody decided to read it; who finds it LOADING waits for
 * that one reading. Pages are in one list, newest first; eviction goes from the tail, gives those
 * that were used since it last came by a second turn at the head, and passes over pages in use.
 * Lookups only leave that mark, since moving pages in a list would take a lock for each.
 *
 *     absent -> LOADING -> READY -> evicted
 *                       -> FAILED: out of the hash at once; the last one to let go frees it,
 *                          and everyone who waited tries for himself
 *                       -> REPLACED: changed while in use; out of the hash, a copy in its place
 *
 * So what the hash shows under the lock is LOADING, and then somebody is reading it who will wake
 * all that wait, or READY: nobody who looks again can find what he looked at before.
 *
 * A page of zeros keeps no buffer: all of them show the same static one.
 */
#include "vmdk/table-cache.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "vmdk/table-cache-int.h"

/* What a page of zeros counts for. More than it takes, so that the hash, which is made for the
 * number of pages that fit the budget, keeps short chains when all of them are zeros. */
#define ZERO_PAGE_CHARGE 1024u
#define MIN_BUCKETS      64u
#define MAX_BUCKETS      (1u << 18)
/* A search without the lock ends here; chains are far shorter. */
#define MAX_STEPS 32u

static const uint8_t zeros[VD_TABLE_PAGE_BYTES];

static size_t buckets_for(size_t budget_bytes)
{
    size_t wanted = budget_bytes / (2u * ZERO_PAGE_CHARGE);
    size_t buckets = MIN_BUCKETS;

    while (buckets < wanted && buckets < MAX_BUCKETS)
        buckets *= 2;
    return buckets;
}

int vd_table_cache_new(size_t budget_bytes, struct vd_table_cache **ret, struct vd_error *err)
{
    struct vd_table_cache *cache = calloc(1, sizeof *cache);

    if (cache) {
        cache->budget_bytes = budget_bytes;
        cache->num_buckets = buckets_for(budget_bytes);
        cache->buckets = calloc(cache->num_buckets, sizeof *cache->buckets);
    }
    if (!cache || !cache->buckets) {
        free(cache);
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a cache of tables");
    }
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->loaded, NULL);
    *ret = cache;
    return 0;
}

void vd_table_cache_limit(struct vd_table_cache *cache, size_t budget_bytes)
{
    assert(!cache->newest);
    cache->budget_bytes = VD_MIN(cache->budget_bytes, budget_bytes);
}

/* Its memory waits for the next page, for somebody may still be looking at it. */
static void page_free_locked(struct vd_table_cache *cache, struct vd_table_page *page)
{
    free(page->owned);
    page->owned = NULL;
    page->newer = cache->spare;
    cache->spare = page;
}

static struct vd_table_page *page_new_locked(struct vd_table_cache *cache, struct vd_block *block,
                                             uint64_t index, enum page_state state)
{
    struct vd_table_page *page = cache->spare;

    if (page)
        cache->spare = page->newer;
    else
        page = calloc(1, sizeof *page);
    if (!page)
        return NULL;
    atomic_store_explicit(&page->block, block, memory_order_relaxed);
    atomic_store_explicit(&page->index, index, memory_order_relaxed);
    atomic_store_explicit(&page->recent, false, memory_order_relaxed);
    page->bytes = NULL;
    page->owned = NULL;
    page->charge = 0;
    page->state = state;
    memset(page->dirty, 0, sizeof page->dirty);
    page->in_batch = false;
    return page;
}

static void free_list(struct vd_table_page *page, bool by_newer)
{
    while (page) {
        struct vd_table_page *next = by_newer ? page->newer : page->older;
        assert((atomic_load(&page->refs) & ~PAGE_OPEN) == 0);
        free(page->owned);
        free(page);
        page = next;
    }
}

void vd_table_cache_free(struct vd_table_cache *cache)
{
    if (!cache)
        return;
    free_list(cache->newest, false);
    free_list(cache->spare, true);
    pthread_cond_destroy(&cache->loaded);
    pthread_mutex_destroy(&cache->lock);
    free(cache->buckets);
    free(cache);
}

static _Atomic(struct vd_table_page *) *bucket_of(const struct vd_table_cache *cache,
                                                  const struct vd_block *block, uint64_t index)
{
    uint64_t key = ((uintptr_t)block >> 4) * UINT64_C(0x9e3779b97f4a7c15) + index;

    key *= UINT64_C(0xff51afd7ed558ccd);
    return &cache->buckets[(key >> 40) & (cache->num_buckets - 1)];
}

static bool is_page(const struct vd_table_page *page, const struct vd_block *block, uint64_t index)
{
    return atomic_load_explicit(&page->index, memory_order_relaxed) == index &&
           atomic_load_explicit(&page->block, memory_order_relaxed) == block;
}

struct vd_table_page *vd_table_page_find_locked(struct vd_table_cache *cache,
                                                const struct vd_block *block, uint64_t index)
{
    struct vd_table_page *page =
        atomic_load_explicit(bucket_of(cache, block, index), memory_order_relaxed);

    while (page && !is_page(page, block, index))
        page = atomic_load_explicit(&page->hash_next, memory_order_relaxed);
    return page;
}

static void hash_remove_locked(struct vd_table_cache *cache, struct vd_table_page *page)
{
    _Atomic(struct vd_table_page *) *link = bucket_of(cache, page->block, page->index);

    while (atomic_load_explicit(link, memory_order_relaxed) != page)
        link = &atomic_load_explicit(link, memory_order_relaxed)->hash_next;
    atomic_store_explicit(link, atomic_load_explicit(&page->hash_next, memory_order_relaxed),
                          memory_order_release);
}

/* --- without the lock --- */

static bool try_ref(struct vd_table_page *page)
{
    unsigned refs = atomic_load_explicit(&page->refs, memory_order_relaxed);

    while (refs & PAGE_OPEN) {
        if (atomic_compare_exchange_weak_explicit(&page->refs, &refs, refs + 1,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    }
    return false;
}

/* True when it was the last reference of a page that is out of the hash: the caller frees it. */
static bool drop_ref(struct vd_table_page *page)
{
    unsigned before = atomic_fetch_sub_explicit(&page->refs, 1, memory_order_acq_rel);

    assert((before & ~PAGE_OPEN) > 0);
    return before == 1;
}

void vd_table_page_unref_locked(struct vd_table_cache *cache, struct vd_table_page *page)
{
    if (drop_ref(page))
        page_free_locked(cache, page);
}

/* The page READY and with a reference; NULL when it is not to be had so. */
static struct vd_table_page *find_ready(struct vd_table_cache *cache, const struct vd_block *block,
                                        uint64_t index)
{
    struct vd_table_page *page =
        atomic_load_explicit(bucket_of(cache, block, index), memory_order_acquire);

    for (unsigned steps = 0; page && !is_page(page, block, index); steps++) {
        if (steps == MAX_STEPS)
            return NULL;
        page = atomic_load_explicit(&page->hash_next, memory_order_acquire);
    }
    if (!page || !try_ref(page))
        return NULL;
    if (!is_page(page, block, index)) {
        vd_table_cache_put(cache, page);
        return NULL;
    }
    /* Looked at first: a line that all readers only read stays in every processor's cache. */
    if (!atomic_load_explicit(&page->recent, memory_order_relaxed))
        atomic_store_explicit(&page->recent, true, memory_order_relaxed);
    return page;
}

/* --- with it --- */

bool vd_table_page_close_locked(struct vd_table_page *page)
{
    unsigned free_and_open = PAGE_OPEN;

    return atomic_compare_exchange_strong_explicit(&page->refs, &free_and_open, 0,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

void vd_table_page_reopen_locked(struct vd_table_page *page)
{
    (void)atomic_fetch_or_explicit(&page->refs, PAGE_OPEN, memory_order_release); /* old value */
}

static void list_add_locked(struct vd_table_cache *cache, struct vd_table_page *page)
{
    page->newer = NULL;
    page->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = page;
    cache->newest = page;
}

static void list_remove_locked(struct vd_table_cache *cache, struct vd_table_page *page)
{
    *(page->newer ? &page->newer->older : &cache->newest) = page->older;
    *(page->older ? &page->older->newer : &cache->oldest) = page->newer;
}

static void add_locked(struct vd_table_cache *cache, struct vd_table_page *page)
{
    _Atomic(struct vd_table_page *) *bucket = bucket_of(cache, page->block, page->index);

    atomic_store_explicit(&page->hash_next, atomic_load_explicit(bucket, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(bucket, page, memory_order_release);
    list_add_locked(cache, page);
}

static void remove_locked(struct vd_table_cache *cache, struct vd_table_page *page)
{
    hash_remove_locked(cache, page);
    list_remove_locked(cache, page);
    cache->used_bytes -= page->charge;
}

bool vd_table_page_is_dirty(const struct vd_table_page *page)
{
    uint32_t sectors = 0;

    for (unsigned i = 0; i < VD_TABLE_PHASES; i++)
        sectors |= page->dirty[i];
    return sectors != 0;
}

/* Evicts the page, or leaves it where it is in use. With `second_turns`, true where one that was
 * used went to the head instead. */
static bool evict_page_locked(struct vd_table_cache *cache, struct vd_table_page *page,
                              bool second_turns)
{
    if (page->in_batch || vd_table_page_is_dirty(page))
        return false;
    bool recent = atomic_exchange_explicit(&page->recent, false, memory_order_relaxed);
    if (recent && second_turns) {
        list_remove_locked(cache, page);
        list_add_locked(cache, page);
        return true;
    }
    if (vd_table_page_close_locked(page)) {
        remove_locked(cache, page);
        page_free_locked(cache, page);
    }
    return false;
}

/* Pages in use are few (three per lookup at most) and those the file does not have yet at most
 * twice VD_TABLE_DIRTY_BYTES, so passing over them costs little. Behind the page that was newest
 * come those that had their second turn, and get no third. */
void vd_table_cache_evict_locked(struct vd_table_cache *cache)
{
    const struct vd_table_page *last = cache->newest;
    struct vd_table_page *page = cache->oldest;
    bool second_turns = true;

    while (page && cache->used_bytes > cache->budget_bytes) {
        struct vd_table_page *newer = page->newer;
        bool was_last = page == last;
        bool moved = evict_page_locked(cache, page, second_turns);
        second_turns = second_turns && !was_last;
        page = newer || !moved ? newer : page;
    }
}

/* A page LOADING, in hash and list, with one reference; NULL when out of memory. */
static struct vd_table_page *insert_locked(struct vd_table_cache *cache, struct vd_block *block,
                                           uint64_t index)
{
    struct vd_table_page *page = page_new_locked(cache, block, index, PAGE_LOADING);

    if (!page)
        return NULL;
    atomic_store_explicit(&page->refs, 1, memory_order_relaxed);
    add_locked(cache, page);
    return page;
}

struct vd_table_page *vd_table_page_replace_locked(struct vd_table_cache *cache,
                                                   struct vd_table_page *page)
{
    uint8_t *bytes = malloc(VD_TABLE_PAGE_BYTES);
    struct vd_table_page *copy =
        bytes ? page_new_locked(cache, page->block, page->index, PAGE_READY) : NULL;

    if (!copy) {
        free(bytes);
        return NULL;
    }
    memcpy(bytes, page->bytes, VD_TABLE_PAGE_BYTES);
    copy->bytes = copy->owned = bytes;
    copy->charge = sizeof *page + VD_TABLE_PAGE_BYTES;
    copy->in_batch = page->in_batch;
    memcpy(copy->dirty, page->dirty, sizeof copy->dirty);
    memset(page->dirty, 0, sizeof page->dirty);
    remove_locked(cache, page);
    add_locked(cache, copy);
    cache->used_bytes += copy->charge;
    page->state = PAGE_REPLACED;
    if (atomic_fetch_and_explicit(&page->refs, ~PAGE_OPEN, memory_order_acq_rel) == PAGE_OPEN)
        page_free_locked(cache, page);
    return copy;
}

/* Reads the bytes; no lock held, the page is this thread's while LOADING. */
static int page_load(struct vd_table_page *page, struct vd_error *err)
{
    uint8_t VD_FREE *bytes = malloc(VD_TABLE_PAGE_BYTES);
    uint64_t offset = page->index * VD_TABLE_PAGE_BYTES;
    size_t done;
    int r;

    if (!bytes)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for the tables of '%s'",
                            vd_block_path(page->block));
    if ((r = vd_block_read_some(page->block, offset, bytes, VD_TABLE_PAGE_BYTES, &done, err)) < 0)
        return r;
    memset(bytes + done, 0, VD_TABLE_PAGE_BYTES - done);
    if (vd_bytes_all_zero(bytes, done)) {
        page->bytes = zeros;
        page->charge = ZERO_PAGE_CHARGE;
        return 0;
    }
    page->owned = VD_TAKE_PTR(bytes);
    page->bytes = page->owned;
    page->charge = sizeof *page + VD_TABLE_PAGE_BYTES;
    return 0;
}

/* Leaves the lock to the caller when the page is READY, and only then. */
static int load_and_lock(struct vd_table_cache *cache, struct vd_table_page *page,
                         struct vd_error *err)
{
    int r = page_load(page, err);

    pthread_mutex_lock(&cache->lock);
    if (r < 0) {
        remove_locked(cache, page);
        page->state = PAGE_FAILED;
        vd_table_page_unref_locked(cache, page);
    } else {
        page->state = PAGE_READY;
        cache->used_bytes += page->charge;
        vd_table_page_reopen_locked(page);
        vd_table_cache_evict_locked(cache);
    }
    pthread_cond_broadcast(&cache->loaded);
    if (r < 0)
        pthread_mutex_unlock(&cache->lock);
    return r;
}

/* With the page referenced and READY, or false: it failed, or was replaced before this thread woke
 * up, and the reference is gone. */
static bool wait_ready_locked(struct vd_table_cache *cache, struct vd_table_page *page)
{
    (void)atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed); /* the old value */
    while (page->state == PAGE_LOADING)
        pthread_cond_wait(&cache->loaded, &cache->lock);
    if (page->state != PAGE_READY) {
        vd_table_page_unref_locked(cache, page);
        return false;
    }
    atomic_store_explicit(&page->recent, true, memory_order_relaxed);
    return true;
}

int vd_table_page_ref_and_lock(struct vd_table_cache *cache, struct vd_block *block, uint64_t index,
                               struct vd_table_page **ret, struct vd_error *err)
{
    struct vd_table_page *page;
    int r;

    pthread_mutex_lock(&cache->lock);
    while ((page = vd_table_page_find_locked(cache, block, index)) != NULL) {
        if (wait_ready_locked(cache, page)) {
            *ret = page;
            return 0;
        }
    }
    page = insert_locked(cache, block, index);
    pthread_mutex_unlock(&cache->lock);
    if (!page)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for the tables of '%s'",
                            vd_block_path(block));
    if ((r = load_and_lock(cache, page, err)) < 0)
        return r;
    *ret = page;
    return 0;
}

int vd_table_cache_get(struct vd_table_cache *cache, struct vd_block *block, uint64_t offset_bytes,
                       struct vd_table_page **ret_page, const uint8_t **ret_bytes,
                       size_t *ret_available, struct vd_error *err)
{
    size_t within = offset_bytes % VD_TABLE_PAGE_BYTES;
    uint64_t index = offset_bytes / VD_TABLE_PAGE_BYTES;
    struct vd_table_page *page = find_ready(cache, block, index);

    if (page) {
        *ret_page = page;
    } else {
        int r = vd_table_page_ref_and_lock(cache, block, index, ret_page, err);
        if (r < 0)
            return r;
        pthread_mutex_unlock(&cache->lock);
    }
    *ret_bytes = (*ret_page)->bytes + within;
    *ret_available = VD_TABLE_PAGE_BYTES - within;
    return 0;
}

void vd_table_cache_put(struct vd_table_cache *cache, struct vd_table_page *page)
{
    bool last = drop_ref(page);
    size_t used = atomic_load_explicit(&cache->used_bytes, memory_order_relaxed);

    /* Beyond the budget only when pages were in use that stood in eviction's way. */
    if (!last && used <= cache->budget_bytes)
        return;
    pthread_mutex_lock(&cache->lock);
    if (last)
        page_free_locked(cache, page);
    vd_table_cache_evict_locked(cache);
    pthread_mutex_unlock(&cache->lock);
}

/* An entry of `length` bytes. */
static int entry_read(struct vd_table_cache *cache, struct vd_block *block, uint64_t offset_bytes,
                      uint8_t *entry, size_t length, struct vd_error *err)
{
    struct vd_table_page *page;
    const uint8_t *bytes;
    size_t available;
    int r;

    assert(offset_bytes % length == 0);
    if ((r = vd_table_cache_get(cache, block, offset_bytes, &page, &bytes, &available, err)) < 0)
        return r;
    memcpy(entry, bytes, length);
    vd_table_cache_put(cache, page);
    return 0;
}

int vd_table_cache_u32(struct vd_table_cache *cache, struct vd_block *block, uint64_t offset_bytes,
                       uint32_t *ret, struct vd_error *err)
{
    uint8_t entry[sizeof *ret];
    int r = entry_read(cache, block, offset_bytes, entry, sizeof entry, err);

    if (r >= 0)
        *ret = vd_le32_decode(entry);
    return r;
}

int vd_table_cache_u64(struct vd_table_cache *cache, struct vd_block *block, uint64_t offset_bytes,
                       uint64_t *ret, struct vd_error *err)
{
    uint8_t entry[sizeof *ret];
    int r = entry_read(cache, block, offset_bytes, entry, sizeof entry, err);

    if (r >= 0)
        *ret = vd_le64_decode(entry);
    return r;
}

size_t vd_table_cache_bytes(struct vd_table_cache *cache)
{
    return atomic_load_explicit(&cache->used_bytes, memory_order_relaxed);
}

void vd_table_cursor_init(struct vd_table_cursor *cursor, struct vd_table_cache *cache,
                          struct vd_block *block)
{
    *cursor = (struct vd_table_cursor){.cache = cache, .block = block};
}

int vd_table_cursor_at(struct vd_table_cursor *cursor, uint64_t offset_bytes,
                       const uint8_t **ret_bytes, size_t *ret_available, struct vd_error *err)
{
    size_t within = offset_bytes % VD_TABLE_PAGE_BYTES;
    uint64_t start = offset_bytes - within;

    if (!cursor->page || cursor->start_bytes != start) {
        size_t available;
        int r;
        vd_table_cursor_done(cursor);
        r = vd_table_cache_get(cursor->cache, cursor->block, start, &cursor->page, &cursor->bytes,
                               &available, err);
        if (r < 0)
            return r;
        cursor->start_bytes = start;
    }
    *ret_bytes = cursor->bytes + within;
    *ret_available = VD_TABLE_PAGE_BYTES - within;
    return 0;
}

void vd_table_cursor_done(struct vd_table_cursor *cursor)
{
    if (cursor->page)
        vd_table_cache_put(cursor->cache, cursor->page);
    cursor->page = NULL;
}
