/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mover: plans a request on a chain into runs and carries them out. It knows no format: extents
 * translate (extent.h), blocks move bytes. Links are searched from the leaf; a range a link does
 * not hold is handed to its parent as a range of sectors, never of grains, because links may differ
 * in format, grain size and split.
 *
 * Threads: all functions from any thread at once.
 */
#ifndef VD_VMDK_MOVER_H
#define VD_VMDK_MOVER_H

#include "vmdk/link.h"

struct vd_mover;

/* links[0] is the leaf. The array and its links stay the caller's and outlive the mover.
 * `missing_parent`: the last link has a parent that is not open; what it does not hold is an error
 * (VD_E_PARTIAL_CHAIN) on read and ABSENT in maps. */
VD_MUST_CHECK int vd_mover_new(struct vd_link *const *links, size_t num_links, bool missing_parent,
                               struct vd_mover **ret, struct vd_error *err);
void vd_mover_free(struct vd_mover *mover);

VD_MUST_CHECK int vd_mover_read(struct vd_mover *mover, uint64_t start_sectors,
                                uint64_t count_sectors, void *buffer, struct vd_error *err);
/* Into the leaf only; partial grains are filled from the parents' view. Sectors written are seen by
 * every read that starts after this returns, and durable after the next vd_mover_flush. Zeros
 * written where nothing is stored take no room if they read as zeros anyway. Of two writes that
 * overlap and run at once, each sector is of one or the other. Refused before anything changes
 * where a part of the range cannot be written: VD_E_READ_ONLY for RDONLY and NOACCESS extents,
 * VD_E_NOT_SUPPORTED for ZERO. After a failure each sector is old or new. */
VD_MUST_CHECK int vd_mover_write(struct vd_mover *mover, uint64_t start_sectors,
                                 uint64_t count_sectors, const void *buffer, struct vd_error *err);
/* What the leaf stores of the range, as writing zeros, its storage given back where the host can;
 * what it does not store stays as it is. Grains keep their places, so no table changes. */
VD_MUST_CHECK int vd_mover_punch(struct vd_mover *mover, uint64_t start_sectors,
                                 uint64_t count_sectors, struct vd_error *err);
VD_MUST_CHECK int vd_mover_flush(struct vd_mover *mover, struct vd_error *err);
/* Marks what will be written as not closed cleanly: all extents of the leaf that can be written, or
 * as many as come before one that fails. Writing does it by itself, extent by extent. */
VD_MUST_CHECK int vd_mover_begin_write(struct vd_mover *mover, struct vd_error *err);
/* After the last write: flushes, and marks what was written as closed cleanly. What fails stays
 * marked as it was, the rest goes on; the first failure is told. */
VD_MUST_CHECK int vd_mover_finish(struct vd_mover *mover, struct vd_error *err);
VD_MUST_CHECK int vd_mover_map(struct vd_mover *mover, uint64_t start_sectors,
                               uint64_t count_sectors, struct vd_run *runs, size_t max_runs,
                               size_t *ret_runs, struct vd_error *err);

#endif
