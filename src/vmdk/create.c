/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/create.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/path.h"
#include "base/units.h"
#include "block/replace.h"
#include "vmdk/create-int.h"

/* Another program's file, or one that a crash left, may have the first name chosen. */
#define MAX_NAMES_TRIED 100
#define NAME_BYTES      64

int vd_create_report(struct vd_create *create, uint64_t done_bytes, struct vd_error *err)
{
    uint64_t done = vd_sectors_to_bytes(create->done_sectors) + done_bytes;
    uint64_t total = vd_sectors_to_bytes(create->capacity_sectors);
    if (!create->cancelled && !vd_progress_report(create->progress, done, total))
        create->cancelled = true;
    return create->cancelled ? vd_error_set(err, VD_E_CANCELLED, "cancelled") : 0;
}

static int no_memory(struct vd_error *err)
{
    return vd_error_set_errno(err, ENOMEM, "%s", "");
}

/* Looked at before anything is done, because the name itself is only taken at the end. */
static int refuse_taken_name(const struct vd_create *create, struct vd_error *err)
{
    struct vd_fs_stat found;
    int r = vd_fs_stat(create->fs, create->path, &found, err);
    if (r < 0 || found.kind == VD_FS_NOTHING)
        return r;
    return vd_error_set(err, VD_E_EXISTS, "there is something of that name");
}

/* Fills and closes `block`, in any case. */
static int fill(struct vd_create *create, struct vd_block *block, uint64_t sectors,
                vd_create_extent_fn *make, struct vd_error *err)
{
    int r = make(create, block, sectors, err);
    if (r >= 0)
        r = vd_block_flush(block, err);
    int closed = vd_block_close(block, err);
    return r < 0 ? r : closed;
}

static int make_extent(struct vd_create *create, uint64_t index, struct vd_error *err)
{
    VD_FREE char *path = vd_create_extent_path(create, index);
    uint64_t sectors = vd_create_extent_sectors(create, index);
    struct vd_block *block;
    if (path == NULL)
        return no_memory(err);
    int r = vd_fs_create(create->fs, path, 0, NULL, &block, err);
    if (r < 0)
        return r;
    create->num_made = index + 1;
    r = fill(create, block, sectors, create->kind->make, err);
    if (r < 0)
        return r;
    create->done_sectors += sectors;
    return vd_create_report(create, 0, err);
}

static int make_extents(struct vd_create *create, struct vd_error *err)
{
    for (uint64_t i = 0; i < create->num_extents; i++) {
        int r = make_extent(create, i, err);
        if (r < 0)
            return r;
    }
    return create->num_extents > 0 ? vd_fs_sync_folder(create->fs, create->folder, err) : 0;
}

static int make_descriptor(struct vd_create *create, struct vd_block *block, uint64_t sectors,
                           struct vd_error *err)
{
    (void)sectors;
    return vd_block_write(block, 0, create->text.data, create->text.length, err);
}

static char *temporary_path(const struct vd_create *create)
{
    static atomic_uint number;
    char name[NAME_BYTES];
    (void)snprintf(name, sizeof name, VD_REPLACE_PREFIX "new-%ld-%u" VD_REPLACE_SUFFIX,
                   (long)getpid(), atomic_fetch_add(&number, 1));
    return vd_path_join(create->folder, name);
}

/* Nobody else knows the name, so it needs no lock. `err` is not NULL. */
static int create_temporary(const struct vd_create *create, char **ret_path, struct vd_block **ret,
                            struct vd_error *err)
{
    for (int tried = 0;; tried++) {
        VD_FREE char *path = temporary_path(create);
        struct vd_error cause = VD_ERROR_INIT;
        if (path == NULL)
            return no_memory(err);
        int r = vd_fs_create(create->fs, path, VD_FS_NO_LOCK, NULL, ret, &cause);
        if (r == VD_E_EXISTS && tried < MAX_NAMES_TRIED)
            continue;
        if (r < 0) {
            *err = cause;
            return r;
        }
        *ret_path = VD_TAKE_PTR(path);
        return 0;
    }
}

/* A name that cannot be removed is one more leftover, and the first failure is the story. */
static void remove_name(const struct vd_create *create, const char *path)
{
    VD_DISCARD(vd_fs_unlink(create->fs, path, NULL));
}

/* From here on the disk exists; a failure to make that durable takes it back. */
static int take_name(const struct vd_create *create, const char *temporary, struct vd_error *err)
{
    int r = vd_fs_rename(create->fs, temporary, create->path, err);
    if (r < 0) {
        remove_name(create, temporary);
        return r;
    }
    r = vd_fs_sync_folder(create->fs, create->folder, err);
    if (r < 0)
        remove_name(create, create->path);
    return r;
}

/* The file that bears the disk's name: a descriptor, or an extent that holds one. */
static int make_named_file(struct vd_create *create, struct vd_error *err)
{
    VD_FREE char *temporary = NULL;
    struct vd_block *block;
    vd_create_extent_fn *make = create->kind->suffix == NULL ? create->kind->make : make_descriptor;
    int r = create_temporary(create, &temporary, &block, err);
    if (r < 0)
        return r;
    r = fill(create, block, create->capacity_sectors, make, err);
    if (r >= 0) {
        create->done_sectors = create->capacity_sectors;
        r = vd_create_report(create, 0, err);
    }
    if (r >= 0)
        return take_name(create, temporary, err);
    remove_name(create, temporary);
    return r;
}

static void remove_extents(struct vd_create *create)
{
    while (create->num_made > 0) {
        VD_FREE char *path = vd_create_extent_path(create, --create->num_made);
        if (path != NULL)
            remove_name(create, path);
    }
}

static int create_all(struct vd_create *create, struct vd_error *err)
{
    int r = refuse_taken_name(create, err);
    if (r >= 0)
        r = vd_create_plan(create, err);
    if (r >= 0)
        r = vd_create_report(create, 0, err);
    if (r >= 0)
        r = make_extents(create, err);
    if (r >= 0)
        r = make_named_file(create, err);
    if (r < 0)
        remove_extents(create);
    return r;
}

int vd_vmdk_create(const char *path, const struct vd_vmdk_create_params *params,
                   const struct vd_fs *fs, const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_create create = {
        .path = path,
        .params = params,
        .fs = fs != NULL ? fs : vd_fs_host(),
        .progress = progress,
        .text = VD_BUF_INIT(VD_DESCRIPTOR_MAX_BYTES),
    };
    struct vd_error cause = VD_ERROR_INIT;
    int r = create_all(&create, &cause);
    free(create.folder);
    free(create.stem);
    vd_buf_done(&create.text);
    if (r >= 0)
        return 0;
    r = vd_error_set(err, r, "cannot create '%s': %s", path, vd_error_message(&cause, r));
    if (err != NULL && err->sys_errno == 0)
        err->sys_errno = cause.sys_errno;
    return r;
}
