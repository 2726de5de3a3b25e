/* SPDX-License-Identifier: Apache-2.0 */
/* The SESparse extent, for extent-sesparse.c (reading) and extent-sesparse-write.c. */
#ifndef VD_VMDK_EXTENT_SESPARSE_INT_H
#define VD_VMDK_EXTENT_SESPARSE_INT_H

#include "vmdk/extent-write.h"
#include "vmdk/sesparse-header.h"
#include "vmdk/table-walk.h"

#define VD_SESPARSE_ENTRY_TYPE_SHIFT 60
#define VD_SESPARSE_TABLE_TYPE       1u
#define VD_SESPARSE_TABLE_INDEX_MASK UINT64_C(0xffffffff)
#define VD_SESPARSE_GRAIN_LOW_MASK   UINT64_C(0x0fff000000000000)
#define VD_SESPARSE_GRAIN_LOW_SHIFT  48
#define VD_SESPARSE_GRAIN_HIGH_MASK  UINT64_C(0x0000ffffffffffff)
#define VD_SESPARSE_GRAIN_HIGH_SHIFT 12

enum vd_sesparse_grain_type {
    VD_SESPARSE_GRAIN_ABSENT,
    VD_SESPARSE_GRAIN_UNMAPPED,
    VD_SESPARSE_GRAIN_ZERO,
    VD_SESPARSE_GRAIN_DATA
};

/* What names data in a slot, and a table. */
static inline uint64_t vd_sesparse_slot_entry(uint64_t slot)
{
    return (uint64_t)VD_SESPARSE_GRAIN_DATA << VD_SESPARSE_ENTRY_TYPE_SHIFT |
           (slot << VD_SESPARSE_GRAIN_LOW_SHIFT & VD_SESPARSE_GRAIN_LOW_MASK) |
           slot >> VD_SESPARSE_GRAIN_HIGH_SHIFT;
}

static inline uint64_t vd_sesparse_table_entry(uint64_t index)
{
    return (uint64_t)VD_SESPARSE_TABLE_TYPE << VD_SESPARSE_ENTRY_TYPE_SHIFT | index;
}

struct vd_sesparse {
    struct vd_extent base;
    struct vd_table_walk walk;
    struct vd_sesparse_area tables;
    struct vd_sesparse_area grains;
    uint64_t volatile_bytes; /* offset of the volatile header */
    uint64_t table_sectors;
    struct vd_extent_writer writer; /* next_bytes is set by begin_write */
    uint64_t next_table;            /* guarded by the writer's lock */
};

/* Byte offset of item `index` of `item_sectors` each in `area`, when the area has such an item and
 * its first `used` bytes are in the file. */
bool vd_sesparse_item(const struct vd_sesparse_area *area, uint64_t index, uint64_t item_sectors,
                      uint64_t used, uint64_t file_bytes, uint64_t *ret_offset);

/* Refuses for writing what uses areas that are not understood: VD_E_NOT_SUPPORTED. */
VD_MUST_CHECK int vd_sesparse_check_write(struct vd_block *block,
                                          const struct vd_sesparse_header *header,
                                          struct vd_error *err);

/* As the ops of extent.h. */
int vd_sesparse_begin_write(struct vd_extent *self, struct vd_error *err);
int vd_sesparse_allocate(struct vd_extent *self, uint64_t grain, uint64_t *ret_offset_bytes,
                         struct vd_error *err);
int vd_sesparse_publish(struct vd_extent *self, uint64_t grain, uint64_t offset_bytes,
                        struct vd_error *err);
int vd_sesparse_zero(struct vd_extent *self, uint64_t grain, struct vd_error *err);
int vd_sesparse_flush(struct vd_extent *self, struct vd_error *err);

#endif
