/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing, at once. */
#include "vix/disk.h"
#include "vix/export.h"
#include "vix/report.h"

static int read_now(VixDiskLibHandle handle, uint64_t start, uint64_t count, uint8 *buffer,
                    struct vd_error *err)
{
    struct vd_vix_disk *disk;
    int r = vd_vix_disk_get(handle, &disk, err);
    if (r < 0)
        return r;
    if (buffer)
        r = vd_disk_read(disk->disk, start, count, buffer, err);
    else
        r = vd_error_set(err, VD_E_INVALID_ARG, "reading '%s': the buffer is NULL",
                         vd_disk_path(disk->disk));
    vd_vix_put(&disk->node);
    return r;
}

VD_VIX_EXPORT VixError VixDiskLib_Read(VixDiskLibHandle diskHandle,
                                       VixDiskLibSectorType startSector,
                                       VixDiskLibSectorType numSectors, uint8 *readBuffer)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = read_now(diskHandle, startSector, numSectors, readBuffer, &err);
    return vd_vix_result("VixDiskLib_Read", r, &err);
}

static int write_now(VixDiskLibHandle handle, uint64_t start, uint64_t count, const uint8 *buffer,
                     struct vd_error *err)
{
    struct vd_vix_disk *disk;
    int r = vd_vix_disk_get(handle, &disk, err);
    if (r < 0)
        return r;
    if (buffer)
        r = vd_disk_write(disk->disk, start, count, buffer, err);
    else
        r = vd_error_set(err, VD_E_INVALID_ARG, "writing '%s': the buffer is NULL",
                         vd_disk_path(disk->disk));
    vd_vix_put(&disk->node);
    return r;
}

VD_VIX_EXPORT VixError VixDiskLib_Write(VixDiskLibHandle diskHandle,
                                        VixDiskLibSectorType startSector,
                                        VixDiskLibSectorType numSectors, const uint8 *writeBuffer)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = write_now(diskHandle, startSector, numSectors, writeBuffer, &err);
    return vd_vix_result("VixDiskLib_Write", r, &err);
}

VD_VIX_EXPORT VixError VixDiskLib_Flush(VixDiskLibHandle diskHandle)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vix_disk *disk;
    int r = vd_vix_disk_get(diskHandle, &disk, &err);
    if (r == VD_OK) {
        r = vd_disk_flush(disk->disk, &err);
        vd_vix_put(&disk->node);
    }
    return vd_vix_result("VixDiskLib_Flush", r, &err);
}
