/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by create*.c. */
#ifndef VD_VMDK_CREATE_INT_H
#define VD_VMDK_CREATE_INT_H

#include "base/buf.h"
#include "vmdk/create.h"
#include "vmdk/kdmv-header.h"

struct vd_create_kind;

/* One creation, while it lasts. */
struct vd_create {
    const char *path;
    const struct vd_vmdk_create_params *params;
    const struct vd_create_kind *kind;
    const struct vd_fs *fs;
    const struct vd_progress *progress;
    uint64_t capacity_sectors;
    uint64_t grain_sectors; /* 0 for flat */
    char *folder;           /* of path; owned */
    char *stem;             /* path without ".vmdk"; owned */
    struct vd_buf text;     /* the descriptor */
    uint64_t num_extents;   /* files beside the one that bears the name */
    uint64_t num_made;      /* of those */
    uint64_t done_sectors;  /* of extents made, for progress */
    bool cancelled;         /* asked for, maybe when it could not be heard */
};

/* Writes an empty extent of `sectors` to a new, empty file. */
typedef int vd_create_extent_fn(struct vd_create *create, struct vd_block *block, uint64_t sectors,
                                struct vd_error *err);

struct vd_create_kind {
    enum vd_disk_type type;
    enum vd_extent_type extent_type;
    const char *suffix;     /* of an extent's name, after the stem; NULL: embedded descriptor */
    uint64_t split_sectors; /* of each extent but the last, then numbered; 0: one extent */
    uint64_t default_grain; /* 0: flat */
    uint64_t min_grain;
    uint64_t max_grain;
    uint64_t max_sectors;
    const char *max_reason; /* ends the sentence "... at most N sectors, " */
    bool may_have_parent;
    bool zeroed_grains; /* may be asked for */
    vd_create_extent_fn *make;
};

/* Judges the parameters and fills in everything but what counts progress: kind, sizes, names and
 * the text of the descriptor. Nothing is changed on the file system. */
VD_MUST_CHECK int vd_create_plan(struct vd_create *create, struct vd_error *err);
/* Path of the file of extent `index`, from 0; malloc'd. */
char *vd_create_extent_path(const struct vd_create *create, uint64_t index);
uint64_t vd_create_extent_sectors(const struct vd_create *create, uint64_t index);

vd_create_extent_fn vd_create_kdmv, vd_create_flat, vd_create_flat_thin, vd_create_cowd,
    vd_create_sesparse, vd_create_stream;

/* Tells how much of the extent under way is done; VD_E_CANCELLED. */
VD_MUST_CHECK int vd_create_report(struct vd_create *create, uint64_t done_bytes,
                                   struct vd_error *err);

/* Fills in capacity, CID, adapter, geometry, hint of the parent. The strings are malloc'd. */
struct vd_create_parent {
    uint64_t capacity_sectors;
    uint32_t cid;
    char *hint;                  /* as a child at the path would name it */
    char *adapter;               /* NULL where the chain states none */
    uint32_t hw_version;         /* 0: likewise */
    struct vd_geometry geometry; /* zeros: likewise */
};

VD_MUST_CHECK int vd_create_parent_read(const struct vd_create *create,
                                        struct vd_create_parent *ret, struct vd_error *err);
void vd_create_parent_done(struct vd_create_parent *parent);

/* The standard layout of a hosted sparse extent, as Workstation and qemu-img lay it out: header,
 * `descriptor_sectors` of descriptor, redundant directory and its tables, directory and its tables,
 * the first grain at the next multiple of a grain. The capacity is at most VD_CREATE_MAX_SECTORS.
 */
void vd_kdmv_layout(uint64_t capacity_sectors, uint64_t grain_sectors, uint64_t descriptor_sectors,
                    struct vd_kdmv_header *ret);
#define VD_KDMV_DESCRIPTOR_SECTORS 20u

#endif
