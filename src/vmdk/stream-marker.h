/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records between the data of a stream (Virtual Disk Format 5.0, "Stream-Optimized Compressed
 * Sparse Extents"). Both begin alike; a size of 0 makes it a metadata marker, which fills a sector.
 *
 *   grain record      0 lba (u64)   8 size (u32, > 0)   12 zlib stream, zeros up to the next sector
 *   metadata marker   0 val (u64)   8 size (u32, = 0)   12 type (u32)   16 zeros
 */
#ifndef VD_VMDK_STREAM_MARKER_H
#define VD_VMDK_STREAM_MARKER_H

#include <stdint.h>

#include "base/bytes.h"

#define VD_MARKER_BYTES        16u
#define VD_RECORD_HEADER_BYTES 12u

enum vd_marker_type {
    VD_MARKER_EOS = 0,
    VD_MARKER_GT = 1,
    VD_MARKER_GD = 2,
    VD_MARKER_FOOTER = 3,
    VD_MARKER_PROGRESS = 4,
};

struct vd_stream_marker {
    uint64_t value;      /* lba of a grain, or the sectors of metadata that follow */
    uint32_t size_bytes; /* of compressed data; 0 in a metadata marker */
    uint32_t type;       /* vd_marker_type where size_bytes is 0; not checked */
};

/* From VD_MARKER_BYTES bytes. Any bytes are a marker; judging the values is the caller's. */
static inline struct vd_stream_marker vd_stream_marker_decode(const uint8_t *bytes)
{
    return (struct vd_stream_marker){
        .value = vd_le64_decode(bytes),
        .size_bytes = vd_le32_decode(bytes + 8),
        .type = vd_le32_decode(bytes + 12),
    };
}

/* To VD_MARKER_BYTES bytes; `type` is written where size_bytes is 0. */
static inline void vd_stream_marker_encode(const struct vd_stream_marker *marker, uint8_t *bytes)
{
    vd_le64_encode(bytes, marker->value);
    vd_le32_encode(bytes + 8, marker->size_bytes);
    if (marker->size_bytes == 0)
        vd_le32_encode(bytes + 12, marker->type);
}

#endif
