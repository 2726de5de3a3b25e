/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rebase.h"

#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "ops/attach-int.h"
#include "ops/attach.h"
#include "ops/copy-int.h"
#include "ops/runs.h"
#include "vmdk/descriptor-change.h"

#define BUFFER_BYTES   (1u << 20)
#define BUFFER_SECTORS (BUFFER_BYTES / VD_SECTOR_BYTES)
/* What differs is copied in pieces of a hosted grain. */
#define PIECE_SECTORS 128u

static const char content_id_key[] = "longContentID";
/* What a base disk states and a child may leave to its parents. */
static const char *const inherited_keys[] = {
    "adapterType", "virtualHWVersion", "geometry.cylinders", "geometry.heads", "geometry.sectors"};

struct rebasing {
    const char *path;
    const char *parent_path; /* NULL: none */
    struct vd_vmdk_options options;
    const struct vd_progress *progress;
    struct vd_disk *child;      /* with its present chain, for writing */
    struct vd_disk *parent;     /* the new one; NULL: none */
    struct vd_runs parent_runs; /* of that */
    uint32_t parent_cid;        /* of that before it was read */
    struct vd_report *before;   /* of the child alone, before the first write */
    bool written;
    uint32_t written_cid; /* what the child has since */
    uint8_t *buffer;      /* twice BUFFER_BYTES */
};

/* --- what is refused --- */

static int load_child(const struct rebasing *self, struct vd_report **ret, struct vd_error *err)
{
    struct vd_vmdk_options single = self->options;

    single.flags |= VD_VMDK_SINGLE_LINK;
    return vd_report_new(self->path, &single, false, ret, err);
}

static const struct vd_descriptor *original(const struct rebasing *self)
{
    return self->before->links[0].descriptor;
}

static int check_child(struct rebasing *self, struct vd_error *err)
{
    int r = load_child(self, &self->before, err);

    if (r < 0 || vd_descriptor_has_parent(original(self)))
        return r;
    return vd_error_set(err, VD_E_ATTACH_ROOT, "cannot rebase '%s': it is a base disk, not a child",
                        self->path);
}

static int check_parent(struct rebasing *self, struct vd_error *err)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *report = NULL;
    struct vd_vmdk_options forced = self->options;
    int r;

    forced.flags |= VD_VMDK_IGNORE_CID; /* another parent has another content */
    r = vd_attach_check(self->parent_path, self->path, &forced, err);
    if (r == VD_OK)
        r = vd_attach_look_at(self->parent_path, &self->options, &report, err);
    if (r == VD_OK)
        self->parent_cid = report->links[0].descriptor->cid;
    return r;
}

static int open_disks(struct rebasing *self, struct vd_error *err)
{
    struct vd_vmdk_options writing = self->options;
    struct vd_vmdk_options reading = self->options;
    int r = vd_vmdk_open(self->path, &writing, &self->child, err);

    reading.flags |= VD_VMDK_READ_ONLY;
    if (r == VD_OK && self->parent_path)
        r = vd_vmdk_open(self->parent_path, &reading, &self->parent, err);
    self->buffer = malloc((size_t)2 * BUFFER_BYTES);
    if (r == VD_OK && !self->buffer)
        r = vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    if (r == VD_OK && self->parent)
        vd_runs_init(&self->parent_runs, self->parent, 0, vd_disk_capacity(self->parent));
    return r;
}

/* --- the content --- */

static int read_or_zero(struct vd_disk *disk, uint64_t start, uint64_t count, uint8_t *buffer,
                        struct vd_error *err)
{
    if (disk)
        return vd_disk_read(disk, start, count, buffer, err);
    memset(buffer, 0, (size_t)vd_sectors_to_bytes(count));
    return VD_OK;
}

static int write_child(struct rebasing *self, uint64_t start, uint64_t count, const uint8_t *bytes,
                       struct vd_error *err)
{
    self->written = true;
    return vd_disk_write(self->child, start, count, bytes, err);
}

/* Writes the pieces of `old` that `now` has otherwise, as long stretches. */
static int write_differing(struct rebasing *self, uint64_t start, uint64_t count,
                           const uint8_t *old, const uint8_t *now, struct vd_error *err)
{
    uint64_t from = 0;

    for (uint64_t at = 0; at < count;) {
        uint64_t length = VD_MIN(PIECE_SECTORS - (start + at) % PIECE_SECTORS, count - at);
        size_t offset = (size_t)vd_sectors_to_bytes(at);
        bool same = memcmp(old + offset, now + offset, (size_t)vd_sectors_to_bytes(length)) == 0;
        int r = VD_OK;

        if (same && from < at)
            r = write_child(self, start + from, at - from, old + vd_sectors_to_bytes(from), err);
        if (r < 0)
            return r;
        at += length;
        if (same)
            from = at;
    }
    return from == count ? VD_OK
                         : write_child(self, start + from, count - from,
                                       old + vd_sectors_to_bytes(from), err);
}

/* A range that the child does not hold itself, on either side all hole or not. */
static int compare_range(struct rebasing *self, uint64_t start, uint64_t end, bool old_hole,
                         bool new_hole, struct vd_error *err)
{
    uint8_t *old = self->buffer;
    uint8_t *now = self->buffer + BUFFER_BYTES;

    while (start < end) {
        uint64_t room = BUFFER_SECTORS - start % BUFFER_SECTORS;
        uint64_t count = VD_MIN(room, end - start);
        int r = read_or_zero(old_hole ? NULL : self->child, start, count, old, err);

        if (r == VD_OK)
            r = read_or_zero(new_hole ? NULL : self->parent, start, count, now, err);
        if (r == VD_OK)
            r = write_differing(self, start, count, old, now, err);
        start += count;
        if (r == VD_OK)
            r = vd_copy_report(self->progress, vd_sectors_to_bytes(start),
                               vd_sectors_to_bytes(vd_disk_capacity(self->child)), err);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

/* A run of the present parents, part by part as the new one is data or hole. */
static int take_over(struct rebasing *self, const struct vd_run *run, struct vd_error *err)
{
    bool old_hole = vd_run_is_hole(run);
    uint64_t at = run->start_sectors;

    while (at < vd_run_end(run)) {
        struct vd_run now = {.kind = VD_RUN_ABSENT, .length_sectors = UINT64_MAX};
        uint64_t end;
        int r = self->parent ? vd_runs_at(&self->parent_runs, at, &now, err) : VD_OK;

        if (r < 0)
            return r;
        end = VD_MIN(vd_run_end(&now), vd_run_end(run));
        if (!old_hole || !vd_run_is_hole(&now))
            r = compare_range(self, at, end, old_hole, vd_run_is_hole(&now), err);
        if (r < 0)
            return r;
        at = end;
    }
    return VD_OK;
}

static bool is_own(const struct vd_run *run)
{
    return run->kind != VD_RUN_ABSENT && run->link == 0;
}

static int copy_content(struct rebasing *self, struct vd_error *err)
{
    uint64_t capacity = vd_disk_capacity(self->child);
    struct vd_runs runs;
    struct vd_run run;
    int r;

    vd_runs_init(&runs, self->child, 0, capacity);
    while ((r = vd_runs_next(&runs, &run, err)) > 0) {
        r = is_own(&run) ? VD_OK : take_over(self, &run, err);
        if (r < 0)
            return r;
    }
    if (r == VD_OK)
        r = vd_disk_flush(self->child, err);
    return r < 0 ? r
                 : vd_copy_report(self->progress, vd_sectors_to_bytes(capacity),
                                  vd_sectors_to_bytes(capacity), err);
}

/* --- the descriptor --- */

static int note_written_cid(struct rebasing *self, struct vd_error *err)
{
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *report = NULL;
    int r = self->written ? load_child(self, &report, err) : VD_OK;

    if (report)
        self->written_cid = report->links[0].descriptor->cid;
    return r;
}

/* The content is what it was, so its ID may be too, unless somebody wrote meanwhile. */
static int restore_content_id(const struct rebasing *self, struct vd_descriptor *descriptor,
                              struct vd_error *err)
{
    const char *before = vd_descriptor_ddb(original(self), content_id_key);

    if (!self->written || descriptor->cid != self->written_cid)
        return VD_OK;
    descriptor->cid = original(self)->cid;
    return vd_descriptor_set_ddb(descriptor, content_id_key, before, err);
}

struct inherited {
    char *values[VD_ARRAY_SIZE(inherited_keys)];
};

static void inherited_done(struct inherited *inherited)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(inherited_keys); i++)
        free(inherited->values[i]);
}

/* While the parents are still open. */
static int inherit(const struct rebasing *self, struct inherited *ret, struct vd_error *err)
{
    if (self->parent_path)
        return VD_OK;
    for (size_t i = 0; i < VD_ARRAY_SIZE(inherited_keys); i++) {
        const char *value = vd_disk_meta_get(self->child, inherited_keys[i]);

        if (!value || vd_descriptor_ddb(original(self), inherited_keys[i]))
            continue;
        ret->values[i] = strdup(value);
        if (!ret->values[i])
            return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    }
    return VD_OK;
}

static int describe_base(struct vd_descriptor *descriptor, const struct inherited *inherited,
                         struct vd_error *err)
{
    int r = vd_descriptor_set_parent_hint(descriptor, NULL, err);

    for (size_t i = 0; r == VD_OK && i < VD_ARRAY_SIZE(inherited_keys); i++) {
        if (inherited->values[i])
            r = vd_descriptor_set_ddb(descriptor, inherited_keys[i], inherited->values[i], err);
    }
    descriptor->parent_cid = VD_CID_NONE;
    descriptor->has_parent_cid = true;
    return r;
}

static int describe(const struct rebasing *self, const struct inherited *inherited,
                    struct vd_error *err)
{
    struct vd_disk_files files = {0};
    int r = vd_disk_files_open(self->path, &self->options, false, &files, err);

    if (r == VD_OK)
        r = restore_content_id(self, files.descriptor, err);
    if (r == VD_OK)
        r = self->parent_path ? vd_attach_describe(&files, self->parent_path, self->parent_cid, err)
                              : describe_base(files.descriptor, inherited, err);
    if (r == VD_OK)
        r = vd_disk_files_store(&files, err);
    vd_disk_files_done(&files);
    return r;
}

/* --- all --- */

static int prepare(struct rebasing *self, struct vd_error *err)
{
    int r = check_child(self, err);

    if (r == VD_OK && self->parent_path)
        r = check_parent(self, err);
    return r < 0 ? r : open_disks(self, err);
}

static void rebasing_done(struct rebasing *self)
{
    if (self->child)
        (void)vd_disk_close(self->child, NULL); /* it failed before */
    vd_disk_free(self->parent);
    vd_report_free(self->before);
    free(self->buffer);
}

int vd_rebase(const char *child, const char *parent, const struct vd_vmdk_options *options,
              const struct vd_progress *progress, struct vd_error *err)
{
    struct rebasing self = {.path = child, .parent_path = parent, .progress = progress};
    struct inherited inherited = {0};
    int r;

    if (options)
        self.options = *options;
    self.options.flags &= ~(unsigned)(VD_VMDK_SINGLE_LINK | VD_VMDK_READ_ONLY);
    r = prepare(&self, err);
    if (r == VD_OK)
        r = copy_content(&self, err);
    if (r == VD_OK)
        r = note_written_cid(&self, err);
    if (r == VD_OK)
        r = inherit(&self, &inherited, err);
    if (r == VD_OK)
        r = vd_disk_close(VD_TAKE_PTR(self.child), err);
    if (r == VD_OK)
        r = describe(&self, &inherited, err);
    rebasing_done(&self);
    inherited_done(&inherited);
    return r;
}
