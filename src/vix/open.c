/* SPDX-License-Identifier: Apache-2.0 */
/* Disks come and go. */
#include "vix/disk.h"

#include <stdlib.h>

#include "vix/config.h"
#include "vix/error-text.h"
#include "vix/report.h"
#include "vmdk/vmdk.h"

static void disk_destroy(struct vd_vix_node *node)
{
    struct vd_vix_disk *disk = (struct vd_vix_disk *)node;
    vd_disk_free(disk->disk);
    vd_vix_put(&disk->connection->node);
    vd_vix_requests_done(&disk->requests);
}

int vd_vix_disk_get(VixDiskLibHandle handle, struct vd_vix_disk **ret, struct vd_error *err)
{
    struct vd_vix_node *node = vd_vix_get(handle, VD_VIX_DISK);
    if (!node && !vd_vix_registry_is_open())
        return vd_error_set(err, VD_E_NOT_INITIALISED, "the library is not initialised");
    if (!node)
        return vd_error_set(err, VD_E_INVALID_ARG, "%p is not an open disk%s", (const void *)handle,
                            handle ? ", or no longer one" : "");
    *ret = (struct vd_vix_disk *)node;
    return VD_OK;
}

/* Unset, a descriptor names files in the disk's own folder tree only, since a disk can come from
 * anywhere. */
#define ALLOW_OUTSIDE_NAME "vixDiskLib.disklib.AllowOutsideFolder"

/* The compression bits belong to the network. */
static unsigned vmdk_flags(uint32 flags)
{
    unsigned result = VD_VMDK_READ_ONLY;
    if (flags & VIXDISKLIB_FLAG_OPEN_SINGLE_LINK)
        result |= VD_VMDK_SINGLE_LINK;
    if (flags & VIXDISKLIB_FLAG_OPEN_UNBUFFERED)
        result |= VD_VMDK_UNBUFFERED;
    if (vd_vix_config_u64(ALLOW_OUTSIDE_NAME, 0) != 0)
        result |= VD_VMDK_ALLOW_OUTSIDE;
    return result;
}

static int open_path(const char *path, uint32 flags, struct vd_disk **ret, struct vd_error *err)
{
    if (!path || path[0] == '\0')
        return vd_error_set(err, VD_E_INVALID_ARG, "opening a disk: no path is given");
    if (path[0] == '[')
        return vd_error_set(err, VD_E_NOT_FOUND,
                            "opening '%s': a path on a datastore, on a connection to this machine",
                            path);
    struct vd_vmdk_options options = {.log = vd_vix_log(), .flags = vmdk_flags(flags)};
    return vd_vmdk_open(path, &options, ret, err);
}

static void tell_read_only(const struct vd_vix_disk *disk, const char *path, uint32 flags)
{
    if (!disk->connection->read_only && !(flags & VIXDISKLIB_FLAG_OPEN_READ_ONLY))
        vd_vix_info("VixDiskLib: VixDiskLib_Open: '%s' is open for reading only: this version does "
                    "not write.",
                    path);
}

/* Takes the connection's reference on success. */
static int disk_new(struct vd_vix_connection *connection, const char *path, uint32 flags,
                    struct vd_vix_disk **ret, struct vd_error *err)
{
    VD_FREE struct vd_vix_disk *disk = calloc(1, sizeof *disk);
    if (!disk)
        return vd_error_set(err, VD_E_NO_MEMORY, "opening '%s': out of memory", path);
    int r = open_path(path, flags, &disk->disk, err);
    if (r < 0)
        return r;
    vd_vix_requests_init(&disk->requests);
    disk->connection = connection;
    disk->single_link = (flags & VIXDISKLIB_FLAG_OPEN_SINGLE_LINK) != 0;
    disk->node.kind = VD_VIX_DISK;
    disk->node.destroy = disk_destroy;
    *ret = VD_TAKE_PTR(disk);
    return VD_OK;
}

static int disk_open(VixDiskLibConnection handle, const char *path, uint32 flags,
                     VixDiskLibHandle *ret, struct vd_error *err)
{
    struct vd_vix_connection *connection;
    int r = vd_vix_connection_get(handle, &connection, err);
    if (r < 0)
        return r;
    struct vd_vix_disk *disk = NULL;
    r = disk_new(connection, path, flags, &disk, err);
    if (!disk) {
        vd_vix_put(&connection->node);
        return r;
    }
    tell_read_only(disk, path, flags);
    r = vd_vix_add(&disk->node, disk);
    if (r < 0) {
        disk_destroy(&disk->node);
        free(disk);
        return vd_error_set(err, r, "opening '%s': the library is not initialised", path);
    }
    *ret = (VixDiskLibHandle)(void *)disk;
    return VD_OK;
}

/* In the words that programs look for. */
static VixError open_failed(const char *path, int code, const struct vd_error *err)
{
    VixError result = vd_error_vix(code);
    vd_vix_warn("VixDiskLib: VixDiskLib_OpenEx: Cannot open disk %s. Error %u (%s) (DiskLib error "
                "%u: %s) at %d. %s.",
                path ? path : "(null)", (unsigned)result, vd_vix_error_text(result),
                (unsigned)result, vd_error_name(code), __LINE__, vd_error_message(err, code));
    return result;
}

VD_VIX_EXPORT VixError VixDiskLib_Open(const VixDiskLibConnection connection, const char *path,
                                       uint32 flags, VixDiskLibHandle *diskHandle)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;
    if (diskHandle) {
        *diskHandle = NULL;
        r = disk_open(connection, path, flags, diskHandle, &err);
    } else {
        r = vd_error_set(&err, VD_E_INVALID_ARG, "nowhere to put the handle: it is NULL");
    }
    return r < 0 ? open_failed(path, r, &err) : VIX_OK;
}

/* For who took it out of the registry. */
static int disk_end(struct vd_vix_disk *disk, struct vd_error *err)
{
    vd_vix_wait_alone(&disk->node);
    int r = vd_disk_close(VD_TAKE_PTR(disk->disk), err);
    vd_vix_put(&disk->node);
    return r;
}

static int disk_close(VixDiskLibHandle handle, struct vd_error *err)
{
    struct vd_vix_disk *disk;
    int r = vd_vix_disk_get(handle, &disk, err);
    if (r < 0)
        return r;
    bool inside = vd_vix_async_current() == disk;
    struct vd_vix_node *taken = inside ? NULL : vd_vix_take(handle, VD_VIX_DISK);
    vd_vix_put(&disk->node);
    if (inside)
        return vd_error_set(err, VD_E_BUSY,
                            "closing '%s': called from a completion callback of the same disk, "
                            "which would wait for itself",
                            vd_disk_path(disk->disk));
    if (!taken)
        return vd_error_set(err, VD_E_INVALID_ARG, "%p was closed meanwhile", (const void *)handle);
    return disk_end((struct vd_vix_disk *)taken, err);
}

VD_VIX_EXPORT VixError VixDiskLib_Close(VixDiskLibHandle diskHandle)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = disk_close(diskHandle, &err);
    return vd_vix_result("VixDiskLib_Close", r, &err);
}

void vd_vix_disks_end(void)
{
    struct vd_vix_node *node;
    while ((node = vd_vix_take_any(VD_VIX_DISK))) {
        struct vd_error err = VD_ERROR_INIT;
        int r = disk_end((struct vd_vix_disk *)node, &err);
        (void)vd_vix_result("VixDiskLib_Exit", r, &err); /* Exit returns nothing */
    }
}
