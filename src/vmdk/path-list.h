/* SPDX-License-Identifier: Apache-2.0 */
/* Paths in the order in which they are to be tried, each once. */
#ifndef VD_VMDK_PATH_LIST_H
#define VD_VMDK_PATH_LIST_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

struct vd_path_list {
    char **paths;
    size_t count;
    size_t allocated;
};

/* Takes `path` over, also on failure. NULL, which path functions give when out of memory, is
 * VD_E_NO_MEMORY; a path that is there already is dropped. */
VD_MUST_CHECK int vd_path_list_take(struct vd_path_list *list, char *path, struct vd_error *err);
/* Adds "'path'" to the places that were looked at, for a sentence; nothing once it is full. */
void vd_path_note(struct vd_buf *places, const char *path);
void vd_path_list_done(struct vd_path_list *list);

#endif
