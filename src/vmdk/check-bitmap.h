/* SPDX-License-Identifier: Apache-2.0 */
/* One bit per slot of a file, for "is anything used twice, or by nobody?". Memory is taken where
 * bits are set, 32 KiB at a time, so that a huge file with little in it costs little: 2 TiB full of
 * grains of 64 KiB take 4 MiB. Not thread-safe. */
#ifndef VD_VMDK_CHECK_BITMAP_H
#define VD_VMDK_CHECK_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* 64 TiB in slots of 4 KiB; 512 KiB of pointers before any bit is set. */
#define VD_CHECK_MAX_SLOTS (UINT64_C(1) << 34)

struct vd_check_bitmap;

/* VD_E_TOO_BIG above the maximum. */
VD_MUST_CHECK int vd_check_bitmap_new(uint64_t slots, struct vd_check_bitmap **ret,
                                      struct vd_error *err);
void vd_check_bitmap_free(struct vd_check_bitmap *bitmap);
VD_DEFINE_CLEANUP(struct vd_check_bitmap *, vd_check_bitmap_free)

/* Sets [first, first + count), all of it below the number of slots; *ret_taken (NULL allowed) tells
 * whether any of it was set before. */
VD_MUST_CHECK int vd_check_bitmap_take(struct vd_check_bitmap *bitmap, uint64_t first,
                                       uint64_t count, bool *ret_taken, struct vd_error *err);
/* Is any of them set? What lies past the slots is not. */
bool vd_check_bitmap_any(const struct vd_check_bitmap *bitmap, uint64_t first, uint64_t count);
/* Behind the last slot set; 0 when none is. */
uint64_t vd_check_bitmap_end(const struct vd_check_bitmap *bitmap);
/* Bits set in all. */
uint64_t vd_check_bitmap_count(const struct vd_check_bitmap *bitmap);

#endif
