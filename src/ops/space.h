/* SPDX-License-Identifier: Apache-2.0 */
/* How much room a copy of a disk takes. */
#ifndef VD_OPS_SPACE_H
#define VD_OPS_SPACE_H

#include "disk/disk.h"

/* An upper bound, in bytes of storage, for a clone of `disk` (its whole chain) as a disk of `type`;
 * VD_DISK_UNKNOWN: of its own. Flat types take the capacity. Others take what the map calls data,
 * in whole grains, and the tables; thin and raw ones the data. VD_E_NOT_SUPPORTED for types that
 * are no files. */
VD_MUST_CHECK int vd_space_needed(struct vd_disk *disk, enum vd_disk_type type, uint64_t *ret_bytes,
                                  struct vd_error *err);

#endif
