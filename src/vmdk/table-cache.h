/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata pages (grain directories and tables) of all extents of a chain, kept within one budget.
 * A page is VD_TABLE_PAGE_BYTES of a file at a multiple of that; bytes past the end of the file
 * read as zeros in the page, and the caller checks table positions against the file size before
 * asking.
 *
 * Pages are known by the block's address, so every block must outlive what is cached of it: a cache
 * belongs to one chain and goes with it. What is written to a file behind the cache is not seen.
 *
 * Threads: all functions from any thread at once. A page got stays valid until put. Reading a page
 * holds up only those who want that page.
 */
#ifndef VD_VMDK_TABLE_CACHE_H
#define VD_VMDK_TABLE_CACHE_H

#include "block/block.h"

#define VD_TABLE_PAGE_BYTES 16384u

struct vd_table_cache;
struct vd_table_page;

VD_MUST_CHECK int vd_table_cache_new(size_t budget_bytes, struct vd_table_cache **ret,
                                     struct vd_error *err);
/* Every page must have been put. NULL allowed. */
void vd_table_cache_free(struct vd_table_cache *cache);

/* The page that holds byte `offset` of `block`; *ret_bytes points at that byte and *ret_available
 * says how many bytes follow in the page (at least 1). At least one page per calling thread is
 * always to be had, even beyond the budget. */
VD_MUST_CHECK int vd_table_cache_get(struct vd_table_cache *cache, struct vd_block *block,
                                     uint64_t offset_bytes, struct vd_table_page **ret_page,
                                     const uint8_t **ret_bytes, size_t *ret_available,
                                     struct vd_error *err);
void vd_table_cache_put(struct vd_table_cache *cache, struct vd_table_page *page);

/* One little-endian entry; offset aligned to its size. */
VD_MUST_CHECK int vd_table_cache_u32(struct vd_table_cache *cache, struct vd_block *block,
                                     uint64_t offset_bytes, uint32_t *ret, struct vd_error *err);
VD_MUST_CHECK int vd_table_cache_u64(struct vd_table_cache *cache, struct vd_block *block,
                                     uint64_t offset_bytes, uint64_t *ret, struct vd_error *err);

/* Bytes charged to the budget now; for tests and statistics. */
size_t vd_table_cache_bytes(struct vd_table_cache *cache);

/* One reader's place in the tables of one block: keeps the page last used, so that walking entries
 * takes the cache's lock once per page. Not thread-safe; one per call. */
struct vd_table_cursor {
    struct vd_table_cache *cache;
    struct vd_block *block;
    struct vd_table_page *page; /* NULL while none is held */
    uint64_t start_bytes;       /* of the page */
    const uint8_t *bytes;
};

void vd_table_cursor_init(struct vd_table_cursor *cursor, struct vd_table_cache *cache,
                          struct vd_block *block);
/* As vd_table_cache_get; the bytes stay valid until the next call on this cursor. */
VD_MUST_CHECK int vd_table_cursor_at(struct vd_table_cursor *cursor, uint64_t offset_bytes,
                                     const uint8_t **ret_bytes, size_t *ret_available,
                                     struct vd_error *err);
void vd_table_cursor_done(struct vd_table_cursor *cursor);

#endif
