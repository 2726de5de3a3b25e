/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from a stream into a disk, at any place. */
#ifndef VD_OPS_WRITE_RANGE_H
#define VD_OPS_WRITE_RANGE_H

#include "base/progress.h"
#include "disk/disk.h"
#include "vmdk/stream-reader.h"

/* Writes `length_bytes` of the source to [offset, offset + length), or all it has where that is
 * UINT64_MAX, and makes them durable. Sectors at the ends are filled from the disk.
 * VD_E_OUT_OF_RANGE past the end of the disk: before anything is written where the length is known.
 * VD_E_TRUNCATED when the source ends before the length. After a failure a part is written. */
VD_MUST_CHECK int vd_write_range(const struct vd_stream_source *source, struct vd_disk *disk,
                                 uint64_t offset_bytes, uint64_t length_bytes,
                                 const struct vd_progress *progress, struct vd_error *err);

#endif
