/* SPDX-License-Identifier: Apache-2.0 */
/* Whole-buffer zlib (RFC 1950) encoding; grains are whole buffers of known size. */
#ifndef VD_CODEC_DEFLATE_H
#define VD_CODEC_DEFLATE_H

#include <stddef.h>

#include "base/error.h"

/* 1 to 3 are ISA-L's levels, 4 to 12 libdeflate's. 1 is fastest; 3 is the smallest of the fast
 * ones, within a tenth of what zlib makes of file systems at nearly ten times its speed; 6 is
 * smaller than zlib. From 10 on optimal parsing costs several times as long, and 9 MiB of memory,
 * for a few percent. The manual page of `vdisk convert` has the figures. */
#define VD_DEFLATE_MIN_LEVEL     1
#define VD_DEFLATE_DEFAULT_LEVEL 3
#define VD_DEFLATE_MAX_LEVEL     12

/* A compressor; not thread-safe, cheap to keep one per thread. */
struct vd_deflate;

/* VD_E_INVALID_ARG for a level outside the limits. */
VD_MUST_CHECK int vd_deflate_new(int level, struct vd_deflate **ret, struct vd_error *err);
/* The most bytes that `in_bytes` become, whatever they are: a few more than they were. */
size_t vd_deflate_bound(struct vd_deflate *deflate, size_t in_bytes);
/* One zlib stream with its Adler-32. VD_E_BUFFER_TOO_SMALL (no sentence) when it does not fit,
 * which cannot be with vd_deflate_bound() bytes. */
VD_MUST_CHECK int vd_deflate_zlib(struct vd_deflate *deflate, const void *in, size_t in_bytes,
                                  void *out, size_t out_bytes, size_t *ret_bytes);
void vd_deflate_free(struct vd_deflate *deflate); /* NULL allowed */
VD_DEFINE_CLEANUP(struct vd_deflate *, vd_deflate_free)

#endif
