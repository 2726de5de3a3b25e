/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is to tell of a VMDK and its chain, told as far as it goes: a missing or broken part
 * is a sentence in its place, and the rest is still there. `vdisk info` prints this.
 */
#ifndef VD_VMDK_REPORT_H
#define VD_VMDK_REPORT_H

#include "vmdk/descriptor.h"
#include "vmdk/extent.h"
#include "vmdk/vmdk.h"

struct vd_report_extent {
    const struct vd_extent_line *line; /* the descriptor's */
    char *path;                        /* where it was found; NULL for ZERO or when not found */
    bool opened;
    uint64_t file_bytes;
    uint64_t file_allocated_bytes; /* storage the file takes on its host */
    uint64_t data_bytes;           /* guest data held: allocated grains, or stored ranges */
    struct vd_extent_facts facts;
    char *problem; /* NULL when fine */
};

struct vd_report_link {
    char *path;
    const struct vd_descriptor *descriptor; /* the report's */
    bool embedded;
    struct vd_report_extent *extents;
    size_t num_extents;
    char *problem; /* of the link as a whole, or with finding its parent; NULL when fine */
};

struct vd_report {
    struct vd_report_link *links; /* leaf first; at least one */
    size_t num_links;
    uint64_t capacity_sectors;
    uint64_t allocated_bytes; /* of the whole disk: distinct data any link supplies, by map */
    bool complete;            /* everything opened; allocated_bytes is meaningful */
    char *problem;            /* first sentence when not complete */
};

/* Fails only when not even the first file can be opened, recognised and its descriptor read.
 * `count_data` walks the tables to fill data_bytes and allocated_bytes; without it they are 0.
 * `options` may be NULL. The files stay open until the report is freed. */
VD_MUST_CHECK int vd_report_new(const char *path, const struct vd_vmdk_options *options,
                                bool count_data, struct vd_report **ret, struct vd_error *err);
void vd_report_free(struct vd_report *report);
VD_DEFINE_CLEANUP(struct vd_report *, vd_report_free)

#endif
