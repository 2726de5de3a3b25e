/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where raw bytes go. A regular file appears under its name only when it is complete: it is written
 * beside it as .NAME.XXXXXX.partial, flushed, and renamed. A block device, a character device, a
 * FIFO or standard output is written straight.
 *
 * Threads: vd_target_write and vd_target_zero from any thread at once on disjoint ranges, unless
 * vd_target_in_order says that the target takes bytes only in ascending order, without gaps.
 */
#ifndef VD_OPS_TARGET_H
#define VD_OPS_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "block/block.h"

struct vd_target;

struct vd_target_options {
    bool overwrite; /* an existing regular file may be replaced; otherwise VD_E_EXISTS */
    /* Asked when a signal interrupts a blocking call: true gives up with VD_E_CANCELLED. NULL: go
     * on. */
    bool (*stop)(void *data);
    void *stop_data;
};

/* An all-zero block of this size, aligned in the file, is left a hole. */
#define VD_TARGET_BLOCK_BYTES 4096u

/* `options` NULL: none of them. Opening a FIFO waits for its reader. */
VD_MUST_CHECK int vd_target_open(const char *path, const struct vd_target_options *options,
                                 struct vd_target **ret, struct vd_error *err);
/* Writes to an open descriptor in order; `name` for messages. The descriptor stays the caller's. */
VD_MUST_CHECK int vd_target_open_fd(int fd, const char *name,
                                    const struct vd_target_options *options, struct vd_target **ret,
                                    struct vd_error *err);

/* The existing file `path` leads to, if there is one. */
VD_MUST_CHECK int vd_target_identity(const char *path, bool *ret_exists,
                                     struct vd_block_identity *ret, struct vd_error *err);

bool vd_target_in_order(const struct vd_target *target);
/* True where writes of several threads at once run at once: on a device, while a file admits one
 * writer at a time. */
bool vd_target_is_shared(const struct vd_target *target);
/* Path of the file it will be; NULL for what is written straight. */
const char *vd_target_file(const struct vd_target *target);
/* True when vd_target_zero costs nothing, whatever the length. */
bool vd_target_has_holes(const struct vd_target *target);

/* How long the target is to be. Before the first write where it is known, else before finish. A
 * device that is too small is VD_E_DISK_FULL. */
VD_MUST_CHECK int vd_target_set_size(struct vd_target *target, uint64_t size_bytes,
                                     struct vd_error *err);
/* What is written is a whole disk: where a file replaces a disk of several files, all of them go.
 */
void vd_target_set_disk(struct vd_target *target);
VD_MUST_CHECK int vd_target_write(struct vd_target *target, uint64_t offset_bytes,
                                  const void *buffer, size_t length, struct vd_error *err);
VD_MUST_CHECK int vd_target_zero(struct vd_target *target, uint64_t offset_bytes,
                                 uint64_t length_bytes, struct vd_error *err);
/* Makes the target durable and gives it its name. Still to be freed. */
VD_MUST_CHECK int vd_target_finish(struct vd_target *target, struct vd_error *err);
/* Without a successful finish a file is removed; what went to a device or a FIFO cannot be taken
 * back. NULL allowed. */
void vd_target_free(struct vd_target *target);
VD_DEFINE_CLEANUP(struct vd_target *, vd_target_free)

#endif
