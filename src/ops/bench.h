/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a disk is: reading in order and at random, one block at a time and many. Only read,
 * unless writing is asked for; then blocks that the disk itself stores are read and written back as
 * they are, so that neither content nor size changes.
 *
 * Random blocks are those of a fixed step through the disk, so that every run touches the same,
 * none comes twice, and no two neighbours in time are neighbours in place.
 */
#ifndef VD_OPS_BENCH_H
#define VD_OPS_BENCH_H

#include "base/progress.h"
#include "disk/disk.h"

#define VD_BENCH_MAX_ROWS  6u
#define VD_BENCH_MAX_DEPTH 64u /* VD_WORKERS_MAX: each block under way has a thread */
/* No row takes longer, but for the block it is at. */
#define VD_BENCH_ROW_MS 5000u

struct vd_bench_options {
    uint64_t amount_bytes; /* what a row moves at most; at least one block is moved */
    unsigned depth;        /* 1 to VD_BENCH_MAX_DEPTH: blocks at once in the rows with many */
    bool write;            /* the disk is open for writing; measure that too */
};

struct vd_bench_row {
    bool writes;
    bool random;
    uint64_t block_bytes; /* the last one of a disk may be shorter */
    unsigned depth;
    uint64_t operations;
    uint64_t bytes;
    double seconds;     /* writes: with making them durable, without reading what is written */
    double cpu_seconds; /* of all threads; writes: with that reading */
};

/* Rows in the order they were measured. A disk of no sectors, or one with nothing to write, gives
 * rows of no operations. VD_E_CANCELLED when the progress says so. */
VD_MUST_CHECK int vd_bench_run(struct vd_disk *disk, const struct vd_bench_options *options,
                               const struct vd_progress *progress,
                               struct vd_bench_row rows[VD_BENCH_MAX_ROWS], size_t *ret_rows,
                               struct vd_error *err);

#endif
