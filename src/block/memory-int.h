/* SPDX-License-Identifier: Apache-2.0 */
/* Files in memory without their names, for the file system over them. */
#ifndef VD_BLOCK_MEMORY_INT_H
#define VD_BLOCK_MEMORY_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "block/memory.h"

/* Counted: the table of names holds one reference and every open block another, so that replacing
 * a file leaves those who read the old one alone. `lock` guards bytes, stored, allocated and size
 * (many readers or one writer); the rest is atomic or fixed once the file has a name. */
struct vd_memory_file {
    atomic_uint refs;
    atomic_bool is_locked; /* some block holds the write lock */
    uint64_t inode;
    struct vd_fs_access access;
    pthread_rwlock_t lock;
    unsigned char *bytes;
    size_t stored;    /* bytes that are really there; what follows reads as zeros */
    size_t allocated; /* >= stored */
    uint64_t size;    /* >= stored */
};

/* NULL when out of memory. `bytes` is malloc'd, or NULL with length 0; owned on success. */
struct vd_memory_file *vd_memory_file_new(unsigned char *bytes, size_t length, uint64_t size);
void vd_memory_file_unref(struct vd_memory_file *file);
/* A block with a reference of its own; `flags` are vd_fs_open_flag. VD_E_LOCKED. The error's text
 * is the reason alone. */
VD_MUST_CHECK int vd_memory_block_new(struct vd_memory_file *file, const char *path, unsigned flags,
                                      struct vd_block **ret, struct vd_error *err);

/* As vd_fs_memory_add_sparse, but malloc'd `bytes` are handed over, and freed when it fails. */
VD_MUST_CHECK int vd_fs_memory_give(struct vd_fs_memory *files, const char *path,
                                    unsigned char *bytes, size_t length, uint64_t size_bytes,
                                    struct vd_error *err);

#endif
