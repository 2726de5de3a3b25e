/* SPDX-License-Identifier: Apache-2.0 */
/* A VMDK and its parents, opened as one vd_disk. What the floors above may use of this folder, with
 * report.h (what `info` shows) and stream-reader.h (forward-only reading). */
#ifndef VD_VMDK_VMDK_H
#define VD_VMDK_VMDK_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "block/fs.h"
#include "disk/disk.h"

enum vd_vmdk_flag {
    VD_VMDK_READ_ONLY = 1u << 0,   /* on any medium; takes no lock and honours none */
    VD_VMDK_SINGLE_LINK = 1u << 1, /* the leaf alone; reads that need a parent: PARTIAL_CHAIN */
    VD_VMDK_UNBUFFERED = 1u << 2,
    VD_VMDK_ALLOW_OUTSIDE = 1u << 3, /* extents and parents outside the disk's folder tree */
    VD_VMDK_ALLOW_DEVICES = 1u << 4, /* extents that are block devices */
    VD_VMDK_IGNORE_CID = 1u << 5,    /* open a chain although a parent's CID differs; logged */
    VD_VMDK_FILL_SHORT =
        1u << 6, /* a flat file shorter than its extent reads as zeros there; logged */
    VD_VMDK_WRITE_OUT = 1u << 7, /* for a disk that is written as a whole and then flushed: its
                                    storing begins at once (block/write-out.h) */
};

/* The chain may be this long; VMware supports 32. */
#define VD_VMDK_MAX_LINKS 256
/* Tables kept in memory for a whole chain. */
#define VD_VMDK_TABLE_BUDGET_BYTES (16u << 20)

struct vd_vmdk_options {
    const struct vd_fs *fs;    /* NULL: the host's */
    const struct vd_log *log;  /* NULL: silent; must outlive the disk */
    unsigned flags;            /* vd_vmdk_flag */
    size_t table_budget_bytes; /* 0: VD_VMDK_TABLE_BUDGET_BYTES */
    const char *const
        *parent_folders; /* further places to look for parents, NULL-terminated; or NULL */
};

/* Opens descriptor, extents and parents: the leaf for writing unless VD_VMDK_READ_ONLY, parents for
 * reading. Nothing is changed before the first write, which gives the disk a new content ID and
 * marks sparse extents as in use until the disk is closed. What is open for writing is locked
 * (block/lock.h), and stays open, file by file. VD_E_NOT_SUPPORTED for what is only read
 * (streamOptimized, chains of links of different sizes, SESparse files of ESXi, ...), VD_E_DAMAGED
 * for what a repair must come first. Without a flush or a close what was written may be lost, but
 * no more than that. Costs a few reads per link whatever the capacity: tables are read when first
 * needed. The strings and the options (NULL: none) are copied, `fs` and `log` are kept. Many
 * extents share few file descriptors (file-pool.h). */
VD_MUST_CHECK int vd_vmdk_open(const char *path, const struct vd_vmdk_options *options,
                               struct vd_disk **ret, struct vd_error *err);

#endif
