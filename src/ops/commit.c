/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order: the first range goes to the parent, which gives that a new content ID; the child notes it,
 * so that the chain stays open to readers; the rest follows, then a barrier. The child hides all
 * that is written below it, so the chain reads the same at every moment. Only then do other
 * descriptors change, and the child goes last.
 */
#include "ops/commit.h"

#include <string.h>

#include "base/units.h"
#include "ops/attach-int.h"
#include "ops/children.h"
#include "ops/compare.h"
#include "ops/copy-int.h"
#include "ops/disk-files.h"
#include "ops/runs.h"
#include "ops/unlink.h"

#define BUFFER_BYTES   (1u << 20)
#define BUFFER_SECTORS (BUFFER_BYTES / VD_SECTOR_BYTES)

struct committing {
    struct vd_vmdk_options options;
    const struct vd_progress *progress;
    char *parent_path;
    struct vd_disk_files files; /* of the child, locked */
    struct vd_disk *child;      /* alone */
    struct vd_disk *parent;     /* its chain, for writing */
    struct vd_runs below;       /* of the parent as it was */
    uint8_t *buffer;
    bool noted;                          /* the child has the parent's new content ID */
    bool is_in;                          /* the parent has all of the child's content already */
    struct vd_disk_files *grandchildren; /* locked; those whose parent changes */
    size_t num_grandchildren;
};

/* --- what is refused --- */

static int check_chain(struct committing *self, const char *child, struct vd_error *err)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *report = NULL;
    int r = vd_report_new(child, &self->options, false, &report, err);

    if (r < 0)
        return r;
    if (!report->complete)
        return vd_error_set(err, VD_E_PARENT_MISSING, "cannot commit '%s': %s", child,
                            report->problem);
    if (report->num_links < 2)
        return vd_error_set(err, VD_E_ATTACH_ROOT, "cannot commit '%s': it has no parent", child);
    if (report->links[1].descriptor->capacity_sectors != report->capacity_sectors)
        return vd_error_set(err, VD_E_CAPACITY_DIFFERS,
                            "cannot commit '%s': it has %ju sectors, its parent '%s' %ju", child,
                            (uintmax_t)report->capacity_sectors, report->links[1].path,
                            (uintmax_t)report->links[1].descriptor->capacity_sectors);
    self->parent_path = strdup(report->links[1].path);
    return self->parent_path ? VD_OK : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
}

static int is_same_file(const struct vd_fs *fs, const char *a, const char *b, bool *ret,
                        struct vd_error *err)
{
    struct vd_fs_stat of_a;
    struct vd_fs_stat of_b;
    int r = vd_fs_stat(fs, a, &of_a, err);

    if (r == VD_OK)
        r = vd_fs_stat(fs, b, &of_b, err);
    if (r == VD_OK)
        *ret = of_a.identity.device == of_b.identity.device &&
               of_a.identity.inode == of_b.identity.inode;
    return r;
}

/* So it is after a crash that came when other descriptors had begun to change. */
static int is_committed(struct committing *self, const char *child, struct vd_error *err)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *above = NULL;
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *below = NULL;
    struct vd_vmdk_options reading = self->options;
    struct vd_compare_result result;
    int r;

    reading.flags |= VD_VMDK_READ_ONLY;
    r = vd_vmdk_open(child, &reading, &above, err);
    if (r == VD_OK)
        r = vd_vmdk_open(self->parent_path, &reading, &below, err);
    if (r == VD_OK)
        r = vd_compare(above, below, NULL, &result, err);
    if (r == VD_OK)
        self->is_in = result.same;
    return r;
}

static int check_siblings(struct committing *self, const char *child, struct vd_error *err)
{
    struct vd_path_list children = {0};
    const struct vd_fs *fs = vd_ops_fs(&self->options);
    int r = vd_children_find(fs, self->parent_path, &children, err);

    for (size_t i = 0; r == VD_OK && i < children.count; i++) {
        bool same = false;

        r = is_same_file(fs, children.paths[i], child, &same, err);
        if (r == VD_OK && !same && !self->is_in)
            r = is_committed(self, child, err);
        if (r == VD_OK && !same && !self->is_in)
            r = vd_error_set(err, VD_E_NOT_SUPPORTED,
                             "cannot commit '%s': its parent '%s' is also that of '%s', which "
                             "would change with it",
                             child, self->parent_path, children.paths[i]);
    }
    vd_path_list_done(&children);
    return r;
}

static int lock_grandchild(struct committing *self, const char *path, struct vd_error *err)
{
    struct vd_vmdk_options forced = self->options;
    struct vd_disk_files *files = &self->grandchildren[self->num_grandchildren];
    int r = vd_disk_files_open(path, &self->options, false, files, err);

    forced.flags |= VD_VMDK_IGNORE_CID;
    if (r < 0)
        return r;
    self->num_grandchildren++;
    return vd_attach_files_check(self->parent_path, files, &forced, err);
}

/* What will join the parent in the end, so that nothing is in its way then. */
static int lock_grandchildren(struct committing *self, const char *child, struct vd_error *err)
{
    struct vd_path_list children = {0};
    int r = vd_children_find(vd_ops_fs(&self->options), child, &children, err);

    if (r == VD_OK && children.count > 0) {
        self->grandchildren = calloc(children.count, sizeof *self->grandchildren);
        if (!self->grandchildren)
            r = vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; r == VD_OK && i < children.count; i++)
        r = lock_grandchild(self, children.paths[i], err);
    if (r < 0)
        vd_error_prefix(err, "cannot commit '%s'", child);
    vd_path_list_done(&children);
    return r;
}

static int open_disks(struct committing *self, const char *child, struct vd_error *err)
{
    struct vd_vmdk_options single = self->options;
    struct vd_vmdk_options writing = self->options;
    int r = vd_disk_files_open(child, &self->options, false, &self->files, err);

    single.flags |= VD_VMDK_SINGLE_LINK | VD_VMDK_READ_ONLY;
    writing.flags &= ~(unsigned)VD_VMDK_READ_ONLY;
    self->buffer = malloc(BUFFER_BYTES);
    if (r == VD_OK && !self->buffer)
        r = vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    if (r == VD_OK)
        r = vd_vmdk_open(child, &single, &self->child, err);
    return r < 0 ? r : vd_vmdk_open(self->parent_path, &writing, &self->parent, err);
}

/* --- the content --- */

static int note_content_id(struct committing *self, struct vd_error *err)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *report = NULL;
    struct vd_vmdk_options single = self->options;
    int r = vd_disk_flush(self->parent, err);

    single.flags |= VD_VMDK_SINGLE_LINK;
    if (r == VD_OK)
        r = vd_report_new(self->parent_path, &single, false, &report, err);
    if (r < 0)
        return r;
    self->noted = true;
    if (self->files.descriptor->parent_cid == report->links[0].descriptor->cid)
        return VD_OK;
    self->files.descriptor->parent_cid = report->links[0].descriptor->cid;
    self->files.descriptor->has_parent_cid = true;
    return vd_disk_files_store(&self->files, err);
}

static int put(struct committing *self, uint64_t start, uint64_t count, struct vd_error *err)
{
    int r = vd_disk_write(self->parent, start, count, self->buffer, err);

    return r == VD_OK && !self->noted ? note_content_id(self, err) : r;
}

static int commit_run(struct committing *self, const struct vd_run *run, struct vd_error *err)
{
    uint64_t total = vd_sectors_to_bytes(vd_disk_capacity(self->child));

    for (uint64_t at = run->start_sectors; at < vd_run_end(run);) {
        uint64_t count = VD_MIN(vd_run_end(run) - at, (uint64_t)BUFFER_SECTORS);
        int r = VD_OK;

        if (run->kind == VD_RUN_ZERO)
            memset(self->buffer, 0, (size_t)vd_sectors_to_bytes(count));
        else
            r = vd_disk_read(self->child, at, count, self->buffer, err);
        if (r == VD_OK)
            r = put(self, at, count, err);
        at += count;
        if (r == VD_OK)
            r = vd_copy_report(self->progress, vd_sectors_to_bytes(at), total, err);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

/* Zeros are written only where the parent has something else. */
static int commit_zeros(struct committing *self, const struct vd_run *run, struct vd_error *err)
{
    uint64_t at = run->start_sectors;

    while (at < vd_run_end(run)) {
        struct vd_run part = *run;
        struct vd_run below;
        int r = vd_runs_at(&self->below, at, &below, err);

        if (r < 0)
            return r;
        part.start_sectors = at;
        part.length_sectors = VD_MIN(vd_run_end(&below), vd_run_end(run)) - at;
        at = vd_run_end(&part);
        if (!vd_run_is_hole(&below))
            r = commit_run(self, &part, err);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

static int commit_content(struct committing *self, struct vd_error *err)
{
    uint64_t capacity = vd_disk_capacity(self->child);
    uint64_t total = vd_sectors_to_bytes(capacity);
    struct vd_runs runs;
    struct vd_run run;
    int r;

    vd_runs_init(&runs, self->child, 0, capacity);
    vd_runs_init(&self->below, self->parent, 0, capacity);
    while ((r = vd_runs_next(&runs, &run, err)) > 0) {
        if (run.kind == VD_RUN_DATA)
            r = commit_run(self, &run, err);
        else if (run.kind == VD_RUN_ZERO)
            r = commit_zeros(self, &run, err);
        if (r < 0)
            return r;
    }
    if (r == VD_OK)
        r = vd_disk_flush(self->parent, err);
    if (r == VD_OK)
        r = vd_disk_close(VD_TAKE_PTR(self->parent), err);
    return r < 0 ? r : vd_copy_report(self->progress, total, total, err);
}

/* --- the descriptors --- */

static int join_grandchildren(struct committing *self, struct vd_error *err)
{
    struct vd_vmdk_options forced = self->options;
    int r = VD_OK;

    forced.flags |= VD_VMDK_IGNORE_CID;
    for (size_t i = 0; r == VD_OK && i < self->num_grandchildren; i++)
        r = vd_attach_files(self->parent_path, &self->grandchildren[i], &forced, err);
    return r;
}

static void release_grandchildren(struct committing *self)
{
    for (size_t i = 0; i < self->num_grandchildren; i++)
        vd_disk_files_done(&self->grandchildren[i]);
    free(self->grandchildren);
}

static void close_all(struct committing *self)
{
    if (self->parent)
        (void)vd_disk_close(self->parent, NULL); /* it failed before */
    vd_disk_free(self->child);
    self->parent = self->child = NULL;
    vd_disk_files_done(&self->files);
    free(self->buffer);
    self->buffer = NULL;
}

int vd_commit(const char *child, const struct vd_vmdk_options *options, bool keep,
              const struct vd_progress *progress, struct vd_error *err)
{
    struct committing self = {.progress = progress};
    int r;

    if (options)
        self.options = *options;
    r = check_chain(&self, child, err);
    if (r == VD_OK)
        r = check_siblings(&self, child, err);
    if (r == VD_OK && !keep)
        r = lock_grandchildren(&self, child, err);
    if (r == VD_OK)
        r = open_disks(&self, child, err);
    if (r == VD_OK)
        r = self.is_in ? VD_OK : commit_content(&self, err);
    close_all(&self);
    if (r == VD_OK && !keep)
        r = join_grandchildren(&self, err);
    release_grandchildren(&self);
    if (r == VD_OK && !keep) /* not if somebody made one more */
        r = vd_unlink(child, options, true, err);
    free(self.parent_path);
    return r;
}
