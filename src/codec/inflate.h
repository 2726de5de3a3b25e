/* SPDX-License-Identifier: Apache-2.0 */
/* Whole-buffer zlib (RFC 1950) decoding; grains are whole buffers of known size. */
#ifndef VD_CODEC_INFLATE_H
#define VD_CODEC_INFLATE_H

#include <stddef.h>

#include "base/error.h"

/* A decompressor; not thread-safe, cheap to keep one per thread. */
struct vd_inflate;

VD_MUST_CHECK int vd_inflate_new(struct vd_inflate **ret, struct vd_error *err);
/* Inflates one zlib stream, Adler-32 checked, to at most `out_bytes`; never writes past it. Bytes
 * after the stream's end are ignored. VD_E_GRAIN_INFLATE (no sentence: the caller knows the place)
 * when the stream is broken or longer than `out_bytes`. */
VD_MUST_CHECK int vd_inflate_zlib(struct vd_inflate *inflate, const void *in, size_t in_bytes,
                                  void *out, size_t out_bytes, size_t *ret_bytes);
void vd_inflate_free(struct vd_inflate *inflate);
VD_DEFINE_CLEANUP(struct vd_inflate *, vd_inflate_free)

#endif
