/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content of a disk, of a stream, or of a raw stream as a new VMDK without parents. It has
 * identifiers of its own; adapter, geometry, hardware and tools version are those of the source;
 * change tracking, side files, native snapshot keys and whatever else belongs to the source alone
 * are left behind. What the source does not hold, or holds as zeros, is not stored where the new
 * type allows it.
 */
#ifndef VD_OPS_CLONE_H
#define VD_OPS_CLONE_H

#include "base/progress.h"
#include "block/fs.h"
#include "disk/disk.h"
#include "ops/raw-stream.h"
#include "ops/target.h"
#include "vmdk/stream-reader.h"

struct vd_clone_params {
    enum vd_disk_type type; /* VD_DISK_UNKNOWN: the source's. Of vd_clone: not STREAM_OPTIMIZED */
    const char *adapter;    /* ddb.adapterType; NULL: the source's */
    uint32_t hw_version;    /* 0: the source's */
    int level;              /* of streamOptimized; 0: the default */
    bool overwrite; /* a disk or file of that name is removed when the new one is complete */
};

/* Makes the disk `path`. It is built under a temporary name (.vdisk-*) in the same folder and gets
 * its name when it is complete and durable; a failure or a cancel removes it again. VD_E_EXISTS
 * before anything is made; `fs` NULL: the host's. That the target is no file of the source is for
 * the caller to check (vd_source_holds_file). Progress in bytes of the disk. */
VD_MUST_CHECK int vd_clone(struct vd_disk *source, const char *path,
                           const struct vd_clone_params *params, const struct vd_fs *fs,
                           const struct vd_progress *progress, struct vd_error *err);
/* The same from a stream. */
VD_MUST_CHECK int vd_clone_from_stream(struct vd_stream_reader *reader, const char *path,
                                       const struct vd_clone_params *params, const struct vd_fs *fs,
                                       const struct vd_progress *progress, struct vd_error *err);
/* The same from a raw stream. One of unknown size is stored first, in a file beside `path`. */
VD_MUST_CHECK int vd_clone_from_raw(struct vd_raw_stream *raw, const char *path,
                                    const struct vd_clone_params *params, const struct vd_fs *fs,
                                    const struct vd_progress *progress, struct vd_error *err);

/* Writes a streamOptimized disk to `target`, front to back, and sets its size; does not finish it.
 * A disk that the target replaces goes with all its files then. */
VD_MUST_CHECK int vd_clone_to_target(struct vd_disk *source, struct vd_target *target,
                                     const struct vd_clone_params *params,
                                     const struct vd_progress *progress, struct vd_error *err);
/* The same from a stream, whose grains must be in order. */
VD_MUST_CHECK int vd_clone_stream_to_target(struct vd_stream_reader *reader,
                                            struct vd_target *target,
                                            const struct vd_clone_params *params,
                                            const struct vd_progress *progress,
                                            struct vd_error *err);
/* The same from a raw stream. One of unknown size is stored first beside a target that is a file;
 * VD_E_INVALID_ARG where it is none. */
VD_MUST_CHECK int vd_clone_raw_to_target(struct vd_raw_stream *raw, struct vd_target *target,
                                         const struct vd_clone_params *params,
                                         const struct vd_progress *progress, struct vd_error *err);

#endif
