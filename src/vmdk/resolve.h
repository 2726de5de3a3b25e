/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the names in descriptors lead, and whether they may lead there. A descriptor is untrusted:
 * what it names is opened only inside the folder tree of the disk the user opened, symbolic links
 * resolved, unless the caller allows more (VD_VMDK_ALLOW_OUTSIDE, VD_VMDK_ALLOW_DEVICES).
 *
 * Not changed once made, so usable from any thread.
 */
#ifndef VD_VMDK_RESOLVE_H
#define VD_VMDK_RESOLVE_H

#include "vmdk/descriptor.h"
#include "vmdk/file-pool.h"
#include "vmdk/path-list.h"
#include "vmdk/vmdk.h"

/* What may be opened on behalf of one disk. */
struct vd_resolve {
    const struct vd_fs *fs;
    unsigned flags;            /* vd_vmdk_flag */
    struct vd_path_list roots; /* real paths of folders whose trees are open to the disk */
};

/* The folders the names in one descriptor are relative to: the one of the path it was reached by,
 * and the one it really is in. */
struct vd_folders {
    char *given;
    char *real;
};

/* `path` is the disk's; its two folders and the options' parent folders are the roots. */
VD_MUST_CHECK int vd_resolve_init(struct vd_resolve *resolve, const char *path,
                                  const struct vd_vmdk_options *options, struct vd_error *err);
void vd_resolve_done(struct vd_resolve *resolve);

VD_MUST_CHECK int vd_folders_init(struct vd_folders *folders, const struct vd_fs *fs,
                                  const char *path, struct vd_error *err);
/* As that, where it is known what `path` really is. */
VD_MUST_CHECK int vd_folders_of(struct vd_folders *folders, const char *path, const char *real_path,
                                struct vd_error *err);
void vd_folders_done(struct vd_folders *folders);

/* May `path`, which a descriptor led to, be opened as a regular file? VD_E_NOT_FOUND,
 * VD_E_OUTSIDE_FOLDER, ... Tells what it really is, which the caller frees. */
VD_MUST_CHECK int vd_resolve_allowed(const struct vd_resolve *resolve, const char *path,
                                     char **ret_real_path, struct vd_error *err);
/* As that, and opens it: where devices are allowed, a device too, wherever it is. Without a `pool`
 * it is opened for writing, locked for as long as it is open. */
VD_MUST_CHECK int vd_resolve_open(const struct vd_resolve *resolve, struct vd_file_pool *pool,
                                  const char *path, struct vd_block **ret, struct vd_error *err);

/* Finds and opens the file of an extent line of the descriptor `where`, likewise. */
VD_MUST_CHECK int vd_resolve_extent(const struct vd_resolve *resolve, struct vd_file_pool *pool,
                                    const struct vd_folders *folders,
                                    const struct vd_extent_line *line, const char *where,
                                    struct vd_block **ret, struct vd_error *err);

/* The places where the parent of a child in `folders` may be, as its hint and the caller's parent
 * folders (NULL-terminated, or NULL) say. */
VD_MUST_CHECK int vd_resolve_parent_paths(const struct vd_descriptor *child,
                                          const struct vd_folders *folders,
                                          const char *const *parent_folders,
                                          struct vd_path_list *ret, struct vd_error *err);

/* Adds, for every path of the list that is not there, one that differs from it in case only. */
VD_MUST_CHECK int vd_resolve_any_case(const struct vd_fs *fs, struct vd_path_list *list,
                                      struct vd_error *err);

#endif
