/* SPDX-License-Identifier: Apache-2.0 */
#include "block/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static enum vd_fs_kind kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return VD_FS_FILE;
    case S_IFDIR:
        return VD_FS_FOLDER;
    case S_IFBLK:
        return VD_FS_DEVICE;
    default:
        return VD_FS_OTHER;
    }
}

static int host_stat(const struct vd_fs *self, const char *path, struct vd_fs_stat *ret,
                     struct vd_error *err)
{
    (void)self;
    struct stat status;
    if (stat(path, &status) < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            return vd_block_reason(err, errno);
        *ret = (struct vd_fs_stat){.kind = VD_FS_NOTHING};
        return VD_OK;
    }
    *ret = (struct vd_fs_stat){
        .kind = kind_of(status.st_mode),
        .size_bytes = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0,
        .identity = vd_file_identity(&status),
        .access = {status.st_mode & 0777, status.st_uid, status.st_gid},
    };
    return VD_OK;
}

static int host_create(const struct vd_fs *self, const char *path, unsigned flags,
                       const struct vd_fs_access *access, struct vd_block **ret,
                       struct vd_error *err)
{
    (void)self;
    return vd_file_create(path, flags, access, ret, err);
}

static int host_unlink(const struct vd_fs *self, const char *path, struct vd_error *err)
{
    (void)self;
    return unlink(path) < 0 ? vd_block_reason(err, errno) : VD_OK;
}

/* For file systems that know no renameat2 flags: link(2) never replaces. */
static int link_then_unlink(const char *from, const char *to)
{
    if (link(from, to) < 0)
        return errno;
    if (unlink(from) == 0)
        return 0;
    int failed = errno;
    (void)unlink(to); /* back to where it was, as far as that goes */
    return failed;
}

static int rename_without_replacing(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
        return errno;
    return link_then_unlink(from, to);
}

static int host_rename(const struct vd_fs *self, const char *from, const char *to, bool replace,
                       struct vd_error *err)
{
    (void)self;
    int failed = 0;
    if (!replace)
        failed = rename_without_replacing(from, to);
    else if (rename(from, to) < 0)
        failed = errno;
    return failed ? vd_block_reason(err, failed) : VD_OK;
}

static int host_sync_folder(const struct vd_fs *self, const char *folder, struct vd_error *err)
{
    (void)self;
    VD_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return vd_block_reason(err, errno);
    if (TEMP_FAILURE_RETRY(fsync(fd)) == 0)
        return VD_OK;
    /* Where folders cannot be synced there is nothing better to ask for. */
    return errno == EINVAL || errno == EOPNOTSUPP ? VD_OK : vd_block_reason(err, errno);
}

static int host_link(const struct vd_fs *self, const char *from, const char *to,
                     struct vd_error *err)
{
    (void)self;
    return link(from, to) < 0 ? vd_block_reason(err, errno) : VD_OK;
}

static int list_folder(DIR *folder, struct vd_fs_names *names, struct vd_error *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (!entry)
            return errno != 0 ? vd_block_reason(err, errno) : VD_OK;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int code = vd_fs_names_add(names, entry->d_name, err);
        if (code < 0)
            return code;
    }
}

static int host_list(const struct vd_fs *self, const char *folder, struct vd_fs_names *names,
                     struct vd_error *err)
{
    (void)self;
    DIR *open_folder = opendir(folder); /* close-on-exec by itself */
    if (!open_folder)
        return vd_block_reason(err, errno);
    int ret = list_folder(open_folder, names, err);
    (void)closedir(open_folder); /* it was only read */
    return ret;
}

const struct vd_fs *vd_fs_host(void)
{
    static const struct vd_fs_ops ops = {
        .name = "host",
        .open = host_open,
        .match_name = host_match_name,
        .real_path = host_real_path,
        .stat = host_stat,
        .create = host_create,
        .unlink = host_unlink,
        .rename = host_rename,
        .sync_folder = host_sync_folder,
        .link = host_link,
        .list = host_list,
    };
    static const struct vd_fs host = {&ops};
    return &host;
}
