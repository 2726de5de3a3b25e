/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sparse extent (hosted, COWD or SESparse) written anew into an empty file of the same format:
 * the same grains, in order, without gaps, behind tables for a capacity that may be larger. So a
 * disk grows, shrinks and is defragmented without the old file being touched.
 *
 * What the format does not define by itself is kept from the old file: versions, flags, sizes of
 * grains and tables, names and generations in headers.
 */
#ifndef VD_VMDK_SPARSE_REWRITE_H
#define VD_VMDK_SPARSE_REWRITE_H

#include "base/progress.h"
#include "disk/disk.h"
#include "vmdk/extent.h"

/* Buffers of this size, so larger grains are refused (VD_E_NOT_SUPPORTED). */
#define VD_REWRITE_MAX_GRAIN_BYTES (16u << 20)

struct vd_sparse_rewrite {
    struct vd_extent *from;    /* one that vd_sparse_check_rewrite lets pass */
    bool empty;                /* none of its grains: a further extent of the same disk */
    uint64_t capacity_sectors; /* at least that of `from`, unless empty; 0: as its header has it */
    struct vd_geometry geometry; /* for headers that hold one (COWD); zeros: as it is */
    bool drop_zeros; /* what reads as zeros becomes absent: for links without a parent */
    const struct vd_descriptor *descriptor; /* to embed (hosted only); NULL: none */
    const struct vd_progress *progress;     /* NULL: nobody; not told the end */
    uint64_t progress_start_bytes;          /* what was done before */
    uint64_t progress_total_bytes;
};

/* Can it be written anew? VD_E_NOT_SUPPORTED for extents that are not sparse, compressed ones, and
 * SESparse files with areas in use whose meaning is not public, as ESXi's. */
VD_MUST_CHECK int vd_sparse_check_rewrite(const struct vd_extent *extent, struct vd_error *err);

/* Fills `to`, which is empty, and makes it durable. VD_E_TOO_BIG past what the format's entries
 * address (2 TiB in hosted and COWD files), VD_E_CANCELLED. */
VD_MUST_CHECK int vd_sparse_rewrite(const struct vd_sparse_rewrite *rewrite, struct vd_block *to,
                                    struct vd_error *err);

/* Are the grains in order, without gaps, behind the metadata? In COWD files each table stands
 * before its grains. */
VD_MUST_CHECK int vd_sparse_is_compact(struct vd_extent *extent, bool *ret, struct vd_error *err);

#endif
