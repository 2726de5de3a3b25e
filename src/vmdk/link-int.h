/* SPDX-License-Identifier: Apache-2.0 */
/* A link in steps, for chain.c, parent.c and report.c. */
#ifndef VD_VMDK_LINK_INT_H
#define VD_VMDK_LINK_INT_H

#include "vmdk/link.h"
#include "vmdk/resolve.h"

/* What the links of one chain share. Not changed while one of them is opened. */
struct vd_link_context {
    const struct vd_log *log;
    unsigned flags; /* vd_vmdk_flag */
    bool write;     /* the link about to be opened will be written: the leaf alone ever is */
    struct vd_resolve resolve;
    struct vd_file_pool *pool;
    struct vd_table_cache *cache; /* the caller's */
};

/* `path` is the leaf's. */
VD_MUST_CHECK int vd_link_context_init(struct vd_link_context *context, const char *path,
                                       const struct vd_vmdk_options *options,
                                       struct vd_table_cache *cache, struct vd_error *err);
void vd_link_context_done(struct vd_link_context *context);

/* The descriptor alone: path, folders, identity, embedded, capacity; no extents. Does not ask
 * whether the path may be opened. `real_path` is what it really is, where that is known, or NULL.
 */
VD_MUST_CHECK int vd_link_load(const char *path, const char *real_path,
                               const struct vd_link_context *context, struct vd_link **ret,
                               struct vd_error *err);
/* All extents of a loaded link. */
VD_MUST_CHECK int vd_link_open_extents(struct vd_link *link, const struct vd_link_context *context,
                                       struct vd_error *err);
/* The extent of one line; start_sectors is left 0. To be given back with vd_link_extent_done. */
VD_MUST_CHECK int vd_link_open_extent(struct vd_link *link, const struct vd_link_context *context,
                                      size_t line_index, struct vd_link_extent *ret,
                                      struct vd_error *err);
void vd_link_extent_done(struct vd_link_extent *extent);

/* Does any file of the link serve two ranges that overlap, or the descriptor serve as data? */
VD_MUST_CHECK int vd_link_check_files(const struct vd_link *link, struct vd_error *err);

#endif
