/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rename.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "block/replace.h"
#include "ops/disk-files.h"
#include "ops/temp-file.h"
#include "vmdk/descriptor-change.h"
#include "vmdk/descriptor-save.h"

/* One file's way. */
struct move {
    const char *from; /* the files' */
    char *to;
    bool moved;
    bool linked; /* moved, and has both names */
};

struct renaming {
    struct vd_disk_files files;
    char *to;
    char *to_folder;
    char *old_base; /* names without ".vmdk" */
    char *new_base;
    struct move *moves; /* of the extents, then the change tracking file */
    size_t num_moves;
    bool new_descriptor; /* a text descriptor has appeared under the new name */
};

static int no_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
}

static char *base_of(const char *path)
{
    const char *name = vd_path_name(path);
    size_t length = strlen(name);

    if (vd_path_has_suffix(name, ".vmdk"))
        length -= strlen(".vmdk");
    return strndup(name, length);
}

/* "old-s001.vmdk" -> "new-s001.vmdk"; a name of another make goes behind the new one. */
static char *new_name(const struct renaming *self, const char *path)
{
    const char *name = vd_path_name(path);
    size_t length = strlen(self->old_base);
    bool follows = strncmp(name, self->old_base, length) == 0;
    char *made;

    if (asprintf(&made, "%s%s%s", self->new_base, follows ? "" : "-",
                 follows ? name + length : name) < 0)
        return NULL;
    return made;
}

static int add_move(struct renaming *self, const char *from, struct vd_error *err)
{
    VD_FREE char *folder = vd_path_folder(from);
    VD_FREE char *name = new_name(self, from);
    struct vd_fs_stat status;
    char *to;
    int r;

    if (!folder || !name)
        return no_memory(err);
    if (strcmp(folder, self->files.folder) != 0)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "cannot rename '%s': its extent '%s' is not in the same folder",
                            self->files.path, from);
    to = self->files.embedded ? strdup(self->to) : vd_path_join(self->to_folder, name);
    if (!to)
        return no_memory(err);
    self->moves[self->num_moves++] = (struct move){.from = from, .to = to};
    r = vd_fs_stat(self->files.fs, to, &status, err);
    if (r == VD_OK && status.kind != VD_FS_NOTHING)
        r = vd_error_set(err, VD_E_EXISTS, "cannot rename '%s': '%s' exists", self->files.path, to);
    return r;
}

static int plan_extents(struct renaming *self, struct vd_error *err)
{
    struct vd_descriptor *descriptor = self->files.descriptor;
    int r = VD_OK;

    for (size_t i = 0; r == VD_OK && i < self->files.num_extents; i++) {
        const struct vd_disk_file *extent = &self->files.extents[i];
        const char *old_name;

        if (extent->device)
            continue;
        r = add_move(self, extent->path, err);
        if (r < 0)
            return r;
        old_name = descriptor->extents[extent->line].file;
        for (size_t line = descriptor->num_extents; r == VD_OK && line-- > 0;) {
            struct vd_extent_line *own = &descriptor->extents[line];

            if (own->file && line >= extent->line && strcmp(own->file, old_name) == 0)
                r = vd_extent_line_set_file(own, vd_path_name(self->moves[self->num_moves - 1].to),
                                            err);
        }
    }
    return r;
}

static int plan_change_track(struct renaming *self, struct vd_error *err)
{
    VD_FREE char *name = NULL;
    int r;

    if (!self->files.change_track)
        return VD_OK;
    if (self->files.embedded)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "cannot rename '%s': a sparse file with change tracking",
                            self->files.path);
    r = add_move(self, self->files.change_track, err);
    name = new_name(self, self->files.change_track);
    if (r == VD_OK && !name)
        r = no_memory(err);
    return r < 0 ? r : vd_descriptor_set_change_track(self->files.descriptor, name, err);
}

/* A hint that is relative to the old folder says nothing in the new one. */
static int plan_parent_hint(struct renaming *self, struct vd_error *err)
{
    const char *hint = self->files.descriptor->parent_hint;
    VD_FREE char *path = NULL;
    VD_FREE char *real = NULL;
    struct vd_fs_stat status;
    int r;

    if (!hint || hint[0] == '/' || strcmp(self->files.folder, self->to_folder) == 0)
        return VD_OK;
    path = vd_path_join(self->files.folder, hint);
    if (!path)
        return no_memory(err);
    r = vd_fs_stat(self->files.fs, path, &status, err);
    if (r < 0 || status.kind == VD_FS_NOTHING)
        return r;
    r = vd_fs_real_path(self->files.fs, path, &real, err);
    return r < 0 ? r : vd_descriptor_set_parent_hint(self->files.descriptor, real, err);
}

static int plan_target(struct renaming *self, const char *to, struct vd_error *err)
{
    VD_FREE char *folder = vd_path_folder(to);
    struct vd_fs_stat status;
    int r;

    if (vd_path_name(to)[0] == '\0')
        return vd_error_set(err, VD_E_NAME_INVALID, "the new name '%s' has no file name", to);
    if (!vd_path_has_suffix(to, ".vmdk"))
        return vd_error_set(err, VD_E_NAME_INVALID, "the new name '%s' does not end in .vmdk", to);
    if (!folder)
        return no_memory(err);
    r = vd_fs_real_path(self->files.fs, folder, &self->to_folder, err);
    if (r < 0)
        return r;
    self->to = vd_path_join(self->to_folder, vd_path_name(to));
    self->old_base = base_of(self->files.path);
    self->new_base = base_of(to);
    self->moves = calloc(self->files.num_extents + 1, sizeof *self->moves);
    if (!self->to || !self->old_base || !self->new_base || !self->moves)
        return no_memory(err);
    r = vd_fs_stat(self->files.fs, self->to, &status, err);
    if (r == VD_OK && status.kind != VD_FS_NOTHING)
        r = vd_error_set(err, VD_E_EXISTS, "cannot rename '%s': '%s' exists", self->files.path, to);
    return r;
}

/* --- carrying it out --- */

static int move_file(const struct vd_fs *fs, struct move *move, bool may_link, struct vd_error *err)
{
    struct vd_error failure = VD_ERROR_INIT;
    int r = may_link ? vd_fs_link(fs, move->from, move->to, &failure) : VD_E_NOT_SUPPORTED;

    move->linked = r == VD_OK;
    if (r == VD_E_NOT_SUPPORTED || r == VD_E_ACCESS) {
        r = vd_fs_rename(fs, move->from, move->to, err);
    } else if (r < 0) {
        (void)vd_error_set(err, r, "%s", failure.text);
        if (err)
            err->sys_errno = failure.sys_errno;
    }
    move->moved = r == VD_OK;
    return r;
}

/* Back to the old names, as far as that goes: the first failure is the one to tell. */
static void undo(struct renaming *self)
{
    const struct vd_fs *fs = self->files.fs;

    if (self->new_descriptor)
        VD_DISCARD(vd_fs_unlink(fs, self->to, NULL));
    for (size_t i = self->num_moves; i-- > 0;) {
        const struct move *move = &self->moves[i];

        if (move->linked)
            VD_DISCARD(vd_fs_unlink(fs, move->to, NULL));
        else if (move->moved)
            VD_DISCARD(vd_fs_rename(fs, move->to, move->from, NULL));
    }
}

/* Made empty first, so that it has the old one's owner and mode when the text comes, and beside its
 * name, so that what a crash leaves is in nobody's way. */
static int write_descriptor(struct renaming *self, const char *temp, struct vd_error *err)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    const struct vd_fs *fs = self->files.fs;
    struct vd_fs_stat status;
    int r = vd_fs_stat(fs, self->files.path, &status, err);

    if (r == VD_OK)
        r = vd_fs_create(fs, temp, VD_FS_NO_LOCK, &status.access, &block, err);
    if (r < 0)
        return r;
    r = vd_descriptor_save(fs, temp, NULL, self->files.descriptor, err);
    if (r == VD_OK)
        r = vd_fs_rename(fs, temp, self->to, err);
    self->new_descriptor = r == VD_OK;
    if (r < 0)
        VD_DISCARD(vd_fs_unlink(fs, temp, NULL)); /* the first failure is the one to tell */
    return r;
}

static int make_descriptor(struct renaming *self, struct vd_error *err)
{
    VD_FREE char *temp = NULL;
    int r = vd_temp_name(self->files.fs, self->to_folder, VD_REPLACE_SUFFIX, &temp, err);

    if (r == VD_OK)
        r = write_descriptor(self, temp, err);
    return r < 0 ? r : vd_fs_sync_folder(self->files.fs, self->to_folder, err);
}

static int sync_folders(const struct renaming *self, struct vd_error *err)
{
    int r = vd_fs_sync_folder(self->files.fs, self->to_folder, err);

    if (r == VD_OK && strcmp(self->to_folder, self->files.folder) != 0)
        r = vd_fs_sync_folder(self->files.fs, self->files.folder, err);
    return r;
}

static int remove_old_names(const struct renaming *self, struct vd_error *err)
{
    /* The old descriptor must not come back when what it names is gone. */
    int r = vd_fs_sync_folder(self->files.fs, self->files.folder, err);

    for (size_t i = 0; r == VD_OK && i < self->num_moves; i++) {
        if (self->moves[i].linked)
            r = vd_fs_unlink(self->files.fs, self->moves[i].from, err);
    }
    if (r == VD_OK)
        r = sync_folders(self, err);
    if (r < 0)
        vd_error_prefix(err, "'%s' is complete, but not all of its old names are gone", self->to);
    return r;
}

static int move_text_disk(struct renaming *self, struct vd_error *err)
{
    int r = VD_OK;

    for (size_t i = 0; r == VD_OK && i < self->num_moves; i++)
        r = move_file(self->files.fs, &self->moves[i], true, err);
    if (r == VD_OK)
        r = vd_fs_sync_folder(self->files.fs, self->to_folder, err);
    if (r == VD_OK)
        r = make_descriptor(self, err);
    if (r == VD_OK)
        r = vd_fs_unlink(self->files.fs, self->files.path, err);
    if (r < 0) {
        undo(self);
        return r;
    }
    return remove_old_names(self, err);
}

/* The name inside is of no consequence, so it may lag behind the one outside. */
static int move_single_file(struct renaming *self, struct vd_error *err)
{
    int r = move_file(self->files.fs, &self->moves[0], false, err);

    if (r == VD_OK)
        r = vd_disk_files_store(&self->files, err);
    if (r == VD_OK)
        r = sync_folders(self, err);
    if (r < 0)
        undo(self);
    return r;
}

static void renaming_done(struct renaming *self)
{
    for (size_t i = 0; i < self->num_moves; i++)
        free(self->moves[i].to);
    free(self->moves);
    free(self->old_base);
    free(self->new_base);
    free(self->to_folder);
    free(self->to);
    vd_disk_files_done(&self->files);
}

int vd_rename(const char *from, const char *to, const struct vd_vmdk_options *options,
              struct vd_error *err)
{
    struct renaming self = {0};
    int r = vd_disk_files_open(from, options, false, &self.files, err);

    if (r == VD_OK)
        r = plan_target(&self, to, err);
    if (r == VD_OK)
        r = plan_parent_hint(&self, err);
    if (r == VD_OK)
        r = plan_extents(&self, err);
    if (r == VD_OK)
        r = plan_change_track(&self, err);
    if (r == VD_OK)
        r = self.files.embedded ? move_single_file(&self, err) : move_text_disk(&self, err);
    renaming_done(&self);
    return r;
}
