/* SPDX-License-Identifier: Apache-2.0 */
#include "block/fs.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "block/block-int.h"
#include "block/file-int.h"
#include "block/fs-int.h"

static int host_open(const struct vd_fs *self, const char *path, unsigned flags,
                     struct vd_block **ret, struct vd_error *err)
{
    (void)self;
    return vd_file_open(path, flags, ret, err);
}

static int search_folder(DIR *folder, const char *name, char **ret_name, struct vd_error *err)
{
    VD_FREE char *best = NULL;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (!entry)
            break;
        if (!vd_fs_is_better_match(entry->d_name, best, name))
            continue;
        free(best);
        best = strdup(entry->d_name);
        if (!best)
            return vd_block_reason(err, ENOMEM);
    }
    if (errno != 0 || !best)
        return vd_block_reason(err, errno ? errno : ENOENT);
    *ret_name = VD_TAKE_PTR(best);
    return VD_OK;
}

static int host_match_name(const struct vd_fs *self, const char *folder, const char *name,
                           char **ret_name, struct vd_error *err)
{
    (void)self;
    DIR *open_folder = opendir(folder); /* close-on-exec by itself */
    if (!open_folder)
        return vd_block_reason(err, errno);
    int ret = search_folder(open_folder, name, ret_name, err);
    (void)closedir(open_folder); /* it was only read */
    return ret;
}

static int host_real_path(const struct vd_fs *self, const char *path, char **ret_path,
                          struct vd_error *err)
{
    (void)self;
    char *resolved = realpath(path, NULL);
    if (!resolved)
        return vd_block_reason(err, errno);
    *ret_path = resolved;
    return VD_OK;
}

const struct vd_fs *vd_fs_host(void)
{
    static const struct vd_fs_ops ops = {
        .name = "host",
        .open = host_open,
        .match_name = host_match_name,
        .real_path = host_real_path,
    };
    static const struct vd_fs host = {&ops};
    return &host;
}
