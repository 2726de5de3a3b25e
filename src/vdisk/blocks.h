/* SPDX-License-Identifier: Apache-2.0 */
/* What a provider finds allocated, on its way to the caller. Threads: one. */
#ifndef VD_VDISK_BLOCKS_H
#define VD_VDISK_BLOCKS_H

#include <stdbool.h>

#include "vdisk/export.h"

struct vd_native_blocks {
    vdisk_block_fn *found;
    void *data;
    uint64_t start_bytes; /* what was asked for */
    uint64_t end_bytes;
    uint64_t held_start_bytes; /* joined so far, not told yet; none when both are equal */
    uint64_t held_end_bytes;
    int stopped; /* what `found` answered, when not 0 */
};

/* A range that is allocated, which may reach past what was asked for; not before one told already.
 * False: nothing more is wanted. */
bool vd_native_blocks_add(struct vd_native_blocks *blocks, uint64_t start_sectors,
                          uint64_t count_sectors);

#endif
