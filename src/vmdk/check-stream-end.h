/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a stream written anew: directory, footer, end mark. What is cut off for it is in the
 * backup first. Until the footer stands at the end the file is as it was for every reader, a stream
 * without one. For check-stream-mend.c.
 */
#ifndef VD_VMDK_CHECK_STREAM_END_H
#define VD_VMDK_CHECK_STREAM_END_H

#include "vmdk/check-carve.h"
#include "vmdk/repair.h"

/* The footer, with its marker and the end mark, at `sector`; nothing stays behind. */
VD_MUST_CHECK int vd_stream_put_end(struct vd_repair *repair, const struct vd_kdmv_header *footer,
                                    uint64_t sector, struct vd_error *err);
/* Tables for the records of `carving` and a directory behind the last of them, then the end. */
VD_MUST_CHECK int vd_stream_put_tables(struct vd_repair *repair,
                                       const struct vd_kdmv_header *header,
                                       struct vd_carving *carving,
                                       struct vd_kdmv_header *ret_footer, struct vd_error *err);

#endif
