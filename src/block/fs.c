/* SPDX-License-Identifier: Apache-2.0 */
/* The one caller of struct vd_fs_ops. As in block.c, implementations tell the reason alone, and
 * what was tried is put before it here. The reason is collected in an error of its own, because the
 * caller's may already hold an older story, or be absent. */
#include "block/fs.h"

#include <errno.h>

#include "block/block-int.h"
#include "block/fs-int.h"

/* Hands the reason over to a caller who has no story yet, and tells whether it was taken. */
static bool take_reason(const struct vd_error *cause, int code, struct vd_error *err)
{
    if (code >= 0 || !err || err->code != 0)
        return false;
    (void)vd_error_set(err, code, "%s", vd_error_message(cause, code));
    err->sys_errno = cause->sys_errno;
    return true;
}

int vd_fs_open(const struct vd_fs *fs, const char *path, unsigned flags, struct vd_block **ret,
               struct vd_error *err)
{
    struct vd_error cause;
    vd_error_clear(&cause);
    int code = fs->ops->open(fs, path, flags, ret, &cause);
    if (take_reason(&cause, code, err))
        vd_error_prefix(err, "cannot open '%s'", path);
    return code < 0 ? code : VD_OK;
}

int vd_fs_match_name(const struct vd_fs *fs, const char *folder, const char *name, char **ret_name,
                     struct vd_error *err)
{
    struct vd_error cause;
    vd_error_clear(&cause);
    int code = fs->ops->match_name(fs, folder, name, ret_name, &cause);
    if (take_reason(&cause, code, err))
        vd_error_prefix(err, "cannot find '%s', in any case, in the folder '%s'", name, folder);
    return code < 0 ? code : VD_OK;
}

int vd_fs_real_path(const struct vd_fs *fs, const char *path, char **ret_path, struct vd_error *err)
{
    struct vd_error cause;
    vd_error_clear(&cause);
    int code = fs->ops->real_path(fs, path, ret_path, &cause);
    if (take_reason(&cause, code, err))
        vd_error_prefix(err, "cannot resolve the path '%s'", path);
    return code < 0 ? code : VD_OK;
}

int vd_fs_stat(const struct vd_fs *fs, const char *path, struct vd_fs_stat *ret,
               struct vd_error *err)
{
    struct vd_error cause;
    vd_error_clear(&cause);
    int code =
        fs->ops->stat ? fs->ops->stat(fs, path, ret, &cause) : vd_block_reason(&cause, EOPNOTSUPP);
    if (take_reason(&cause, code, err))
        vd_error_prefix(err, "cannot look at '%s'", path);
    return code < 0 ? code : VD_OK;
}

int vd_fs_create(const struct vd_fs *fs, const char *path, unsigned flags,
                 const struct vd_fs_access *access, struct vd_block **ret, struct vd_error *err)
{
    struct vd_error cause;
    vd_error_clear(&cause);
    int code = fs->ops->create ? fs->ops->create(fs, path, flags | VD_FS_WRITE, access, ret, &cause)
                               : vd_block_reason(&cause, EOPNOTSUPP);
    if (take_reason(&cause, code, err))
        vd_error_prefix(err, "cannot create '%s'", path);
    return code < 0 ? code : VD_OK;
}

int vd_fs_unlink(const struct vd_fs *fs, const char *path, struct vd_error *err)
{
    struct vd_error cause;
    vd_error_clear(&cause);
    int code =
        fs->ops->unlink ? fs->ops->unlink(fs, path, &cause) : vd_block_reason(&cause, EOPNOTSUPP);
    if (take_reason(&cause, code, err))
        vd_error_prefix(err, "cannot remove '%s'", path);
    return code < 0 ? code : VD_OK;
}

static int rename_either_way(const struct vd_fs *fs, const char *from, const char *to, bool replace,
                             struct vd_error *err)
{
    struct vd_error cause;
    vd_error_clear(&cause);
    int code = fs->ops->rename ? fs->ops->rename(fs, from, to, replace, &cause)
                               : vd_block_reason(&cause, EOPNOTSUPP);
    if (take_reason(&cause, code, err))
        vd_error_prefix(err, "cannot rename '%s' to '%s'", from, to);
    return code < 0 ? code : VD_OK;
}

int vd_fs_rename(const struct vd_fs *fs, const char *from, const char *to, struct vd_error *err)
{
    return rename_either_way(fs, from, to, false, err);
}

int vd_fs_rename_replacing(const struct vd_fs *fs, const char *from, const char *to,
                           struct vd_error *err)
{
    return rename_either_way(fs, from, to, true, err);
}

int vd_fs_sync_folder(const struct vd_fs *fs, const char *folder, struct vd_error *err)
{
    struct vd_error cause;
    vd_error_clear(&cause);
    int code = fs->ops->sync_folder ? fs->ops->sync_folder(fs, folder, &cause)
                                    : vd_block_reason(&cause, EOPNOTSUPP);
    if (take_reason(&cause, code, err))
        vd_error_prefix(err, "cannot make the names in the folder '%s' durable", folder);
    return code < 0 ? code : VD_OK;
}

int vd_fs_link(const struct vd_fs *fs, const char *from, const char *to, struct vd_error *err)
{
    struct vd_error cause;
    vd_error_clear(&cause);
    int code =
        fs->ops->link ? fs->ops->link(fs, from, to, &cause) : vd_block_reason(&cause, EOPNOTSUPP);
    if (take_reason(&cause, code, err))
        vd_error_prefix(err, "cannot give '%s' the second name '%s'", from, to);
    return code < 0 ? code : VD_OK;
}

int vd_fs_list(const struct vd_fs *fs, const char *folder, struct vd_fs_names *ret,
               struct vd_error *err)
{
    struct vd_error cause;
    vd_error_clear(&cause);
    struct vd_fs_names names = {0};
    int code = fs->ops->list ? fs->ops->list(fs, folder, &names, &cause)
                             : vd_block_reason(&cause, EOPNOTSUPP);
    if (take_reason(&cause, code, err))
        vd_error_prefix(err, "cannot list the folder '%s'", folder);
    if (code < 0) {
        vd_fs_names_done(&names);
        return code;
    }
    vd_fs_names_sort(&names);
    *ret = names;
    return VD_OK;
}
