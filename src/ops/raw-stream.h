/* SPDX-License-Identifier: Apache-2.0 */
/* A raw image read forward only. Not thread-safe. */
#ifndef VD_OPS_RAW_STREAM_H
#define VD_OPS_RAW_STREAM_H

#include "vmdk/stream-reader.h"

struct vd_raw_stream {
    const struct vd_stream_source *source;
    uint64_t size_bytes; /* what it must come to; 0: as much as there is */
    uint64_t done_bytes; /* read so far */
};

/* Fills `buffer`, VD_STEP_BYTES long, unless the stream ends first: then what there is, padded with
 * zeros to a whole sector, and 0 bytes from then on. VD_E_TRUNCATED and VD_E_INVALID_ARG where it
 * ends before its size or goes on after it; nothing past the size is ever given. */
VD_MUST_CHECK int vd_raw_stream_next(struct vd_raw_stream *raw, uint8_t *buffer, size_t *ret_length,
                                     struct vd_error *err);

#endif
