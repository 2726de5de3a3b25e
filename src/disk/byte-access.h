/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any range of bytes of a vd_disk, which itself knows sectors only. A sector that is written in
 * part is read, changed and written, and nothing else is written to it through the same byte access
 * meanwhile, so of two writes that share a sector each byte is of the one or the other, and bytes
 * that neither wrote stay.
 *
 * Threads: all functions but _init and _done from any thread at once. Writes that touch the same
 * sector are done one after the other, others side by side.
 */
#ifndef VD_DISK_BYTE_ACCESS_H
#define VD_DISK_BYTE_ACCESS_H

#include "base/range-lock.h"
#include "disk/disk.h"

struct vd_byte_access {
    struct vd_disk *disk;         /* the caller's; outlives this */
    struct vd_range_lock writing; /* sectors that a write covers, in whole or in part */
};

void vd_byte_access_init(struct vd_byte_access *access, struct vd_disk *disk);
void vd_byte_access_done(struct vd_byte_access *access);

uint64_t vd_byte_access_size(const struct vd_byte_access *access);

/* As the functions of vd_disk: any part past the end is VD_E_OUT_OF_RANGE, and nothing is done. */
VD_MUST_CHECK int vd_byte_access_read(struct vd_byte_access *access, uint64_t offset_bytes,
                                      uint64_t length_bytes, void *buffer, struct vd_error *err);
/* After a failure each sector is old or new. */
VD_MUST_CHECK int vd_byte_access_write(struct vd_byte_access *access, uint64_t offset_bytes,
                                       uint64_t length_bytes, const void *buffer,
                                       struct vd_error *err);
/* As vd_disk_zero. */
VD_MUST_CHECK int vd_byte_access_zero(struct vd_byte_access *access, uint64_t offset_bytes,
                                      uint64_t length_bytes, struct vd_error *err);

#endif
