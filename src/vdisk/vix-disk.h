/* SPDX-License-Identifier: Apache-2.0 */
/* A disk through a VixDiskLib. Private to vix-disk.c, vix-blocks.c, vix-meta.c and vix-whole.c. */
#ifndef VD_VDISK_VIX_DISK_H
#define VD_VDISK_VIX_DISK_H

#include "vdisk/provider.h"
#include "vdisk/vix-library.h"

struct vd_native_vix_disk {
    struct vd_native_vix *vix;
    const struct vdisk_params *params;
    const char *name; /* for sentences */
    VixDiskLibConnectParams *connect_params;
    bool prepared;
    VixDiskLibConnection connection;
    VixDiskLibHandle handle;
    struct vdisk_info info; /* as at open, strings its own */
    char *parent;
    char *uuid;
};

int vd_native_vix_blocks(void *self, uint64_t start_sectors, uint64_t count_sectors,
                         struct vd_native_blocks *blocks, struct vdisk_error *err);

int vd_native_vix_meta_get(void *self, const char *key, char **ret, struct vdisk_error *err);
int vd_native_vix_meta_set(void *self, const char *key, const char *value, struct vdisk_error *err);
int vd_native_vix_meta_keys(void *self, char **ret, struct vdisk_error *err);

int vd_native_vix_create(void *self, const struct vdisk_create_params *create,
                         struct vdisk_error *err);
int vd_native_vix_clone(void *self, const char *path, const struct vdisk_create_params *create,
                        struct vdisk_error *err);
int vd_native_vix_grow(void *self, uint64_t capacity_sectors, struct vdisk_error *err);
int vd_native_vix_unlink(void *self, struct vdisk_error *err);

#endif
