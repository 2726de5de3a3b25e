/* SPDX-License-Identifier: Apache-2.0 */
/* vd_clone for those who have two paths, or a disk and a path, and any type. */
#ifndef VD_OPS_CLONE_PATH_H
#define VD_OPS_CLONE_PATH_H

#include "ops/clone.h"
#include "vmdk/vmdk.h"

/* Opens the VMDK `from` for reading, whatever the options say, and clones it to `to`, also as
 * streamOptimized. VD_E_INVALID_ARG for a target that is a file of the source. */
VD_MUST_CHECK int vd_clone_path(const char *from, const struct vd_vmdk_options *options,
                                const char *to, const struct vd_clone_params *params,
                                const struct vd_progress *progress, struct vd_error *err);

/* The same of a disk that is open, and of whose files none is at `to`. */
VD_MUST_CHECK int vd_clone_open(struct vd_disk *source, const char *to,
                                const struct vd_clone_params *params,
                                const struct vd_progress *progress, struct vd_error *err);

#endif
