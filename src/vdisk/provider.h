/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who does the work of a disk. Two implementations: the engine of this project (engine.c), and a
 * VixDiskLib in a shared library (vix-disk.c).
 *
 * session.c is the only caller of the steps: load, prepare, connect, open, each followed by its
 * opposite if and only if it succeeded. Those between are called by a checked dispatcher with legal
 * requests only: ranges inside the disk and not empty, writes where it is not read-only.
 */
#ifndef VD_VDISK_PROVIDER_H
#define VD_VDISK_PROVIDER_H

#include "base/cleanup.h"
#include "vdisk/export.h"

struct vd_native_limits {
    uint64_t max_sectors;   /* of one transfer; at least VD_NATIVE_BOUNCE_SECTORS */
    size_t alignment_bytes; /* of buffers; a power of two, at most VD_NATIVE_PAGE_BYTES */
};

#define VD_NATIVE_PAGE_BYTES 4096u
/* 64 KiB: what does not fit the provider as it comes is moved in pieces of this size. */
#define VD_NATIVE_BOUNCE_SECTORS 128u

struct vd_native_blocks; /* blocks.h */
struct vd_server;

/* The four steps keep what they need of the params, which outlive `self`. Errors are told in whole
 * sentences. */
struct vd_native_provider {
    VD_MUST_CHECK int (*load)(const struct vdisk_params *params, void **ret_self,
                              struct vdisk_error *err);
    void (*unload)(void *self);
    VD_MUST_CHECK int (*prepare)(void *self, struct vdisk_error *err);
    int (*end_access)(void *self, struct vdisk_error *err);
    VD_MUST_CHECK int (*connect)(void *self, struct vdisk_error *err);
    int (*disconnect)(void *self, struct vdisk_error *err);
    VD_MUST_CHECK int (*open)(void *self, struct vdisk_error *err);
    int (*close)(void *self, struct vdisk_error *err);

    /* Of a disk that is open; any thread, also at once, but for the three of the disk database,
     * which come one at a time. */
    void (*limits)(void *self, struct vd_native_limits *ret);
    void (*info)(void *self, struct vdisk_info *ret); /* arrives as zeros */
    int (*read)(void *self, uint64_t start_sectors, uint64_t count_sectors, void *buffer,
                struct vdisk_error *err);
    int (*write)(void *self, uint64_t start_sectors, uint64_t count_sectors, const void *buffer,
                 struct vdisk_error *err);
    int (*flush)(void *self, struct vdisk_error *err);
    /* Tells vd_native_blocks_add, in ascending order, and ends with 0 when that asks to. */
    int (*blocks)(void *self, uint64_t start_sectors, uint64_t count_sectors,
                  struct vd_native_blocks *blocks, struct vdisk_error *err);
    /* malloc'd */
    int (*meta_get)(void *self, const char *key, char **ret, struct vdisk_error *err);
    int (*meta_set)(void *self, const char *key, const char *value, struct vdisk_error *err);
    /* malloc'd, "key1\0key2\0\0" */
    int (*meta_keys)(void *self, char **ret, struct vdisk_error *err);

    /* On a connection; the path is that of the params. */
    int (*create)(void *self, const struct vdisk_create_params *create, struct vdisk_error *err);
    /* `create` NULL: as the source */
    int (*clone)(void *self, const char *path, const struct vdisk_create_params *create,
                 struct vdisk_error *err);
    int (*grow)(void *self, uint64_t capacity_sectors, struct vdisk_error *err);
    int (*unlink)(void *self, struct vdisk_error *err);

    /* Once loaded; NULL for a disk of this machine. A provider that gives none has no member. */
    struct vd_server *(*server)(void *self);
};

extern const struct vd_native_provider vd_native_engine;
extern const struct vd_native_provider vd_native_vix_disk;

#endif
