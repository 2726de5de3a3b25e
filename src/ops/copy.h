/* SPDX-License-Identifier: Apache-2.0 */
/* The content of a disk, or of a stream, into a target. */
#ifndef VD_OPS_COPY_H
#define VD_OPS_COPY_H

#include "base/progress.h"
#include "disk/disk.h"
#include "ops/raw-stream.h"
#include "ops/target.h"
#include "vmdk/stream-reader.h"

/* Copies the whole disk and sets the target's size. What the map calls zero or absent is not read
 * but left a hole. Does not finish the target. Progress in bytes of the disk. */
VD_MUST_CHECK int vd_copy_disk(struct vd_disk *disk, struct vd_target *target,
                               const struct vd_progress *progress, struct vd_error *err);

/* Copies [offset, offset + length) to the start of the target, at any byte. The map is not asked,
 * so a range that cannot be read is an error. VD_E_OUT_OF_RANGE past the end, before anything is
 * written. */
VD_MUST_CHECK int vd_copy_range(struct vd_disk *disk, uint64_t offset_bytes, uint64_t length_bytes,
                                struct vd_target *target, const struct vd_progress *progress,
                                struct vd_error *err);

/* Copies the content of a streamOptimized disk as its grains come. VD_E_PARTIAL_CHAIN where the
 * stream is a child: its parent cannot be had from a stream. VD_E_NOT_SUPPORTED where grains come
 * out of order and the target takes bytes only in order. */
VD_MUST_CHECK int vd_copy_stream(struct vd_stream_reader *reader, struct vd_target *target,
                                 const struct vd_progress *progress, struct vd_error *err);

/* Copies a raw stream. Progress with total 0 where its size is not known. */
VD_MUST_CHECK int vd_copy_raw_stream(struct vd_raw_stream *raw, struct vd_target *target,
                                     const struct vd_progress *progress, struct vd_error *err);

#endif
