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

/* Memory for unpacking; all zeros at first, grows as needed, kept by the caller between calls. One
 * per thread. */
struct vd_record_scratch {
    struct vd_inflate *inflate;
    uint8_t *bytes;
    size_t allocated;
};
void vd_record_scratch_done(struct vd_record_scratch *scratch);
/* Room for `length` bytes in scratch->bytes, keeping what is there. */
VD_MUST_CHECK int vd_record_scratch_reserve(struct vd_record_scratch *scratch, size_t length,
                                            struct vd_error *err);

/* Which record, and what is expected of it. */
struct vd_grain_place {
    const char *path;
    uint64_t offset_bytes; /* of the record in the file or stream */
    uint64_t lba_sectors;  /* of the grain in the extent */
    size_t grain_bytes;
    size_t needed_bytes; /* at most grain_bytes; less where a short last grain will do */
};

/* VD_E_GRAIN_RECORD when compressed data of `size_bytes` cannot be a grain's. */
VD_MUST_CHECK int vd_grain_size_check(const struct vd_grain_place *place, uint32_t size_bytes,
                                      struct vd_error *err);

/* Inflates the `in_bytes` of the record's data into `grain`, grain_bytes of room: the full grain,
 * or at least the needed bytes, then zeros. VD_E_GRAIN_INFLATE. `in` may point into the scratch. */
VD_MUST_CHECK int vd_grain_unpack(const struct vd_grain_place *place,
                                  struct vd_record_scratch *scratch, const uint8_t *in,
                                  size_t in_bytes, uint8_t *grain, struct vd_error *err);

/* Reads and unpacks the record at `offset_bytes` into `grain` (grain_bytes of room). Checks the
 * lba against `expected_lba_sectors` and that the inflated length is the full grain, or at least
 * `needed_bytes` for the short last grain some writers leave (the rest is zero-filled).
 * VD_E_GRAIN_RECORD, VD_E_GRAIN_INFLATE, or the block's error. */
VD_MUST_CHECK int vd_grain_record_read(struct vd_extent *extent, uint64_t offset_bytes,
                                       uint64_t expected_lba_sectors, size_t needed_bytes,
                                       struct vd_record_scratch *scratch, uint8_t *grain,
                                       struct vd_error *err);

#endif
