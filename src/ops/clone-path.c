/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/clone-path.h"

#include "ops/source.h"
#include "ops/target.h"

/* A copy that replaced a file of its source would leave neither. */
static int refuse_itself(const char *from, const char *to, const struct vd_vmdk_options *options,
                         struct vd_error *err)
{
    const struct vd_source_options source = {.format = VD_SOURCE_VMDK, .vmdk = *options};
    struct vd_block_identity identity;
    bool exists;
    bool holds = false;
    int r = vd_target_identity(to, &exists, &identity, err);
    if (r == VD_OK && exists)
        r = vd_source_holds_file(from, &source, &identity, &holds, err);
    if (r < 0 || !holds)
        return r;
    return vd_error_set(err, VD_E_INVALID_ARG, "cloning '%s': the target '%s' is a file of it",
                        from, to);
}

static int clone_to_stream(struct vd_disk *source, const char *path,
                           const struct vd_clone_params *params, const struct vd_progress *progress,
                           struct vd_error *err)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    const struct vd_target_options options = {.overwrite = params->overwrite};
    int r = vd_target_open(path, &options, &target, err);
    if (r == VD_OK)
        r = vd_clone_to_target(source, target, params, progress, err);
    return r < 0 ? r : vd_target_finish(target, err);
}

int vd_clone_open(struct vd_disk *source, const char *to, const struct vd_clone_params *params,
                  const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_clone_params known = *params;
    struct vd_disk_info info;
    vd_disk_info(source, &info);
    if (known.type == VD_DISK_UNKNOWN)
        known.type = info.type;
    if (known.type == VD_DISK_STREAM_OPTIMIZED)
        return clone_to_stream(source, to, &known, progress, err);
    return vd_clone(source, to, &known, NULL, progress, err);
}

int vd_clone_path(const char *from, const struct vd_vmdk_options *options, const char *to,
                  const struct vd_clone_params *params, const struct vd_progress *progress,
                  struct vd_error *err)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *source = NULL;
    struct vd_vmdk_options reading = *options;
    reading.flags |= VD_VMDK_READ_ONLY;
    int r = vd_vmdk_open(from, &reading, &source, err);
    if (r == VD_OK && params->overwrite)
        r = refuse_itself(from, to, &reading, err);
    return r < 0 ? r : vd_clone_open(source, to, params, progress, err);
}
