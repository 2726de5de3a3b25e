/* SPDX-License-Identifier: Apache-2.0 */
/* Which disks call another one their parent, or a file theirs? Only the folder of that one is
 * looked through: nothing in a disk or a file tells who names it. */
#ifndef VD_OPS_CHILDREN_H
#define VD_OPS_CHILDREN_H

#include "vmdk/path-list.h"
#include "vmdk/vmdk.h"

/* Adds the descriptors in the folder of `path` whose parent hint means it. What cannot be opened or
 * is no disk is passed over. To be given back with vd_path_list_done. */
VD_MUST_CHECK int vd_children_find(const struct vd_fs *fs, const char *path,
                                   struct vd_path_list *ret, struct vd_error *err);

/* VD_E_NOT_SUPPORTED when there is a child; `what` is what the operation would do ("cannot grow").
 */
VD_MUST_CHECK int vd_children_refuse(const struct vd_fs *fs, const char *path, const char *what,
                                     struct vd_error *err);

/* Does the disk `path`, or any other one in its folder, whatever its name, call a file as `extent`
 * is called an extent? A failure where a disk may but cannot be read. */
VD_MUST_CHECK int vd_children_name_file(const struct vd_fs *fs, const char *path,
                                        const char *extent, bool *ret, struct vd_error *err);

#endif
