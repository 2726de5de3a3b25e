/* SPDX-License-Identifier: Apache-2.0 */
/* A link: one descriptor and its extents. */
#ifndef VD_VMDK_LINK_H
#define VD_VMDK_LINK_H

#include "vmdk/descriptor.h"
#include "vmdk/extent.h"
#include "vmdk/kdmv-header.h"
#include "vmdk/resolve.h"
#include "vmdk/vmdk.h"

struct vd_link_extent {
    struct vd_extent *extent;
    struct vd_block *block; /* owned; NULL for ZERO */
    uint64_t start_sectors; /* in the link */
    const char *path;       /* of the file, absolute or as reached; NULL for ZERO */
    size_t line;            /* index of its line in the descriptor */
};

struct vd_link {
    char *path; /* of the descriptor, as reached; owned */
    struct vd_folders folders;
    struct vd_descriptor *descriptor;
    /* Ascending start_sectors, tiling the capacity; lines of no sectors have none. */
    struct vd_link_extent *extents;
    size_t num_extents;
    uint64_t capacity_sectors;
    struct vd_block_identity identity; /* of the file that holds the descriptor */
    bool embedded;                     /* the descriptor is inside its only extent */
    struct vd_kdmv_header header;      /* embedded: of that file, as it was when it was opened */
    struct vd_block *container;        /* embedded: that file, until its extent takes it; owned */
    struct vd_block *guard; /* not embedded, opened for writing: the descriptor's file, for its
                               lock; owned */
};

/* The link at `path` alone, whatever its parents. */
VD_MUST_CHECK int vd_link_open(const char *path, const struct vd_vmdk_options *options,
                               struct vd_table_cache *cache, struct vd_link **ret,
                               struct vd_error *err);
void vd_link_free(struct vd_link *link);
VD_DEFINE_CLEANUP(struct vd_link *, vd_link_free)

/* Index of the extent that holds `sector`: binary search. */
size_t vd_link_extent_at(const struct vd_link *link, uint64_t sector);

#endif
