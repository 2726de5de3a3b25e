/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is, by its first bytes; never by its name. */
#ifndef VD_VMDK_PROBE_H
#define VD_VMDK_PROBE_H

#include "block/block.h"
#include "vmdk/descriptor.h"

enum vd_file_kind {
    VD_FILE_DESCRIPTOR,
    VD_FILE_KDMV,
    VD_FILE_COWD,
    VD_FILE_SESPARSE,
    VD_FILE_CTK,
    VD_FILE_INCOMPLETE_KDMV, /* "kdmv": an interrupted vmdk-convert */
    VD_FILE_PLN,             /* text of VMware 2/3 plain disks: named, not read */
    VD_FILE_HOSTED_COWD,     /* hosted COW disk of VMware 2/3: named, not read */
    VD_FILE_OTHER,           /* raw data, or anything else */
};

#define VD_PROBE_BYTES 2048

/* The beginning of a file: enough to tell what it is, and for a header and most descriptors. */
struct vd_front {
    uint8_t bytes[VD_PROBE_BYTES];
    size_t length; /* less than the room for them: the file ends there */
};

VD_MUST_CHECK int vd_front_read(struct vd_block *block, struct vd_front *ret, struct vd_error *err);

enum vd_file_kind vd_probe_bytes(const uint8_t *bytes, size_t length);
VD_MUST_CHECK int vd_probe_block(struct vd_block *block, enum vd_file_kind *ret,
                                 struct vd_error *err);
/* "a text descriptor", "a hosted sparse extent (KDMV)", ... for messages. */
/* What the file of such an extent has to be, where that is none of raw bytes. */
enum vd_file_kind vd_file_kind_expected(enum vd_extent_type type);
const char *vd_file_kind_text(enum vd_file_kind kind);

#endif
