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
 * Changes are seen at once by who asks from then on, and reach the file in batches: a batch is all
 * that changed in one block up to a moment, kept as it was then while later changes go on, and is
 * written phase by phase, with barriers of the caller's between. So entries that are entered while
 * a flush is under way never reach the file before their data had a barrier of their own. Only
 * sectors that changed are written: tables of different phases, and data, may share a page.
 *
 * Threads: all functions from any thread at once. A page got stays valid, and as it was, until put.
 * Getting a page that is there takes no lock. Reading a page holds up only those who want that
 * page; writing a batch holds up nobody.
 */
#ifndef VD_VMDK_TABLE_CACHE_H
#define VD_VMDK_TABLE_CACHE_H

#include "block/block.h"

#define VD_TABLE_PAGE_BYTES 16384u
#define VD_TABLE_PHASES     3u
/* As a phase: the file has these bytes already. */
#define VD_TABLE_IN_FILE UINT32_MAX
/* Changed pages stay in memory whatever the budget. With more than this the mover flushes: 256
 * pages are 8 GiB of a hosted disk written in order, or 256 random grains at worst. */
#define VD_TABLE_DIRTY_BYTES (4u << 20)

struct vd_table_cache;
struct vd_table_page;

VD_MUST_CHECK int vd_table_cache_new(size_t budget_bytes, struct vd_table_cache **ret,
                                     struct vd_error *err);
/* Every page must have been put. NULL allowed. */
void vd_table_cache_free(struct vd_table_cache *cache);

/* Lowers the budget, before the first page is asked for. */
void vd_table_cache_limit(struct vd_table_cache *cache, size_t budget_bytes);

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

/* Changes bytes that are whole entries; `phase` says when they may reach the file. */
VD_MUST_CHECK int vd_table_cache_write(struct vd_table_cache *cache, struct vd_block *block,
                                       uint64_t offset_bytes, const void *bytes, size_t length,
                                       uint32_t phase, struct vd_error *err);
/* One little-endian entry; offset aligned to its size. */
VD_MUST_CHECK int vd_table_cache_set_u32(struct vd_table_cache *cache, struct vd_block *block,
                                         uint64_t offset_bytes, uint32_t value, uint32_t phase,
                                         struct vd_error *err);
VD_MUST_CHECK int vd_table_cache_set_u64(struct vd_table_cache *cache, struct vd_block *block,
                                         uint64_t offset_bytes, uint64_t value, uint32_t phase,
                                         struct vd_error *err);
/* Bytes of pages with changes that no batch has taken. */
size_t vd_table_cache_dirty_bytes(struct vd_table_cache *cache);

struct vd_table_batch;

/* All changes of `block` up to now. One batch of a block at a time, given back before the cache is
 * freed. */
VD_MUST_CHECK int vd_table_batch_take(struct vd_table_cache *cache, struct vd_block *block,
                                      struct vd_table_batch **ret, struct vd_error *err);
/* Has it sectors of this phase? */
bool vd_table_batch_has(const struct vd_table_batch *batch, uint32_t phase);
VD_MUST_CHECK int vd_table_batch_write(const struct vd_table_batch *batch, uint32_t phase,
                                       struct vd_error *err);
/* Gives it back. Unless it was `written`, all phases and durably, the next batch has it all again.
 */
void vd_table_batch_end(struct vd_table_batch *batch, bool written);

/* Bytes charged to the budget now; for tests and statistics. */
size_t vd_table_cache_bytes(struct vd_table_cache *cache);

/* One reader's place in the tables of one block: keeps the page last used, so that walking entries
 * looks for each page once. Not thread-safe; one per call. */
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
