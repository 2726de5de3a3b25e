/* SPDX-License-Identifier: Apache-2.0 */
/* Small files (descriptors, backups of tables) replaced so that whoever looks, also after a crash,
 * finds the old content or the new, whole. */
#ifndef VD_BLOCK_REPLACE_H
#define VD_BLOCK_REPLACE_H

#include "block/fs.h"

/* How a file that replaces another is called until it does, in the folder of that one. What a crash
 * left under such a name is of no use to anybody. */
#define VD_REPLACE_PREFIX ".vdisk-"
#define VD_REPLACE_SUFFIX ".tmp"

/* Makes `path` a file of these bytes, durably; what was there keeps its mode, and its owner and
 * group where the caller may give files away (access lists and other attributes are not kept). A
 * link stays and what it leads to is replaced. VD_E_FILE_TYPE when `path` is no file.
 *
 * When it fails the old content is there, whole, except that a failure to make the new name durable
 * comes after it was given: then the new content is, and may not outlast a crash. The temporary
 * file is removed. A lock on the old file is not one on the new. Of two threads that replace one
 * file the later wins. */
VD_MUST_CHECK int vd_fs_replace_file(const struct vd_fs *fs, const char *path, const void *bytes,
                                     size_t length, struct vd_error *err);

#endif
