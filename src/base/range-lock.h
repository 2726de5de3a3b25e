/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of a disk that are being written. Who asks for a range waits for those that overlap it and
 * asked before, so that nobody starves, and nobody else. A thread holds at most one range of a
 * lock, so that no two wait for each other. Threads: any.
 */
#ifndef VD_BASE_RANGE_LOCK_H
#define VD_BASE_RANGE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Lives where its owner runs, from take to release. */
struct vd_sector_range {
    uint64_t start_sectors;
    uint64_t end_sectors; /* the first one behind it */
    struct vd_sector_range *next;
};

struct vd_range_lock {
    pthread_mutex_t mutex;   /* guards the list, which is held for no longer than a look at it */
    pthread_cond_t released; /* some range was */
    struct vd_sector_range *first; /* held and wanted, in the order they were asked for */
};

void vd_range_lock_init(struct vd_range_lock *lock);
/* Nothing may be held. */
void vd_range_lock_done(struct vd_range_lock *lock);

void vd_range_lock_take(struct vd_range_lock *lock, struct vd_sector_range *range);
void vd_range_lock_release(struct vd_range_lock *lock, struct vd_sector_range *range);

#endif
