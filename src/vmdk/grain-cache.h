/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inflated grains of a chain's compressed extents, the most recently used ones kept within a
 * budget. A grain asked for in parts is inflated once, however many threads ask at the same time; a
 * grain asked for as a whole is inflated straight into the caller's buffer and not kept, because
 * whoever reads whole grains does not come back for them.
 *
 * Threads: all functions from any thread at once, except free.
 */
#ifndef VD_VMDK_GRAIN_CACHE_H
#define VD_VMDK_GRAIN_CACHE_H

#include "vmdk/extent.h"

/* 128 grains of the usual 64 KiB. */
#define VD_GRAIN_CACHE_BUDGET_BYTES (8u << 20)
#define VD_GRAIN_CACHE_MAX_GRAINS   128u

struct vd_grain_cache;

/* Allocates no grains yet. A grain larger than the budget is held alone. */
VD_MUST_CHECK int vd_grain_cache_new(size_t budget_bytes, struct vd_grain_cache **ret,
                                     struct vd_error *err);
/* No call may be under way. NULL allowed. */
void vd_grain_cache_free(struct vd_grain_cache *cache);

/* Copies the run `at`, a VD_LOOKUP_COMPRESSED answer for `sector` of `extent`, to `buffer`
 * (at->length_sectors of room). Errors of grain-record.h. */
VD_MUST_CHECK int vd_grain_cache_read(struct vd_grain_cache *cache, struct vd_extent *extent,
                                      uint64_t sector, const struct vd_lookup *at, void *buffer,
                                      struct vd_error *err);

/* Grains inflated so far, and bytes held now; for tests and statistics. */
uint64_t vd_grain_cache_inflated(struct vd_grain_cache *cache);
size_t vd_grain_cache_bytes(struct vd_grain_cache *cache);

#endif
