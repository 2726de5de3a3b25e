/* SPDX-License-Identifier: Apache-2.0 */
/* For the implementations of struct vd_fs. */
#ifndef VD_BLOCK_FS_INT_H
#define VD_BLOCK_FS_INT_H

#include <string.h>

#include "base/path.h"
#include "block/fs.h"

/* Is `candidate` a better match for `name` than `best` (NULL: none yet)? The exact name wins, then
 * the first in byte order, so that the answer does not depend on how a folder happens to be laid
 * out. */
static inline bool vd_fs_is_better_match(const char *candidate, const char *best, const char *name)
{
    if (!vd_path_equal_but_case(candidate, name))
        return false;
    if (!best || strcmp(candidate, name) == 0)
        return true;
    return strcmp(best, name) != 0 && strcmp(candidate, best) < 0;
}

/* Adds a copy; the error's text is the reason alone. */
VD_MUST_CHECK int vd_fs_names_add(struct vd_fs_names *names, const char *name,
                                  struct vd_error *err);
void vd_fs_names_sort(struct vd_fs_names *names);

#endif
