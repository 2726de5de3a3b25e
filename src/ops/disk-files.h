/* SPDX-License-Identifier: Apache-2.0 */
/* The files of one link of a VMDK, locked for an operation that changes them. Not thread-safe. */
#ifndef VD_OPS_DISK_FILES_H
#define VD_OPS_DISK_FILES_H

#include "block/fs.h"
#include "vmdk/report.h"

struct vd_disk_file {
    char *path;             /* NULL where the file was not found */
    struct vd_block *block; /* open for writing, locked; NULL where there is no such file */
    size_t line;            /* the first extent line that names it */
    bool device;            /* a device, or an absolute name: not this disk's to move or remove */
};

struct vd_disk_files {
    const struct vd_fs *fs;
    char *path;                       /* of the descriptor, links resolved */
    char *folder;                     /* of that */
    bool embedded;                    /* the descriptor is inside the only extent, extents[0] */
    struct vd_descriptor *descriptor; /* a copy, the operation's to change */
    struct vd_disk_file *extents;     /* each file once, in the order of the lines */
    size_t num_extents;
    char *change_track;               /* path of the CTK file; NULL where there is none */
    struct vd_block *descriptor_lock; /* a text file's */
};

/* Finds and locks the files of the link at `path`, whatever its parents. VD_E_LOCKED. With
 * `tolerant` what is missing, broken or out of reach is no error. `options` may be NULL. */
VD_MUST_CHECK int vd_disk_files_open(const char *path, const struct vd_vmdk_options *options,
                                     bool tolerant, struct vd_disk_files *ret,
                                     struct vd_error *err);
/* Lets go of files and locks; zeros allowed. */
void vd_disk_files_done(struct vd_disk_files *files);

/* Puts the changed descriptor in its place. */
VD_MUST_CHECK int vd_disk_files_store(const struct vd_disk_files *files, struct vd_error *err);

/* Is it a child of another link? */
bool vd_disk_files_is_child(const struct vd_disk_files *files);

/* Which extent in `files` a descriptor line lives in; NULL for ZERO and empty lines. */
struct vd_disk_file *vd_disk_files_of_line(const struct vd_disk_files *files, size_t line);

/* Is the file one of the open extents? */
bool vd_disk_files_has(const struct vd_disk_files *files, const struct vd_block_identity *file);

static inline const struct vd_fs *vd_ops_fs(const struct vd_vmdk_options *options)
{
    return options && options->fs ? options->fs : vd_fs_host();
}

#endif
