/* SPDX-License-Identifier: Apache-2.0 */
/* One answer to "what changed", checked. For this floor and its tests. */
#ifndef VD_VSPHERE_CHANGED_H
#define VD_VSPHERE_CHANGED_H

#include "vsphere/xml.h"

struct vd_changed_page {
    uint64_t from_bytes;     /* what was asked for */
    uint64_t capacity_bytes; /* of the disk */
    uint64_t end_bytes;      /* result: how far the answer describes the disk */
};

/* `value`: a DiskChangeInfo. Its areas must ascend inside what it describes, which must start where
 * the question did and be inside the disk: VD_E_PROTOCOL otherwise, with nothing told to `each`
 * from the first bad area on. */
VD_MUST_CHECK int vd_changed_page_take(const xmlNode *value, struct vd_changed_page *page,
                                       int (*each)(void *data, uint64_t start_bytes,
                                                   uint64_t length_bytes),
                                       void *data, struct vd_error *err);

#endif
