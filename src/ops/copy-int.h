/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VD_OPS_COPY_INT_H
#define VD_OPS_COPY_INT_H

#include "base/progress.h"
#include "ops/target.h"
#include "vmdk/descriptor.h"

/* Zeros are written in pieces of this size, so that the operation can be stopped between them. */
#define VD_COPY_ZERO_BYTES (UINT64_C(64) << 20)

/* VD_E_CANCELLED when the watcher wants no more. */
VD_MUST_CHECK int vd_copy_report(const struct vd_progress *progress, uint64_t done, uint64_t total,
                                 struct vd_error *err);

/* VD_E_INVALID_ARG where so many sectors do not fit the target. */
VD_MUST_CHECK int vd_fill_check(const char *source, uint64_t wanted_sectors,
                                const struct vd_disk *target, struct vd_error *err);

/* VD_E_PARTIAL_CHAIN where the descriptor of a stream (NULL: none) is a child's. */
VD_MUST_CHECK int vd_copy_check_whole(const struct vd_descriptor *descriptor, struct vd_error *err);

#endif
