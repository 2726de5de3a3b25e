/* SPDX-License-Identifier: Apache-2.0 */
/* A compressed grain on disk: a small header and a zlib stream. Shared by random access and by the
 * sequential reader. */
#ifndef VD_VMDK_GRAIN_RECORD_H
#define VD_VMDK_GRAIN_RECORD_H

#include "block/block.h"
#include "codec/inflate.h"
#include "vmdk/extent.h"

/* Incompressible grains grow, and photon-controller's reader allows three grains; no honest writer
 * comes near. */
#define VD_RECORD_MAX_GRAINS 3u

struct vd_grain_marker {  /* the first 12 (or 4) bytes of a record */
    uint64_t lba_sectors; /* VD_RECORD_MARKER only */
    uint32_t size_bytes;  /* of the compressed data */
};

/* Reads and inflates the record at `offset_bytes` into `grain` (grain_bytes of room). Checks the
 * lba against `expected_lba_sectors` and that the inflated length is the full grain, or at least
 * `needed_bytes` for the short last grain some writers leave (the rest is zero-filled).
 * `scratch` grows as needed and is kept by the caller between calls. */
struct vd_record_scratch {
    struct vd_inflate *inflate;
    uint8_t *bytes;
    size_t allocated;
};
void vd_record_scratch_done(struct vd_record_scratch *scratch);
VD_MUST_CHECK int vd_grain_record_read(struct vd_extent *extent, uint64_t offset_bytes,
                                       uint64_t expected_lba_sectors, size_t needed_bytes,
                                       struct vd_record_scratch *scratch, uint8_t *grain,
                                       struct vd_error *err);

#endif
