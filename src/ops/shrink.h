/* SPDX-License-Identifier: Apache-2.0 */
/* Space that a sparse disk does not need. The capacity and the content stay. */
#ifndef VD_OPS_SHRINK_H
#define VD_OPS_SHRINK_H

#include "base/progress.h"
#include "vmdk/vmdk.h"

/* Gives back the grains that hold only zeros, and what nothing refers to. Flat disks have none.
 * VD_E_CANT_SHRINK for a child, in which a grain of zeros hides the parent's, for a compressed disk
 * and for SESparse files of ESXi. Needs the space of the shrunken disk (of its largest extent)
 * beside the old one; at every moment the disk is whole. */
VD_MUST_CHECK int vd_shrink(const char *path, const struct vd_vmdk_options *options,
                            const struct vd_progress *progress, struct vd_error *err);

#endif
