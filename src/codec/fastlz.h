/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FastLZ blocks, as NFC carries them: no length in front, the sizes are known from elsewhere. The
 * block layout is public: github.com/ariya/FastLZ, its README. Ours is written from that
 * description.
 */
#ifndef VD_CODEC_FASTLZ_H
#define VD_CODEC_FASTLZ_H

#include <stddef.h>

#include "base/error.h"

/* Below this compressing is not tried: a block would not get smaller. */
#define VD_FASTLZ_MIN_BYTES 16u

/* Compresses to at most `out_bytes`; 0 where it does not fit. Level 2 from 64 KiB on, level 1
 * below, as the original library chooses. */
size_t vd_fastlz_compress(const void *in, size_t in_bytes, void *out, size_t out_bytes);

/* To exactly `out_bytes`. VD_E_PROTOCOL (no sentence: the caller knows the place) for anything
 * else; never writes outside `out`, whatever `in` holds. */
VD_MUST_CHECK int vd_fastlz_decompress(const void *in, size_t in_bytes, void *out,
                                       size_t out_bytes);

#endif
