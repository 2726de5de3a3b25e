/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by table-cache.c and table-write.c. Functions that end in _locked need the cache's lock.
 */
#ifndef VD_VMDK_TABLE_CACHE_INT_H
#define VD_VMDK_TABLE_CACHE_INT_H

#include <pthread.h>

#include "vmdk/table-cache.h"

enum page_state { PAGE_LOADING, PAGE_READY, PAGE_FAILED, PAGE_REPLACED };

struct vd_table_page {
    struct vd_block *block;
    uint64_t index; /* offset / VD_TABLE_PAGE_BYTES */
    const uint8_t *bytes;
    uint8_t *owned; /* NULL in a page of zeros */
    size_t charge;  /* bytes of the budget, 0 until READY */
    /* Guarded by the cache's lock: */
    enum page_state state;
    unsigned refs; /* while there are any, the bytes do not change */
    /* Sectors that the file does not have yet, by the phase they wait for. */
    uint32_t dirty[VD_TABLE_PHASES];
    /* A batch has sectors of this page, or of the one it replaced, that the file may not have yet.
     */
    bool in_batch;
    struct vd_table_page *hash_next;
    struct vd_table_page *newer;
    struct vd_table_page *older;
};

struct vd_table_cache {
    size_t budget_bytes; /* fixed */
    size_t num_buckets;  /* fixed; a power of two */
    pthread_mutex_t lock;
    /* Guarded by lock: */
    pthread_cond_t loaded; /* some page stopped LOADING */
    struct vd_table_page **buckets;
    struct vd_table_page *newest;
    struct vd_table_page *oldest;
    size_t used_bytes;
    size_t dirty_bytes;
};

/* The page with one reference, READY and in the hash; then, and only then, the lock is the caller's
 * to release. */
VD_MUST_CHECK int vd_table_page_ref_and_lock(struct vd_table_cache *cache, struct vd_block *block,
                                             uint64_t index, struct vd_table_page **ret,
                                             struct vd_error *err);
void vd_table_page_unref_locked(struct vd_table_page *page);
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
