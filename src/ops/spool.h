/* SPDX-License-Identifier: Apache-2.0 */
/* A raw stream of unknown size, stored for a while: most disks begin with their capacity. */
#ifndef VD_OPS_SPOOL_H
#define VD_OPS_SPOOL_H

#include "base/progress.h"
#include "block/fs.h"
#include "disk/disk.h"
#include "ops/raw-stream.h"

struct vd_spool {
    const struct vd_fs *fs;
    char *path;           /* of the file, .vdisk-*.tmp; NULL: there is none */
    struct vd_disk *disk; /* what came */
};

/* Stores the stream in a file beside the file `beside`; zeros take no room. `fs` NULL: the host's.
 * Progress with total 0. On failure nothing is left. */
VD_MUST_CHECK int vd_spool_open(struct vd_raw_stream *raw, const char *beside,
                                const struct vd_fs *fs, const struct vd_progress *progress,
                                struct vd_spool *ret, struct vd_error *err);
/* Removes the file. Zeros allowed. */
void vd_spool_done(struct vd_spool *spool);

#endif
