/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long operation cut into steps: planned in order on the caller's thread, worked on by several
 * threads at once, retired in order on the caller's thread again. So every core inflates, and yet
 * the outcome, the first error and the progress are those of a plain loop.
 */
#ifndef VD_OPS_PIPELINE_H
#define VD_OPS_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Steps cover at most this much of a disk when they carry data. */
#define VD_STEP_BYTES (1u << 20)
/* What a step's bytes become may be a little larger, as compressed grains are. */
#define VD_STEP_ROOM_BYTES (VD_STEP_BYTES + (16u << 10))
/* Memory: at most 2 x 8 steps in flight, each with at most 2 buffers of 1040 KiB = 33 MiB. */
#define VD_PIPELINE_MAX_WORKERS 8u
#define VD_PIPELINE_MAX_BUFFERS 2u

struct vd_step {
    uint64_t start_sectors;
    uint64_t length_sectors;
    bool idle;        /* nothing to work on: goes straight to retire, in its turn */
    unsigned flags;   /* the operation's own */
    uint64_t outcome; /* the operation's own, from work to retire */
    uint8_t
        *buffers[VD_PIPELINE_MAX_BUFFERS]; /* VD_STEP_ROOM_BYTES each, contents undefined at plan */
};

struct vd_pipeline_ops {
    /* Describes the next step: 1, or 0 when there is none. */
    int (*plan)(void *data, struct vd_step *step, struct vd_error *err);
    /* On any thread, many at once. */
    int (*work)(void *data, struct vd_step *step, struct vd_error *err);
    /* 0 to go on, 1 to end early with success. */
    int (*retire)(void *data, struct vd_step *step, struct vd_error *err);
};

/* Returns when nothing is under way any more. Errors come in the order of the steps. */
VD_MUST_CHECK int vd_pipeline_run(const struct vd_pipeline_ops *ops, void *data,
                                  unsigned num_buffers, struct vd_error *err);

#endif
