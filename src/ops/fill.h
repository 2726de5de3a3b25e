/* SPDX-License-Identifier: Apache-2.0 */
/* The content of a disk into another that is there already. */
#ifndef VD_OPS_FILL_H
#define VD_OPS_FILL_H

#include "base/progress.h"
#include "disk/disk.h"
#include "ops/raw-stream.h"

/* Makes `target`, which is open for writing, read as `source` does, and as zeros behind its end,
 * and flushes it. Zeros are written only where the target's map has data. VD_E_INVALID_ARG for a
 * target that is smaller, before anything is written; after any other failure a part of it is.
 * Progress in bytes of the target. */
VD_MUST_CHECK int vd_fill_disk(struct vd_disk *source, struct vd_disk *target,
                               const struct vd_progress *progress, struct vd_error *err);
/* The same from a stream called `name`, and from a raw one, whose size must be known:
 * VD_E_INVALID_ARG where it is not, VD_E_PARTIAL_CHAIN for a child, before anything is written.
 * Progress in bytes of the source. */
VD_MUST_CHECK int vd_fill_from_stream(struct vd_stream_reader *reader, const char *name,
                                      struct vd_disk *target, const struct vd_progress *progress,
                                      struct vd_error *err);
VD_MUST_CHECK int vd_fill_from_raw(struct vd_raw_stream *raw, struct vd_disk *target,
                                   const struct vd_progress *progress, struct vd_error *err);

#endif
