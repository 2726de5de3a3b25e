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
    VD_FS_NO_LOCK = 1u << 3,      /* write without the lock, and whoever else holds one */
    VD_FS_WRITE_OUT = 1u << 4,    /* storing begins while it is written (write-out.h); a hint */
};

enum vd_fs_kind {
    VD_FS_NOTHING, /* no such name, or a link that leads nowhere */
    VD_FS_FILE,
    VD_FS_FOLDER,
    VD_FS_DEVICE, /* a block device */
    VD_FS_OTHER,
};

/* Who may do what with a file. */
struct vd_fs_access {
    unsigned mode; /* permission bits, 0777 at most */
    uint32_t owner;
    uint32_t group;
};

struct vd_fs_stat {
    enum vd_fs_kind kind;
    uint64_t size_bytes;               /* of a file; 0 otherwise */
    struct vd_block_identity identity; /* the one it has when opened; zeros for NOTHING */
    struct vd_fs_access access;
};

/* What is in a folder, in byte order. Zeros: empty. */
struct vd_fs_names {
    char **items;
    size_t count;
    size_t allocated;
};
/* A folder with more is not listed: 1 million names, 64 MB of them. */
#define VD_FS_MAX_NAMES (1u << 20)

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
    /* The functions below, which a file system that only reads leaves NULL: VD_E_NOT_SUPPORTED. */
    int (*stat)(const struct vd_fs *self, const char *path, struct vd_fs_stat *ret,
                struct vd_error *err);
    int (*create)(const struct vd_fs *self, const char *path, unsigned flags,
                  const struct vd_fs_access *access, struct vd_block **ret, struct vd_error *err);
    int (*unlink)(const struct vd_fs *self, const char *path, struct vd_error *err);
    int (*rename)(const struct vd_fs *self, const char *from, const char *to, bool replace,
                  struct vd_error *err);
    int (*sync_folder)(const struct vd_fs *self, const char *folder, struct vd_error *err);
    int (*link)(const struct vd_fs *self, const char *from, const char *to, struct vd_error *err);
    /* In any order, without "." and ".."; `names` arrives empty. */
    int (*list)(const struct vd_fs *self, const char *folder, struct vd_fs_names *names,
                struct vd_error *err);
};

struct vd_fs {
    const struct vd_fs_ops *ops;
};

/* Opens without blocking (a FIFO does not hang) and refuses what is neither a regular file nor an
 * allowed device: VD_E_FILE_TYPE. With VD_FS_WRITE it takes the write lock and honours those of
 * others (block/lock.h): VD_E_LOCKED. VD_E_NOT_FOUND, VD_E_ACCESS, VD_E_TOO_MANY_FILES, ... */
VD_MUST_CHECK int vd_fs_open(const struct vd_fs *fs, const char *path, unsigned flags,
                             struct vd_block **ret, struct vd_error *err);
VD_MUST_CHECK int vd_fs_match_name(const struct vd_fs *fs, const char *folder, const char *name,
                                   char **ret_name, struct vd_error *err);
VD_MUST_CHECK int vd_fs_real_path(const struct vd_fs *fs, const char *path, char **ret_path,
                                  struct vd_error *err);

/* What `path` is, links followed. That there is nothing is an answer, no error. */
VD_MUST_CHECK int vd_fs_stat(const struct vd_fs *fs, const char *path, struct vd_fs_stat *ret,
                             struct vd_error *err);

/*
 * What follows changes names. A changed name is durable after vd_fs_sync_folder of its folder, of
 * both where a file moved between two, and not before; a file's data is durable by its own flush.
 */

/* Makes a new, empty file and opens it for writing, locked as vd_fs_open does. VD_E_EXISTS when the
 * name is taken, be it by a link that leads nowhere. `access` NULL: the caller's, 0666 less the
 * umask; otherwise that mode whatever the umask, and owner and group as far as the caller may give
 * files away. When it fails, no file is left. */
VD_MUST_CHECK int vd_fs_create(const struct vd_fs *fs, const char *path, unsigned flags,
                               const struct vd_fs_access *access, struct vd_block **ret,
                               struct vd_error *err);
/* Removes a file's name; who has it open keeps it. Folders are refused. */
VD_MUST_CHECK int vd_fs_unlink(const struct vd_fs *fs, const char *path, struct vd_error *err);
/* Gives a file another name on the same file system, atomically. VD_E_EXISTS when `to` is taken.
 * On a file system that cannot refuse to replace, `to` is linked and `from` then removed: a crash
 * between leaves both names. An open block goes on telling the old path. */
VD_MUST_CHECK int vd_fs_rename(const struct vd_fs *fs, const char *from, const char *to,
                               struct vd_error *err);
/* The same, and the file that was called `to`, if any, loses its name. At any time `to` is one of
 * the two files, whole. */
VD_MUST_CHECK int vd_fs_rename_replacing(const struct vd_fs *fs, const char *from, const char *to,
                                         struct vd_error *err);
/* Gives a file a second name on the same file system. VD_E_EXISTS when `to` is taken;
 * VD_E_NOT_SUPPORTED or VD_E_ACCESS on a file system where a file has one name. */
VD_MUST_CHECK int vd_fs_link(const struct vd_fs *fs, const char *from, const char *to,
                             struct vd_error *err);
/* What was created, renamed or removed in the folder is durable. */
VD_MUST_CHECK int vd_fs_sync_folder(const struct vd_fs *fs, const char *folder,
                                    struct vd_error *err);

/* The names in the folder, without "." and "..". To be given back with vd_fs_names_done. */
VD_MUST_CHECK int vd_fs_list(const struct vd_fs *fs, const char *folder, struct vd_fs_names *ret,
                             struct vd_error *err);
void vd_fs_names_done(struct vd_fs_names *names);

/* The host's file system. Static; never freed. */
const struct vd_fs *vd_fs_host(void);

#endif
