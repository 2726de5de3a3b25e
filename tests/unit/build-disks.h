/* SPDX-License-Identifier: Apache-2.0 */
/* Small disks of every kind that is written in place, as files in memory, with what they read as.
 * Built from the formats' descriptions, without the code that writes them. */
#ifndef VD_TESTS_BUILD_DISKS_H
#define VD_TESTS_BUILD_DISKS_H

#include <stddef.h>
#include <stdint.h>

#include "block/memory.h"

/* The disk's path in every file system made here. */
#define BUILT_DISK "d.vmdk"

enum built_kind {
    BUILT_MONOLITHIC,   /* KDMV, redundant tables, descriptor inside */
    BUILT_SINGLE,       /* KDMV without redundant tables */
    BUILT_SPLIT,        /* three KDMV extents */
    BUILT_SPARSE_CHILD, /* KDMV over a flat parent */
    BUILT_ZERO_CHILD,   /* the same, version 2: its tables may say "zeros" */
    BUILT_COWD,         /* COWD over a flat parent */
    BUILT_COWD_GRAINS,  /* COWD with grains of 4 sectors, over a flat parent */
    BUILT_SESPARSE,     /* SESparse over a flat parent */
    BUILT_FLAT,         /* two flat extents, one not at the start of its file */
    BUILT_KINDS
};

struct built_disk {
    struct vd_fs_memory *files;
    uint64_t capacity_sectors;
    uint8_t *content; /* what the whole disk reads as */
};

const char *built_name(enum built_kind kind);
void built_make(struct built_disk *disk, enum built_kind kind);
void built_free(struct built_disk *disk);
#define BUILT __attribute__((cleanup(built_free))) struct built_disk

/* Sectors that say who wrote them: their place and `stamp`. */
void built_stamp(uint8_t *bytes, uint64_t start_sectors, uint64_t count, uint64_t stamp);

#endif
