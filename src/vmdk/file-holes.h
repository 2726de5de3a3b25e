/* SPDX-License-Identifier: Apache-2.0 */
/* Remembers the last hole that was asked for, so that a walk over tables that were never written
 * asks the file system once per hole and reads nothing. For files that do not change.
 *
 * Threads: vd_file_holes_cover from any thread at once. */
#ifndef VD_VMDK_FILE_HOLES_H
#define VD_VMDK_FILE_HOLES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "block/block.h"

struct vd_file_holes {
    struct vd_block *block;
    pthread_mutex_t lock; /* guards the rest */
    /* What is known: [from, data_start) is a hole, [data_start, data_end) is stored. */
    uint64_t from_bytes;
    uint64_t data_start_bytes;
    uint64_t data_end_bytes;
    bool unknown; /* the file cannot tell; nothing is a hole then */
};

void vd_file_holes_init(struct vd_file_holes *holes, struct vd_block *block);
void vd_file_holes_done(struct vd_file_holes *holes);
/* Where the hole that begins at or before `offset_bytes` ends; 0 when there is data, or when the
 * file cannot tell. */
uint64_t vd_file_holes_end(struct vd_file_holes *holes, uint64_t offset_bytes);

#endif
