/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct vd_disk: an open disk, wherever it lives. Everything above this floor is written once, on
 * it.
 *
 * The dispatcher, disk.c, is the only caller of the vtable: it checks ranges and access, so that an
 * implementation sees only legal requests and a caller gets the same answers from every disk.
 *
 * Threads: every function but vd_disk_close may be called from any thread at once.
 */
#ifndef VD_DISK_DISK_H
#define VD_DISK_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct vd_disk;

enum vd_disk_type { /* the VMDK createTypes an API distinguishes, and what is not a VMDK */
                    VD_DISK_UNKNOWN,
                    VD_DISK_MONOLITHIC_SPARSE,
                    VD_DISK_MONOLITHIC_FLAT,
                    VD_DISK_SPLIT_SPARSE,
                    VD_DISK_SPLIT_FLAT,
                    VD_DISK_VMFS_FLAT,
                    VD_DISK_VMFS_THIN,
                    VD_DISK_VMFS_SPARSE,
                    VD_DISK_SE_SPARSE,
                    VD_DISK_STREAM_OPTIMIZED,
                    VD_DISK_DEVICE, /* fullDevice, partitionedDevice, raw device maps */
                    VD_DISK_RAW,
};

enum vd_adapter {
    VD_ADAPTER_UNKNOWN,
    VD_ADAPTER_IDE,
    VD_ADAPTER_BUSLOGIC,
    VD_ADAPTER_LSILOGIC,
};

struct vd_geometry {
    uint32_t cylinders;
    uint32_t heads;
    uint32_t sectors; /* per track */
};

/* Strings belong to the disk and live until it is closed. */
struct vd_disk_info {
    uint64_t capacity_sectors;
    enum vd_disk_type type;
    enum vd_adapter adapter;
    struct vd_geometry geometry;      /* zeros where the disk states none */
    struct vd_geometry bios_geometry; /* zeros where the disk states none */
    uint32_t num_links;               /* opened: leaf and parents */
    const char *parent_hint;          /* as written in the leaf; NULL without parent */
    const char *uuid;                 /* disk database form; NULL when absent */
    uint32_t logical_sector_bytes;
    uint32_t physical_sector_bytes;
    uint32_t grain_sectors; /* of the leaf's first sparse extent; 0 for flat */
    const char *transport;  /* "file" */
    bool read_only;
};

enum vd_run_kind {
    VD_RUN_DATA,   /* stored in a link */
    VD_RUN_ZERO,   /* a link says: zeros, and hides its parents */
    VD_RUN_ABSENT, /* no link holds it: reads as zeros */
};

/* A run of sectors of one kind. Runs tile the range asked for: ascending, no gaps, no overlap. */
struct vd_run {
    uint64_t start_sectors;
    uint64_t length_sectors; /* never 0 */
    enum vd_run_kind kind;
    uint32_t link;         /* 0 = leaf, 1 = its parent, ...; meaningless for ABSENT */
    uint32_t extent;       /* index in that link */
    bool compressed;       /* offset_bytes is where the compressed grain's record starts */
    bool unknown;          /* ABSENT, but a parent that is not open may hold it */
    uint64_t offset_bytes; /* in the file, DATA only */
    const char *file;      /* path of that file; the disk's own, NULL unless DATA */
};

/* For implementations: ranges arrive checked and not empty, writes only where the disk is not read
 * only. Each tells its own whole sentence, because it alone knows which file of the disk failed. */
struct vd_disk_ops {
    const char *name;
    int (*read)(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors, void *buffer,
                struct vd_error *err);
    /* NULL where the disk cannot be written. */
    int (*write)(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                 const void *buffer, struct vd_error *err);
    /* May be NULL. Sectors that the map calls DATA of link 0, not compressed, read as zeros from
     * now on, and their storage is given back where the host can; they keep their place. */
    int (*punch)(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                 struct vd_error *err);
    /* NULL where there is no write. */
    int (*flush)(struct vd_disk *self, struct vd_error *err);
    /* Fills at most `max_runs` runs, tiling from `start`; at least one. Need not merge. */
    int (*map)(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
               struct vd_run *runs, size_t max_runs, size_t *ret_runs, struct vd_error *err);
    /* Fills in what it knows; arrives as zeros, with capacity, read_only and sector sizes set. */
    void (*info)(struct vd_disk *self, struct vd_disk_info *ret);
    /* These three may be NULL where a disk has no database. Value of a disk database key (without
     * "ddb."), valid until close or until the key is written; NULL when absent. The leaf first,
     * then its parents. */
    const char *(*meta_get)(struct vd_disk *self, const char *key);
    /* The leaf's keys in descriptor order, NULL past the last. */
    const char *(*meta_key)(struct vd_disk *self, size_t index);
    int (*meta_set)(struct vd_disk *self, const char *key, const char *value, struct vd_error *err);
    /* Releases everything, `self` too, but `path`, which the dispatcher frees; returns a late write
     * error. */
    int (*close)(struct vd_disk *self, struct vd_error *err);
};

/* Embedded first in every implementation. Fixed at open; read without a lock. */
struct vd_disk {
    const struct vd_disk_ops *ops;
    char *path; /* as opened; owned */
    uint64_t capacity_sectors;
    bool read_only;
};

/* Any part past the capacity: VD_E_OUT_OF_RANGE and nothing is transferred. count 0 succeeds when
 * start <= capacity. No buffer alignment is asked for. */
VD_MUST_CHECK int vd_disk_read(struct vd_disk *disk, uint64_t start_sectors, uint64_t count_sectors,
                               void *buffer, struct vd_error *err);
/* VD_E_READ_ONLY on a read-only disk. */
VD_MUST_CHECK int vd_disk_write(struct vd_disk *disk, uint64_t start_sectors,
                                uint64_t count_sectors, const void *buffer, struct vd_error *err);
/* As writing zeros, but what reads as zeros already is left alone, and what is stored is given back
 * where the host's file system makes holes; where it makes none this takes as long as writing. */
VD_MUST_CHECK int vd_disk_zero(struct vd_disk *disk, uint64_t start_sectors, uint64_t count_sectors,
                               struct vd_error *err);
/* Succeeds on a read-only disk. */
VD_MUST_CHECK int vd_disk_flush(struct vd_disk *disk, struct vd_error *err);
/* As many runs as fit, beginning at `start`, inside [start, start + count); adjacent runs that
 * continue each other are merged. The caller goes on at the end of the last one; trouble behind a
 * run is told when the caller gets there. count > 0, max_runs > 0. */
VD_MUST_CHECK int vd_disk_map(struct vd_disk *disk, uint64_t start_sectors, uint64_t count_sectors,
                              struct vd_run *runs, size_t max_runs, size_t *ret_runs,
                              struct vd_error *err);
void vd_disk_info(struct vd_disk *disk, struct vd_disk_info *ret);
/* As the ops: NULL when absent. */
const char *vd_disk_meta_get(struct vd_disk *disk, const char *key);
const char *vd_disk_meta_key(struct vd_disk *disk, size_t index);
/* VD_E_READ_ONLY, VD_E_NOT_SUPPORTED where the disk has no database. */
VD_MUST_CHECK int vd_disk_meta_set(struct vd_disk *disk, const char *key, const char *value,
                                   struct vd_error *err);
uint64_t vd_disk_capacity(const struct vd_disk *disk);
const char *vd_disk_path(const struct vd_disk *disk);
/* No call may be under way. Reports a late write error; the disk is gone either way. NULL allowed.
 */
int vd_disk_close(struct vd_disk *disk, struct vd_error *err);
/* Close where nothing was written. */
void vd_disk_free(struct vd_disk *disk);
VD_DEFINE_CLEANUP(struct vd_disk *, vd_disk_free)

#endif
