/* SPDX-License-Identifier: Apache-2.0 */
/* A larger capacity for a disk. */
#ifndef VD_OPS_GROW_H
#define VD_OPS_GROW_H

#include "base/progress.h"
#include "vmdk/vmdk.h"

struct vd_grow_params {
    uint64_t capacity_sectors; /* the new one, more than the old */
    bool update_geometry;      /* recompute ddb.geometry.* */
};

/* What is added reads as zeros. Flat disks are extended in place, with space reserved except where
 * they are thin; a sparse extent is written anew beside the old one, because its directory comes
 * before its grains; split disks fill their last extent and get new ones. The content ID changes,
 * and change tracking, which cannot describe the new capacity, is dropped.
 *
 * Refused before anything changes: VD_E_INVALID_ARG for a capacity that is not larger,
 * VD_E_NOT_SUPPORTED for children, for disks that another one in their folder calls its parent, for
 * compressed and other kinds and SESparse files of ESXi (see vmdk/sparse-rewrite.h), VD_E_TOO_BIG
 * past what the type holds (2 TiB in a COWD file), VD_E_LOCKED. The descriptor is changed last:
 * before that the disk is the old one, and a failure takes back what was added. */
VD_MUST_CHECK int vd_grow(const char *path, const struct vd_vmdk_options *options,
                          const struct vd_grow_params *params, const struct vd_progress *progress,
                          struct vd_error *err);

#endif
