/* SPDX-License-Identifier: Apache-2.0 */
/* The user opened something that is no disk by itself: which sentence helps most? */
#ifndef VD_VMDK_WRONG_FILE_H
#define VD_VMDK_WRONG_FILE_H

#include "block/fs.h"
#include "vmdk/probe.h"

/* Always fails. `block` is the file at `path`, of that kind. A data extent's error names the
 * descriptor to open instead, where one stands beside it that really names this file. */
VD_MUST_CHECK int vd_wrong_file(const struct vd_fs *fs, struct vd_block *block,
                                enum vd_file_kind kind, const char *path, struct vd_error *err);

#endif
