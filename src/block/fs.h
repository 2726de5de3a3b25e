/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct vd_fs: where names become blocks. The host's file system, a set of files in memory (tests,
 * fuzzing), or a wrapper that makes the n-th call fail. Everything that opens a file by name takes
 * a vd_fs, so that whole chains run over memory and under faults.
 *
 * Threads: every function may be called from any thread at once.
 */
#ifndef VD_BLOCK_FS_H
#define VD_BLOCK_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "block/block.h"

enum vd_fs_open_flag {
    VD_FS_WRITE = 1u << 0,
    VD_FS_UNBUFFERED = 1u << 1,   /* O_DIRECT where the file system takes it, buffered otherwise */
    VD_FS_ALLOW_DEVICE = 1u << 2, /* block devices too; otherwise regular files only */
};

struct vd_fs;

struct vd_fs_ops {
    const char *name;
    int (*open)(const struct vd_fs *self, const char *path, unsigned flags, struct vd_block **ret,
                struct vd_error *err);
    /* The name in `folder` that equals `name` but for case; VD_E_NOT_FOUND. malloc'd. */
    int (*match_name)(const struct vd_fs *self, const char *folder, const char *name,
                      char **ret_name, struct vd_error *err);
    /* The path with symbolic links resolved, malloc'd. */
    int (*real_path)(const struct vd_fs *self, const char *path, char **ret_path,
                     struct vd_error *err);
};

struct vd_fs {
    const struct vd_fs_ops *ops;
};

/* Opens without blocking (a FIFO does not hang) and refuses what is neither a regular file nor an
 * allowed device: VD_E_FILE_TYPE. VD_E_NOT_FOUND, VD_E_ACCESS, VD_E_TOO_MANY_FILES, ... */
VD_MUST_CHECK int vd_fs_open(const struct vd_fs *fs, const char *path, unsigned flags,
                             struct vd_block **ret, struct vd_error *err);
VD_MUST_CHECK int vd_fs_match_name(const struct vd_fs *fs, const char *folder, const char *name,
                                   char **ret_name, struct vd_error *err);
VD_MUST_CHECK int vd_fs_real_path(const struct vd_fs *fs, const char *path, char **ret_path,
                                  struct vd_error *err);

/* The host's file system. Static; never freed. */
const struct vd_fs *vd_fs_host(void);

#endif
