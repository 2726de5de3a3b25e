/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "open-disks.h"
#include "ops/attach.h"
#include "ops/children.h"
#include "ops/commit.h"
#include "ops/unlink.h"
#include "vmdk/create.h"
#include "workload.h"

/* Children of one disk at a time. */
#define NUMBER_MAX 999999u
/* vmfsSparse links hold no more. */
#define VMFS_SPARSE_MAX_BYTES (UINT64_C(2) << 40)

static int out_of_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
}

struct sim_snapshot *sim_snapshot_find(struct sim *sim, struct sim_vm *vm, const char *id)
{
    struct sim_snapshot *found = NULL;

    pthread_mutex_lock(&sim->lock);
    for (struct sim_snapshot *s = vm->snapshots; s && !found; s = s->next) {
        if (!s->gone && strcmp(s->id, id) == 0)
            found = s;
    }
    pthread_mutex_unlock(&sim->lock);
    return found;
}

static char *leaf_of(struct sim *sim, const struct sim_disk *disk)
{
    pthread_mutex_lock(&sim->lock);
    char *leaf = strdup(disk->leaf);
    pthread_mutex_unlock(&sim->lock);
    return leaf;
}

/* Takes `leaf`. */
static void set_leaf(struct sim *sim, struct sim_disk *disk, char *leaf)
{
    pthread_mutex_lock(&sim->lock);
    free(disk->leaf);
    disk->leaf = leaf;
    pthread_mutex_unlock(&sim->lock);
}

/* "disk.vmdk" or "disk-000003.vmdk" -> the first free "disk-00000N.vmdk". */
static int child_name(const char *parent, char **ret, struct vd_error *err)
{
    size_t length = strlen(parent) - (vd_path_has_suffix(parent, ".vmdk") ? 5 : 0);

    if (length > 7 && parent[length - 7] == '-' && strspn(parent + length - 6, "0123456789") >= 6)
        length -= 7;
    for (unsigned number = 1; number <= NUMBER_MAX; number++) {
        VD_FREE char *name = NULL;
        if (asprintf(&name, "%.*s-%06u.vmdk", (int)length, parent, number) < 0)
            return out_of_memory(err);
        if (access(name, F_OK) != 0) {
            *ret = VD_TAKE_PTR(name);
            return VD_OK;
        }
    }
    return vd_error_set(err, VD_E_EXISTS, "'%s' has too many children", parent);
}

static enum vd_disk_type child_type(const char *parent, uint64_t capacity_bytes)
{
    struct vd_vmdk_options options = {.flags = VD_VMDK_READ_ONLY | VD_VMDK_SINGLE_LINK};
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_disk_info info = {0};

    if (vd_vmdk_open(parent, &options, &disk, NULL) == VD_OK)
        vd_disk_info(disk, &info);
    switch (info.type) {
    case VD_DISK_VMFS_FLAT:
    case VD_DISK_VMFS_THIN:
    case VD_DISK_VMFS_SPARSE:
        return capacity_bytes > VMFS_SPARSE_MAX_BYTES ? VD_DISK_SE_SPARSE : VD_DISK_VMFS_SPARSE;
    case VD_DISK_SE_SPARSE:
        return VD_DISK_SE_SPARSE;
    default:
        return VD_DISK_MONOLITHIC_SPARSE;
    }
}

static int make_child(const struct sim_disk *disk, const char *parent, char **ret,
                      struct vd_error *err)
{
    VD_FREE char *path = NULL;
    int r = child_name(parent, &path, err);
    struct vd_vmdk_create_params params = {
        .type = child_type(parent, disk->capacity_bytes),
        .parent_path = parent,
    };

    if (r == VD_OK)
        r = vd_vmdk_create(path, &params, NULL, NULL, err);
    if (r == VD_OK)
        *ret = VD_TAKE_PTR(path);
    return r;
}

/* --- stopping and going on --- */

/* The machine's writes rest, and what it wrote is in its files. */
static int stun(struct sim_disk *disk, struct vd_error *err)
{
    pthread_mutex_lock(&disk->live_lock);
    return vd_disk_close(VD_TAKE_PTR(disk->live), err);
}

/* Opens what the workload writes to, where it runs. */
static int go_on(struct sim *sim, struct sim_vm *vm, struct sim_disk *disk, struct vd_error *err)
{
    int r = VD_OK;

    if (atomic_load(&vm->workload_runs)) {
        VD_FREE char *leaf = leaf_of(sim, disk);
        r = leaf ? vd_vmdk_open(leaf, NULL, &disk->live, err) : out_of_memory(err);
    }
    pthread_mutex_unlock(&disk->live_lock);
    return r;
}

/* --- create --- */

static bool is_taken(const struct sim_disk *disk)
{
    return !disk->detached && strncmp(disk->mode, "independent", strlen("independent")) != 0;
}

/* One disk, its writes at rest. */
static int freeze(struct sim *sim, struct sim_disk *disk, struct sim_frozen *frozen,
                  struct vd_error *err)
{
    VD_FREE char *child = NULL;
    VD_FREE char *leaf = leaf_of(sim, disk);
    int r = leaf ? VD_OK : out_of_memory(err);

    if (r == VD_OK && sim_open_is_used(sim, leaf, true))
        r = vd_error_set(err, VD_E_LOCKED, "a client writes to '%s'", leaf);
    if (r == VD_OK)
        r = make_child(disk, leaf, &child, err);
    if (r == VD_OK)
        r = sim_tracker_settle(&disk->tracker, false, err);
    if (r == VD_OK)
        r = sim_tracker_freeze(&disk->tracker, frozen->change_id, &frozen->epochs, err);
    if (r < 0) {
        if (child)
            VD_DISCARD(vd_unlink(child, NULL, false, NULL)); /* the first error counts */
        return r;
    }
    frozen->disk = disk;
    frozen->writes = disk->writes;
    frozen->path = VD_TAKE_PTR(leaf);
    set_leaf(sim, disk, VD_TAKE_PTR(child));
    return VD_OK;
}

static void snapshot_free(struct sim_snapshot *snapshot)
{
    free(snapshot->frozen);
    free(snapshot->id);
    free(snapshot);
}

/* Back to the frozen links, while nothing is written. */
static void thaw(struct sim *sim, struct sim_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        struct sim_frozen *frozen = &snapshot->frozen[i];
        VD_FREE char *child = leaf_of(sim, frozen->disk);
        if (child)
            VD_DISCARD(vd_unlink(child, NULL, false, NULL)); /* nobody knows of it */
        set_leaf(sim, frozen->disk, VD_TAKE_PTR(frozen->path));
        sim_epochs_free(frozen->epochs);
    }
    snapshot->count = 0;
}

/* All disks rest at the same moment. */
static int freeze_all(struct sim *sim, struct sim_vm *vm, struct sim_snapshot *snapshot,
                      struct vd_error *err)
{
    int r = VD_OK;

    for (size_t i = 0; i < vm->count; i++) {
        int stopped = stun(vm->disks[i], err);
        r = r < 0 ? r : stopped;
    }
    for (size_t i = 0; i < vm->count && r == VD_OK; i++) {
        if (!is_taken(vm->disks[i]))
            continue;
        r = freeze(sim, vm->disks[i], &snapshot->frozen[snapshot->count], err);
        snapshot->count += r == VD_OK;
    }
    if (r < 0)
        thaw(sim, snapshot);
    for (size_t i = 0; i < vm->count; i++) {
        struct vd_error why = VD_ERROR_INIT;
        if (go_on(sim, vm, vm->disks[i], &why) < 0) /* the snapshot is made; the workload ended */
            sim_say(sim, "workload of '%s': %s", vm->name, why.text);
    }
    return r;
}

int sim_snapshot_create(struct sim *sim, struct sim_vm *vm, const char *id,
                        struct sim_snapshot **ret, struct vd_error *err)
{
    struct sim_snapshot *snapshot = calloc(1, sizeof *snapshot);
    int r = VD_OK;

    if (!snapshot)
        return out_of_memory(err);
    pthread_mutex_lock(&vm->operation);
    snapshot->id = strdup(id);
    snapshot->frozen = calloc(vm->count + 1, sizeof *snapshot->frozen);
    if (!snapshot->id || !snapshot->frozen)
        r = out_of_memory(err);
    if (r == VD_OK)
        r = freeze_all(sim, vm, snapshot, err);
    if (r == VD_OK) {
        pthread_mutex_lock(&sim->lock);
        snapshot->next = vm->snapshots;
        vm->snapshots = snapshot;
        pthread_mutex_unlock(&sim->lock);
        *ret = snapshot;
    } else {
        snapshot_free(snapshot);
    }
    pthread_mutex_unlock(&vm->operation);
    return r;
}

/* --- remove --- */

struct removal {
    struct sim *sim;
    struct sim_vm *vm;
    struct sim_disk *disk;
    const char *link; /* frozen by the snapshot; stays */
    char *child;      /* the one whose data goes into it */
    char *helper;     /* where the machine writes meanwhile; NULL: it does not */
    bool was_leaf;    /* the child is where the machine writes */
};

static bool is_free(const struct removal *self, struct vd_error *err)
{
    const char *links[] = {self->link, self->child};

    for (size_t i = 0; i < 2; i++) {
        if (sim_open_is_used(self->sim, links[i], false)) {
            (void)vd_error_set(err, VD_E_LOCKED, "a client has '%s' open", links[i]);
            return false;
        }
    }
    return true;
}

/* A running machine writes into one more child while its last one is committed. */
static int divert(struct removal *self, struct vd_error *err)
{
    int r = stun(self->disk, err);

    if (r == VD_OK)
        r = make_child(self->disk, self->child, &self->helper, err);
    if (r == VD_OK) {
        char *leaf = strdup(self->helper);
        if (leaf)
            set_leaf(self->sim, self->disk, leaf);
        else
            r = out_of_memory(err);
    }
    int going = go_on(self->sim, self->vm, self->disk, err);
    return r < 0 ? r : going;
}

/* The child's children rest on the link now; the child goes. */
static int skip_child(struct removal *self, struct vd_error *err)
{
    struct vd_vmdk_options forced = {.flags = VD_VMDK_IGNORE_CID};
    struct vd_path_list children = {0};
    int r = vd_children_find(vd_fs_host(), self->child, &children, err);

    for (size_t i = 0; r == VD_OK && i < children.count; i++)
        r = vd_attach(self->link, children.paths[i], &forced, err);
    vd_path_list_done(&children);
    return r < 0 ? r : vd_unlink(self->child, NULL, false, err);
}

/* Who had the child has the link. */
static int rename_all(struct removal *self, struct vd_error *err)
{
    int r = VD_OK;

    pthread_mutex_lock(&self->sim->lock);
    for (struct sim_snapshot *s = self->vm->snapshots; s; s = s->next) {
        for (size_t i = 0; i < s->count; i++) {
            char *path = strcmp(s->frozen[i].path, self->child) == 0 ? strdup(self->link) : NULL;
            if (path) {
                free(s->frozen[i].path);
                s->frozen[i].path = path;
            }
        }
    }
    if (self->was_leaf) {
        char *leaf = strdup(self->link);
        r = leaf ? VD_OK : out_of_memory(err);
        if (leaf) {
            free(self->disk->leaf);
            self->disk->leaf = leaf;
        }
    }
    pthread_mutex_unlock(&self->sim->lock);
    return r;
}

/* At rest: files change hands. */
static int settle(struct removal *self, struct vd_error *err)
{
    int r = skip_child(self, err);

    if (r == VD_OK && self->helper)
        r = vd_commit(self->helper, NULL, false, NULL, err);
    return r < 0 ? r : rename_all(self, err);
}

static int merge(struct removal *self, struct vd_error *err)
{
    bool runs = atomic_load(&self->vm->workload_runs);
    VD_FREE char *leaf = leaf_of(self->sim, self->disk);
    int r = leaf ? VD_OK : out_of_memory(err);

    self->was_leaf = leaf && strcmp(leaf, self->child) == 0;
    if (r == VD_OK && self->was_leaf && runs)
        r = divert(self, err);
    if (r == VD_OK)
        r = vd_commit(self->child, NULL, true, NULL, err);
    if (r < 0)
        return r;
    r = stun(self->disk, err);
    if (r == VD_OK)
        r = settle(self, err);
    int going = go_on(self->sim, self->vm, self->disk, err);
    return r < 0 ? r : going;
}

static int remove_link(struct sim *sim, struct sim_vm *vm, struct sim_disk *disk, const char *link,
                       struct vd_error *err)
{
    struct removal self = {.sim = sim, .vm = vm, .disk = disk, .link = link};
    struct vd_path_list children = {0};
    int r = vd_children_find(vd_fs_host(), link, &children, err);

    if (r == VD_OK && children.count == 0)
        r = vd_unlink(link, NULL, true, err); /* the tip of a branch that was left */
    if (r == VD_OK && children.count == 1) {
        self.child = realpath(children.paths[0], NULL);
        r = !self.child           ? out_of_memory(err)
            : is_free(&self, err) ? merge(&self, err)
                                  : VD_E_LOCKED;
    }
    vd_path_list_done(&children); /* more than one: it stays, as a base they share */
    free(self.child);
    free(self.helper);
    return r;
}

static int no_snapshot(const struct sim_vm *vm, const char *id, struct vd_error *err)
{
    return vd_error_set(err, VD_E_SNAPSHOT_GONE, "'%s' has no snapshot '%.80s'", vm->name, id);
}

int sim_snapshot_remove(struct sim *sim, struct sim_vm *vm, const char *id, struct vd_error *err)
{
    int r = VD_OK;

    pthread_mutex_lock(&vm->operation);
    struct sim_snapshot *snapshot = sim_snapshot_find(sim, vm, id);
    if (!snapshot)
        r = no_snapshot(vm, id, err);
    for (size_t i = 0; r == VD_OK && i < snapshot->count; i++) {
        VD_FREE char *link = strdup(snapshot->frozen[i].path);
        r = link ? remove_link(sim, vm, snapshot->frozen[i].disk, link, err) : out_of_memory(err);
    }
    if (r == VD_OK) {
        pthread_mutex_lock(&sim->lock);
        snapshot->gone = true;
        pthread_mutex_unlock(&sim->lock);
    }
    pthread_mutex_unlock(&vm->operation);
    return r;
}

/* --- revert, power --- */

/* Is the link frozen by any snapshot? */
static bool is_frozen(struct sim *sim, const struct sim_vm *vm, const char *path)
{
    bool found = false;

    pthread_mutex_lock(&sim->lock);
    for (const struct sim_snapshot *s = vm->snapshots; s; s = s->next) {
        for (size_t i = 0; !s->gone && i < s->count; i++)
            found = found || strcmp(s->frozen[i].path, path) == 0;
    }
    pthread_mutex_unlock(&sim->lock);
    return found;
}

static int revert_disk(struct sim *sim, struct sim_vm *vm, const struct sim_frozen *frozen,
                       struct vd_error *err)
{
    VD_FREE char *child = NULL;
    VD_FREE char *leaf = leaf_of(sim, frozen->disk);
    int r = leaf ? VD_OK : out_of_memory(err);

    if (r == VD_OK && sim_open_is_used(sim, leaf, false))
        r = vd_error_set(err, VD_E_LOCKED, "a client has '%s' open", leaf);
    if (r == VD_OK)
        r = make_child(frozen->disk, frozen->path, &child, err);
    if (r == VD_OK)
        r = sim_tracker_settle(&frozen->disk->tracker, true, err);
    if (r < 0)
        return r;
    set_leaf(sim, frozen->disk, VD_TAKE_PTR(child));
    return is_frozen(sim, vm, leaf) ? VD_OK : vd_unlink(leaf, NULL, true, err);
}

int sim_snapshot_revert(struct sim *sim, struct sim_vm *vm, const char *id, struct vd_error *err)
{
    int r = VD_OK;

    pthread_mutex_lock(&vm->operation);
    struct sim_snapshot *snapshot = sim_snapshot_find(sim, vm, id);
    if (!snapshot)
        r = no_snapshot(vm, id, err);
    else if (vm->powered)
        r = vd_error_set(err, VD_E_BUSY, "'%s' is running", vm->name);
    for (size_t i = 0; r == VD_OK && i < snapshot->count; i++) {
        if (!snapshot->frozen[i].disk->detached)
            r = revert_disk(sim, vm, &snapshot->frozen[i], err);
    }
    pthread_mutex_unlock(&vm->operation);
    return r;
}

static int settle_tracking(struct sim_vm *vm, struct vd_error *err)
{
    int r = VD_OK;

    for (size_t i = 0; r == VD_OK && i < vm->count; i++)
        r = sim_tracker_settle(&vm->disks[i]->tracker, false, err);
    return r;
}

static bool is_written(struct sim *sim, struct sim_vm *vm)
{
    bool used = false;

    for (size_t i = 0; i < vm->count; i++) {
        VD_FREE char *leaf = leaf_of(sim, vm->disks[i]);
        used = used || (leaf && sim_open_is_used(sim, leaf, true));
    }
    return used;
}

int sim_power(struct sim *sim, struct sim_vm *vm, bool on, struct vd_error *err)
{
    int r = VD_OK;

    pthread_mutex_lock(&vm->operation);
    if (on && !vm->powered && is_written(sim, vm))
        r = vd_error_set(err, VD_E_LOCKED, "a client writes to a disk of '%s'", vm->name);
    if (r == VD_OK)
        r = settle_tracking(vm, err);
    if (r == VD_OK) {
        vm->powered = on;
        r = on ? sim_workload_start(sim, vm, err) : sim_workload_stop(vm, err);
    }
    pthread_mutex_unlock(&vm->operation);
    return r;
}
