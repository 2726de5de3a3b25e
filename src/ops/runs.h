/* SPDX-License-Identifier: Apache-2.0 */
/* Walks the map of a disk run by run, merged as far as runs continue each other. Not thread-safe;
 * the disk may be read from other threads meanwhile. */
#ifndef VD_OPS_RUNS_H
#define VD_OPS_RUNS_H

#include "disk/disk.h"

/* Runs asked for at once: 64 x 56 bytes, small enough to live in the struct. */
#define VD_RUNS_BATCH 64

struct vd_runs {
    struct vd_disk *disk;
    uint64_t next_sectors; /* where the next batch begins */
    uint64_t end_sectors;
    struct vd_run batch[VD_RUNS_BATCH];
    size_t batch_count;
    size_t batch_index;
    struct vd_run current; /* of vd_runs_at; length 0 before the first */
};

/* Walks [start, end); end at most the capacity. */
void vd_runs_init(struct vd_runs *runs, struct vd_disk *disk, uint64_t start_sectors,
                  uint64_t end_sectors);

/* The next merged run: 1 and the run, 0 past the last. A merged run of compressed grains carries
 * the offset of its first record. */
VD_MUST_CHECK int vd_runs_next(struct vd_runs *runs, struct vd_run *ret, struct vd_error *err);

/* The run that holds `sector`, in whole; sectors must be asked for in ascending order. At or past
 * the end it is an ABSENT run without bound (length UINT64_MAX - sector). Not to be mixed with
 * vd_runs_next. */
VD_MUST_CHECK int vd_runs_at(struct vd_runs *runs, uint64_t sector, struct vd_run *ret,
                             struct vd_error *err);

static inline uint64_t vd_run_end(const struct vd_run *run)
{
    return run->start_sectors + run->length_sectors;
}

/* Reads as zeros, whatever the reason. */
static inline bool vd_run_is_hole(const struct vd_run *run)
{
    return run->kind != VD_RUN_DATA;
}

#endif
