/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/fragment.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/deflate.h"
#include "codec/fastlz.h"
#include "codec/inflate.h"
#include "codec/skipz.h"

struct vd_nfc_codec {
    uint8_t *in, *out;
    size_t in_bytes, out_bytes;
    struct vd_inflate *inflate; /* made when first needed, as the next */
    struct vd_deflate *deflate;
};

int vd_nfc_codec_new(struct vd_nfc_codec **ret)
{
    *ret = calloc(1, sizeof **ret);
    return *ret ? VD_OK : VD_E_NO_MEMORY;
}

void vd_nfc_codec_free(struct vd_nfc_codec *codec)
{
    if (!codec)
        return;
    vd_inflate_free(codec->inflate);
    vd_deflate_free(codec->deflate);
    free(codec->in);
    free(codec->out);
    free(codec);
}

static void *grow(uint8_t **room, size_t *room_bytes, size_t wanted)
{
    if (*room && wanted <= *room_bytes)
        return *room;
    uint8_t *larger = realloc(*room, wanted + 1); /* never of no bytes */
    if (larger) {
        *room = larger;
        *room_bytes = wanted;
    }
    return larger;
}

static size_t pack_zlib(struct vd_nfc_codec *codec, const void *bytes, size_t size, void *out,
                        size_t out_bytes)
{
    size_t packed = 0;
    if (!codec->deflate && vd_deflate_new(VD_DEFLATE_MIN_LEVEL, &codec->deflate, NULL) < 0)
        return 0;
    if (vd_deflate_zlib(codec->deflate, bytes, size, out, out_bytes, &packed) < 0)
        return 0;
    return packed;
}

void vd_nfc_pack(struct vd_nfc_codec *codec, uint32_t compression, const void *bytes, size_t size,
                 struct vd_nfc_packed *ret)
{
    *ret = (struct vd_nfc_packed){VD_NFC_CODE_NONE, bytes, size};
    if (compression == VD_NFC_CODE_NONE || !grow(&codec->out, &codec->out_bytes, size))
        return;
    size_t room = size - (size > 0); /* fewer bytes, or none of it */
    size_t packed = 0;
    if (compression == VD_NFC_CODE_ZLIB)
        packed = pack_zlib(codec, bytes, size, codec->out, room);
    else if (compression == VD_NFC_CODE_FASTLZ)
        packed = vd_fastlz_compress(bytes, size, codec->out, room);
    else if (compression == VD_NFC_CODE_SKIPZ)
        packed = vd_skipz_compress(bytes, size, codec->out, room);
    if (packed)
        *ret = (struct vd_nfc_packed){compression, codec->out, packed};
}

size_t vd_nfc_packed_max_bytes(size_t fragment_bytes)
{
    return fragment_bytes + fragment_bytes / 16 + 4096; /* every format's worst case, and some */
}

void *vd_nfc_codec_room(struct vd_nfc_codec *codec, size_t bytes)
{
    return grow(&codec->in, &codec->in_bytes, bytes);
}

static int unpack_zlib(struct vd_nfc_codec *codec, size_t packed_bytes, void *bytes, size_t size)
{
    size_t got = 0;
    if (!codec->inflate && vd_inflate_new(&codec->inflate, NULL) < 0)
        return VD_E_NO_MEMORY;
    int r = vd_inflate_zlib(codec->inflate, codec->in, packed_bytes, bytes, size, &got);
    return r == VD_OK && got == size ? VD_OK : VD_E_PROTOCOL;
}

int vd_nfc_unpack(struct vd_nfc_codec *codec, uint32_t compression, size_t packed_bytes,
                  void *bytes, size_t size)
{
    if (compression == VD_NFC_CODE_ZLIB)
        return unpack_zlib(codec, packed_bytes, bytes, size);
    if (compression == VD_NFC_CODE_FASTLZ)
        return vd_fastlz_decompress(codec->in, packed_bytes, bytes, size);
    if (compression != VD_NFC_CODE_SKIPZ)
        return VD_E_PROTOCOL;
    if (packed_bytes == size && (size < 4 || vd_le32_decode(codec->in) != size)) {
        memcpy(bytes, codec->in, size);
        return VD_OK;
    }
    return vd_skipz_decompress(codec->in, packed_bytes, bytes, size);
}
