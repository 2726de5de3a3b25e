/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on disks that nobody has open: by path. */
#include <inttypes.h>
#include <stdio.h>

#include "ops/grow.h"
#include "ops/rename.h"
#include "ops/unlink.h"
#include "transport/server-disk.h"
#include "vix/connection.h"
#include "vix/export.h"
#include "vix/local.h"
#include "vix/progress.h"
#include "vix/registry.h"
#include "vix/report.h"
#include "vmdk/check.h"

static int disk_unlink(const struct vd_vix_connection *connection, const char *path,
                       struct vd_error *err)
{
    struct vd_vmdk_options options = vd_vix_local_options(0);
    int r = vd_vix_connection_check_change(connection, "removing", path, err);
    if (r < 0)
        return r;
    if (connection->server)
        return vd_server_disk_unlink(connection->server, path, err);
    r = vd_vix_local_path("removing", path, err);
    return r < 0 ? r : vd_unlink(path, &options, false, err);
}

VD_VIX_EXPORT VixError VixDiskLib_Unlink(VixDiskLibConnection connection, const char *path)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vix_connection *found;
    int r = vd_vix_connection_get(connection, &found, &err);
    if (r == VD_OK) {
        r = disk_unlink(found, path, &err);
        vd_vix_put(&found->node);
    }
    return vd_vix_result("VixDiskLib_Unlink", r, &err);
}

static int disk_grow(const struct vd_vix_connection *connection, const char *path,
                     const struct vd_grow_params *params, const struct vd_progress *progress,
                     struct vd_error *err)
{
    struct vd_vmdk_options options = vd_vix_local_options(0);
    int r = vd_vix_connection_check_change(connection, "growing", path, err);
    if (r < 0)
        return r;
    if (connection->server)
        return vd_server_disk_grow(connection->server, path, params->capacity_sectors, progress,
                                   err);
    r = vd_vix_local_path("growing", path, err);
    return r < 0 ? r : vd_grow(path, &options, params, progress, err);
}

VD_VIX_EXPORT VixError VixDiskLib_Grow(VixDiskLibConnection connection, const char *path,
                                       VixDiskLibSectorType capacity, Bool updateGeometry,
                                       VixDiskLibProgressFunc progressFunc,
                                       void *progressCallbackData)
{
    struct vd_error err = VD_ERROR_INIT;
    const struct vd_grow_params params = {
        .capacity_sectors = capacity,
        .update_geometry = updateGeometry != 0,
    };
    struct vd_vix_connection *found;
    struct vd_vix_progress progress;
    vd_vix_progress_init(&progress, progressFunc, progressCallbackData);
    int r = vd_vix_connection_get(connection, &found, &err);
    if (r == VD_OK) {
        r = disk_grow(found, path, &params, &progress.progress, &err);
        vd_vix_put(&found->node);
    }
    return vd_vix_result("VixDiskLib_Grow", vd_vix_progress_end(&progress, r), &err);
}

/* Which server it is on is not said. */
static int check_renamed(const char *path, struct vd_error *err)
{
    if (!path || path[0] != '[')
        return VD_OK;
    return vd_error_set(err, VD_E_NOT_SUPPORTED,
                        "renaming '%s': a path on a datastore, and VixDiskLib_Rename takes no "
                        "connection to a server",
                        path);
}

static int disk_rename(const char *from, const char *to, struct vd_error *err)
{
    struct vd_vmdk_options options = vd_vix_local_options(0);
    if (!vd_vix_registry_is_open())
        return vd_error_set(err, VD_E_NOT_INITIALISED, "the library is not initialised");
    int r = check_renamed(from, err);
    if (r == VD_OK)
        r = check_renamed(to, err);
    if (r == VD_OK)
        r = vd_vix_local_path("renaming", from, err);
    if (r == VD_OK)
        r = vd_vix_local_path("renaming into", to, err);
    return r < 0 ? r : vd_rename(from, to, &options, err);
}

VD_VIX_EXPORT VixError VixDiskLib_Rename(const char *srcFileName, const char *dstFileName)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = disk_rename(srcFileName, dstFileName, &err);
    return vd_vix_result("VixDiskLib_Rename", r, &err);
}

/* The first fault that is left, for the one sentence of the result. */
struct first_fault {
    bool found;
    char text[VD_VIX_LINE_BYTES];
};

/* Every finding is told, none as a warning: whether there is something to warn of is known at the
 * end. */
static void hear_finding(void *data, const struct vd_finding *finding)
{
    struct first_fault *first = data;
    vd_vix_info("VixDiskLib: VixDiskLib_CheckRepair: %s%s.", finding->text,
                finding->repaired ? " (repaired)" : "");
    if (first->found || finding->repaired || finding->grade != VD_FINDING_FAULT)
        return;
    first->found = true;
    (void)snprintf(first->text, sizeof first->text, "%s", finding->text); /* may be cut short */
}

static int judge(const char *path, const struct vd_check_result *result, bool repair,
                 const struct first_fault *first, struct vd_error *err)
{
    if (result->clean)
        return VD_OK;
    const char *text = first->found ? first->text : "it is not told which";
    if (repair)
        return vd_error_set(err, VD_E_CANT_REPAIR, "repairing '%s': not all can be: %s", path,
                            text);
    return vd_error_set(err, VD_E_DAMAGED, "checking '%s': %" PRIu64 " found, the first: %s", path,
                        result->faults, text);
}

static int disk_check(VixDiskLibConnection connection, const char *path, bool repair,
                      struct vd_error *err)
{
    struct first_fault first = {0};
    struct vd_check_result result;
    const struct vd_check_options options = {
        .open = vd_vix_local_options(0),
        .repair = repair,
        .finding = hear_finding,
        .data = &first,
    };
    int r = vd_vix_local_target("checking", connection, path, err);
    if (r == VD_OK)
        r = vd_vmdk_check(path, &options, &result, err);
    return r < 0 ? r : judge(path, &result, repair, &first, err);
}

VD_VIX_EXPORT VixError VixDiskLib_CheckRepair(const VixDiskLibConnection connection,
                                              const char *filename, Bool repair)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = disk_check(connection, filename, repair != 0, &err);
    return vd_vix_result("VixDiskLib_CheckRepair", r, &err);
}
