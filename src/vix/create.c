/* SPDX-License-Identifier: Apache-2.0 */
/* New disks, and children of disks that are open. */
#include "vmdk/create.h"

#include <stdio.h>

#include "transport/server-disk.h"
#include "vix/disk.h"
#include "vix/export.h"
#include "vix/local.h"
#include "vix/progress.h"
#include "vix/report.h"
#include "vix/types.h"

static bool is_sector_size(uint32 bytes)
{
    return bytes == 0 || bytes == 512 || bytes == 4096;
}

/* Structures of 6.7 and before end before the sector sizes: what is found there counts only where
 * both can be meant, and never fails. */
static void take_sector_sizes(const VixDiskLibCreateParams *from, struct vd_vmdk_create_params *to)
{
    uint32 logical = from->logicalSectorSize;
    uint32 physical = from->physicalSectorSize;
    bool meant = is_sector_size(logical) && is_sector_size(physical);
    if (!meant || (logical == 4096 && physical != 4096))
        return;
    to->logical_sector_bytes = logical;
    to->physical_sector_bytes = physical;
}

static int take_params(const char *path, const VixDiskLibCreateParams *from,
                       struct vd_vmdk_create_params *to, struct vd_error *err)
{
    char what[VD_VIX_WHAT_BYTES];
    (void)snprintf(what, sizeof what, "creating '%s'", path); /* a long path may be cut short */
    if (!from)
        return vd_error_set(err, VD_E_INVALID_ARG, "%s: no create params given", what);
    if (from->capacity == 0)
        return vd_error_set(err, VD_E_INVALID_ARG, "%s: the capacity is 0 sectors", what);
    *to = (struct vd_vmdk_create_params){
        .capacity_sectors = from->capacity,
        .hw_version = from->hwVersion,
    };
    take_sector_sizes(from, to);
    int r = vd_vix_adapter_text(what, from->adapterType, &to->adapter, err);
    if (r == VD_OK)
        r = vd_vix_disk_type(what, from->diskType, &to->type, err);
    if (r == VD_OK && to->type == VD_DISK_UNKNOWN)
        r = vd_error_set(err, VD_E_INVALID_ARG, "%s: no disk type is given", what);
    return r;
}

static int disk_create(const struct vd_vix_connection *connection, const char *path,
                       const VixDiskLibCreateParams *from, const struct vd_progress *progress,
                       struct vd_error *err)
{
    struct vd_vmdk_create_params params;
    int r = vd_vix_connection_check_change(connection, "creating", path, err);
    if (r == VD_OK && !connection->server)
        r = vd_vix_local_path("creating", path, err);
    if (r == VD_OK)
        r = take_params(path ? path : "", from, &params, err);
    if (r < 0)
        return r;
    return connection->server
               ? vd_server_disk_create(connection->server, path, &params, progress, err)
               : vd_vmdk_create(path, &params, NULL, progress, err);
}

VD_VIX_EXPORT VixError VixDiskLib_Create(const VixDiskLibConnection connection, const char *path,
                                         const VixDiskLibCreateParams *createParams,
                                         VixDiskLibProgressFunc progressFunc,
                                         void *progressCallbackData)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vix_connection *found;
    struct vd_vix_progress progress;
    vd_vix_progress_init(&progress, progressFunc, progressCallbackData);
    int r = vd_vix_connection_get(connection, &found, &err);
    if (r == VD_OK) {
        r = disk_create(found, path, createParams, &progress.progress, &err);
        vd_vix_put(&found->node);
    }
    return vd_vix_result("VixDiskLib_Create", vd_vix_progress_end(&progress, r), &err);
}

/* What was written to the parent is made durable first: the child is made for that content. */
static int child_create(struct vd_disk *parent, const char *path, enum vd_disk_type type,
                        const struct vd_progress *progress, struct vd_error *err)
{
    const struct vd_vmdk_create_params params = {
        .type = type,
        .parent_path = vd_disk_path(parent),
    };
    int r = vd_disk_flush(parent, err);
    return r < 0 ? r : vd_vmdk_create(path, &params, NULL, progress, err);
}

static int child_check(const char *path, VixDiskLibDiskType number, enum vd_disk_type *ret,
                       struct vd_error *err)
{
    char what[VD_VIX_WHAT_BYTES];
    int r = vd_vix_local_path("creating", path, err);
    if (r < 0)
        return r;
    (void)snprintf(what, sizeof what, "creating the child '%s'", path); /* may be cut short */
    r = vd_vix_disk_type(what, number, ret, err);
    if (r < 0)
        return r;
    if (number != VIXDISKLIB_DISK_MONOLITHIC_SPARSE && number != VIXDISKLIB_DISK_SPLIT_SPARSE)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "%s: the disk type is %u, but a child is of type 1 or 3, which hold "
                            "only what differs from the parent",
                            what, (unsigned)number);
    return VD_OK;
}

VD_VIX_EXPORT VixError VixDiskLib_CreateChild(VixDiskLibHandle diskHandle, const char *childPath,
                                              VixDiskLibDiskType diskType,
                                              VixDiskLibProgressFunc progressFunc,
                                              void *progressCallbackData)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vix_progress progress;
    struct vd_vix_disk *parent;
    vd_vix_progress_init(&progress, progressFunc, progressCallbackData);
    int r = vd_vix_disk_get(diskHandle, &parent, &err);
    if (r == VD_OK) {
        enum vd_disk_type type;
        r = vd_vix_disk_check_local(parent, "creating a child of", &err);
        if (r == VD_OK)
            r = child_check(childPath, diskType, &type, &err);
        if (r == VD_OK)
            r = child_create(parent->disk, childPath, type, &progress.progress, &err);
        vd_vix_put(&parent->node);
    }
    return vd_vix_result("VixDiskLib_CreateChild", vd_vix_progress_end(&progress, r), &err);
}
