/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The footer of a stream: a copy of the header, written last, that knows where the grain directory
 * came to lie. Properly it is the last but one sector of the file, between a FOOTER and an EOS
 * marker; bytes that an archiver or an object store left behind the end are tolerated.
 */
#ifndef VD_VMDK_STREAM_FOOTER_H
#define VD_VMDK_STREAM_FOOTER_H

#include "vmdk/kdmv-header.h"

/* How far from the end of the file a footer is looked for. */
#define VD_FOOTER_SEARCH_BYTES (1u << 20)

/* Decodes 512 bytes as the footer that belongs to `header`: same version, flags, capacity, grain
 * and table size, and a directory offset of its own. VD_E_STREAM_FOOTER with a sentence that names
 * `path` and the first field that differs. */
VD_MUST_CHECK int vd_stream_footer_decode(const uint8_t *bytes, const struct vd_kdmv_header *header,
                                          const char *path, struct vd_kdmv_header *ret,
                                          struct vd_error *err);

/* Finds the footer near the end of `block`. VD_E_STREAM_FOOTER when there is none. Reads one
 * sector of a proper file, up to VD_FOOTER_SEARCH_BYTES of another. */
VD_MUST_CHECK int vd_stream_footer_find(struct vd_block *block, const struct vd_kdmv_header *header,
                                        struct vd_kdmv_header *ret, struct vd_error *err);

#endif
