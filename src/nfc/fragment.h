/* SPDX-License-Identifier: Apache-2.0 */
/* What a fragment's data becomes on the wire, and back. The sender falls back to raw bytes wherever
 * compressing does not make them fewer. */
#ifndef VD_NFC_FRAGMENT_H
#define VD_NFC_FRAGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum vd_nfc_code { VD_NFC_CODE_NONE, VD_NFC_CODE_ZLIB, VD_NFC_CODE_FASTLZ, VD_NFC_CODE_SKIPZ };

/* Working memory of one connection; one thread at a time. */
struct vd_nfc_codec;

VD_MUST_CHECK int vd_nfc_codec_new(struct vd_nfc_codec **ret);
void vd_nfc_codec_free(struct vd_nfc_codec *codec);

struct vd_nfc_packed {
    uint32_t compression; /* what it became: vd_nfc_code */
    const void *bytes;    /* the codec's until the next call, or the caller's own */
    size_t size;
};

/* Never fails: what cannot be compressed (no memory, no gain) goes as it is. */
void vd_nfc_pack(struct vd_nfc_codec *codec, uint32_t compression, const void *bytes, size_t size,
                 struct vd_nfc_packed *ret);

/* The most bytes a fragment of so many may arrive as. */
size_t vd_nfc_packed_max_bytes(size_t fragment_bytes);
/* Room to receive packed bytes in; NULL when out of memory. */
void *vd_nfc_codec_room(struct vd_nfc_codec *codec, size_t bytes);
/* From that room, to exactly `size` bytes. VD_E_PROTOCOL (no sentence). A fragment that is called
 * SkipZ, is as long as its data and does not begin as SkipZ does is raw: some hosts label it so. */
VD_MUST_CHECK int vd_nfc_unpack(struct vd_nfc_codec *codec, uint32_t compression,
                                size_t packed_bytes, void *bytes, size_t size);

#endif
