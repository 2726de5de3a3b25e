/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Change tracking of one virtual disk, in memory. Time is cut into epochs by snapshots: epoch N
 * ends with the snapshot whose change ID is "UUID/N". For every block of 64 KiB the last epoch in
 * which it was written is known; a snapshot keeps the state of its moment, sharing the pages that
 * have not changed since. What changed between "UUID/K" and a snapshot are the blocks of the
 * snapshot's state with an epoch above K.
 */
#ifndef SIM_TRACKING_H
#define SIM_TRACKING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SIM_BLOCK_BYTES     65536u
#define SIM_CHANGE_ID_BYTES 80u

struct sim_epochs; /* the state of all blocks at one moment */

struct sim_tracker {
    pthread_mutex_t lock; /* the rest */
    bool wanted;          /* starts with the next snapshot or power change, as on hosts */
    bool active;
    bool incomplete; /* memory ran out while noting a write: nothing can be told */
    uint64_t capacity_bytes;
    char uuid[48]; /* "52 f3 b6 37 30 8d ea 3e-58 70 c0 fd 61 44 26 62" */
    uint32_t epoch;
    struct sim_epochs *now;
};

void sim_tracker_init(struct sim_tracker *tracker, uint64_t capacity_bytes);
void sim_tracker_done(struct sim_tracker *tracker);
/* Off takes effect at once. */
void sim_tracker_want(struct sim_tracker *tracker, bool on);
/* Starts or stops as wanted; `anew` forgets what was: after a revert. */
VD_MUST_CHECK int sim_tracker_settle(struct sim_tracker *tracker, bool anew, struct vd_error *err);
/* "" where nothing is tracked. */
void sim_tracker_id(struct sim_tracker *tracker, char id[SIM_CHANGE_ID_BYTES]);
/* A write of this range happened. */
void sim_tracker_note(struct sim_tracker *tracker, uint64_t offset_bytes, uint64_t length_bytes);
/* Ends the epoch: its change ID ("" where nothing is tracked), and the state, NULL then. */
VD_MUST_CHECK int sim_tracker_freeze(struct sim_tracker *tracker, char id[SIM_CHANGE_ID_BYTES],
                                     struct sim_epochs **ret, struct vd_error *err);
/* The state now; NULL where nothing is tracked. */
struct sim_epochs *sim_tracker_state(struct sim_tracker *tracker);
void sim_epochs_free(struct sim_epochs *epochs);

/* May changes since `change_id` be told at the moment of `at_id` (a change ID too)? Returns the
 * epoch, or VD_E_CHANGE_ID. */
VD_MUST_CHECK int sim_change_id_parse(const char *change_id, const char *at_id, uint32_t *ret_epoch,
                                      struct vd_error *err);
/* The next run of blocks from `*offset_bytes` on with an epoch above `since`: false past the last.
 */
bool sim_epochs_next(const struct sim_epochs *epochs, uint32_t since, uint64_t *offset_bytes,
                     uint64_t *ret_start_bytes, uint64_t *ret_length_bytes);

#endif
