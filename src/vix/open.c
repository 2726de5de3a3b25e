/* SPDX-License-Identifier: Apache-2.0 */
/* Disks come and go. */
#include "vix/disk.h"

#include <stdlib.h>

#include "vix/error-text.h"
#include "vix/flags.h"
#include "vix/local.h"
#include "vix/report.h"
#include "vix/server.h"
#include "vmdk/vmdk.h"

#define LOCKED_NUMBER 16392u

static void disk_destroy(struct vd_vix_node *node)
{
    struct vd_vix_disk *disk = (struct vd_vix_disk *)node;
    vd_disk_free(disk->disk);
    vd_vix_put(&disk->connection->node);
    vd_vix_requests_done(&disk->requests);
}

static bool is_claimed(VixDiskLibHandle handle)
{
    struct vd_vix_node *node = vd_vix_get(handle, VD_VIX_CLAIMED);
    if (node)
        vd_vix_put(node);
    return node != NULL;
}

static int not_found(VixDiskLibHandle handle, struct vd_error *err)
{
    if (!vd_vix_registry_is_open())
        return vd_error_set(err, VD_E_NOT_INITIALISED, "the library is not initialised");
    if (is_claimed(handle))
        return vd_error_set(err, VD_E_BUSY,
                            "the disk %p is in use by another call, which needs "
                            "it for itself",
                            (const void *)handle);
    return vd_error_set(err, VD_E_INVALID_ARG, "%p is not an open disk%s", (const void *)handle,
                        handle ? ", or no longer one" : "");
}

int vd_vix_disk_get(VixDiskLibHandle handle, struct vd_vix_disk **ret, struct vd_error *err)
{
    struct vd_vix_node *node = vd_vix_get(handle, VD_VIX_DISK);
    if (!node)
        return not_found(handle, err);
    *ret = (struct vd_vix_disk *)node;
    return VD_OK;
}

static int refuse_callback(VixDiskLibHandle handle, const char *doing, struct vd_error *err)
{
    const struct vd_vix_disk *current = vd_vix_async_current();
    if (!current || (const void *)current != (const void *)handle)
        return VD_OK;
    return vd_error_set(err, VD_E_BUSY,
                        "%s '%s': called from a completion callback of the same disk, which would "
                        "wait for itself",
                        doing, vd_disk_path(current->disk));
}

int vd_vix_disk_claim(VixDiskLibHandle handle, const char *doing, struct vd_vix_disk **ret,
                      struct vd_error *err)
{
    int r = refuse_callback(handle, doing, err);
    if (r < 0)
        return r;
    struct vd_vix_node *node = vd_vix_turn(handle, VD_VIX_DISK, VD_VIX_CLAIMED);
    if (!node)
        return not_found(handle, err);
    vd_vix_wait_alone(node);
    *ret = (struct vd_vix_disk *)node;
    return VD_OK;
}

int vd_vix_disk_check_local(const struct vd_vix_disk *disk, const char *doing, struct vd_error *err)
{
    if (!disk->remote)
        return VD_OK;
    return vd_error_set(err, VD_E_NOT_SUPPORTED,
                        "%s '%s': the disk is on a server, which that is not possible with", doing,
                        vd_disk_path(disk->disk));
}

void vd_vix_disk_release(struct vd_vix_disk *disk)
{
    /* NULL only for what is not claimed. */
    (void)vd_vix_turn(disk, VD_VIX_CLAIMED, disk->disk ? VD_VIX_DISK : VD_VIX_SPENT);
}

static int local_open(const char *path, const struct vd_vmdk_options *options, struct vd_disk **ret,
                      struct vd_error *err)
{
    int r = vd_vix_local_path("opening", path, err);
    return r < 0 ? r : vd_vmdk_open(path, options, ret, err);
}

/* A connection for reading makes every disk read-only. */
static uint32 flags_there(const struct vd_vix_connection *connection, uint32 flags)
{
    return connection->read_only ? flags | VIXDISKLIB_FLAG_OPEN_READ_ONLY : flags;
}

int vd_vix_disk_find(const struct vd_vix_connection *connection, const char *path, uint32 flags,
                     struct vd_disk **ret, struct vd_error *err)
{
    flags = flags_there(connection, flags);
    if (connection->server)
        return vd_vix_server_open(connection->server, &connection->params, path, flags, ret, err);
    struct vd_vmdk_options options = vd_vix_local_options(vd_vix_vmdk_flags(flags));
    return local_open(path, &options, ret, err);
}

/* Takes the connection's reference on success. */
static int disk_new(struct vd_vix_connection *connection, const char *path, uint32 flags,
                    struct vd_vix_disk **ret, struct vd_error *err)
{
    VD_FREE struct vd_vix_disk *disk = calloc(1, sizeof *disk);
    if (!disk)
        return vd_error_set(err, VD_E_NO_MEMORY, "opening '%s': out of memory", path ? path : "");
    int r = vd_vix_disk_find(connection, path, flags, &disk->disk, err);
    if (r < 0)
        return r;
    vd_vix_requests_init(&disk->requests);
    disk->connection = connection;
    flags = flags_there(connection, flags);
    disk->open_flags = vd_vix_local_options(vd_vix_vmdk_flags(flags)).flags;
    disk->remote = connection->server != NULL;
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
    r = vd_vix_add(&disk->node, disk);
    if (r < 0) {
        disk_destroy(&disk->node);
        free(disk);
        return vd_error_set(err, r, "opening '%s': the library is not initialised",
                            path ? path : "");
    }
    *ret = (VixDiskLibHandle)(void *)disk;
    return VD_OK;
}

/* In the words that programs look for; a locked disk has a number of its own there. */
static VixError open_failed(const char *path, int code, const struct vd_error *err)
{
    VixError result = vd_error_vix(code);
    vd_vix_server_tell(code, err);
    bool locked = code == VD_E_LOCKED;
    vd_vix_warn("VixDiskLib: VixDiskLib_OpenEx: Cannot open disk %s. Error %u (%s) (DiskLib error "
                "%u: %s) at %d. %s.",
                path ? path : "(null)", (unsigned)result, vd_vix_error_text(result),
                locked ? LOCKED_NUMBER : (unsigned)result,
                locked ? "Failed to lock the file" : vd_error_name(code), __LINE__,
                vd_error_message(err, code));
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

/* What was attached to a child, or lost, has nothing left to close. */
static bool spent_close(VixDiskLibHandle handle)
{
    struct vd_vix_node *spent = vd_vix_take(handle, VD_VIX_SPENT);
    if (spent)
        vd_vix_put(spent);
    return spent != NULL;
}

static int disk_close(VixDiskLibHandle handle, struct vd_error *err)
{
    if (spent_close(handle))
        return VD_OK;
    int r = refuse_callback(handle, "closing", err);
    if (r < 0)
        return r;
    struct vd_vix_node *taken = vd_vix_take(handle, VD_VIX_DISK);
    return taken ? disk_end((struct vd_vix_disk *)taken, err) : not_found(handle, err);
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
    while ((node = vd_vix_take_any(VD_VIX_SPENT)))
        vd_vix_put(node);
    while ((node = vd_vix_take_any(VD_VIX_DISK))) {
        struct vd_error err = VD_ERROR_INIT;
        int r = disk_end((struct vd_vix_disk *)node, &err);
        (void)vd_vix_result("VixDiskLib_Exit", r, &err); /* Exit returns nothing */
    }
}
