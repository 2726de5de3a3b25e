/* SPDX-License-Identifier: Apache-2.0 */
/* The COWD extent, for extent-cowd.c (reading) and extent-cowd-write.c. */
#ifndef VD_VMDK_EXTENT_COWD_INT_H
#define VD_VMDK_EXTENT_COWD_INT_H

#include "vmdk/cowd-header.h"
#include "vmdk/extent-write.h"
#include "vmdk/table-walk.h"

struct vd_cowd {
    struct vd_extent base;
    struct vd_table_walk walk;
    uint64_t directory_end_bytes;
    struct vd_extent_writer writer;
};

/* Where the first new table or grain may go, in bytes. */
uint64_t vd_cowd_first_free(const struct vd_cowd *cowd, uint32_t free_sector);

/* As the ops of extent.h. */
int vd_cowd_begin_write(struct vd_extent *self, struct vd_error *err);
int vd_cowd_allocate(struct vd_extent *self, uint64_t grain, uint64_t *ret_offset_bytes,
                     struct vd_error *err);
int vd_cowd_publish(struct vd_extent *self, uint64_t grain, uint64_t offset_bytes,
                    struct vd_error *err);
int vd_cowd_zero(struct vd_extent *self, uint64_t grain, struct vd_error *err);
int vd_cowd_flush(struct vd_extent *self, struct vd_error *err);
int vd_cowd_finish(struct vd_extent *self, struct vd_error *err);

#endif
