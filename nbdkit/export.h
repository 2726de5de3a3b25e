/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk as a network block device sees it: bytes, extents, zeroing and discarding. Knows NBD's
 * rules, not nbdkit; plugin.c is the nbdkit side.
 *
 * Threads: all functions but _open and _close from any thread at once, also for the connections of
 * different clients: what one of them has written the others read, and a flush covers all of it.
 */
#ifndef VD_NBDKIT_EXPORT_H
#define VD_NBDKIT_EXPORT_H

#include "disk/byte-access.h"
#include "ops/source.h"

struct vd_export {
    struct vd_disk *disk; /* NULL: not open */
    struct vd_byte_access bytes;
};

VD_MUST_CHECK int vd_export_open(struct vd_export *ret, const char *path,
                                 const struct vd_source_options *options, bool writable,
                                 struct vd_error *err);
/* The same with a disk that is open, which it takes, also on failure. */
VD_MUST_CHECK int vd_export_take(struct vd_export *ret, struct vd_disk *disk, struct vd_error *err);
/* Makes durable what was written. Closed either way; nothing to do where it is not open. */
int vd_export_close(struct vd_export *export, struct vd_error *err);

/* Any byte can be asked for; preferred is what is written without filling up a grain. */
void vd_export_block_size(const struct vd_export *export, uint32_t *ret_minimum,
                          uint32_t *ret_preferred, uint32_t *ret_maximum);

/* Called for each run, ascending. Not 0: no more are wanted. */
typedef int (*vd_export_run_fn)(void *data, uint64_t offset_bytes, uint64_t length_bytes, bool hole,
                                bool zero);
/* What is stored is neither hole nor zero, what a link says is zeros is zero, what no link has is
 * both; a hole that is not zero is what a parent that is not open may have. The runs cover the
 * range, and may begin before it and end behind it, in the same sectors. Trouble behind the first
 * run is told when the client gets there. length > 0. */
VD_MUST_CHECK int vd_export_extents(struct vd_export *export, uint64_t offset_bytes,
                                    uint64_t length_bytes, vd_export_run_fn tell, void *data,
                                    struct vd_error *err);

/* VD_OK: the range reads as zeros already. VD_E_NOT_SUPPORTED: it may not, and nothing is quicker
 * than writing for sure. */
VD_MUST_CHECK int vd_export_zero_fast(struct vd_export *export, uint64_t offset_bytes,
                                      uint64_t length_bytes, struct vd_error *err);
/* Gives back what the disk itself, not its parents, stores in whole sectors of the range, which
 * then reads as zeros there. */
VD_MUST_CHECK int vd_export_trim(struct vd_export *export, uint64_t offset_bytes,
                                 uint64_t length_bytes, struct vd_error *err);

/* The errno that tells an NBD client most: the protocol has few, and whatever it does not have
 * would arrive as a mistake of the client. */
int vd_export_errno(int code);

#endif
