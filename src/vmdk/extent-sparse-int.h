/* SPDX-License-Identifier: Apache-2.0 */
/* The hosted sparse extent, for extent-sparse.c (reading) and extent-sparse-write.c. */
#ifndef VD_VMDK_EXTENT_SPARSE_INT_H
#define VD_VMDK_EXTENT_SPARSE_INT_H

#include <stdatomic.h>

#include "base/units.h"
#include "vmdk/extent-write.h"
#include "vmdk/file-holes.h"
#include "vmdk/kdmv-header.h"

#define VD_GTE_BYTES  4u
#define VD_GTE_ABSENT 0u
#define VD_GTE_ZERO   1u

struct vd_sparse {
    struct vd_extent extent;
    struct vd_kdmv_header header; /* the footer where there is one */
    const struct vd_log *log;
    uint64_t gd_bytes;  /* offset of the directory */
    uint64_t rgd_bytes; /* of the redundant one; 0 = none to fall back to */
    struct vd_file_holes holes;
    atomic_flag fallback_told;
    /* writing */
    struct vd_extent_writer writer;
    atomic_bool changed; /* tables in the cache may say more than the file's holes do */
};

static inline const char *vd_sparse_path(const struct vd_sparse *s)
{
    return vd_block_path(s->extent.block);
}

static inline uint64_t vd_sparse_file_sectors(const struct vd_sparse *s)
{
    return s->extent.file_bytes / VD_SECTOR_BYTES;
}

/* Where grains begin at the earliest. */
static inline uint64_t vd_sparse_first_grain(const struct vd_sparse *s)
{
    return s->extent.facts.compressed ? 1 : s->header.overhead_sectors;
}

/* Does the entry of a directory name a table inside the file? */
static inline bool vd_sparse_table_inside(const struct vd_sparse *s, uint32_t gde)
{
    uint64_t length = (uint64_t)s->header.table_entries * VD_GTE_BYTES;
    return gde != 0 &&
           vd_range_inside((uint64_t)gde * VD_SECTOR_BYTES, length, s->extent.file_bytes);
}

/* At the end of opening for writing: refuses what cannot be changed safely. VD_E_NOT_SUPPORTED,
 * VD_E_DAMAGED. */
VD_MUST_CHECK int vd_sparse_prepare_write(struct vd_sparse *s, struct vd_error *err);

/* As the ops of extent.h. */
int vd_sparse_begin_write(struct vd_extent *self, struct vd_error *err);
int vd_sparse_allocate(struct vd_extent *self, uint64_t grain, uint64_t *ret_offset_bytes,
                       struct vd_error *err);
int vd_sparse_publish(struct vd_extent *self, uint64_t grain, uint64_t offset_bytes,
                      struct vd_error *err);
int vd_sparse_zero(struct vd_extent *self, uint64_t grain, struct vd_error *err);
int vd_sparse_flush(struct vd_extent *self, struct vd_error *err);
int vd_sparse_finish(struct vd_extent *self, struct vd_error *err);

#endif
