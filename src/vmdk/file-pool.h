/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many files behind few descriptors. A disk of 62 TiB in 2 GiB extents has 31,000 files; a process
 * may usually have 1,024 open. The first VD_FILE_POOL_DIRECT files are opened and stay open, so
 * ordinary disks never meet the rest: later ones are closed when not in use, least recently used
 * first, and opened again when needed. A file that was exchanged for another one meanwhile is an
 * error, not a surprise. For reading only.
 *
 * Threads: all functions from any thread at once; the blocks as block.h says. One lock, in the
 * pool, guards its lists and counts and each block's `below` and `users`; files are opened and
 * closed under it, read and written outside it.
 */
#ifndef VD_VMDK_FILE_POOL_H
#define VD_VMDK_FILE_POOL_H

#include "block/fs.h"

#define VD_FILE_POOL_DIRECT 192u
/* Of the later ones; exceeded only while more threads than that use different files at once. */
#define VD_FILE_POOL_OPEN 64u

struct vd_file_pool;

/* `fs` outlives every block. */
VD_MUST_CHECK int vd_file_pool_new(const struct vd_fs *fs, struct vd_file_pool **ret,
                                   struct vd_error *err);
/* Opens as vd_fs_open does, without VD_FS_WRITE; the file is known to be there and readable when
 * this returns. The block may outlive the caller's hold on the pool. */
VD_MUST_CHECK int vd_file_pool_open(struct vd_file_pool *pool, const char *path, unsigned flags,
                                    struct vd_block **ret, struct vd_error *err);
/* Gives up the caller's hold. NULL allowed. */
void vd_file_pool_unref(struct vd_file_pool *pool);
/* Files of the pool open now, without the direct ones; for tests. */
size_t vd_file_pool_open_count(struct vd_file_pool *pool);

#endif
