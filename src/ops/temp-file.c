/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/temp-file.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/path.h"
#include "block/replace.h"

#define MAX_NAMES_TRIED 100

static char *next_name(const char *folder, const char *suffix)
{
    static atomic_uint number;
    VD_FREE char *name = NULL;

    if (asprintf(&name, VD_REPLACE_PREFIX "%ld-%u%s", (long)getpid(), atomic_fetch_add(&number, 1),
                 suffix) < 0) {
        name = NULL;
        return NULL;
    }
    return vd_path_join(folder, name);
}

int vd_temp_name(const struct vd_fs *fs, const char *folder, const char *suffix, char **ret_path,
                 struct vd_error *err)
{
    for (int tried = 0; tried < MAX_NAMES_TRIED; tried++) {
        VD_FREE char *name = next_name(folder, suffix);
        struct vd_fs_stat status;
        int r = name ? vd_fs_stat(fs, name, &status, err)
                     : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");

        if (r < 0)
            return r;
        if (status.kind == VD_FS_NOTHING) {
            *ret_path = VD_TAKE_PTR(name);
            return VD_OK;
        }
    }
    return vd_error_set(err, VD_E_EXISTS, "no name is free for a temporary file in '%s'", folder);
}

int vd_temp_file_create(const struct vd_fs *fs, const char *path, char **ret_path,
                        struct vd_block **ret, struct vd_error *err)
{
    VD_FREE char *folder = vd_path_folder(path);
    VD_FREE char *name = NULL;
    struct vd_fs_stat status;
    int r = folder ? vd_temp_name(fs, folder, VD_REPLACE_SUFFIX, &name, err)
                   : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");

    if (r == VD_OK)
        r = vd_fs_stat(fs, path, &status, err);
    /* Nobody else knows the name, so it needs no lock. */
    if (r == VD_OK)
        r = vd_fs_create(fs, name, VD_FS_NO_LOCK, status.kind == VD_FS_FILE ? &status.access : NULL,
                         ret, err);
    if (r == VD_OK)
        *ret_path = VD_TAKE_PTR(name);
    return r;
}
