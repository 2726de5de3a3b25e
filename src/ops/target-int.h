/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VD_OPS_TARGET_INT_H
#define VD_OPS_TARGET_INT_H

#include "block/write-out.h"
#include "ops/target.h"

enum target_kind {
    TARGET_FILE,     /* a new regular file under a temporary name */
    TARGET_DEVICE,   /* a block device: positioned writes, old contents below */
    TARGET_IN_ORDER, /* FIFO, character device, standard output */
};

/* Fixed at open but for `is_disk`, `size_bytes` and `position_bytes` (in order: one thread). */
struct vd_target {
    enum target_kind kind;
    struct vd_target_options options;
    int fd;
    bool owns_fd;
    char *path;      /* the final name, symbolic links followed, or a name for messages */
    char *temp_path; /* FILE, until renamed */
    uint8_t *zeros;  /* TARGET_ZEROS_BYTES of them; NULL for FILE */
    bool is_disk;    /* takes the place of a disk with all its files */
    uint64_t size_bytes;
    uint64_t position_bytes; /* IN_ORDER: bytes written so far */
    struct vd_write_out write_out;
};

#define TARGET_ZEROS_BYTES (256u * 1024)

/* `stop` of the options, after a call was interrupted. */
bool vd_target_should_stop(const struct vd_target *target);

/* The temporary file beside `target->path`, and its way to the final name. */
VD_MUST_CHECK int vd_target_temp_create(struct vd_target *target, struct vd_error *err);
VD_MUST_CHECK int vd_target_temp_publish(struct vd_target *target, struct vd_error *err);
/* The same over a disk, whose other files are removed then. */
VD_MUST_CHECK int vd_target_disk_publish(struct vd_target *target, struct vd_error *err);

#endif
