/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a machine may find on its disk after the power failed: a recorded trace (block/trace.h), cut
 * after any of its events, becomes files in memory. A test opens them as it would after a reboot.
 *
 * The model. It is the weakest machine a correct writer may count on: a real file system allows
 * fewer states than this one, each state here is one that some file system may show.
 *
 *  1. A cut at k: events 0 .. k-1 happened, the others never did. k is 0 .. number of events.
 *  2. What a file held when it was first named is durable.
 *  3. Only a flush of the file itself makes its data durable: every write, resize, allocation and
 *     punch of that file before its last flush is there, in full. A flush of another file, or of a
 *     folder, promises nothing.
 *  4. Of what came later, the machine may have written back any sector of 512 bytes at any moment,
 *     any number of times, or never, in any order. So each sector is as it was after its last
 *     durable change or after any later one, on its own: writes are dropped, reordered (an earlier
 *     one outlives a later one) and torn between sectors, never within one.
 *  5. A file's size is one more thing that is written back so. What lies inside the size and never
 *     was written back reads as zeros, never as another file's data; when a size is there, every
 *     earlier shrinking is, so what was cut off does not come back.
 *  6. A change of names (create, unlink, rename, link) is durable when each folder it touches was
 * synced after it. Flushing the file does not make its name durable, nor does syncing the folder
 * make the file's data so.
 *  7. A later change of names is there or not, whole: a renamed file has just one of its names, a
 *     linked one the old or both, and who replaces a file by renaming finds one of the two. When a
 * change is there, so is every earlier one that touches one of its names.
 *  8. A file without a name is gone.
 *
 * Seeds choose among the states of one cut; the same trace, cut and seed give the same state.
 *
 *     VD_CUT_ORDERLY  everything before the cut is there, as if the process had been killed
 *     VD_CUT_NOTHING  nothing but what is durable
 *     VD_CUT_NAMES    all changes of names, no data but what is durable
 *     VD_CUT_DATA     all data, no changes of names but what is durable
 *     others          for every file and every change of names by chance: all, nothing, all until
 *                     some moment with the write of that moment torn, some of the writes whole, or
 *                     single sectors
 */
#ifndef VD_BLOCK_POWER_CUT_H
#define VD_BLOCK_POWER_CUT_H

#include "block/memory.h"
#include "block/trace.h"

#define VD_CUT_ORDERLY 0
#define VD_CUT_NOTHING 1
#define VD_CUT_NAMES   2
#define VD_CUT_DATA    3
#define VD_CUT_RANDOM  4 /* the first of the others */

struct vd_power_cut;

/* VD_E_NO_MEMORY also when a file stores more than VD_MEMORY_MAX_BYTES.
 *
 * Keeps what is durable at one cut, so that cuts in rising order are cheap: each costs a copy of
 * the files and of what is not yet durable. Nothing may be recorded while it lives; the trace
 * outlives it. Not thread-safe; several may read one trace. */
VD_MUST_CHECK int vd_power_cut_new(const struct vd_fs_trace *trace, struct vd_power_cut **ret,
                                   struct vd_error *err);
/* The highest cut; there is one more than that. */
size_t vd_power_cut_last(const struct vd_power_cut *self);
/* `cut` at most vd_power_cut_last. The caller frees the files, which know nothing of the trace. */
VD_MUST_CHECK int vd_power_cut_build(struct vd_power_cut *self, size_t cut, uint64_t seed,
                                     struct vd_fs_memory **ret, struct vd_error *err);
void vd_power_cut_free(struct vd_power_cut *self);
VD_DEFINE_CLEANUP(struct vd_power_cut *, vd_power_cut_free)

#endif
