/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VD_BLOCK_FILE_INT_H
#define VD_BLOCK_FILE_INT_H

#include <sys/stat.h>

#include "block/fs.h"

/* Opens a file of the host; `flags` are vd_fs_open_flag. The error's text is the reason alone. */
VD_MUST_CHECK int vd_file_open(const char *path, unsigned flags, struct vd_block **ret,
                               struct vd_error *err);

/* Makes the file; otherwise the same. When it fails, no file is left. */
VD_MUST_CHECK int vd_file_create(const char *path, unsigned flags,
                                 const struct vd_fs_access *access, struct vd_block **ret,
                                 struct vd_error *err);
/* What the open file of `status` would be known as. */
struct vd_block_identity vd_file_identity(const struct stat *status);

#endif
