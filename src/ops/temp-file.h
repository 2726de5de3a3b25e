/* SPDX-License-Identifier: Apache-2.0 */
/* A file beside another one, to take its place when it is complete. */
#ifndef VD_OPS_TEMP_FILE_H
#define VD_OPS_TEMP_FILE_H

#include "block/fs.h"

/* A name in `folder` that nothing has: .vdisk-PID-N.tmp, or with `suffix` in the place of ".tmp".
 * malloc'd. */
VD_MUST_CHECK int vd_temp_name(const struct vd_fs *fs, const char *folder, const char *suffix,
                               char **ret_path, struct vd_error *err);

/* Makes an empty file beside `path`, with its owner and mode, under such a name (malloc'd). */
VD_MUST_CHECK int vd_temp_file_create(const struct vd_fs *fs, const char *path, char **ret_path,
                                      struct vd_block **ret, struct vd_error *err);

#endif
