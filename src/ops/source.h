/* SPDX-License-Identifier: Apache-2.0 */
/* What a user may name as the disk to read: a VMDK, or anything else as a raw image. */
#ifndef VD_OPS_SOURCE_H
#define VD_OPS_SOURCE_H

#include "block/block.h"
#include "disk/disk.h"
#include "vmdk/vmdk.h"

enum vd_source_format { VD_SOURCE_AUTO, VD_SOURCE_VMDK, VD_SOURCE_RAW };

struct vd_source_options {
    enum vd_source_format format;
    struct vd_vmdk_options vmdk; /* fs, log and the unbuffered flag count for raw images too */
};

/* VMDK or RAW, never AUTO. The content decides: what is nothing of a VMDK is a raw image, unless
 * its name ends in .vmdk, so that a mistake is told by the one who knows VMDKs. A block device is
 * always raw: what its guest wrote there must not choose how it is read. */
VD_MUST_CHECK int vd_source_detect(const char *path, const struct vd_source_options *options,
                                   enum vd_source_format *ret, struct vd_error *err);

/* Opens read only. A device named here was named by the user, so it needs no permission. */
VD_MUST_CHECK int vd_source_open(const char *path, const struct vd_source_options *options,
                                 struct vd_disk **ret, struct vd_error *err);

/* As vd_source_open, but for writing. */
VD_MUST_CHECK int vd_source_open_writable(const char *path, const struct vd_source_options *options,
                                          struct vd_disk **ret, struct vd_error *err);

/* Is `file` (device and inode as stat tells them) one of the files the disk lives in: a descriptor,
 * an extent or the raw image, of any link? */
VD_MUST_CHECK int vd_source_holds_file(const char *path, const struct vd_source_options *options,
                                       const struct vd_block_identity *file, bool *ret,
                                       struct vd_error *err);

#endif
