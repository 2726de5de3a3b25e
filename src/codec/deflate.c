/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/deflate.h"

#include <libdeflate.h>
#include <stdlib.h>

struct vd_deflate {
    struct libdeflate_compressor *compressor;
};

int vd_deflate_new(int level, struct vd_deflate **ret, struct vd_error *err)
{
    if (level < VD_DEFLATE_MIN_LEVEL || level > VD_DEFLATE_MAX_LEVEL)
        return vd_error_set(err, VD_E_INVALID_ARG, "compression level %d, expected %d to %d", level,
                            VD_DEFLATE_MIN_LEVEL, VD_DEFLATE_MAX_LEVEL);
    struct vd_deflate *deflate = malloc(sizeof *deflate);
    if (deflate)
        deflate->compressor = libdeflate_alloc_compressor(level);
    if (!deflate || !deflate->compressor) {
        free(deflate);
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a compressor");
    }
    *ret = deflate;
    return 0;
}

size_t vd_deflate_bound(struct vd_deflate *deflate, size_t in_bytes)
{
    return libdeflate_zlib_compress_bound(deflate->compressor, in_bytes);
}

int vd_deflate_zlib(struct vd_deflate *deflate, const void *in, size_t in_bytes, void *out,
                    size_t out_bytes, size_t *ret_bytes)
{
    size_t done = libdeflate_zlib_compress(deflate->compressor, in, in_bytes, out, out_bytes);

    if (done == 0)
        return VD_E_BUFFER_TOO_SMALL;
    *ret_bytes = done;
    return 0;
}

void vd_deflate_free(struct vd_deflate *deflate)
{
    if (!deflate)
        return;
    libdeflate_free_compressor(deflate->compressor);
    free(deflate);
}
