/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor goes under another name first, in one step: from then on the disk is gone, and
 * nobody meets one with some of its extents. It is removed last, because it alone tells which
 * files are still to go.
 */
#include "ops/unlink.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "ops/children.h"
#include "ops/disk-files.h"

#define REMOVED_PREFIX ".vdisk-removed-"

static int aside_path(const struct vd_disk_files *files, char **ret, struct vd_error *err)
{
    VD_FREE char *name = NULL;

    if (asprintf(&name, REMOVED_PREFIX "%s", vd_path_name(files->path)) < 0)
        name = NULL;
    *ret = name ? vd_path_join(files->folder, name) : NULL;
    return *ret ? VD_OK : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
}

/* *changed: something is gone for good. */
static int remove_file(const struct vd_disk_files *files, const char *path, bool *changed,
                       struct vd_error *err)
{
    struct vd_error failure = VD_ERROR_INIT;
    int r = vd_fs_unlink(files->fs, path, &failure);

    if (r == VD_E_NOT_FOUND)
        return VD_OK;
    if (r < 0) {
        int code = vd_error_set(err, r, "%s", failure.text);

        if (err && err->sys_errno == 0)
            err->sys_errno = failure.sys_errno;
        return code;
    }
    *changed = true;
    return VD_OK;
}

static int remove_parts(const struct vd_disk_files *files, bool *changed, struct vd_error *err)
{
    int r = VD_OK;

    for (size_t i = 0; r == VD_OK && i < files->num_extents; i++) {
        const struct vd_disk_file *extent = &files->extents[i];

        if (extent->path && !extent->device)
            r = remove_file(files, extent->path, changed, err);
    }
    if (r == VD_OK && files->change_track)
        r = remove_file(files, files->change_track, changed, err);
    return r;
}

static int remove_text_disk(const struct vd_disk_files *files, const char *aside,
                            struct vd_error *err)
{
    bool changed = false;
    int r;

    if (strncmp(vd_path_name(files->path), REMOVED_PREFIX, strlen(REMOVED_PREFIX)) == 0)
        aside = files->path;
    else if ((r = vd_fs_rename(files->fs, files->path, aside, err)) < 0)
        return r;
    r = vd_fs_sync_folder(files->fs, files->folder, err);
    if (r == VD_OK)
        r = remove_parts(files, &changed, err);
    if (r == VD_OK)
        r = remove_file(files, aside, &changed, err);
    if (r < 0 && changed)
        vd_error_prefix(err, "'%s' is gone but for '%s' and what that names", files->path, aside);
    else if (r < 0) /* nothing was lost; it fails to come back only when names cannot change */
        VD_DISCARD(vd_fs_rename(files->fs, aside, files->path, NULL));
    return r;
}

int vd_unlink_parts(const struct vd_disk_files *files, struct vd_error *err)
{
    bool changed = false;
    int r = VD_OK;

    if (!files->embedded)
        r = remove_parts(files, &changed, err);
    else if (files->change_track)
        r = remove_file(files, files->change_track, &changed, err);
    return r < 0 ? r : vd_fs_sync_folder(files->fs, files->folder, err);
}

static int remove_disk(const struct vd_disk_files *files, struct vd_error *err)
{
    VD_FREE char *aside = NULL;
    bool changed = false;
    int r;

    if (files->embedded) {
        r = remove_file(files, files->path, &changed, err);
        return r < 0 ? r : vd_unlink_parts(files, err);
    }
    r = aside_path(files, &aside, err);
    if (r == VD_OK)
        r = remove_text_disk(files, aside, err);
    return r < 0 ? r : vd_fs_sync_folder(files->fs, files->folder, err);
}

int vd_unlink(const char *path, const struct vd_vmdk_options *options, bool keep_parents,
              struct vd_error *err)
{
    struct vd_disk_files files = {0};
    int r = VD_OK;

    if (keep_parents)
        r = vd_children_refuse(vd_ops_fs(options), path, "cannot remove", err);
    if (r == VD_OK)
        r = vd_disk_files_open(path, options, true, &files, err);
    if (r == VD_OK)
        r = remove_disk(&files, err);
    vd_disk_files_done(&files);
    return r;
}
