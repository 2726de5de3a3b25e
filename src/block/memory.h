/* SPDX-License-Identifier: Apache-2.0 */
/* Files in memory: a vd_fs whose names are exact ("./a" is "a", "b/../a" is "a"), whose folders are
 * implied by slashes, and whose blocks read and write the caller's process only. Opening for
 * writing changes the file for everyone who has it open; it grows to VD_MEMORY_MAX_BYTES stored at
 * most, then VD_E_DISK_FULL. Locks work as on the host, `.lck` folders too. Nothing is ever lost,
 * so flush and sync_folder have nothing to do. Holes are not modelled: everything is data, what is
 * punched is zeros, and what is allocated takes no memory; vd_fs_memory_add_sparse declares a size
 * larger than the bytes given, reading zero past them. */
#ifndef VD_BLOCK_MEMORY_H
#define VD_BLOCK_MEMORY_H

#include "block/fs.h"

/* A test that stores more in one file is a mistake, and a fuzzer must not take the machine down. */
#define VD_MEMORY_MAX_BYTES (UINT64_C(1) << 30)

struct vd_fs_memory;

VD_MUST_CHECK int vd_fs_memory_new(struct vd_fs_memory **ret, struct vd_error *err);
/* Copies the bytes. Replaces a file of the same name. */
VD_MUST_CHECK int vd_fs_memory_add(struct vd_fs_memory *files, const char *path, const void *bytes,
                                   size_t length, struct vd_error *err);
VD_MUST_CHECK int vd_fs_memory_add_sparse(struct vd_fs_memory *files, const char *path,
                                          const void *bytes, size_t length, uint64_t size_bytes,
                                          struct vd_error *err);
/* Every name, in byte order, each with a newline after it; malloc'd. */
VD_MUST_CHECK int vd_fs_memory_list(struct vd_fs_memory *files, char **ret_names,
                                    struct vd_error *err);
const struct vd_fs *vd_fs_memory_fs(struct vd_fs_memory *files);
/* Every block opened from it must be closed before. */
void vd_fs_memory_free(struct vd_fs_memory *files);
VD_DEFINE_CLEANUP(struct vd_fs_memory *, vd_fs_memory_free)

/* One anonymous block over a copy of `bytes`, for decoders' tests. */
VD_MUST_CHECK int vd_block_memory_new(const void *bytes, size_t length, struct vd_block **ret,
                                      struct vd_error *err);

#endif
