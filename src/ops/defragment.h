/* SPDX-License-Identifier: Apache-2.0 */
/* The grains of a sparse disk in order. */
#ifndef VD_OPS_DEFRAGMENT_H
#define VD_OPS_DEFRAGMENT_H

#include "base/progress.h"
#include "vmdk/vmdk.h"

/* Puts the grains of each extent in the order of the disk, without gaps; children too. Flat disks,
 * and extents that are in order, are left alone. VD_E_NOT_SUPPORTED for compressed disks and
 * for SESparse files of ESXi (see vmdk/sparse-rewrite.h). Space and safety as of vd_shrink. */
VD_MUST_CHECK int vd_defragment(const char *path, const struct vd_vmdk_options *options,
                                const struct vd_progress *progress, struct vd_error *err);

#endif
