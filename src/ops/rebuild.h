/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extents of a sparse disk written anew beside the old ones, which they replace one by one
 * when they are durable. Each replacement keeps the content, so the disk is whole at every moment,
 * also after a crash; what a crash leaves is a file .vdisk-*.tmp.
 */
#ifndef VD_OPS_REBUILD_H
#define VD_OPS_REBUILD_H

#include "base/progress.h"
#include "ops/disk-files.h"
#include "vmdk/link.h"

struct vd_rebuild {
    struct vd_disk_files files; /* locked */
    struct vd_link *link;       /* the same link, open for reading */
    struct vd_table_cache *cache;
    const struct vd_progress *progress;
    bool drop_zeros;
    struct vd_geometry geometry; /* for headers that hold one; zeros: as it is */
};

VD_MUST_CHECK int vd_rebuild_open(const char *path, const struct vd_vmdk_options *options,
                                  const struct vd_progress *progress, struct vd_rebuild *ret,
                                  struct vd_error *err);
void vd_rebuild_done(struct vd_rebuild *rebuild);

/* Can all extents be written anew (vd_sparse_check_rewrite)? Otherwise VD_E_NOT_SUPPORTED, with
 * `what` ("cannot shrink") at the head of the sentence. */
VD_MUST_CHECK int vd_rebuild_check(const struct vd_rebuild *rebuild, const char *what,
                                   struct vd_error *err);
/* Does every extent live in a raw file, so that there are no grains? */
bool vd_rebuild_is_raw(const struct vd_rebuild *rebuild);

/* Replaces one extent of the link. `capacity_sectors` 0: as it is. The descriptor inside is that of
 * `files`. With `only_smaller` a new file that is not smaller is dropped again. */
VD_MUST_CHECK int vd_rebuild_extent(struct vd_rebuild *rebuild, size_t index,
                                    uint64_t capacity_sectors, bool only_smaller,
                                    struct vd_error *err);

#endif
