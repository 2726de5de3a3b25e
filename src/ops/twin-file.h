/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new file of a disk whose descriptor does not name it yet. It is made as .vdisk-*-grow.tmp, and
 * when it is complete its own name becomes a second one of the same file. The first goes when the
 * descriptor is durable. So a file that a crash left without a disk has such a twin, which nobody
 * else makes, and can be told from one of the user's. On a file system where a file has one name
 * only it is renamed, and what a crash leaves there has no twin.
 *
 * A twin may outlast a crash after the descriptor as well. It must be gone before anybody takes it
 * for what it says: vd_twin_file_drop, first.
 */
#ifndef VD_OPS_TWIN_FILE_H
#define VD_OPS_TWIN_FILE_H

#include "ops/disk-files.h"

/* Zeros: none. */
struct vd_twin_file {
    char *path; /* what it is to be called */
    char *temp; /* what it was made as; NULL when it has that name no longer */
    bool named;
};

/* An empty file, locked, that is to be called `path`, in `folder`; `ret` takes over `path` and is
 * given back with vd_twin_file_done, also after a failure. */
VD_MUST_CHECK int vd_twin_file_create(const struct vd_fs *fs, const char *folder, char *path,
                                      const struct vd_fs_access *access, struct vd_twin_file *ret,
                                      struct vd_block **ret_block, struct vd_error *err);
/* Gives it its name, durable with the folder's next sync. VD_E_EXISTS. */
VD_MUST_CHECK int vd_twin_file_name(const struct vd_fs *fs, struct vd_twin_file *twin,
                                    struct vd_error *err);
/* The disk names it durably: the other name goes, durably with the folder's next sync. */
VD_MUST_CHECK int vd_twin_file_settle(const struct vd_fs *fs, struct vd_twin_file *twin,
                                      struct vd_error *err);
/* Removes, durably, the twins that files of the disk still have. */
VD_MUST_CHECK int vd_twin_file_drop(const struct vd_disk_files *files, struct vd_error *err);
/* Removes it; the failure that led there is the one to tell. */
void vd_twin_file_undo(const struct vd_fs *fs, const char *folder, struct vd_twin_file *twin);
void vd_twin_file_done(struct vd_twin_file *twin);

/* The twin of the file `path` in `folder`, malloc'd; *ret NULL: it has none, or is not there. */
VD_MUST_CHECK int vd_twin_file_find(const struct vd_fs *fs, const char *folder, const char *path,
                                    char **ret, struct vd_error *err);
/* Removes what a crash left, durably, so that a crash meanwhile leaves both or nothing but the
 * twin. */
VD_MUST_CHECK int vd_twin_file_remove(const struct vd_fs *fs, const char *folder, const char *path,
                                      const char *temp, struct vd_error *err);

#endif
