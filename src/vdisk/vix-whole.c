/* SPDX-License-Identifier: Apache-2.0 */
/* Whole disks through a VixDiskLib. */
#include <limits.h>

#include "base/units.h"
#include "vdisk/failure.h"
#include "vdisk/progress.h"
#include "vdisk/vix-disk.h"

/* Asked to stop, it goes on. */
static Bool on_progress(void *data, int percent)
{
    return vd_native_progress_tell(data, percent) ? TRUE : FALSE;
}

static int take_params(const struct vd_native_vix_disk *disk,
                       const struct vdisk_create_params *from, VixDiskLibCreateParams *ret,
                       struct vdisk_error *err)
{
    if (from->hw_version > UINT16_MAX)
        return vd_native_fail(err, VD_E_INVALID_ARG,
                              "creating '%s': hardware version %u, expected 65535 at most",
                              disk->name, from->hw_version);
    *ret = (VixDiskLibCreateParams){
        .diskType = (VixDiskLibDiskType)from->type,
        .adapterType = (VixDiskLibAdapterType)from->adapter,
        .hwVersion = (uint16)from->hw_version,
        .capacity = from->capacity_bytes / VD_SECTOR_BYTES,
    };
    if (ret->hwVersion == 0)
        ret->hwVersion = VIXDISKLIB_HWVERSION_CURRENT;
    return 0;
}

int vd_native_vix_create(void *self, const struct vdisk_create_params *create,
                         struct vdisk_error *err)
{
    const struct vd_native_vix_disk *disk = self;
    VixDiskLibCreateParams params;
    struct vd_native_progress progress;
    if (!disk->vix->Create)
        return vd_native_vix_lacks(disk->vix, "Create", "creating", disk->name, err);
    int r = take_params(disk, create, &params, err);
    if (r < 0)
        return r;
    vd_native_progress_init(&progress, create);
    VixError result =
        disk->vix->Create(disk->connection, disk->name, &params, on_progress, &progress);
    r = vd_native_vix_result(disk->vix, result, "creating", disk->name, err);
    return vd_native_progress_end(&progress, r);
}

/* The clone is on this machine, which is a connection of its own. */
static int clone_to(const struct vd_native_vix_disk *disk, const char *path,
                    const VixDiskLibCreateParams *params, const struct vdisk_create_params *create,
                    struct vdisk_error *err)
{
    VixDiskLibConnection here = NULL;
    struct vd_native_progress progress;
    VixError result = disk->vix->ConnectEx(NULL, FALSE, NULL, NULL, &here);
    int r = vd_native_vix_result(disk->vix, result, "connecting for", path, err);
    if (r < 0)
        return r;
    vd_native_progress_init(&progress, create);
    result = disk->vix->Clone(here, path, disk->connection, disk->name, params, on_progress,
                              &progress, create && create->overwrite != 0);
    r = vd_native_vix_result(disk->vix, result, "cloning", disk->name, err);
    (void)disk->vix->Disconnect(here); /* the clone is complete, or its failure told */
    return vd_native_progress_end(&progress, r);
}

int vd_native_vix_clone(void *self, const char *path, const struct vdisk_create_params *create,
                        struct vdisk_error *err)
{
    const struct vd_native_vix_disk *disk = self;
    VixDiskLibCreateParams params;
    if (!disk->vix->Clone)
        return vd_native_vix_lacks(disk->vix, "Clone", "cloning", disk->name, err);
    int r = create ? take_params(disk, create, &params, err) : 0;
    return r < 0 ? r : clone_to(disk, path, create ? &params : NULL, create, err);
}

int vd_native_vix_grow(void *self, uint64_t capacity_sectors, struct vdisk_error *err)
{
    const struct vd_native_vix_disk *disk = self;
    if (!disk->vix->Grow)
        return vd_native_vix_lacks(disk->vix, "Grow", "growing", disk->name, err);
    VixError result =
        disk->vix->Grow(disk->connection, disk->name, capacity_sectors, TRUE, NULL, NULL);
    return vd_native_vix_result(disk->vix, result, "growing", disk->name, err);
}

int vd_native_vix_unlink(void *self, struct vdisk_error *err)
{
    const struct vd_native_vix_disk *disk = self;
    if (!disk->vix->Unlink)
        return vd_native_vix_lacks(disk->vix, "Unlink", "removing", disk->name, err);
    return vd_native_vix_result(disk->vix, disk->vix->Unlink(disk->connection, disk->name),
                                "removing", disk->name, err);
}
