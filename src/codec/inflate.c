/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/inflate.h"

#include <libdeflate.h>
#include <stdlib.h>

struct vd_inflate {
    struct libdeflate_decompressor *decompressor;
};

int vd_inflate_new(struct vd_inflate **ret, struct vd_error *err)
{
    struct vd_inflate *inflate = malloc(sizeof *inflate);

    if (inflate)
        inflate->decompressor = libdeflate_alloc_decompressor();
    if (!inflate || !inflate->decompressor) {
        free(inflate);
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a decompressor");
    }
    *ret = inflate;
    return 0;
}

int vd_inflate_zlib(struct vd_inflate *inflate, const void *in, size_t in_bytes, void *out,
                    size_t out_bytes, size_t *ret_bytes)
{
    size_t done = 0;
    enum libdeflate_result result =
        libdeflate_zlib_decompress(inflate->decompressor, in, in_bytes, out, out_bytes, &done);

    if (result != LIBDEFLATE_SUCCESS)
        return VD_E_GRAIN_INFLATE;
    *ret_bytes = done;
    return 0;
}

void vd_inflate_free(struct vd_inflate *inflate)
{
    if (!inflate)
        return;
    libdeflate_free_decompressor(inflate->decompressor);
    free(inflate);
}
