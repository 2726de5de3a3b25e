/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/units.h"
#include "sim.h"
#include "vmdk/vmdk.h"

#define FIRST_KEY 2000

static int out_of_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
}

/* "60 00 C2 9e 1f 3a ...-..." of the disk database as SOAP writes it; a new one where there is
 * none. */
static int disk_uuid(const char *ddb, char uuid[48], struct vd_error *err)
{
    char digits[33];
    size_t count = 0;

    for (const char *c = ddb ? ddb : ""; *c && count < 32; c++) {
        if (strchr("0123456789abcdefABCDEF", *c))
            digits[count++] = *c;
    }
    digits[count] = '\0';
    if (count < 32)
        return sim_random_uuid("6000C29", uuid, err);
    (void)snprintf(uuid, 48, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12,
                   digits + 16, digits + 20);
    return VD_OK;
}

static int learn(struct sim_disk *disk, struct vd_error *err)
{
    struct vd_vmdk_options options = {.flags = VD_VMDK_READ_ONLY};
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *open = NULL;
    struct vd_disk_info info;
    int r = vd_vmdk_open(disk->leaf, &options, &open, err);

    if (r < 0)
        return r;
    vd_disk_info(open, &info);
    const char *adapter = vd_disk_meta_get(open, "adapterType");
    const char *thin = vd_disk_meta_get(open, "thinProvisioned");
    disk->capacity_bytes = vd_sectors_to_bytes(info.capacity_sectors);
    disk->thin = (thin && strcmp(thin, "1") == 0) || info.type == VD_DISK_VMFS_THIN ||
                 info.grain_sectors > 0;
    disk->adapter = strdup(adapter ? adapter : "lsilogic");
    disk->mode = strdup("persistent");
    if (!disk->adapter || !disk->mode)
        return out_of_memory(err);
    return disk_uuid(vd_disk_meta_get(open, "uuid"), disk->uuid, err);
}

static void disk_free(struct sim_disk *disk)
{
    free(disk->adapter);
    free(disk->mode);
    free(disk->leaf);
    sim_tracker_done(&disk->tracker);
    pthread_mutex_destroy(&disk->live_lock);
    free(disk);
}

static int next_key(const struct sim_vm *vm)
{
    int key = FIRST_KEY;

    for (size_t i = 0; i < vm->count; i++)
        key = VD_MAX(key, vm->disks[i]->key + 1);
    return key;
}

int sim_vm_attach(struct sim *sim, struct sim_vm *vm, const char *host_path, int key,
                  struct sim_disk **ret, struct vd_error *err)
{
    struct sim_disk *disk = calloc(1, sizeof *disk);
    if (!disk)
        return out_of_memory(err);
    pthread_mutex_init(&disk->live_lock, NULL);
    sim_tracker_init(&disk->tracker, 0);
    disk->leaf = strdup(host_path);
    int r = disk->leaf ? learn(disk, err) : out_of_memory(err);
    disk->tracker.capacity_bytes = disk->capacity_bytes;
    pthread_mutex_lock(&sim->lock);
    struct sim_disk **list =
        r == VD_OK ? realloc(vm->disks, (vm->count + 1) * sizeof(struct sim_disk *)) : NULL;
    if (list) {
        vm->disks = list;
        disk->key = key || vm->is_fcd ? key : next_key(vm);
        disk->unit = (int)(vm->count + (vm->count >= 7)); /* 7 is the controller's own */
        (void)snprintf(disk->label, sizeof disk->label, "Hard disk %zu", vm->count + 1);
        list[vm->count++] = disk;
    }
    pthread_mutex_unlock(&sim->lock);
    if (!list) {
        disk_free(disk);
        return r < 0 ? r : out_of_memory(err);
    }
    if (ret)
        *ret = disk;
    return VD_OK;
}

static void vm_free(struct sim_vm *vm)
{
    for (size_t i = 0; i < vm->count; i++)
        disk_free(vm->disks[i]);
    while (vm->snapshots) {
        struct sim_snapshot *snapshot = vm->snapshots;
        vm->snapshots = snapshot->next;
        for (size_t i = 0; i < snapshot->count; i++) {
            free(snapshot->frozen[i].path);
            sim_epochs_free(snapshot->frozen[i].epochs);
        }
        free(snapshot->frozen);
        free(snapshot->id);
        free(snapshot);
    }
    free(vm->disks);
    free(vm->name);
    free(vm->moref);
    free(vm->vmx);
    pthread_mutex_destroy(&vm->operation);
    free(vm);
}

void sim_vms_done(struct sim *sim)
{
    while (sim->vms) {
        struct sim_vm *vm = sim->vms;
        sim->vms = vm->next;
        vm_free(vm);
    }
}

static struct sim_vm *vm_new(const char *name, const char *moref)
{
    struct sim_vm *vm = calloc(1, sizeof *vm);

    if (!vm)
        return NULL;
    pthread_mutex_init(&vm->operation, NULL);
    vm->name = strdup(name);
    vm->moref = strdup(moref);
    if (vm->name && vm->moref && sim_random_uuid("42", vm->uuid, NULL) == VD_OK &&
        sim_random_uuid("50", vm->instance_uuid, NULL) == VD_OK)
        return vm;
    vm_free(vm);
    return NULL;
}

/* Behind the others, so that the order of the command line stays. */
static void append(struct sim *sim, struct sim_vm *vm)
{
    struct sim_vm **end = &sim->vms;

    pthread_mutex_lock(&sim->lock);
    while (*end)
        end = &(*end)->next;
    *end = vm;
    pthread_mutex_unlock(&sim->lock);
}

static int add_disks(struct sim *sim, struct sim_vm *vm, const char *list, struct vd_error *err)
{
    VD_FREE char *store = NULL;
    VD_FREE char *copy = strdup(list);
    char *rest = copy;

    for (char *name; (name = strsep(&rest, ",")) != NULL;) {
        VD_FREE char *full = NULL;
        VD_FREE char *host = NULL;
        char *end = name[0] == '[' ? strchr(name, ']') : NULL;
        if (end && !store)
            store = strndup(name, (size_t)(end + 1 - name));
        if (asprintf(&full, "%s%s%s", end || !store ? "" : store, end || !store ? "" : " ", name) <
            0)
            full = NULL;
        int r =
            full ? sim_store_resolve(&sim->stores, full, false, &host, err) : out_of_memory(err);
        if (r == VD_OK)
            r = sim_vm_attach(sim, vm, host, 0, NULL, err);
        if (r < 0)
            return r;
    }
    return copy ? VD_OK : out_of_memory(err);
}

/* "[ds] folder/name.vmx" beside the first disk. */
static char *vmx_of(struct sim *sim, const struct sim_vm *vm)
{
    VD_FREE char *disk = sim_store_name(&sim->stores, vm->disks[0]->leaf);
    char *vmx = NULL;

    if (!disk)
        return NULL;
    char *slash = strrchr(disk, '/');
    char *blank = strchr(disk, ']');
    if (slash)
        slash[1] = '\0';
    else
        blank[1] = '\0';
    return asprintf(&vmx, "%s%s%s.vmx", disk, slash ? "" : " ", vm->name) < 0 ? NULL : vmx;
}

static bool is_known(struct sim *sim, const char *name)
{
    for (struct sim_vm *vm = sim->vms; vm; vm = vm->next) {
        if (strcmp(vm->name, name) == 0)
            return true;
    }
    return false;
}

int sim_vm_add(struct sim *sim, const char *text, bool powered, struct vd_error *err)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "--vm is '%s', expected NAME=[DATASTORE] folder/disk.vmdk[,...]", text);
    VD_FREE char *name = strndup(text, (size_t)(equals - text));
    if (name && is_known(sim, name))
        return vd_error_set(err, VD_E_EXISTS, "the machine '%s' is given twice", name);
    size_t number = 1;
    for (const struct sim_vm *vm = sim->vms; vm; vm = vm->next)
        number++;
    char moref[32];
    (void)snprintf(moref, sizeof moref, "vm-%zu", number);
    struct sim_vm *vm = name ? vm_new(name, moref) : NULL;
    if (!vm)
        return out_of_memory(err);
    vm->powered = powered;
    int r = add_disks(sim, vm, equals + 1, err);
    if (r == VD_OK && !(vm->vmx = vmx_of(sim, vm)))
        r = out_of_memory(err);
    if (r < 0) {
        vm_free(vm);
        return r;
    }
    append(sim, vm);
    return VD_OK;
}

struct sim_vm *sim_vm_after(struct sim *sim, const struct sim_vm *vm)
{
    pthread_mutex_lock(&sim->lock);
    struct sim_vm *next = vm ? vm->next : sim->vms;
    pthread_mutex_unlock(&sim->lock);
    return next;
}

struct sim_vm *sim_vm_find(struct sim *sim, const char *moref)
{
    struct sim_vm *found = NULL;

    pthread_mutex_lock(&sim->lock);
    for (struct sim_vm *vm = sim->vms; vm && !found; vm = vm->next) {
        if (strcmp(vm->moref, moref) == 0)
            found = vm;
    }
    for (struct sim_vm *vm = sim->vms; vm && !found; vm = vm->next) {
        if (strcmp(vm->name, moref) == 0)
            found = vm;
    }
    pthread_mutex_unlock(&sim->lock);
    return found;
}

int sim_fcd_find(struct sim *sim, const char *path, struct sim_vm **ret, struct vd_error *err)
{
    VD_FREE char *host = NULL;
    struct sim_vm *vm = sim_vm_find(sim, path);

    if (!vm) {
        int r = sim_store_resolve(&sim->stores, path, false, &host, err);
        if (r < 0)
            return r;
        vm = vm_new(path, path);
        if (!vm)
            return out_of_memory(err);
        vm->is_fcd = true;
        r = sim_vm_attach(sim, vm, host, 0, NULL, err);
        if (r < 0) {
            vm_free(vm);
            return r;
        }
        append(sim, vm);
    }
    *ret = vm;
    return VD_OK;
}

struct sim_disk *sim_vm_disk(struct sim *sim, const struct sim_vm *vm, int key)
{
    struct sim_disk *found = NULL;

    pthread_mutex_lock(&sim->lock);
    for (size_t i = 0; i < vm->count; i++) {
        if (vm->disks[i]->key == key && !vm->disks[i]->detached)
            found = vm->disks[i];
    }
    pthread_mutex_unlock(&sim->lock);
    return found;
}

/* The machine whose leaf or frozen link the file is, without opening anything. */
static bool owner_by_name_locked(struct sim *sim, const char *path, struct sim_owner *ret)
{
    for (struct sim_vm *vm = sim->vms; vm; vm = vm->next) {
        for (size_t i = 0; i < vm->count; i++) {
            *ret = (struct sim_owner){vm, vm->disks[i], true};
            if (!vm->disks[i]->detached && strcmp(vm->disks[i]->leaf, path) == 0)
                return true;
        }
        for (struct sim_snapshot *s = vm->snapshots; s; s = s->next) {
            for (size_t i = 0; !s->gone && i < s->count; i++) {
                *ret = (struct sim_owner){vm, s->frozen[i].disk, false};
                if (strcmp(s->frozen[i].path, path) == 0)
                    return true;
            }
        }
    }
    return false;
}

/* Every top of a chain, copied: what lies below is asked outside the lock. */
struct top {
    struct sim_owner owner;
    char *path;
};

static size_t vm_leaves_locked(struct sim_vm *vm, struct top *list)
{
    size_t count = 0;

    for (size_t i = 0; i < vm->count; i++) {
        struct sim_disk *disk = vm->disks[i];
        if (!disk->detached)
            list[count++] = (struct top){{vm, disk, false}, strdup(disk->leaf)};
    }
    return count;
}

static size_t tops(struct sim *sim, struct top **ret)
{
    size_t count = 0;
    size_t room = 1;

    pthread_mutex_lock(&sim->lock);
    for (struct sim_vm *vm = sim->vms; vm; vm = vm->next)
        room += vm->count;
    *ret = calloc(room, sizeof **ret);
    for (struct sim_vm *vm = sim->vms; *ret && vm; vm = vm->next)
        count += vm_leaves_locked(vm, *ret + count);
    pthread_mutex_unlock(&sim->lock);
    return count;
}

bool sim_owner_of(struct sim *sim, const char *host_path, struct sim_owner *ret)
{
    struct top *list = NULL;

    pthread_mutex_lock(&sim->lock);
    bool found = owner_by_name_locked(sim, host_path, ret);
    pthread_mutex_unlock(&sim->lock);
    if (found)
        return true;
    size_t count = tops(sim, &list);
    for (size_t i = 0; i < count; i++) {
        if (!found && list[i].path && sim_chain_holds(&sim->chains, list[i].path, host_path)) {
            *ret = list[i].owner;
            found = true;
        }
        free(list[i].path);
    }
    free(list);
    return found;
}

/* The chains of one machine, or of one of its disks: where it writes, and below its snapshots. */
static size_t vm_tops(struct sim *sim, const struct sim_vm *vm, const int *key, char ***ret)
{
    size_t count = 0;
    size_t room = vm->count;

    pthread_mutex_lock(&sim->lock);
    for (const struct sim_snapshot *s = vm->snapshots; s; s = s->next)
        room += s->count;
    char **list = calloc(room + 1, sizeof(char *));
    for (size_t i = 0; list && i < vm->count; i++) {
        if (!vm->disks[i]->detached && (!key || vm->disks[i]->key == *key))
            list[count++] = strdup(vm->disks[i]->leaf);
    }
    for (const struct sim_snapshot *s = vm->snapshots; list && s; s = s->next) {
        for (size_t i = 0; !s->gone && i < s->count; i++) {
            if (!key || s->frozen[i].disk->key == *key)
                list[count++] = strdup(s->frozen[i].path);
        }
    }
    pthread_mutex_unlock(&sim->lock);
    *ret = list;
    return count;
}

bool sim_vm_holds(struct sim *sim, const struct sim_vm *vm, const int *key, const char *host_path)
{
    char **list = NULL;
    size_t count = vm_tops(sim, vm, key, &list);
    bool found = false;

    for (size_t i = 0; i < count && !found; i++)
        found = list[i] && strcmp(list[i], host_path) == 0;
    for (size_t i = 0; i < count; i++) {
        found = found || (list[i] && sim_chain_holds(&sim->chains, list[i], host_path));
        free(list[i]);
    }
    free(list);
    return found;
}

static json_t *chain_json(struct sim *sim, const char *path)
{
    char **chain = NULL;
    json_t *names = json_array();

    if (sim_chain(&sim->chains, path, &chain, NULL) < 0)
        return names;
    for (char **at = chain; *at; at++) {
        VD_FREE char *name = sim_store_name(&sim->stores, *at);
        json_array_append_new(names, json_string(name ? name : *at));
    }
    sim_chain_free(chain);
    return names;
}

json_t *sim_disk_json(struct sim *sim, struct sim_disk *disk, const char *path,
                      const char *change_id)
{
    char now[SIM_CHANGE_ID_BYTES];

    sim_tracker_id(&disk->tracker, now);
    pthread_mutex_lock(&sim->lock);
    VD_FREE char *at = strdup(path ? path : disk->leaf);
    pthread_mutex_unlock(&sim->lock);
    if (!at)
        return NULL;
    json_t *told = json_pack("{si ss sI sb ss ss si ss so* ss}", "key", disk->key, "label",
                             disk->label, "capacityBytes", (json_int_t)disk->capacity_bytes, "thin",
                             (int)disk->thin, "uuid", disk->uuid, "adapter", disk->adapter, "unit",
                             disk->unit, "mode", disk->mode, "chain", chain_json(sim, at),
                             "changeId", change_id ? change_id : now);
    return told;
}

json_t *sim_disks_json(struct sim *sim, struct sim_vm *vm)
{
    json_t *list = json_array();

    for (size_t i = 0; i < vm->count; i++) {
        if (!vm->disks[i]->detached)
            json_array_append_new(list, sim_disk_json(sim, vm->disks[i], NULL, NULL));
    }
    return list;
}
