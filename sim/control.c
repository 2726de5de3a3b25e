/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "open-disks.h"
#include "ops/clone.h"
#include "ops/runs.h"
#include "ops/unlink.h"
#include "snapshot.h"
#include "workload.h"

/* Areas in an answer to a query for changes, where no fault asks for fewer. */
#define AREAS_MAX 2000

int sim_text_of(json_t *request, const char *name, const char **ret, struct vd_error *err)
{
    *ret = json_string_value(json_object_get(request, name));
    if (*ret)
        return VD_OK;
    return vd_error_set(err, VD_E_INVALID_ARG, "the request has no \"%s\"", name);
}

/* "vm", or "disk" for a first-class one. */
static int vm_of(struct sim *sim, json_t *request, struct sim_vm **ret, struct vd_error *err)
{
    const char *disk = json_string_value(json_object_get(request, "disk"));
    const char *moref;

    if (disk)
        return sim_fcd_find(sim, disk, ret, err);
    int r = sim_text_of(request, "vm", &moref, err);
    if (r < 0)
        return r;
    *ret = sim_vm_find(sim, moref);
    return *ret ? VD_OK
                : vd_error_set(err, VD_E_VM_NOT_FOUND, "there is no machine '%.80s'", moref);
}

static int disk_of(struct sim *sim, struct sim_vm *vm, json_t *request, struct sim_disk **ret,
                   struct vd_error *err)
{
    int key = vm->is_fcd ? 0 : (int)json_integer_value(json_object_get(request, "key"));

    *ret = sim_vm_disk(sim, vm, key);
    return *ret ? VD_OK
                : vd_error_set(err, VD_E_NOT_FOUND, "'%s' has no disk with key %d", vm->name, key);
}

/* --- tickets --- */

static int ticket_kind(const char *name, enum sim_ticket_kind *ret, struct vd_error *err)
{
    static const char *const kinds[] = {
        [SIM_TICKET_READ] = "read",     [SIM_TICKET_READ_DISK] = "readDisk",
        [SIM_TICKET_WRITE] = "write",   [SIM_TICKET_FILES] = "files",
        [SIM_TICKET_SYSTEM] = "system",
    };

    for (size_t i = 0; i < VD_ARRAY_SIZE(kinds); i++) {
        if (strcmp(kinds[i], name) == 0) {
            *ret = (enum sim_ticket_kind)i;
            return VD_OK;
        }
    }
    return vd_error_set(err, VD_E_INVALID_ARG, "there is no kind of ticket '%.40s'", name);
}

static int op_ticket(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    struct sim_ticket ticket = {.kind = SIM_TICKET_READ};
    const char *kind;
    const char *store = json_string_value(json_object_get(request, "datastore"));
    int r = sim_text_of(request, "kind", &kind, err);

    if (r == VD_OK)
        r = ticket_kind(kind, &ticket.kind, err);
    ticket.key = (int)json_integer_value(json_object_get(request, "key"));
    if (store)
        ticket.store = sim_stores_by_moref(&sim->stores, store);
    if (store && !ticket.store)
        ticket.store = sim_stores_find(&sim->stores, store);
    bool for_vm =
        ticket.kind != SIM_TICKET_SYSTEM && (ticket.kind != SIM_TICKET_FILES || !ticket.store);
    if (r == VD_OK && for_vm)
        r = vm_of(sim, request, &ticket.vm, err);
    if (r == VD_OK)
        r = sim_tickets_add(&sim->tickets, &ticket, err);
    if (r == VD_OK)
        json_object_set_new(answer, "sessionId", json_string(ticket.id));
    explicit_bzero(&ticket, sizeof ticket);
    return r;
}

/* --- machines --- */

static json_t *frozen_json(struct sim *sim, const struct sim_snapshot *snapshot)
{
    json_t *list = json_array();

    for (size_t i = 0; i < snapshot->count; i++) {
        const struct sim_frozen *frozen = &snapshot->frozen[i];
        json_t *disk = sim_disk_json(sim, frozen->disk, frozen->path, frozen->change_id);
        json_object_set_new(disk, "writes", json_integer((json_int_t)frozen->writes));
        json_array_append_new(list, disk);
    }
    return list;
}

static int op_snapshot_create(struct sim *sim, json_t *request, json_t *answer,
                              struct vd_error *err)
{
    struct sim_vm *vm = NULL;
    struct sim_snapshot *snapshot = NULL;
    const char *id;
    int r = vm_of(sim, request, &vm, err);

    if (r == VD_OK)
        r = sim_text_of(request, "snapshot", &id, err);
    if (r == VD_OK)
        r = sim_snapshot_create(sim, vm, id, &snapshot, err);
    if (r < 0)
        return r;
    json_object_set_new(answer, "frozen", frozen_json(sim, snapshot));
    json_object_set_new(answer, "disks", sim_disks_json(sim, vm));
    return VD_OK;
}

static json_t *snapshots_json(struct sim *sim, const struct sim_vm *vm)
{
    json_t *list = json_array();

    for (const struct sim_snapshot *s = vm->snapshots; s; s = s->next) {
        if (!s->gone)
            json_array_append_new(
                list, json_pack("{ss so*}", "snapshot", s->id, "disks", frozen_json(sim, s)));
    }
    return list;
}

static int op_snapshot_remove(struct sim *sim, json_t *request, json_t *answer,
                              struct vd_error *err)
{
    struct sim_vm *vm = NULL;
    const char *id;
    int r = vm_of(sim, request, &vm, err);

    if (r == VD_OK)
        r = sim_text_of(request, "snapshot", &id, err);
    if (r == VD_OK)
        r = sim_snapshot_remove(sim, vm, id, err);
    if (r < 0)
        return r;
    json_object_set_new(answer, "disks", sim_disks_json(sim, vm));
    json_object_set_new(answer, "snapshots", snapshots_json(sim, vm));
    return VD_OK;
}

static int op_snapshot_revert(struct sim *sim, json_t *request, json_t *answer,
                              struct vd_error *err)
{
    struct sim_vm *vm = NULL;
    const char *id;
    int r = vm_of(sim, request, &vm, err);

    if (r == VD_OK)
        r = sim_text_of(request, "snapshot", &id, err);
    if (r == VD_OK)
        r = sim_snapshot_revert(sim, vm, id, err);
    if (r == VD_OK)
        json_object_set_new(answer, "disks", sim_disks_json(sim, vm));
    return r;
}

static int op_power(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    struct sim_vm *vm = NULL;
    int r = vm_of(sim, request, &vm, err);

    if (r == VD_OK)
        r = sim_power(sim, vm, json_is_true(json_object_get(request, "on")), err);
    if (r == VD_OK)
        json_object_set_new(answer, "disks", sim_disks_json(sim, vm));
    return r;
}

static int op_tracking(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    struct sim_vm *vm = NULL;
    int r = vm_of(sim, request, &vm, err);

    if (r < 0)
        return r;
    pthread_mutex_lock(&vm->operation);
    for (size_t i = 0; i < vm->count; i++)
        sim_tracker_want(&vm->disks[i]->tracker, json_is_true(json_object_get(request, "on")));
    json_object_set_new(answer, "disks", sim_disks_json(sim, vm));
    pthread_mutex_unlock(&vm->operation);
    return VD_OK;
}

static int op_workload(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    struct sim_vm *vm = NULL;
    int r = vm_of(sim, request, &vm, err);

    if (r < 0)
        return r;
    json_t *list = json_array();
    for (size_t i = 0; i < vm->count; i++) {
        pthread_mutex_lock(&vm->disks[i]->live_lock);
        json_array_append_new(list, json_pack("{si sI}", "key", vm->disks[i]->key, "writes",
                                              (json_int_t)vm->disks[i]->writes));
        pthread_mutex_unlock(&vm->disks[i]->live_lock);
    }
    json_object_set_new(answer, "disks", list);
    return VD_OK;
}

static int attach_locked(struct sim *sim, struct sim_vm *vm, json_t *request, const char *path,
                         struct vd_error *err)
{
    VD_FREE char *host = NULL;
    const char *mode = json_string_value(json_object_get(request, "mode"));
    const char *adapter = json_string_value(json_object_get(request, "adapter"));
    struct sim_disk *disk = NULL;
    int r = sim_store_resolve(&sim->stores, path, false, &host, err);

    if (r == VD_OK)
        r = sim_vm_attach(sim, vm, host, (int)json_integer_value(json_object_get(request, "key")),
                          &disk, err);
    if (r < 0)
        return r;
    char *new_mode = strdup(mode ? mode : disk->mode);
    char *new_adapter = strdup(adapter ? adapter : disk->adapter);
    free(disk->mode);
    free(disk->adapter);
    disk->mode = new_mode;
    disk->adapter = new_adapter;
    disk->unit = (int)json_integer_value(json_object_get(request, "unit"));
    return new_mode && new_adapter ? VD_OK : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
}

static int op_attach(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    struct sim_vm *vm = NULL;
    const char *path;
    int r = vm_of(sim, request, &vm, err);

    if (r == VD_OK)
        r = sim_text_of(request, "path", &path, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&vm->operation);
    r = attach_locked(sim, vm, request, path, err);
    pthread_mutex_unlock(&vm->operation);
    if (r == VD_OK)
        json_object_set_new(answer, "disks", sim_disks_json(sim, vm));
    return r;
}

static int detach_locked(struct sim *sim, struct sim_disk *disk, bool destroy, struct vd_error *err)
{
    pthread_mutex_lock(&disk->live_lock);
    int r = vd_disk_close(VD_TAKE_PTR(disk->live), err);
    pthread_mutex_unlock(&disk->live_lock);
    pthread_mutex_lock(&sim->lock);
    disk->detached = true;
    VD_FREE char *leaf = strdup(disk->leaf);
    pthread_mutex_unlock(&sim->lock);
    if (r == VD_OK && destroy && leaf)
        r = vd_unlink(leaf, NULL, true, err);
    return r;
}

static int op_detach(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    struct sim_vm *vm = NULL;
    struct sim_disk *disk = NULL;
    int r = vm_of(sim, request, &vm, err);

    if (r == VD_OK)
        r = disk_of(sim, vm, request, &disk, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&vm->operation);
    r = detach_locked(sim, disk, json_is_true(json_object_get(request, "destroy")), err);
    pthread_mutex_unlock(&vm->operation);
    if (r == VD_OK)
        json_object_set_new(answer, "disks", sim_disks_json(sim, vm));
    return r;
}

/* --- changes --- */

/* Areas of an answer, joined where they touch, ended where it is full. */
struct areas {
    json_t *list;
    uint64_t limit;
    uint64_t end_bytes; /* how far the answer tells */
    uint64_t last_start, last_end;
};

static bool add_area(struct areas *areas, uint64_t start, uint64_t end)
{
    size_t count = json_array_size(areas->list);

    if (count > 0 && start <= areas->last_end) {
        start = areas->last_start;
        json_array_remove(areas->list, --count);
    }
    if (count == areas->limit) {
        areas->end_bytes = areas->last_end;
        return false;
    }
    areas->last_start = start;
    areas->last_end = end;
    json_array_append_new(areas->list,
                          json_pack("[II]", (json_int_t)start, (json_int_t)(end - start)));
    return true;
}

static int allocated_areas(const char *path, uint64_t start, struct areas *areas,
                           struct vd_error *err)
{
    struct vd_vmdk_options options = {.flags = VD_VMDK_READ_ONLY};
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_runs runs;
    struct vd_run run;
    int r = vd_vmdk_open(path, &options, &disk, err);

    if (r < 0)
        return r;
    uint64_t capacity = vd_disk_capacity(disk);
    vd_runs_init(&runs, disk, VD_MIN(start / VD_SECTOR_BYTES, capacity), capacity);
    while ((r = vd_runs_next(&runs, &run, err)) > 0) {
        uint64_t from = vd_sectors_to_bytes(run.start_sectors) / SIM_BLOCK_BYTES * SIM_BLOCK_BYTES;
        uint64_t to =
            vd_div_up(vd_sectors_to_bytes(vd_run_end(&run)), SIM_BLOCK_BYTES) * SIM_BLOCK_BYTES;
        if (run.kind == VD_RUN_DATA &&
            !add_area(areas, VD_MAX(from, start), VD_MIN(to, vd_sectors_to_bytes(capacity))))
            return VD_OK;
    }
    return r;
}

/* What a query is about: a snapshot's disk, or one of a machine that is off. */
struct moment {
    char *path;
    char id[SIM_CHANGE_ID_BYTES];
    struct sim_epochs *epochs; /* a copy */
    const struct sim_epochs *frozen;
};

static int moment_of(struct sim *sim, struct sim_vm *vm, struct sim_disk *disk, const char *id,
                     struct moment *ret, struct vd_error *err)
{
    struct sim_snapshot *snapshot = id ? sim_snapshot_find(sim, vm, id) : NULL;

    if (id && !snapshot)
        return vd_error_set(err, VD_E_SNAPSHOT_GONE, "there is no snapshot '%.80s'", id);
    if (!id && vm->powered)
        return vd_error_set(err, VD_E_CHANGE_ID, "'%s' is running: changes are told of a snapshot",
                            vm->name);
    for (size_t i = 0; snapshot && i < snapshot->count; i++) {
        if (snapshot->frozen[i].disk != disk)
            continue;
        ret->path = strdup(snapshot->frozen[i].path);
        memcpy(ret->id, snapshot->frozen[i].change_id, sizeof ret->id);
        ret->frozen = snapshot->frozen[i].epochs;
        return VD_OK;
    }
    if (snapshot)
        return vd_error_set(err, VD_E_CHANGE_ID, "the disk is not part of snapshot '%.80s'", id);
    ret->path = strdup(disk->leaf);
    sim_tracker_id(&disk->tracker, ret->id);
    ret->frozen = ret->epochs = sim_tracker_state(&disk->tracker);
    return VD_OK;
}

static int fill_areas(const struct moment *moment, const char *change_id, uint64_t start,
                      struct areas *areas, struct vd_error *err)
{
    uint32_t since = 0;
    uint64_t at = start;
    uint64_t from;
    uint64_t length;

    if (!moment->id[0] || !moment->frozen || !moment->path)
        return vd_error_set(err, VD_E_CHANGE_ID, "changes of this disk are not tracked");
    if (strcmp(change_id, "*") == 0)
        return allocated_areas(moment->path, start, areas, err);
    int r = sim_change_id_parse(change_id, moment->id, &since, err);
    if (r < 0)
        return r;
    while (sim_epochs_next(moment->frozen, since, &at, &from, &length)) {
        if (!add_area(areas, from, from + length))
            break;
    }
    return VD_OK;
}

static int op_changed(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    struct sim_vm *vm = NULL;
    struct sim_disk *disk = NULL;
    struct moment moment = {0};
    int64_t page = sim_fault(&sim->faults, SIM_CHANGED_PAGE);
    json_int_t start = json_integer_value(json_object_get(request, "start"));
    const char *change_id = NULL;
    int r = vm_of(sim, request, &vm, err);

    if (r == VD_OK)
        r = disk_of(sim, vm, request, &disk, err);
    if (r == VD_OK)
        r = sim_text_of(request, "changeId", &change_id, err);
    if (r < 0)
        return r;
    if (start < 0 || (uint64_t)start > disk->capacity_bytes)
        return vd_error_set(err, VD_E_INVALID_ARG, "the start %lld is not on the disk",
                            (long long)start);
    struct areas areas = {json_array(), page > 0 ? (uint64_t)page : AREAS_MAX, disk->capacity_bytes,
                          0, 0};
    pthread_mutex_lock(&vm->operation);
    r = moment_of(sim, vm, disk, json_string_value(json_object_get(request, "snapshot")), &moment,
                  err);
    if (r == VD_OK)
        r = fill_areas(&moment, change_id, (uint64_t)start, &areas, err);
    pthread_mutex_unlock(&vm->operation);
    free(moment.path);
    sim_epochs_free(moment.epochs);
    json_object_set_new(answer, "start", json_integer(start));
    json_object_set_new(answer, "length", json_integer((json_int_t)areas.end_bytes - start));
    json_object_set_new(answer, "areas", areas.list);
    return r;
}

/* --- which is which --- */

static const struct {
    const char *name;
    sim_op run;
} operations[] = {
    {"ticket", op_ticket},
    {"snapshotCreate", op_snapshot_create},
    {"snapshotRemove", op_snapshot_remove},
    {"snapshotRevert", op_snapshot_revert},
    {"power", op_power},
    {"tracking", op_tracking},
    {"workload", op_workload},
    {"attach", op_attach},
    {"detach", op_detach},
    {"changed", op_changed},
};

static sim_op operation_of(const char *name)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(operations); i++) {
        if (strcmp(operations[i].name, name) == 0)
            return operations[i].run;
    }
    return sim_disk_op(name);
}

/* The vSphere fault that fits; the first that the code is. */
static const char *fault_of(int code)
{
    static const struct {
        int code;
        const char *fault;
    } faults[] = {
        {VD_E_LOCKED, "FileLocked"},
        {VD_E_SNAPSHOT_GONE, "ManagedObjectNotFound"},
        {VD_E_VM_NOT_FOUND, "ManagedObjectNotFound"},
        {VD_E_NOT_FOUND, "FileNotFound"},
        {VD_E_EXISTS, "FileAlreadyExists"},
        {VD_E_DISK_FULL, "NoDiskSpace"},
        {VD_E_NAME_INVALID, "InvalidDatastorePath"},
        {VD_E_OUTSIDE_FOLDER, "InvalidDatastorePath"},
        {VD_E_BUSY, "InvalidPowerState"},
        {VD_E_NOT_SUPPORTED, "NotSupported"},
        {VD_E_INVALID_ARG, "InvalidArgument"},
    };

    for (size_t i = 0; i < VD_ARRAY_SIZE(faults); i++) {
        if (vd_error_is(code, faults[i].code))
            return faults[i].fault;
    }
    return "FileFault";
}

static int run(struct sim *sim, json_t *request, json_t *answer, struct vd_error *err)
{
    const char *fault = json_string_value(json_object_get(request, "fault"));
    const char *name = json_string_value(json_object_get(request, "op"));

    if (fault) {
        json_object_set_new(answer, "struck",
                            json_integer((json_int_t)sim_faults_struck(&sim->faults, fault)));
        return sim_faults_set(&sim->faults, fault, json_object_get(request, "value"), err);
    }
    sim_op operation = name ? operation_of(name) : NULL;
    if (!operation)
        return vd_error_set(err, VD_E_NOT_SUPPORTED, "there is no operation '%.40s'",
                            name ? name : "");
    return operation(sim, request, answer, err);
}

json_t *sim_control(struct sim *sim, json_t *request)
{
    struct vd_error err = VD_ERROR_INIT;
    json_t *answer = json_object();
    json_t *id = json_object_get(request, "id");
    int r = run(sim, request, answer, &err);

    if (r < 0) {
        json_object_clear(answer);
        json_object_set_new(
            answer, "error",
            json_pack("{ss ss}", "fault", fault_of(r), "message", vd_error_message(&err, r)));
    }
    if (id)
        json_object_set(answer, "id", id);
    return answer;
}
