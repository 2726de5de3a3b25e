/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the public header and what they mean below. */
#ifndef VD_VDISK_ENGINE_TYPES_H
#define VD_VDISK_ENGINE_TYPES_H

#include "disk/disk.h"
#include "vdisk/export.h"

uint32_t vd_native_type_number(enum vd_disk_type type);
uint32_t vd_native_adapter_number(enum vd_adapter adapter);

/* VDISK_TYPE_UNKNOWN is VD_DISK_UNKNOWN; VD_E_INVALID_ARG for a number without meaning. */
VD_MUST_CHECK int vd_native_type_of(const char *path, const struct vdisk_create_params *create,
                                    enum vd_disk_type *ret, struct vd_error *err);
/* The descriptor's word; NULL for VDISK_ADAPTER_UNKNOWN. */
VD_MUST_CHECK int vd_native_adapter_of(const char *path, const struct vdisk_create_params *create,
                                       const char **ret, struct vd_error *err);

#endif
