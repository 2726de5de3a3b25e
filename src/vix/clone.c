/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of disks, and the room they take. */
#include "ops/clone-path.h"

#include <stdio.h>

#include "ops/fill.h"
#include "ops/space.h"
#include "vix/disk.h"
#include "vix/export.h"
#include "vix/local.h"
#include "vix/progress.h"
#include "vix/report.h"
#include "vix/types.h"

/* Where a copy goes. */
struct destination {
    struct vd_vix_connection *connection;
    const char *path;
    const VixDiskLibCreateParams *params; /* NULL: as the source */
    bool overwrite;
};

static int take_params(const struct destination *to, struct vd_clone_params *ret,
                       struct vd_error *err)
{
    char what[VD_VIX_WHAT_BYTES];
    *ret = (struct vd_clone_params){.overwrite = to->overwrite};
    if (!to->params)
        return VD_OK;
    (void)snprintf(what, sizeof what, "cloning to '%s'", to->path); /* may be cut short */
    ret->hw_version = to->params->hwVersion;
    int r = vd_vix_adapter_text(what, to->params->adapterType, &ret->adapter, err);
    return r < 0 ? r : vd_vix_disk_type(what, to->params->diskType, &ret->type, err);
}

/* Where a copy comes from: a connection with a path on it. */
struct source {
    struct vd_vix_connection *connection;
    const char *path;
};

static int clone_local(const struct source *from, const struct destination *to,
                       const struct vd_progress *progress, struct vd_error *err)
{
    const struct vd_vmdk_options options = vd_vix_local_options(VD_VMDK_READ_ONLY);
    struct vd_clone_params params;
    int r = take_params(to, &params, err);
    if (r == VD_OK)
        r = vd_vix_local_path("cloning", from->path, err);
    return r < 0 ? r : vd_clone_path(from->path, &options, to->path, &params, progress, err);
}

static int clone_from_server(const struct source *from, const struct destination *to,
                             const struct vd_progress *progress, struct vd_error *err)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_clone_params params;
    int r = take_params(to, &params, err);
    if (r == VD_OK)
        r = vd_vix_disk_find(from->connection, from->path, VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk,
                             err);
    return r < 0 ? r : vd_clone_open(disk, to->path, &params, progress, err);
}

static int fill(const struct source *from, struct vd_disk *target,
                const struct vd_progress *progress, struct vd_error *err)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    int r =
        vd_vix_disk_find(from->connection, from->path, VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk, err);
    return r < 0 ? r : vd_fill_disk(disk, target, progress, err);
}

/* A disk on a server is one that a machine has already, and keeps its own type. */
static int clone_to_server(const struct source *from, const struct destination *to,
                           const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_disk *target = NULL;
    if (!to->overwrite)
        return vd_error_set(err, VD_E_EXISTS,
                            "cloning to '%s': a disk on a server is there already, and may be "
                            "written over only with overWrite",
                            to->path ? to->path : "");
    int r = vd_vix_disk_find(to->connection, to->path, 0, &target, err);
    if (r < 0)
        return r;
    r = fill(from, target, progress, err);
    int closed = vd_disk_close(target, r < 0 ? NULL : err);
    return r < 0 ? r : closed;
}

static int clone_any(const struct source *from, const struct destination *to,
                     const struct vd_progress *progress, struct vd_error *err)
{
    if (to->connection->server)
        return clone_to_server(from, to, progress, err);
    int r = vd_vix_local_path("cloning to", to->path, err);
    if (r < 0)
        return r;
    return from->connection->server ? clone_from_server(from, to, progress, err)
                                    : clone_local(from, to, progress, err);
}

/* With both connections in hand. */
static int clone_between(VixDiskLibConnection from_handle, VixDiskLibConnection to_handle,
                         struct source *from, struct destination *to,
                         const struct vd_progress *progress, struct vd_error *err)
{
    int r = vd_vix_connection_get(to_handle, &to->connection, err);
    if (r < 0)
        return r;
    r = vd_vix_connection_get(from_handle, &from->connection, err);
    if (r == VD_OK) {
        r = clone_any(from, to, progress, err);
        vd_vix_put(&from->connection->node);
    }
    vd_vix_put(&to->connection->node);
    return r;
}

VD_VIX_EXPORT VixError VixDiskLib_Clone(const VixDiskLibConnection dstConnection,
                                        const char *dstPath,
                                        const VixDiskLibConnection srcConnection,
                                        const char *srcPath,
                                        const VixDiskLibCreateParams *vixCreateParams,
                                        VixDiskLibProgressFunc progressFunc,
                                        void *progressCallbackData, Bool overWrite)
{
    struct vd_error err = VD_ERROR_INIT;
    struct source from = {.path = srcPath};
    struct destination to = {
        .path = dstPath,
        .params = vixCreateParams,
        .overwrite = overWrite != 0,
    };
    struct vd_vix_progress progress;
    vd_vix_progress_init(&progress, progressFunc, progressCallbackData);
    int r = clone_between(srcConnection, dstConnection, &from, &to, &progress.progress, &err);
    return vd_vix_result("VixDiskLib_Clone", vd_vix_progress_end(&progress, r), &err);
}

static int space_needed(VixDiskLibHandle handle, VixDiskLibDiskType number, uint64 *ret,
                        struct vd_error *err)
{
    struct vd_vix_disk *disk;
    enum vd_disk_type type;
    uint64_t bytes;
    int r = vd_vix_disk_get(handle, &disk, err);
    if (r < 0)
        return r;
    r = vd_vix_disk_type("asking for the space of a clone", number, &type, err);
    if (r == VD_OK)
        r = vd_space_needed(disk->disk, type, &bytes, err);
    vd_vix_put(&disk->node);
    if (r == VD_OK)
        *ret = bytes;
    return r;
}

VD_VIX_EXPORT VixError VixDiskLib_SpaceNeededForClone(VixDiskLibHandle diskHandle,
                                                      VixDiskLibDiskType cloneDiskType,
                                                      uint64 *spaceNeeded)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;
    if (spaceNeeded) {
        *spaceNeeded = 0;
        r = space_needed(diskHandle, cloneDiskType, spaceNeeded, &err);
    } else {
        r = vd_error_set(&err, VD_E_INVALID_ARG, "nowhere to put the space needed: it is NULL");
    }
    return vd_vix_result("VixDiskLib_SpaceNeededForClone", r, &err);
}
