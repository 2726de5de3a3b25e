/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the interface and what they mean below. */
#ifndef VD_VIX_TYPES_H
#define VD_VIX_TYPES_H

#include "disk/disk.h"
#include "vix/export.h"

/* Room for the head of a sentence; a longer path is cut short. */
#define VD_VIX_WHAT_BYTES 512

/* VIXDISKLIB_DISK_UNKNOWN is VD_DISK_UNKNOWN; VD_E_INVALID_ARG for a number without meaning. `what`
 * is the head of the sentence: "creating '/a/b.vmdk'". */
VD_MUST_CHECK int vd_vix_disk_type(const char *what, VixDiskLibDiskType type,
                                   enum vd_disk_type *ret, struct vd_error *err);
/* The descriptor's word; NULL for VIXDISKLIB_ADAPTER_UNKNOWN. */
VD_MUST_CHECK int vd_vix_adapter_text(const char *what, VixDiskLibAdapterType adapter,
                                      const char **ret, struct vd_error *err);

#endif
