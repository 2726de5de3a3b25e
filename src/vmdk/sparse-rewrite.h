/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hosted sparse extent written anew into an empty file: the same grains, in order, without gaps,
 * behind tables for a capacity that may be larger. So a disk grows, shrinks and is defragmented
 * without the old file being touched.
 *
 * Layout: header, descriptor, redundant directory and tables where the old one has them,
 * directory, all tables, grains from the next multiple of the grain size (as Workstation writes it;
 * Virtual Disk Format 5.0).
 */
#ifndef VD_VMDK_SPARSE_REWRITE_H
#define VD_VMDK_SPARSE_REWRITE_H

#include "base/progress.h"
#include "vmdk/extent.h"
#include "vmdk/kdmv-header.h"

/* Buffers of this size, so larger grains are refused (VD_E_NOT_SUPPORTED). */
#define VD_REWRITE_MAX_GRAIN_BYTES (16u << 20)

struct vd_sparse_rewrite {
    struct vd_extent *from; /* an uncompressed hosted sparse extent; NULL: an empty one is made */
    struct vd_kdmv_header like; /* version, flags, grain, table and descriptor size */
    uint64_t capacity_sectors;  /* at least that of `from` */
    bool drop_zeros;            /* what reads as zeros becomes absent: for links without a parent */
    const struct vd_descriptor *descriptor; /* to embed; NULL: none */
    const struct vd_progress *progress;     /* NULL: nobody; not told the end */
    uint64_t progress_start_bytes;          /* what was done before */
    uint64_t progress_total_bytes;
};

/* Fills `to`, which is empty, and makes it durable. VD_E_TOO_BIG past the 2 TiB that entries
 * address, VD_E_CANCELLED. */
VD_MUST_CHECK int vd_sparse_rewrite(const struct vd_sparse_rewrite *rewrite, struct vd_block *to,
                                    struct vd_error *err);

/* Are the grains in order, without gaps, behind the metadata? */
VD_MUST_CHECK int vd_sparse_is_compact(struct vd_extent *extent, bool *ret, struct vd_error *err);

#endif
