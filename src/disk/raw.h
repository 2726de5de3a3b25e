/* SPDX-License-Identifier: Apache-2.0 */
/* A raw image as a vd_disk: the file's bytes are the disk's, holes are absent, and a size that is
 * no multiple of a sector is rounded up, the missing bytes reading as zeros. Writing them makes the
 * file that much longer. */
#ifndef VD_DISK_RAW_H
#define VD_DISK_RAW_H

#include "block/fs.h"
#include "disk/disk.h"

/* `flags` are vd_fs_open_flag. */
VD_MUST_CHECK int vd_raw_open(const struct vd_fs *fs, const char *path, unsigned flags,
                              struct vd_disk **ret, struct vd_error *err);

#endif
