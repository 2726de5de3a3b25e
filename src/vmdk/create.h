/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New links: a descriptor and its extents, empty, of any type we write. Every file is made under
 * its final name exclusively (nothing is ever overwritten), made durable, and the descriptor, or
 * the only file, last, so that the disk exists when its name does. A failure or a cancel removes
 * all that was made.
 */
#ifndef VD_VMDK_CREATE_H
#define VD_VMDK_CREATE_H

#include "base/log.h"
#include "base/progress.h"
#include "block/fs.h"
#include "disk/disk.h"
#include "vmdk/descriptor.h"

struct vd_vmdk_create_params {
    enum vd_disk_type type; /* MONOLITHIC_*, SPLIT_*, VMFS_*, SE_SPARSE; not STREAM_OPTIMIZED, which
                               only a stream writer makes: VD_E_NOT_SUPPORTED */
    uint64_t capacity_sectors;
    const char *adapter;    /* ddb.adapterType as text ("ide", "buslogic", "lsilogic", "lsisas1068",
                               "pvscsi", "legacyESX"); NULL: lsilogic, or the parent's for a child */
    uint32_t hw_version;    /* ddb.virtualHWVersion; 0: 13 */
    uint64_t grain_sectors; /* 0: the type's default */
    uint32_t logical_sector_bytes, physical_sector_bytes; /* 0 or 512: not written */
    const char *parent_path; /* a child of this disk (sparse types only); NULL: a base */
    bool zeroed_grains;      /* KDMV version 2 with zeroed-grain entries */
};

/* Capacity 0 with a parent: the parent's; any other must equal it (VD_E_INVALID_ARG). VD_E_EXISTS;
 * VD_E_TOO_BIG where the format cannot hold the capacity, with the limit in the sentence. Flat
 * types reserve their space (fallocate, else zeros) and report progress in bytes. `fs`, `log`,
 * `progress` may be NULL. */
VD_MUST_CHECK int vd_vmdk_create(const char *path, const struct vd_vmdk_create_params *params,
                                 const struct vd_fs *fs, const struct vd_progress *progress,
                                 struct vd_error *err);

#endif
