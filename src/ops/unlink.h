/* SPDX-License-Identifier: Apache-2.0 */
/* Removing a disk: one link, all its files. */
#ifndef VD_OPS_UNLINK_H
#define VD_OPS_UNLINK_H

#include "ops/disk-files.h"
#include "vmdk/vmdk.h"

/* Removes descriptor, extents and change tracking file of the link at `path`; parents and devices
 * stay. With `keep_parents` a disk that another one in its folder calls its parent is refused
 * (VD_E_NOT_SUPPORTED). What is missing or damaged does not stop it. VD_E_LOCKED.
 *
 * A failure before the first file is gone leaves the disk as it was. After it, what is left is
 * called .vdisk-removed-NAME, and removing that finishes the work. */
VD_MUST_CHECK int vd_unlink(const char *path, const struct vd_vmdk_options *options,
                            bool keep_parents, struct vd_error *err);

/* Removes what a disk has beside the file of its name, for who has replaced that. */
VD_MUST_CHECK int vd_unlink_parts(const struct vd_disk_files *files, struct vd_error *err);

#endif
