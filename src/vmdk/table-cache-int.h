/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by table-cache.c and table-write.c. Functions that end in _locked need the cache's lock.
 *
 * Most lookups find their page READY, and take no lock for it. `refs` is one word with the count
 * and the bit PAGE_OPEN, which stands while anybody may take a reference without the lock: a
 * reference is taken by an exchange that succeeds only while the bit stands. Whoever wants a page
 * for himself (to evict it, to change its bytes in place) exchanges PAGE_OPEN with no references
 * for 0, and then nobody can get at it.
 *
 * Readers find pages through chains that change meanwhile, and may look at a page that has just
 * become another one. So a page's memory stays a page's memory until the cache is freed (`spare`),
 * and a reader looks, after it has its reference, whether it has the page it wanted. One that loses
 * its way finds nothing, and asks again under the lock.
 */
#ifndef VD_VMDK_TABLE_CACHE_INT_H
#define VD_VMDK_TABLE_CACHE_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "vmdk/table-cache.h"

enum page_state { PAGE_LOADING, PAGE_READY, PAGE_FAILED, PAGE_REPLACED };

#define PAGE_OPEN (1u << 31)

struct vd_table_page {
    /* Looked at by readers who have no reference yet. */
    _Atomic(struct vd_block *) block;
    _Atomic uint64_t index; /* offset / VD_TABLE_PAGE_BYTES */
    _Atomic(struct vd_table_page *) hash_next;
    atomic_uint refs;   /* how many, and PAGE_OPEN; while there are any, the bytes do not change */
    atomic_bool recent; /* was used since eviction last passed by */
    const uint8_t *bytes;
    uint8_t *owned; /* NULL in a page of zeros */
    size_t charge;  /* bytes of the budget, 0 until READY */
    /* Guarded by the cache's lock: */
    enum page_state state;
    /* Sectors that the file does not have yet, by the phase they wait for. */
    uint32_t dirty[VD_TABLE_PHASES];
    /* A batch has sectors of this page, or of the one it replaced, that the file may not have yet.
     */
    bool in_batch;
    struct vd_table_page *newer; /* also the next in `spare` */
    struct vd_table_page *older;
};

struct vd_table_cache {
    size_t budget_bytes; /* fixed from the first page on */
    size_t num_buckets;  /* fixed; a power of two */
    pthread_mutex_t lock;
    /* Guarded by lock: */
    pthread_cond_t loaded;                    /* some page stopped LOADING */
    _Atomic(struct vd_table_page *) *buckets; /* read without it */
    struct vd_table_page *spare;
    struct vd_table_page *newest;
    struct vd_table_page *oldest;
    _Atomic size_t used_bytes;  /* read without it */
    _Atomic size_t dirty_bytes; /* read without it */
};

/* The page with one reference, READY and in the hash; then, and only then, the lock is the caller's
 * to release. */
VD_MUST_CHECK int vd_table_page_ref_and_lock(struct vd_table_cache *cache, struct vd_block *block,
                                             uint64_t index, struct vd_table_page **ret,
                                             struct vd_error *err);
/* Gives a reference back; with the lock or without. */
void vd_table_page_unref_locked(struct vd_table_cache *cache, struct vd_table_page *page);
/* Keeps everyone from the page until vd_table_page_reopen_locked, or forever; false when somebody
 * has it. */
bool vd_table_page_close_locked(struct vd_table_page *page);
void vd_table_page_reopen_locked(struct vd_table_page *page);
/* NULL where there is none, READY or not. */
struct vd_table_page *vd_table_page_find_locked(struct vd_table_cache *cache,
                                                const struct vd_block *block, uint64_t index);
/* A page with its own copy of the bytes in the place of `page`, which those who have it keep until
 * they let it go. NULL when out of memory. */
struct vd_table_page *vd_table_page_replace_locked(struct vd_table_cache *cache,
                                                   struct vd_table_page *page);
bool vd_table_page_is_dirty(const struct vd_table_page *page);
void vd_table_cache_evict_locked(struct vd_table_cache *cache);

#endif
