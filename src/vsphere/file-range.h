/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a file that is asked for, across several requests. For this floor and its tests. */
#ifndef VD_VSPHERE_FILE_RANGE_H
#define VD_VSPHERE_FILE_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct vd_file_range {
    uint64_t next_bytes;       /* where the next byte is in the file */
    uint64_t end_bytes;        /* behind the last one; UINT64_MAX: the file's end, not known yet */
    uint64_t file_bytes;       /* UINT64_MAX: not known yet */
    uint64_t answer_end_bytes; /* behind the last one of the answer under way */
};

#define VD_FILE_RANGE_BYTES 64u

/* `length_bytes` UINT64_MAX: to the end. VD_E_INVALID_ARG where it is empty. */
VD_MUST_CHECK int vd_file_range_init(struct vd_file_range *range, uint64_t start_bytes,
                                     uint64_t length_bytes, struct vd_error *err);
/* "Range: bytes=0-4"; false where all of the file is asked for, without such a header. */
bool vd_file_range_header(const struct vd_file_range *range, char header[VD_FILE_RANGE_BYTES]);
/* Is the answer what was asked for? `content_range` may be NULL, `content_bytes` UINT64_MAX.
 * VD_E_PROTOCOL; VD_E_BUSY where the file is another one than before. */
VD_MUST_CHECK int vd_file_range_begin(struct vd_file_range *range, int status,
                                      const char *content_range, uint64_t content_bytes,
                                      struct vd_error *err);
/* So many bytes came; false where that is more than there can be. */
VD_MUST_CHECK bool vd_file_range_advance(struct vd_file_range *range, uint64_t bytes);
/* Bytes to come; UINT64_MAX: not known. */
uint64_t vd_file_range_left(const struct vd_file_range *range);

#endif
