/* SPDX-License-Identifier: Apache-2.0 */
/* What a disk is. */
#include <string.h>

#include "vix/disk.h"
#include "vix/export.h"
#include "vix/given.h"
#include "vix/report.h"

static VixDiskLibGeometry geometry_of(const struct vd_geometry *geometry)
{
    return (VixDiskLibGeometry){
        .cylinders = geometry->cylinders, .heads = geometry->heads, .sectors = geometry->sectors};
}

static VixDiskLibAdapterType adapter_of(enum vd_adapter adapter)
{
    switch (adapter) {
    case VD_ADAPTER_IDE:
        return VIXDISKLIB_ADAPTER_IDE;
    case VD_ADAPTER_BUSLOGIC:
        return VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC;
    case VD_ADAPTER_LSILOGIC:
        return VIXDISKLIB_ADAPTER_SCSI_LSILOGIC;
    case VD_ADAPTER_UNKNOWN:
    default:
        return VIXDISKLIB_ADAPTER_UNKNOWN;
    }
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* Copies to `*place` and moves it on; NULL stays NULL. */
static char *text_put(char **place, const char *text)
{
    if (!text)
        return NULL;
    char *copy = *place;
    memcpy(copy, text, text_bytes(text));
    *place += text_bytes(text);
    return copy;
}

/* One piece of memory with its strings behind it. A disk that states no BIOS geometry has its
 * physical one there. */
static VixDiskLibInfo *info_new(const struct vd_disk_info *from)
{
    VixDiskLibInfo *info = vd_vix_given_new(
        VD_VIX_INFO, sizeof *info + text_bytes(from->parent_hint) + text_bytes(from->uuid));
    if (!info)
        return NULL;
    char *strings = (char *)(info + 1);
    bool has_bios = from->bios_geometry.heads != 0;
    *info = (VixDiskLibInfo){
        .biosGeo = geometry_of(has_bios ? &from->bios_geometry : &from->geometry),
        .physGeo = geometry_of(&from->geometry),
        .capacity = from->capacity_sectors,
        .adapterType = adapter_of(from->adapter),
        .numLinks = (int)from->num_links,
        .logicalSectorSize = from->logical_sector_bytes,
        .physicalSectorSize = from->physical_sector_bytes,
    };
    info->parentFileNameHint = text_put(&strings, from->parent_hint);
    info->uuid = text_put(&strings, from->uuid);
    return info;
}

static int info_get(VixDiskLibHandle handle, VixDiskLibInfo **ret, struct vd_error *err)
{
    struct vd_vix_disk *disk;
    int r = vd_vix_disk_get(handle, &disk, err);
    if (r < 0)
        return r;
    struct vd_disk_info from;
    vd_disk_info(disk->disk, &from);
    VixDiskLibInfo *info = info_new(&from);
    vd_vix_put(&disk->node);
    if (!info)
        return vd_error_set(err, VD_E_NO_MEMORY, "telling what the disk is: out of memory");
    *ret = info;
    return VD_OK;
}

VD_VIX_EXPORT VixError VixDiskLib_GetInfo(VixDiskLibHandle diskHandle, VixDiskLibInfo **info)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;
    if (info) {
        *info = NULL;
        r = info_get(diskHandle, info, &err);
    } else {
        r = vd_error_set(&err, VD_E_INVALID_ARG, "nowhere to put the information: it is NULL");
    }
    return vd_vix_result("VixDiskLib_GetInfo", r, &err);
}

VD_VIX_EXPORT void VixDiskLib_FreeInfo(VixDiskLibInfo *info)
{
    (void)vd_vix_given_free("VixDiskLib_FreeInfo", info, VD_VIX_INFO); /* has no error to return */
}

/* Never NULL, since programs print it at once. */
VD_VIX_EXPORT const char *VixDiskLib_GetTransportMode(VixDiskLibHandle diskHandle)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vix_disk *disk;
    int r = vd_vix_disk_get(diskHandle, &disk, &err);
    if (r < 0) {
        (void)vd_vix_result("VixDiskLib_GetTransportMode", r, &err); /* has no error to return */
        return "";
    }
    struct vd_disk_info info;
    vd_disk_info(disk->disk, &info);
    vd_vix_put(&disk->node);
    return info.transport;
}
