/* SPDX-License-Identifier: Apache-2.0 */
/* How much data there is, told from tables and file systems without reading it. */
#ifndef VD_VMDK_REPORT_COUNT_H
#define VD_VMDK_REPORT_COUNT_H

#include "vmdk/chain.h"

/* Guest data the extent holds: its grains, or the stored ranges of a raw file. */
VD_MUST_CHECK int vd_report_count_extent(struct vd_extent *extent,
                                         const struct vd_extent_line *line, uint64_t *ret_bytes,
                                         struct vd_error *err);
/* Data that any link supplies to the disk. */
VD_MUST_CHECK int vd_report_count_chain(const struct vd_chain *chain, uint64_t *ret_bytes,
                                        struct vd_error *err);

#endif
