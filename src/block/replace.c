/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The new file is written beside the old one and made durable before it takes the name, because a
 * name may reach the disk earlier than the bytes it stands for; then the folder is synced, because
 * it may also reach it much later.
 */
#include "block/replace.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"

/* Another program's file, or one that a crash left, may have the first name chosen. */
#define MAX_NAMES_TRIED 100

/* ".vdisk-" + pid + "-" + number + ".tmp" */
#define NAME_BYTES 64

struct replacement {
    const struct vd_fs *fs;
    char *target; /* links resolved */
    char *folder;
    char *temporary;             /* NULL until it exists */
    struct vd_fs_access *access; /* of the old file; NULL: there is none */
};

static int no_memory(const char *path, struct vd_error *err)
{
    return vd_error_set_errno(err, ENOMEM, "cannot replace '%s'", path);
}

static char *next_name(const char *folder)
{
    static atomic_uint number;
    char name[NAME_BYTES];
    (void)snprintf(name, sizeof name, VD_REPLACE_PREFIX "%ld-%u" VD_REPLACE_SUFFIX, (long)getpid(),
                   atomic_fetch_add(&number, 1));
    return vd_path_join(folder, name);
}

/* Nobody else knows the name, so it needs no lock, and none is waiting for it. */
static int create_temporary(struct replacement *self, struct vd_block **ret, struct vd_error *err)
{
    for (int tried = 0;; tried++) {
        VD_FREE char *name = next_name(self->folder);
        if (!name)
            return no_memory(self->target, err);
        struct vd_error cause;
        vd_error_clear(&cause);
        int code = vd_fs_create(self->fs, name, VD_FS_NO_LOCK, self->access, ret, &cause);
        if (code >= 0) {
            self->temporary = VD_TAKE_PTR(name);
            return VD_OK;
        }
        if (code != VD_E_EXISTS || tried == MAX_NAMES_TRIED) {
            if (err && err->code == 0)
                *err = cause;
            return code;
        }
    }
}

static int write_temporary(struct replacement *self, const void *bytes, size_t length,
                           struct vd_error *err)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    int code = create_temporary(self, &block, err);
    if (code >= 0)
        code = vd_block_write(block, 0, bytes, length, err);
    if (code >= 0)
        code = vd_block_flush(block, err);
    if (code >= 0)
        code = vd_block_close(VD_TAKE_PTR(block), err);
    return code;
}

/* What stands there now, and where that really is. */
static int look_at_target(struct replacement *self, const char *path, struct vd_fs_stat *status,
                          struct vd_error *err)
{
    int code = vd_fs_stat(self->fs, path, status, err);
    if (code < 0)
        return code;
    if (status->kind == VD_FS_FILE) {
        self->access = &status->access;
        code = vd_fs_real_path(self->fs, path, &self->target, err);
    } else if (status->kind != VD_FS_NOTHING) {
        return vd_error_set(err, VD_E_FILE_TYPE, "cannot replace '%s': it is not a regular file",
                            path);
    } else if (!(self->target = strdup(path))) {
        code = no_memory(path, err);
    }
    if (code < 0)
        return code;
    self->folder = vd_path_folder(self->target);
    return self->folder ? VD_OK : no_memory(path, err);
}

static int replace(struct replacement *self, const void *bytes, size_t length, struct vd_error *err)
{
    int code = write_temporary(self, bytes, length, err);
    if (code >= 0)
        code = vd_fs_rename_replacing(self->fs, self->temporary, self->target, err);
    if (code >= 0)
        return vd_fs_sync_folder(self->fs, self->folder, err);
    if (self->temporary)
        VD_DISCARD(vd_fs_unlink(self->fs, self->temporary, NULL)); /* the first failure counts */
    return code;
}

int vd_fs_replace_file(const struct vd_fs *fs, const char *path, const void *bytes, size_t length,
                       struct vd_error *err)
{
    struct replacement self = {.fs = fs};
    struct vd_fs_stat status;
    int code = look_at_target(&self, path, &status, err);
    if (code >= 0)
        code = replace(&self, bytes, length, err);
    free(self.target);
    free(self.folder);
    free(self.temporary);
    return code;
}
