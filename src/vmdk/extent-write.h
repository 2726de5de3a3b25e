/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sparse formats share in writing: one lock over places and tables, and the order in which
 * tables reach the file.
 *
 * A flush takes all table changes up to a moment as one batch, then makes the data durable, then
 * writes phase after phase with a barrier behind each. Whatever was published before that moment
 * had been written before, so its data is durable when the first table that names it is written;
 * what is published later waits for the next batch.
 */
#ifndef VD_VMDK_EXTENT_WRITE_H
#define VD_VMDK_EXTENT_WRITE_H

#include <pthread.h>

#include "vmdk/extent.h"

struct vd_extent_writer {
    pthread_mutex_t lock;       /* guards next_bytes, the format's own places, and changes of
                                   several table entries that belong together */
    pthread_mutex_t flush_lock; /* one batch at a time; taken before `lock` */
    uint64_t next_bytes;        /* where the next allocation goes */
};

void vd_extent_writer_init(struct vd_extent_writer *writer, uint64_t next_bytes);
void vd_extent_writer_done(struct vd_extent_writer *writer);

/* `enter`, or NULL, adds to the batch under the lock what should go with it. */
VD_MUST_CHECK int vd_extent_writer_flush(struct vd_extent_writer *writer, struct vd_extent *extent,
                                         int (*enter)(struct vd_extent *extent,
                                                      struct vd_error *err),
                                         struct vd_error *err);

/* Makes byte `offset_bytes` of the file `value`, durably; the rest of its sector stays. */
VD_MUST_CHECK int vd_extent_set_byte(struct vd_extent *extent, uint64_t offset_bytes, uint8_t value,
                                     struct vd_error *err);

#endif
