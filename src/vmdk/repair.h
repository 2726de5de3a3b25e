/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing metadata of one file so that a power cut at any moment leaves it no worse. Changes are
 * gathered and go to the file in batches: the old sectors to the backup, barrier; redundant copies,
 * barrier; primary ones, barrier. The writer's lock is held while a repair lives.
 *
 * The backup is a file beside the repaired one, NAME.vdisk-repair-backup, or with .1, .2, ...
 * behind where there are some already; it is made at the first batch. All of it comes in sectors:
 *
 *   first       "vdisk repair backup 1", "bytes: SIZE" (of the file before), "file: NAME", each a
 *               line; zeros
 *   then again and again
 *     one       "sector: N", a line; zeros
 *     one       what was in that sector of the file
 *
 * Not thread-safe.
 */
#ifndef VD_VMDK_REPAIR_H
#define VD_VMDK_REPAIR_H

#include "block/fs.h"

struct vd_repair;

enum vd_repair_rank {
    VD_REPAIR_FIRST, /* redundant copies, and what nothing points at yet */
    VD_REPAIR_SECOND,
};

/* Opens `path` for writing, with its lock. */
VD_MUST_CHECK int vd_repair_open(const struct vd_fs *fs, const char *path, struct vd_repair **ret,
                                 struct vd_error *err);
/* Also to be read from. */
struct vd_block *vd_repair_block(struct vd_repair *repair);
/* One little-endian entry, at a multiple of 4. Commits by itself when a batch is full. What was put
 * is read from the file only after a commit. */
VD_MUST_CHECK int vd_repair_put_u32(struct vd_repair *repair, enum vd_repair_rank rank,
                                    uint64_t offset_bytes, uint32_t value, struct vd_error *err);
/* Any bytes within one sector. */
VD_MUST_CHECK int vd_repair_put(struct vd_repair *repair, enum vd_repair_rank rank,
                                uint64_t offset_bytes, const void *bytes, size_t length,
                                struct vd_error *err);
VD_MUST_CHECK int vd_repair_commit(struct vd_repair *repair, struct vd_error *err);
/* Commits, then cuts the file off, durably. What is cut off is not in the backup. */
VD_MUST_CHECK int vd_repair_truncate(struct vd_repair *repair, uint64_t size_bytes,
                                     struct vd_error *err);
/* Commits, keeps in the backup what the file has from `size_bytes` (whole sectors) on, and cuts it
 * off there, durably. What is written behind then replaces nothing. */
VD_MUST_CHECK int vd_repair_cut(struct vd_repair *repair, uint64_t size_bytes,
                                struct vd_error *err);
/* Keeps the whole text of a small file beside it, as NAME.vdisk-repair-backup, before it is
 * replaced. */
VD_MUST_CHECK int vd_repair_keep_text(const struct vd_fs *fs, const char *path, const void *bytes,
                                      size_t length, struct vd_error *err);
/* Closes the file, and tells a late write error. NULL allowed; what was not committed is dropped.
 */
int vd_repair_close(struct vd_repair *repair, struct vd_error *err);

#endif
