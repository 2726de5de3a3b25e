/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing, at once. */
#include "vix/disk.h"
#include "vix/export.h"
#include "vix/report.h"

struct transfer {
    VixDiskLibHandle handle;
    uint64_t start;
    uint64_t count;
    uint8 *into; /* NULL for a write */
    const uint8 *from;
    bool writes;
};

static int transfer_run(struct vd_disk *disk, const struct transfer *transfer, struct vd_error *err)
{
    if (!transfer->into && !transfer->from)
        return vd_error_set(err, VD_E_INVALID_ARG, "%s '%s': the buffer is NULL",
                            transfer->writes ? "writing" : "reading", vd_disk_path(disk));
    if (transfer->writes)
        return vd_disk_write(disk, transfer->start, transfer->count, transfer->from, err);
    return vd_disk_read(disk, transfer->start, transfer->count, transfer->into, err);
}

static VixError transfer_now(const char *function, const struct transfer *transfer)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vix_disk *disk;
    int r = vd_vix_disk_get(transfer->handle, &disk, &err);
    if (r == VD_OK) {
        r = transfer_run(disk->disk, transfer, &err);
        vd_vix_put(&disk->node);
    }
    return vd_vix_result(function, r, &err);
}

VD_VIX_EXPORT VixError VixDiskLib_Read(VixDiskLibHandle diskHandle,
                                       VixDiskLibSectorType startSector,
                                       VixDiskLibSectorType numSectors, uint8 *readBuffer)
{
    const struct transfer transfer = {
        .handle = diskHandle, .start = startSector, .count = numSectors, .into = readBuffer};
    return transfer_now("VixDiskLib_Read", &transfer);
}

VD_VIX_EXPORT VixError VixDiskLib_Write(VixDiskLibHandle diskHandle,
                                        VixDiskLibSectorType startSector,
                                        VixDiskLibSectorType numSectors, const uint8 *writeBuffer)
{
    const struct transfer transfer = {.handle = diskHandle,
                                      .start = startSector,
                                      .count = numSectors,
                                      .from = writeBuffer,
                                      .writes = true};
    return transfer_now("VixDiskLib_Write", &transfer);
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
