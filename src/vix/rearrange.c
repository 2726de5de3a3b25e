/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that write the files of an open disk anew. They lock the disk themselves, so it is
 * closed under its handle and opened again behind them; meanwhile the handle is busy.
 */
#include <stdlib.h>
#include <string.h>

#include "ops/defragment.h"
#include "ops/shrink.h"
#include "vix/disk.h"
#include "vix/export.h"
#include "vix/local.h"
#include "vix/progress.h"
#include "vix/report.h"

struct operation {
    const char *function;
    const char *doing; /* the head of a sentence */
    int attached_code; /* for a chain that was put together by hand */
    int (*run)(const char *path, const struct vd_vmdk_options *options,
               const struct vd_progress *progress, struct vd_error *err);
};

static const struct operation shrink = {"VixDiskLib_Shrink", "shrinking", VD_E_CANT_SHRINK,
                                        vd_shrink};
static const struct operation defragment = {"VixDiskLib_Defragment", "defragmenting",
                                            VD_E_NOT_SUPPORTED, vd_defragment};

static int check(const struct vd_vix_disk *disk, const struct operation *operation,
                 struct vd_error *err)
{
    struct vd_disk_info info;
    int r = vd_vix_disk_check_local(disk, operation->doing, err);
    if (r < 0)
        return r;
    vd_disk_info(disk->disk, &info);
    if (info.read_only)
        return vd_error_set(err, VD_E_READ_ONLY, "%s '%s': it is open for reading only",
                            operation->doing, vd_disk_path(disk->disk));
    if (disk->attached)
        return vd_error_set(err, operation->attached_code,
                            "%s '%s': a parent is attached to it, which opening it again would not "
                            "find",
                            operation->doing, vd_disk_path(disk->disk));
    return VD_OK;
}

/* The first failure is the one to tell; without the disk the handle is spent. */
static int open_again(struct vd_vix_disk *disk, const char *path,
                      const struct vd_vmdk_options *options, int before, struct vd_error *err)
{
    struct vd_error again = VD_ERROR_INIT;
    int r = vd_vmdk_open(path, options, &disk->disk, &again);
    if (r < 0)
        vd_vix_warn("VixDiskLib: '%s' cannot be opened again (%s); its handle can only be closed.",
                    path, vd_error_message(&again, r));
    if (before < 0 || r == VD_OK)
        return before;
    return vd_error_set(err, r, "%s", vd_error_message(&again, r));
}

static int run(struct vd_vix_disk *disk, const struct operation *operation,
               const struct vd_progress *progress, struct vd_error *err)
{
    int r = check(disk, operation, err);
    if (r < 0)
        return r;
    const struct vd_vmdk_options options = {.log = vd_vix_log(), .flags = disk->open_flags};
    VD_FREE char *path = strdup(vd_disk_path(disk->disk));
    if (!path)
        return vd_error_set(err, VD_E_NO_MEMORY, "%s '%s': out of memory", operation->doing,
                            vd_disk_path(disk->disk));
    r = vd_disk_close(VD_TAKE_PTR(disk->disk), err);
    if (r >= 0)
        r = operation->run(path, &options, progress, err);
    return open_again(disk, path, &options, r, err);
}

static VixError rearrange(VixDiskLibHandle handle, const struct operation *operation,
                          VixDiskLibProgressFunc function, void *data)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vix_progress progress;
    struct vd_vix_disk *disk;
    vd_vix_progress_init(&progress, function, data);
    int r = vd_vix_disk_claim(handle, operation->doing, &disk, &err);
    if (r == VD_OK) {
        r = run(disk, operation, &progress.progress, &err);
        vd_vix_disk_release(disk);
    }
    return vd_vix_result(operation->function, vd_vix_progress_end(&progress, r), &err);
}

VD_VIX_EXPORT VixError VixDiskLib_Shrink(VixDiskLibHandle diskHandle,
                                         VixDiskLibProgressFunc progressFunc,
                                         void *progressCallbackData)
{
    return rearrange(diskHandle, &shrink, progressFunc, progressCallbackData);
}

VD_VIX_EXPORT VixError VixDiskLib_Defragment(VixDiskLibHandle diskHandle,
                                             VixDiskLibProgressFunc progressFunc,
                                             void *progressCallbackData)
{
    return rearrange(diskHandle, &defragment, progressFunc, progressCallbackData);
}
