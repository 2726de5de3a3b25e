/* SPDX-License-Identifier: Apache-2.0 */
/* Files in memory: a vd_fs whose names are exact, whose folders are implied by slashes, and whose
 * blocks read and write the caller's process only. Holes are not modelled: everything is data,
 * except that vd_fs_memory_add_sparse declares a size larger than the bytes given, reading zero
 * past them. */
#ifndef VD_BLOCK_MEMORY_H
#define VD_BLOCK_MEMORY_H

#include "block/fs.h"

struct vd_fs_memory;

VD_MUST_CHECK int vd_fs_memory_new(struct vd_fs_memory **ret, struct vd_error *err);
/* Copies the bytes. Replaces a file of the same name. */
VD_MUST_CHECK int vd_fs_memory_add(struct vd_fs_memory *files, const char *path, const void *bytes,
                                   size_t length, struct vd_error *err);
VD_MUST_CHECK int vd_fs_memory_add_sparse(struct vd_fs_memory *files, const char *path,
                                          const void *bytes, size_t length, uint64_t size_bytes,
                                          struct vd_error *err);
const struct vd_fs *vd_fs_memory_fs(struct vd_fs_memory *files);
/* Every block opened from it must be closed before. */
void vd_fs_memory_free(struct vd_fs_memory *files);
VD_DEFINE_CLEANUP(struct vd_fs_memory *, vd_fs_memory_free)

/* One anonymous block over a copy of `bytes`, for decoders' tests. */
VD_MUST_CHECK int vd_block_memory_new(const void *bytes, size_t length, struct vd_block **ret,
                                      struct vd_error *err);

#endif
