/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/twin-file.h"

#include <string.h>

#include "base/path.h"
#include "block/replace.h"
#include "ops/temp-file.h"

/* Others make and link files under names with these two around a number as well. */
#define TWIN_SUFFIX "-grow" VD_REPLACE_SUFFIX

int vd_twin_file_create(const struct vd_fs *fs, const char *folder, char *path,
                        const struct vd_fs_access *access, struct vd_twin_file *ret,
                        struct vd_block **ret_block, struct vd_error *err)
{
    VD_FREE char *temp = NULL;
    *ret = (struct vd_twin_file){.path = path};
    int r = vd_temp_name(fs, folder, TWIN_SUFFIX, &temp, err);

    if (r == VD_OK)
        r = vd_fs_create(fs, temp, 0, access, ret_block, err);
    if (r == VD_OK)
        ret->temp = VD_TAKE_PTR(temp);
    return r;
}

int vd_twin_file_name(const struct vd_fs *fs, struct vd_twin_file *twin, struct vd_error *err)
{
    struct vd_error failure = VD_ERROR_INIT;
    int r = vd_fs_link(fs, twin->temp, twin->path, &failure);

    if (r == VD_E_NOT_SUPPORTED || r == VD_E_ACCESS) {
        r = vd_fs_rename(fs, twin->temp, twin->path, err);
        if (r == VD_OK)
            free(VD_TAKE_PTR(twin->temp));
    } else if (r < 0) {
        (void)vd_error_set(err, r, "%s", vd_error_message(&failure, r));
        if (err)
            err->sys_errno = failure.sys_errno;
    }
    twin->named = r == VD_OK;
    return r;
}

int vd_twin_file_settle(const struct vd_fs *fs, struct vd_twin_file *twin, struct vd_error *err)
{
    int r = twin->temp ? vd_fs_unlink(fs, twin->temp, err) : VD_OK;

    if (r == VD_OK)
        free(VD_TAKE_PTR(twin->temp));
    return r;
}

void vd_twin_file_undo(const struct vd_fs *fs, const char *folder, struct vd_twin_file *twin)
{
    if (twin->named && twin->temp)
        VD_DISCARD(vd_twin_file_remove(fs, folder, twin->path, twin->temp, NULL));
    else if (twin->named || twin->temp)
        VD_DISCARD(vd_fs_unlink(fs, twin->named ? twin->path : twin->temp, NULL));
}

void vd_twin_file_done(struct vd_twin_file *twin)
{
    free(twin->path);
    free(twin->temp);
    *twin = (struct vd_twin_file){0};
}

static bool is_temp_name(const char *name)
{
    return strncmp(name, VD_REPLACE_PREFIX, strlen(VD_REPLACE_PREFIX)) == 0 &&
           vd_path_has_suffix(name, TWIN_SUFFIX);
}

/* *ret stays NULL where `name` is another file. */
static int compare(const struct vd_fs *fs, const char *folder, const char *name,
                   const struct vd_fs_stat *file, char **ret, struct vd_error *err)
{
    VD_FREE char *path = vd_path_join(folder, name);
    struct vd_fs_stat status;
    int r = path ? vd_fs_stat(fs, path, &status, err)
                 : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");

    if (r < 0)
        return r;
    if (status.kind == VD_FS_FILE && status.identity.device == file->identity.device &&
        status.identity.inode == file->identity.inode)
        *ret = VD_TAKE_PTR(path);
    return VD_OK;
}

int vd_twin_file_find(const struct vd_fs *fs, const char *folder, const char *path, char **ret,
                      struct vd_error *err)
{
    struct vd_fs_names names = {0};
    struct vd_fs_stat status;
    char *found = NULL;
    int r = vd_fs_stat(fs, path, &status, err);

    if (r == VD_OK && status.kind == VD_FS_FILE)
        r = vd_fs_list(fs, folder, &names, err);
    for (size_t i = 0; r == VD_OK && !found && i < names.count; i++) {
        if (is_temp_name(names.items[i]))
            r = compare(fs, folder, names.items[i], &status, &found, err);
    }
    vd_fs_names_done(&names);
    if (r == VD_OK)
        *ret = found;
    return r;
}

static int drop(const struct vd_disk_files *files, const char *name, bool *dropped,
                struct vd_error *err)
{
    VD_FREE char *path = vd_path_join(files->folder, name);
    struct vd_fs_stat status;
    int r = path ? vd_fs_stat(files->fs, path, &status, err)
                 : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");

    if (r < 0 || status.kind != VD_FS_FILE || !vd_disk_files_has(files, &status.identity))
        return r;
    *dropped = true;
    return vd_fs_unlink(files->fs, path, err);
}

int vd_twin_file_drop(const struct vd_disk_files *files, struct vd_error *err)
{
    struct vd_fs_names names = {0};
    bool dropped = false;
    int r = vd_fs_list(files->fs, files->folder, &names, err);

    for (size_t i = 0; r == VD_OK && i < names.count; i++) {
        if (is_temp_name(names.items[i]))
            r = drop(files, names.items[i], &dropped, err);
    }
    vd_fs_names_done(&names);
    return r == VD_OK && dropped ? vd_fs_sync_folder(files->fs, files->folder, err) : r;
}

int vd_twin_file_remove(const struct vd_fs *fs, const char *folder, const char *path,
                        const char *temp, struct vd_error *err)
{
    int r = vd_fs_unlink(fs, path, err);

    if (r == VD_OK)
        r = vd_fs_sync_folder(fs, folder, err);
    return r < 0 ? r : vd_fs_unlink(fs, temp, err);
}
