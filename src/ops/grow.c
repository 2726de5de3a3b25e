/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/grow.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "base/units.h"
#include "ops/children.h"
#include "ops/rebuild.h"
#include "ops/twin-file.h"
#include "vmdk/create.h"
#include "vmdk/descriptor-change.h"
#include "vmdk/geometry.h"
#include "vmdk/probe.h"
#include "vmdk/sparse-rewrite.h"

/* Extents of split disks, as VMware's products make them (observed in disks of Workstation): they
 * stay below 2 GiB with their metadata. */
#define SPLIT_SPARSE_SECTORS UINT64_C(4192256)
#define SPLIT_FLAT_SECTORS   UINT64_C(4193792)

struct growing {
    struct vd_rebuild rebuild;
    const struct vd_grow_params *params;
    enum vd_disk_type type;
    uint64_t old_sectors;
    uint64_t new_last_sectors; /* of the extent that was the last */
    uint64_t split_sectors;  /* of a full extent; the whole capacity where the disk is not split */
    uint64_t old_file_bytes; /* of the last extent's file, where it is flat */
    bool extended;           /* that file was */
    uint64_t there_bytes;    /* of the new disk, for progress */
    struct vd_twin_file *made; /* new extents */
    size_t num_made;
};

static int no_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
}

static bool is_split(const struct growing *self)
{
    return self->type == VD_DISK_SPLIT_SPARSE || self->type == VD_DISK_SPLIT_FLAT;
}

static bool is_flat(const struct growing *self)
{
    return self->type != VD_DISK_SPLIT_SPARSE && self->type != VD_DISK_MONOLITHIC_SPARSE &&
           self->type != VD_DISK_VMFS_SPARSE && self->type != VD_DISK_SE_SPARSE;
}

static struct vd_descriptor *descriptor_of(const struct growing *self)
{
    return self->rebuild.files.descriptor;
}

static struct vd_extent_line *last_line(const struct growing *self)
{
    struct vd_descriptor *descriptor = descriptor_of(self);

    return &descriptor->extents[descriptor->num_extents - 1];
}

static struct vd_block *last_block(const struct growing *self)
{
    return self->rebuild.files.extents[self->rebuild.files.num_extents - 1].block;
}

/* --- what can be grown --- */

static int check_raw_lines(const struct growing *self, struct vd_error *err)
{
    const struct vd_descriptor *descriptor = descriptor_of(self);

    for (size_t i = 0; i < descriptor->num_extents; i++) {
        const struct vd_extent_line *line = &descriptor->extents[i];
        const struct vd_disk_file *file = vd_disk_files_of_line(&self->rebuild.files, i);

        if (!vd_extent_type_is_raw(line->type) || line->type == VD_EXTENT_VMFSRDM ||
            line->type == VD_EXTENT_VMFSRAW || line->offset_sectors != 0 || !file || !file->block)
            return vd_error_set(err, VD_E_NOT_SUPPORTED,
                                "cannot grow '%s': extent %zu is not a flat file of its own",
                                self->rebuild.files.path, i);
    }
    return VD_OK;
}

static int check_lines(const struct growing *self, struct vd_error *err)
{
    const struct vd_descriptor *descriptor = descriptor_of(self);

    switch (self->type) {
    case VD_DISK_MONOLITHIC_SPARSE:
    case VD_DISK_MONOLITHIC_FLAT:
    case VD_DISK_VMFS_FLAT:
    case VD_DISK_VMFS_THIN:
        if (descriptor->num_extents != 1)
            return vd_error_set(err, VD_E_NOT_SUPPORTED,
                                "cannot grow '%s': it has %zu extents, expected 1 in a disk of "
                                "type %s",
                                self->rebuild.files.path, descriptor->num_extents,
                                descriptor->create_type);
        break;
    case VD_DISK_SPLIT_SPARSE:
    case VD_DISK_SPLIT_FLAT:
    case VD_DISK_VMFS_SPARSE:
    case VD_DISK_SE_SPARSE:
        if (descriptor->num_extents != self->rebuild.link->num_extents ||
            descriptor->num_extents != self->rebuild.files.num_extents)
            return vd_error_set(err, VD_E_NOT_SUPPORTED,
                                "cannot grow '%s': not every extent has a file of its own",
                                self->rebuild.files.path);
        break;
    default:
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "cannot grow '%s': disks of type '%s' cannot be grown",
                            self->rebuild.files.path, descriptor->create_type);
    }
    return is_flat(self) ? check_raw_lines(self, err)
                         : vd_rebuild_check(&self->rebuild, "cannot grow", err);
}

static int check(const struct growing *self, struct vd_error *err)
{
    const struct vd_disk_files *files = &self->rebuild.files;
    uint64_t most = vd_vmdk_max_sectors(self->type);

    if (vd_disk_files_is_child(files))
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "cannot grow '%s': it is a child, and every link of a chain has one "
                            "capacity",
                            files->path);
    if (self->params->capacity_sectors <= self->old_sectors)
        return vd_error_set(
            err, VD_E_INVALID_ARG, "cannot grow '%s' to %ju sectors: it has %ju already",
            files->path, (uintmax_t)self->params->capacity_sectors, (uintmax_t)self->old_sectors);
    if (self->params->capacity_sectors > most)
        return vd_error_set(err, VD_E_TOO_BIG,
                            "cannot grow '%s' to %ju sectors: a disk of type '%s' has at most %ju",
                            files->path, (uintmax_t)self->params->capacity_sectors,
                            descriptor_of(self)->create_type, (uintmax_t)most);
    return check_lines(self, err);
}

/* --- the plan, made on the model --- */

static char *new_extent_name(const struct growing *self)
{
    const char *name = vd_path_name(self->rebuild.files.path);
    size_t length = strlen(name);
    char *made;

    if (vd_path_has_suffix(name, ".vmdk"))
        length -= strlen(".vmdk");
    if (asprintf(&made, "%.*s-%c%03zu.vmdk", (int)length, name, is_flat(self) ? 'f' : 's',
                 descriptor_of(self)->num_extents + 1) < 0)
        return NULL;
    return made;
}

/* Is the file with a twin, locked, in use all the same? */
static int is_used(const struct growing *self, struct vd_block *block, const char *path, bool *ret,
                   struct vd_error *err)
{
    const struct vd_disk_files *files = &self->rebuild.files;
    enum vd_file_kind kind;
    int r = vd_probe_block(block, &kind, err);

    if (r == VD_OK && kind != VD_FILE_DESCRIPTOR)
        return vd_children_name_file(files->fs, files->path, path, ret, err);
    if (r == VD_OK)
        *ret = true;
    return r;
}

/* What has the name of a new extent may go where a growth that a crash ended made it: it has a twin
 * then, and no disk names it or works with it. */
static int clear_name(const struct growing *self, const char *path, struct vd_error *err)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    const struct vd_disk_files *files = &self->rebuild.files;
    VD_FREE char *twin = NULL;
    struct vd_fs_stat status;
    bool used = true;
    int r = vd_fs_stat(files->fs, path, &status, err);

    if (r < 0 || status.kind == VD_FS_NOTHING)
        return r;
    if (!vd_disk_files_has(files, &status.identity))
        r = vd_twin_file_find(files->fs, files->folder, path, &twin, err);
    if (r == VD_OK && twin)
        r = vd_fs_open(files->fs, path, VD_FS_WRITE, &block, err);
    if (r == VD_OK && twin)
        r = is_used(self, block, path, &used, err);
    if (r < 0)
        return r;
    if (used)
        return vd_error_set(err, VD_E_EXISTS,
                            "cannot grow '%s': its next extent has the name of a file that is "
                            "there, '%s'",
                            files->path, path);
    return vd_twin_file_remove(files->fs, files->folder, path, twin, err);
}

static int plan_extent(struct growing *self, uint64_t sectors, struct vd_error *err)
{
    struct vd_descriptor *descriptor = descriptor_of(self);
    struct vd_extent_line like = descriptor->extents[0];
    VD_FREE char *name = new_extent_name(self);
    VD_FREE char *path = name ? vd_path_join(self->rebuild.files.folder, name) : NULL;
    int r = path ? clear_name(self, path, err) : no_memory(err);

    return r < 0 ? r : vd_descriptor_append_like(descriptor, &like, name, sectors, err);
}

static int plan_extents(struct growing *self, struct vd_error *err)
{
    struct vd_descriptor *descriptor = descriptor_of(self);
    uint64_t missing = self->params->capacity_sectors - self->old_sectors;
    struct vd_extent_line *last = last_line(self);
    uint64_t room = self->split_sectors > last->sectors ? self->split_sectors - last->sectors : 0;
    int r = VD_OK;

    self->new_last_sectors = last->sectors + VD_MIN(room, missing);
    missing -= self->new_last_sectors - last->sectors;
    descriptor->capacity_sectors += self->new_last_sectors - last->sectors;
    last->sectors = self->new_last_sectors;
    while (r == VD_OK && missing > 0) {
        uint64_t sectors = VD_MIN(missing, self->split_sectors);

        r = plan_extent(self, sectors, err);
        missing -= sectors;
    }
    return r;
}

static int plan(struct growing *self, struct vd_error *err)
{
    struct vd_descriptor *descriptor = descriptor_of(self);
    enum vd_adapter adapter = vd_descriptor_adapter(vd_descriptor_ddb(descriptor, "adapterType"));
    int r;

    self->split_sectors = self->params->capacity_sectors;
    if (is_split(self) && descriptor->num_extents > 1)
        self->split_sectors = descriptor->extents[0].sectors;
    else if (is_split(self))
        self->split_sectors = is_flat(self) ? SPLIT_FLAT_SECTORS : SPLIT_SPARSE_SECTORS;
    r = plan_extents(self, err);
    if (self->params->update_geometry)
        self->rebuild.geometry = vd_geometry_for(self->params->capacity_sectors, adapter);
    if (r == VD_OK && self->params->update_geometry)
        r = vd_descriptor_set_geometry(descriptor, self->rebuild.geometry, err);
    if (r == VD_OK)
        r = vd_descriptor_set_change_track(descriptor, NULL, err);
    return r < 0 ? r : vd_descriptor_new_content_id(descriptor, err);
}

/* --- carrying it out --- */

static bool is_thin(const struct growing *self)
{
    const char *thin = vd_descriptor_ddb(descriptor_of(self), "thinProvisioned");

    return self->type == VD_DISK_VMFS_THIN || (thin && strcmp(thin, "1") == 0);
}

/* One file's part of the progress; what is told is how much of the new disk is there. */
static bool report_part(void *data, uint64_t done, uint64_t total)
{
    const struct growing *self = data;

    (void)total; /* of this part */
    return vd_progress_report(self->rebuild.progress, self->there_bytes + done,
                              vd_sectors_to_bytes(self->params->capacity_sectors));
}

/* [from, to) of a flat file: zeros, with space unless the disk is thin. */
static int provide(struct growing *self, struct vd_block *block, uint64_t from_bytes,
                   uint64_t to_bytes, struct vd_error *err)
{
    struct vd_progress part = {report_part, self};
    uint64_t size_bytes;
    int r = VD_OK;

    if (to_bytes > from_bytes && !is_thin(self)) {
        r = vd_block_allocate(block, from_bytes, to_bytes - from_bytes, &part, err);
        self->there_bytes += to_bytes - from_bytes;
        return r;
    }
    r = vd_block_size(block, &size_bytes, err);
    if (r == VD_OK && size_bytes > from_bytes) /* what lay past the end of the disk */
        r = vd_block_punch(block, from_bytes, size_bytes - from_bytes, err);
    if (r == VD_OK && size_bytes < to_bytes)
        r = vd_block_resize(block, to_bytes, err);
    return r;
}

static int extend_last(struct growing *self, uint64_t old_last_sectors, struct vd_error *err)
{
    struct vd_block *block = last_block(self);
    int r = vd_block_size(block, &self->old_file_bytes, err);

    if (r < 0)
        return r;
    self->extended = true;
    r = provide(self, block, vd_sectors_to_bytes(old_last_sectors),
                vd_sectors_to_bytes(self->new_last_sectors), err);
    return r < 0 ? r : vd_block_flush(block, err);
}

static int fill_new(struct growing *self, struct vd_block *block, uint64_t sectors,
                    struct vd_error *err)
{
    const struct vd_sparse_rewrite empty = {
        .from = self->rebuild.link->extents[0].extent, .empty = true, .capacity_sectors = sectors};
    int r;

    if (is_flat(self)) {
        r = provide(self, block, 0, vd_sectors_to_bytes(sectors), err);
        return r < 0 ? r : vd_block_flush(block, err);
    }
    return vd_sparse_rewrite(&empty, block, err);
}

static int make_extent(struct growing *self, const struct vd_extent_line *line,
                       struct vd_error *err)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    const struct vd_disk_files *files = &self->rebuild.files;
    struct vd_twin_file *made = &self->made[self->num_made++];
    char *path = vd_path_join(files->folder, line->file);
    struct vd_fs_stat status;
    int r = path ? vd_fs_stat(files->fs, files->extents[0].path, &status, err) : no_memory(err);

    made->path = path;
    if (r == VD_OK)
        r = vd_twin_file_create(files->fs, files->folder, path, &status.access, made, &block, err);
    if (r == VD_OK)
        r = fill_new(self, block, line->sectors, err);
    if (r == VD_OK)
        r = vd_block_close(VD_TAKE_PTR(block), err);
    return r < 0 ? r : vd_twin_file_name(files->fs, made, err);
}

static int make_extents(struct growing *self, size_t old_count, struct vd_error *err)
{
    const struct vd_descriptor *descriptor = descriptor_of(self);
    int r = VD_OK;

    self->made = calloc(descriptor->num_extents, sizeof *self->made);
    if (!self->made)
        return no_memory(err);
    for (size_t i = old_count; r == VD_OK && i < descriptor->num_extents; i++)
        r = make_extent(self, &descriptor->extents[i], err);
    if (r == VD_OK && self->num_made > 0)
        r = vd_fs_sync_folder(self->rebuild.files.fs, self->rebuild.files.folder, err);
    return r;
}

/* Only while the descriptor on disk is known to be the old one. */
static void take_back(struct growing *self)
{
    if (self->extended) /* a longer file than needed would do no harm */
        VD_DISCARD(vd_block_resize(last_block(self), self->old_file_bytes, NULL));
    for (size_t i = 0; i < self->num_made; i++)
        vd_twin_file_undo(self->rebuild.files.fs, self->rebuild.files.folder, &self->made[i]);
}

/* Their second names have told whose they are, for as long as no descriptor did. The disk has grown
 * whether they go or not, and what stays goes when it grows again. */
static void settle(struct growing *self)
{
    const struct vd_disk_files *files = &self->rebuild.files;

    for (size_t i = 0; i < self->num_made; i++)
        VD_DISCARD(vd_twin_file_settle(files->fs, &self->made[i], NULL));
    if (self->num_made > 0)
        VD_DISCARD(vd_fs_sync_folder(files->fs, files->folder, NULL));
}

/* A descriptor that could not be stored durably may have been stored all the same. */
static bool is_still_old(const struct growing *self)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *report = NULL;
    struct vd_vmdk_options options = {.fs = self->rebuild.files.fs,
                                      .flags = VD_VMDK_SINGLE_LINK | VD_VMDK_READ_ONLY};
    int r = vd_report_new(self->rebuild.files.path, &options, false, &report, NULL);

    return r == VD_OK && report->capacity_sectors == self->old_sectors;
}

static int grow_parts(struct growing *self, struct vd_error *err)
{
    size_t old_count = self->rebuild.link->num_extents;
    uint64_t old_last = self->rebuild.link->extents[old_count - 1].extent->capacity_sectors;
    int r = VD_OK;

    /* A single sparse file carries its new descriptor with it: that is all. */
    if (self->rebuild.files.embedded)
        return vd_rebuild_extent(&self->rebuild, 0, self->params->capacity_sectors, false, err);
    if (is_flat(self))
        r = extend_last(self, old_last, err);
    else if (self->new_last_sectors > old_last)
        r = vd_rebuild_extent(&self->rebuild, old_count - 1, self->new_last_sectors, false, err);
    if (r == VD_OK)
        r = make_extents(self, old_count, err);
    if (r < 0) {
        take_back(self);
        return r;
    }
    r = vd_disk_files_store(&self->rebuild.files, err);
    if (r < 0 && is_still_old(self))
        take_back(self);
    if (r == VD_OK)
        settle(self);
    return r;
}

static int grow(struct growing *self, struct vd_error *err)
{
    int r;

    self->type = vd_descriptor_disk_type(descriptor_of(self));
    self->old_sectors = descriptor_of(self)->capacity_sectors;
    self->there_bytes = vd_sectors_to_bytes(self->old_sectors);
    r = check(self, err);
    if (r == VD_OK)
        r = vd_children_refuse(self->rebuild.files.fs, self->rebuild.files.path, "cannot grow",
                               err);
    if (r == VD_OK)
        r = vd_twin_file_drop(&self->rebuild.files, err);
    if (r == VD_OK)
        r = plan(self, err);
    if (r == VD_OK)
        r = grow_parts(self, err);
    /* What is left of it says nothing about the grown disk. */
    if (r == VD_OK && self->rebuild.files.change_track)
        r = vd_fs_unlink(self->rebuild.files.fs, self->rebuild.files.change_track, err);
    return r;
}

int vd_grow(const char *path, const struct vd_vmdk_options *options,
            const struct vd_grow_params *params, const struct vd_progress *progress,
            struct vd_error *err)
{
    struct growing self = {.params = params};
    int r = vd_rebuild_open(path, options, progress, &self.rebuild, err);

    if (r == VD_OK)
        r = grow(&self, err);
    for (size_t i = 0; i < self.num_made; i++)
        vd_twin_file_done(&self.made[i]);
    free(self.made);
    vd_rebuild_done(&self.rebuild);
    if (r == VD_OK) {
        uint64_t total_bytes = vd_sectors_to_bytes(params->capacity_sectors);

        (void)vd_progress_report(progress, total_bytes, total_bytes); /* too late to stop */
    }
    return r;
}
