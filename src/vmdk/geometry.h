/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VD_VMDK_GEOMETRY_H
#define VD_VMDK_GEOMETRY_H

#include "disk/disk.h"

/* The CHS VMware computes for a new disk of this capacity: IDE 16/63 capped at 16383 cylinders;
 * SCSI 64/32 below 1 GiB, 128/32 below 2 GiB, else 255/63. At least 1 cylinder. */
struct vd_geometry vd_geometry_for(uint64_t capacity_sectors, enum vd_adapter adapter);

#endif
