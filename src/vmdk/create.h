/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New links: a descriptor and its extents, empty, of any type we write. Nothing is ever
 * overwritten. The extents are made first and made durable; what bears the disk's name, the
 * descriptor or a disk's only file, is written under another name, made durable and then given it,
 * so that the disk exists, whole, when its name does. A failure or a cancel removes all that was
 * made; a crash may leave extents that no descriptor names, and a VD_REPLACE_PREFIX file.
 */
#ifndef VD_VMDK_CREATE_H
#define VD_VMDK_CREATE_H

#include "base/progress.h"
#include "block/fs.h"
#include "disk/disk.h"
#include "vmdk/descriptor.h"

/* 62 TiB, what vSphere and Workstation call the largest virtual disk. Hosted sparse and SESparse
 * disks have tables for it; that the data of one hosted sparse file ends at 2 TiB is the writer's
 * to refuse. */
#define VD_CREATE_MAX_SECTORS (UINT64_C(62) << 31)

struct vd_vmdk_create_params {
    enum vd_disk_type type; /* MONOLITHIC_*, SPLIT_*, VMFS_*, SE_SPARSE; STREAM_OPTIMIZED, which is
                               empty for good */
    uint64_t capacity_sectors;
    const char *adapter;    /* ddb.adapterType as text ("ide", "buslogic", "lsilogic", "lsisas1068",
                               "pvscsi", "legacyESX"); NULL: lsilogic, or the parent's for a child */
    uint32_t hw_version;    /* ddb.virtualHWVersion; 0: 13, or the parent's for a child */
    uint64_t grain_sectors; /* 0: the type's default; flat types have none */
    uint32_t logical_sector_bytes, physical_sector_bytes; /* 512 or 4096; 0 or 512: not written */
    const char *parent_path; /* a child of this disk (sparse types only); NULL: a base */
    bool zeroed_grains;      /* KDMV version 2 with zeroed-grain entries; hosted sparse only */
};

/* Capacity 0 with a parent: the parent's; any other must equal it (VD_E_INVALID_ARG). VD_E_EXISTS;
 * VD_E_TOO_BIG where the format cannot hold the capacity, with the limit in the sentence. Flat
 * types but vmfsThin reserve their space (fallocate, else zeros). Progress is in bytes of the
 * capacity; VD_E_CANCELLED. `fs` and `progress` may be NULL. */
VD_MUST_CHECK int vd_vmdk_create(const char *path, const struct vd_vmdk_create_params *params,
                                 const struct vd_fs *fs, const struct vd_progress *progress,
                                 struct vd_error *err);

/* The largest capacity of a disk of this type; VD_MAX_SECTORS for types that are not made. */
uint64_t vd_vmdk_max_sectors(enum vd_disk_type type);

#endif
