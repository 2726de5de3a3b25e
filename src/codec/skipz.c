/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/skipz.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"

#define HEADER_BYTES 8u
#define RUN_BYTES    8u  /* in front of each */
#define STEP_BYTES   64u /* a run starts and ends at such a step: a smaller gap saves too little */

static bool is_zero(const unsigned char *at, size_t size)
{
    /* Compared with itself one byte on: all bytes equal the first. */
    return at[0] == 0 && memcmp(at, at + 1, size - 1) == 0;
}

/* From `at`, in steps, as long as they are zero (or are not). */
static size_t skip(const unsigned char *in, size_t in_bytes, size_t at, bool zeros)
{
    while (at < in_bytes && is_zero(in + at, VD_MIN(STEP_BYTES, in_bytes - at)) == zeros)
        at += VD_MIN(STEP_BYTES, in_bytes - at);
    return at;
}

size_t vd_skipz_compress(const void *in, size_t in_bytes, void *out, size_t out_bytes)
{
    unsigned char *to = out;
    if (out_bytes < HEADER_BYTES || in_bytes > UINT32_MAX)
        return 0;
    vd_le32_encode(to, (uint32_t)in_bytes);
    vd_le32_encode(to + 4, 0);
    size_t length = HEADER_BYTES;
    for (size_t start = skip(in, in_bytes, 0, true); start < in_bytes;) {
        size_t end = skip(in, in_bytes, start, false);
        if (out_bytes - length < RUN_BYTES || out_bytes - length - RUN_BYTES < end - start)
            return 0;
        vd_le32_encode(to + length, (uint32_t)start);
        vd_le32_encode(to + length + 4, (uint32_t)(end - start));
        memcpy(to + length + RUN_BYTES, (const unsigned char *)in + start, end - start);
        length += RUN_BYTES + (end - start);
        start = skip(in, in_bytes, end, true);
    }
    return length;
}

int vd_skipz_decompress(const void *in, size_t in_bytes, void *out, size_t out_bytes)
{
    const unsigned char *from = in;
    unsigned char *to = out;
    if (in_bytes < HEADER_BYTES || vd_le32_decode(from) != out_bytes ||
        vd_le32_decode(from + 4) != 0)
        return VD_E_PROTOCOL;
    size_t done = 0;
    for (size_t at = HEADER_BYTES; at < in_bytes;) {
        if (in_bytes - at < RUN_BYTES)
            return VD_E_PROTOCOL;
        size_t start = vd_le32_decode(from + at);
        size_t length = vd_le32_decode(from + at + 4);
        at += RUN_BYTES;
        if (start < done || !vd_range_inside(start, length, out_bytes) || length > in_bytes - at)
            return VD_E_PROTOCOL;
        memset(to + done, 0, start - done);
        memcpy(to + start, from + at, length);
        at += length;
        done = start + length;
    }
    memset(to + done, 0, out_bytes - done);
    return VD_OK;
}
