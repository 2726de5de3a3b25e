/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of disks, and the room they take. */
#include "ops/clone-path.h"

#include <stdio.h>

#include "ops/space.h"
#include "vix/disk.h"
#include "vix/export.h"
#include "vix/local.h"
#include "vix/progress.h"
#include "vix/report.h"
#include "vix/types.h"

/* Where a copy goes. */
struct destination {
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

static int clone_path(const char *from, const struct destination *to,
                      const struct vd_progress *progress, struct vd_error *err)
{
    const struct vd_vmdk_options options = vd_vix_local_options(VD_VMDK_READ_ONLY);
    struct vd_clone_params params;
    int r = take_params(to, &params, err);
    return r < 0 ? r : vd_clone_path(from, &options, to->path, &params, progress, err);
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
    const struct destination to = {
        .path = dstPath,
        .params = vixCreateParams,
        .overwrite = overWrite != 0,
    };
    struct vd_vix_progress progress;
    vd_vix_progress_init(&progress, progressFunc, progressCallbackData);
    int r = vd_vix_local_target("cloning to", dstConnection, dstPath, &err);
    if (r == VD_OK)
        r = vd_vix_local_target("cloning", srcConnection, srcPath, &err);
    if (r == VD_OK)
        r = clone_path(srcPath, &to, &progress.progress, &err);
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
