/* SPDX-License-Identifier: Apache-2.0 */
/* Tables read in large pieces while they are walked in order; holes of the file are not read at
 * all. Remembers what it read, so nothing in a piece still to be asked for may change meanwhile.
 * Not thread-safe. */
#ifndef VD_VMDK_CHECK_WINDOW_H
#define VD_VMDK_CHECK_WINDOW_H

#include "block/block.h"
#include "vmdk/file-holes.h"

/* The most that can be asked for at once. */
#define VD_CHECK_WINDOW_BYTES (256u << 10)

struct vd_check_window {
    struct vd_block *block;
    struct vd_file_holes holes;
    uint8_t *bytes; /* owned; from the first reading on */
    uint64_t start_bytes;
    size_t length;
};

void vd_check_window_init(struct vd_check_window *window, struct vd_block *block);
void vd_check_window_done(struct vd_check_window *window);
/* [offset, offset + length), zeros past the end of the file; valid until the next call. NULL: a
 * hole, all zeros. */
VD_MUST_CHECK int vd_check_window_at(struct vd_check_window *window, uint64_t offset_bytes,
                                     size_t length, const uint8_t **ret, struct vd_error *err);

#endif
