/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/disk-files.h"

#include <string.h>

#include "base/path.h"
#include "vmdk/descriptor-save.h"

static int no_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
}

/* A model of one's own, by way of its text. */
static int copy_descriptor(const struct vd_descriptor *from, const char *where,
                           struct vd_descriptor **ret, struct vd_error *err)
{
    struct vd_buf text = VD_BUF_INIT(VD_DESCRIPTOR_MAX_BYTES);
    int r = vd_descriptor_to_text(from, &text, err);

    if (r == VD_OK)
        r = vd_descriptor_parse(vd_buf_text(&text), text.length, where, ret, err);
    vd_buf_done(&text);
    return r;
}

static struct vd_disk_file *find_file(const struct vd_disk_files *files, const char *path)
{
    for (size_t i = 0; i < files->num_extents; i++) {
        if (files->extents[i].path && strcmp(files->extents[i].path, path) == 0)
            return &files->extents[i];
    }
    return NULL;
}

/* Where an extent that could not be opened should be: beside the descriptor, under a plain name. */
static char *expected_path(const struct vd_disk_files *files, const struct vd_extent_line *line)
{
    if (!line->file || strchr(line->file, '/') || strchr(line->file, '\\'))
        return NULL;
    return vd_path_join(files->folder, line->file);
}

/* Links resolved; NULL where it is not known. */
static int locate(const struct vd_disk_files *files, const struct vd_report_extent *extent,
                  char **ret, struct vd_error *err)
{
    if (!files->embedded && extent->path)
        return vd_fs_real_path(files->fs, extent->path, ret, err);
    *ret = files->embedded ? strdup(files->path) : expected_path(files, extent->line);
    return files->embedded && !*ret ? no_memory(err) : VD_OK;
}

static int lock_file(const struct vd_disk_files *files, struct vd_disk_file *file, bool tolerant,
                     struct vd_error *err)
{
    struct vd_fs_stat status;
    int r = vd_fs_stat(files->fs, file->path, &status, err);

    if (r < 0)
        return r;
    if (status.kind == VD_FS_DEVICE) {
        file->device = true;
        return VD_OK;
    }
    if (status.kind == VD_FS_NOTHING && tolerant)
        return VD_OK;
    return vd_fs_open(files->fs, file->path, VD_FS_WRITE, &file->block, err);
}

static int add_file(struct vd_disk_files *files, const struct vd_report_extent *extent, size_t line,
                    bool tolerant, struct vd_error *err)
{
    struct vd_disk_file file = {.line = line};
    int r = VD_OK;

    if (!extent->line->file || (extent->line->sectors == 0 && !tolerant))
        return VD_OK;
    r = locate(files, extent, &file.path, err);
    if (r < 0)
        return r;
    file.device = extent->line->file[0] == '/' || strchr(extent->line->file, ':') != NULL;
    if (file.path && find_file(files, file.path)) {
        free(file.path);
        return VD_OK;
    }
    if (file.path)
        r = lock_file(files, &file, tolerant, err);
    if (r < 0) {
        free(file.path);
        return r;
    }
    files->extents[files->num_extents++] = file;
    return VD_OK;
}

static int add_extents(struct vd_disk_files *files, const struct vd_report_link *link,
                       bool tolerant, struct vd_error *err)
{
    files->extents = calloc(link->num_extents + 1, sizeof *files->extents);
    if (!files->extents)
        return no_memory(err);
    for (size_t i = 0; i < link->num_extents; i++) {
        int r;

        if (link->extents[i].problem && !tolerant)
            return vd_error_set(err, VD_E_DAMAGED, "%s", link->extents[i].problem);
        r = add_file(files, &link->extents[i], i, tolerant, err);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

/* Only its name counts: a descriptor from elsewhere must not have other files moved or removed. */
static int find_change_track(struct vd_disk_files *files, struct vd_error *err)
{
    VD_FREE char *turned = NULL;
    VD_FREE char *path = NULL;
    struct vd_fs_stat status;
    int r;

    if (!files->descriptor->change_track)
        return VD_OK;
    turned = vd_path_from_windows(files->descriptor->change_track);
    path = turned ? vd_path_join(files->folder, vd_path_name(turned)) : NULL;
    if (!path)
        return no_memory(err);
    r = vd_fs_stat(files->fs, path, &status, err);
    if (r == VD_OK && status.kind == VD_FS_FILE && vd_path_has_suffix(path, "-ctk.vmdk"))
        files->change_track = VD_TAKE_PTR(path);
    return r;
}

static int fill(struct vd_disk_files *files, const struct vd_report_link *link, bool tolerant,
                struct vd_error *err)
{
    int r = vd_fs_real_path(files->fs, link->path, &files->path, err);

    if (r < 0)
        return r;
    files->embedded = link->embedded;
    files->folder = vd_path_folder(files->path);
    if (!files->folder)
        return no_memory(err);
    if (link->problem && !tolerant)
        return vd_error_set(err, VD_E_DAMAGED, "%s", link->problem);
    r = copy_descriptor(link->descriptor, files->path, &files->descriptor, err);
    if (r == VD_OK && !files->embedded)
        r = vd_fs_open(files->fs, files->path, VD_FS_WRITE, &files->descriptor_lock, err);
    if (r == VD_OK)
        r = add_extents(files, link, tolerant, err);
    if (r == VD_OK)
        r = find_change_track(files, err);
    return r;
}

int vd_disk_files_open(const char *path, const struct vd_vmdk_options *options, bool tolerant,
                       struct vd_disk_files *ret, struct vd_error *err)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *report = NULL;
    struct vd_vmdk_options single = options ? *options : (struct vd_vmdk_options){0};
    struct vd_disk_files files = {.fs = vd_ops_fs(options)};
    int r;

    single.flags |= VD_VMDK_SINGLE_LINK | VD_VMDK_READ_ONLY;
    r = vd_report_new(path, &single, false, &report, err);
    if (r < 0)
        return r;
    r = fill(&files, &report->links[0], tolerant, err);
    if (r < 0) {
        vd_disk_files_done(&files);
        return r;
    }
    *ret = files;
    return VD_OK;
}

void vd_disk_files_done(struct vd_disk_files *files)
{
    for (size_t i = 0; i < files->num_extents; i++) {
        vd_block_free(files->extents[i].block);
        free(files->extents[i].path);
    }
    free(files->extents);
    vd_block_free(files->descriptor_lock);
    vd_descriptor_free(files->descriptor);
    free(files->change_track);
    free(files->folder);
    free(files->path);
    *files = (struct vd_disk_files){0};
}

int vd_disk_files_store(const struct vd_disk_files *files, struct vd_error *err)
{
    struct vd_block *container = files->embedded ? files->extents[0].block : NULL;

    return vd_descriptor_save(files->fs, files->path, container, files->descriptor, err);
}

bool vd_disk_files_is_child(const struct vd_disk_files *files)
{
    return files->descriptor->parent_hint || vd_descriptor_has_parent(files->descriptor) ||
           vd_descriptor_is_virtualbox_child(files->descriptor);
}

struct vd_disk_file *vd_disk_files_of_line(const struct vd_disk_files *files, size_t line)
{
    const struct vd_extent_line *wanted = &files->descriptor->extents[line];

    if (!wanted->file || wanted->sectors == 0)
        return NULL;
    for (size_t i = 0; i < files->num_extents; i++) {
        const struct vd_extent_line *own = &files->descriptor->extents[files->extents[i].line];

        if (own == wanted || strcmp(own->file, wanted->file) == 0)
            return &files->extents[i];
    }
    return NULL;
}

bool vd_disk_files_has(const struct vd_disk_files *files, const struct vd_block_identity *file)
{
    for (size_t i = 0; i < files->num_extents; i++) {
        const struct vd_block *block = files->extents[i].block;

        if (block && block->identity.device == file->device && block->identity.inode == file->inode)
            return true;
    }
    return false;
}
