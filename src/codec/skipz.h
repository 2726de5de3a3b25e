/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SkipZ: data without its zeros, as NFC carries it. A block is u32 length of the data, u32 0, then
 * for each run that is not zero, ascending: u32 offset, u32 length, the bytes; little-endian. What
 * no run covers is zero. Observed by two independent public clients of ESXi 7 and 8
 * (PROVENANCE.md).
 */
#ifndef VD_CODEC_SKIPZ_H
#define VD_CODEC_SKIPZ_H

#include <stddef.h>

#include "base/error.h"

/* To at most `out_bytes`; 0 where it does not fit. */
size_t vd_skipz_compress(const void *in, size_t in_bytes, void *out, size_t out_bytes);

/* To exactly `out_bytes`. VD_E_PROTOCOL (no sentence) for anything else; never writes outside. */
VD_MUST_CHECK int vd_skipz_decompress(const void *in, size_t in_bytes, void *out, size_t out_bytes);

#endif
