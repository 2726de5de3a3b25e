/* SPDX-License-Identifier: Apache-2.0 */
/* Do two disks read the same? */
#ifndef VD_OPS_COMPARE_H
#define VD_OPS_COMPARE_H

#include "base/progress.h"
#include "disk/disk.h"

struct vd_compare_result {
    bool same; /* every byte both have is equal, and what only one has reads as zeros */
    uint64_t first_difference_bytes; /* when not the same */
};

/* What is absent or zero on both sides, and what both keep at the same place of the same file, is
 * not read. Progress in bytes of the larger disk. */
VD_MUST_CHECK int vd_compare(struct vd_disk *a, struct vd_disk *b,
                             const struct vd_progress *progress, struct vd_compare_result *ret,
                             struct vd_error *err);

#endif
