/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VD_BLOCK_FILE_INT_H
#define VD_BLOCK_FILE_INT_H

#include "block/fs.h"

/* Opens a file of the host; `flags` are vd_fs_open_flag. The error's text is the reason alone. */
VD_MUST_CHECK int vd_file_open(const char *path, unsigned flags, struct vd_block **ret,
                               struct vd_error *err);

#endif
