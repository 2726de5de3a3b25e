/* SPDX-License-Identifier: Apache-2.0 */
#include "open-disks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/units.h"
#include "vmdk/vmdk.h"

void sim_refuse(struct sim_refusal *refusal, uint64_t code, const char *fmt, ...)
{
    va_list args;

    refusal->code = code;
    va_start(args, fmt);
    (void)vsnprintf(refusal->text, sizeof refusal->text, fmt, args);
    va_end(args);
}

static void refuse_permission(struct sim_refusal *refusal, const char *name, bool writable)
{
    sim_refuse(refusal, SIM_REFUSED_PERMISSION,
               "NfcAioProcessOpenFileMsg: permission check failed for file '%.400s', access = %d",
               name, writable ? 2 : 1);
}

void sim_refuse_error(struct sim_refusal *refusal, int code, const char *name,
                      const struct vd_error *err)
{
    if (vd_error_is(code, VD_E_LOCKED))
        sim_refuse(refusal, SIM_REFUSED_LOCK, "DiskLib error 16392: Failed to lock the file");
    else if (code == VD_E_OUTSIDE_FOLDER)
        refuse_permission(refusal, name, false);
    else if (vd_error_is(code, VD_E_NOT_FOUND))
        sim_refuse(refusal, SIM_REFUSED_NOT_FOUND, "File not found: '%.400s'", name);
    else
        sim_refuse(refusal, SIM_REFUSED_IO, "%.500s", vd_error_message(err, code));
}

/* Beside the machine's own disks, where its other files are, and nobody else's disk. */
static bool is_in_folder_of(struct sim *sim, const struct sim_vm *vm, const char *path)
{
    struct sim_owner owner;
    VD_FREE char *folder = vd_path_folder(path);
    bool found = false;

    pthread_mutex_lock(&sim->lock);
    for (size_t i = 0; folder && i < vm->count && !found; i++) {
        VD_FREE char *own = vd_path_folder(vm->disks[i]->leaf);
        found = own && strcmp(own, folder) == 0;
    }
    pthread_mutex_unlock(&sim->lock);
    return found && !sim_owner_of(sim, path, &owner);
}

static bool is_in_scope(struct sim *sim, const struct sim_ticket *ticket, const char *path)
{
    switch (ticket->kind) {
    case SIM_TICKET_SYSTEM:
        return true;
    case SIM_TICKET_READ_DISK:
    case SIM_TICKET_WRITE:
        return sim_vm_holds(sim, ticket->vm, &ticket->key, path);
    case SIM_TICKET_FILES:
        if (!ticket->vm)
            return sim_store_of(&sim->stores, path) == ticket->store;
        break;
    case SIM_TICKET_READ:
        break;
    }
    return sim_vm_holds(sim, ticket->vm, NULL, path) || is_in_folder_of(sim, ticket->vm, path);
}

bool sim_ticket_allows(struct sim *sim, const struct sim_ticket *ticket, const char *host_path,
                       bool writing)
{
    bool may_write = ticket->kind == SIM_TICKET_FILES || ticket->kind == SIM_TICKET_SYSTEM;

    return (!writing || may_write) && is_in_scope(sim, ticket, host_path);
}

static bool may_open(struct sim *sim, const struct sim_ticket *ticket, const char *path,
                     bool writable)
{
    bool may_write = ticket->kind != SIM_TICKET_READ && ticket->kind != SIM_TICKET_READ_DISK;

    return (!writable || may_write) && is_in_scope(sim, ticket, path);
}

/* Of a machine that runs: its leaf is not opened, and nothing of it is written. */
static bool refuse_running(struct sim *sim, const struct sim_owner *owner, const char *name,
                           bool writable, struct sim_refusal *refusal)
{
    if (!owner->vm->powered)
        return false;
    if (owner->leaf && sim_fault(&sim->faults, SIM_RUNNING_REFUSED) > 0) {
        if (sim->profile == 8)
            refuse_permission(refusal, name, writable);
        else
            sim_refuse(refusal, SIM_REFUSED_LOCK,
                       "Thin/TBZ/Sparse disks cannot be opened in multiwriter mode");
        return true;
    }
    if (writable)
        sim_refuse_error(refusal, VD_E_LOCKED, name, NULL);
    return writable;
}

static int open_and_note(struct sim *sim, struct sim_open *open, struct vd_error *err)
{
    struct vd_vmdk_options options = {.flags = open->writable ? 0 : VD_VMDK_READ_ONLY};
    int r = VD_OK;

    if (!open->writable && sim_open_is_used(sim, open->path, true))
        return vd_error_set(err, VD_E_LOCKED, "'%s' is open for writing", open->path);
    r = vd_vmdk_open(open->path, &options, &open->disk, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&sim->lock);
    open->next = sim->opens;
    sim->opens = open;
    pthread_mutex_unlock(&sim->lock);
    return r;
}

static int open_owned(struct sim *sim, struct sim_open *open, const char *name,
                      struct sim_refusal *refusal)
{
    struct sim_owner owner;
    struct vd_error err = VD_ERROR_INIT;
    struct sim_vm *locked = NULL;
    int r = VD_OK;

    if (sim_owner_of(sim, open->path, &owner)) {
        locked = owner.vm;
        pthread_mutex_lock(&locked->operation);
        if (sim_owner_of(sim, open->path, &owner)) { /* as it is now */
            open->of = owner.disk;
            r = refuse_running(sim, &owner, name, open->writable, refusal) ? -1 : VD_OK;
        }
    }
    if (r == VD_OK) {
        r = open_and_note(sim, open, &err);
        if (r < 0)
            sim_refuse_error(refusal, r, name, &err);
    }
    if (locked)
        pthread_mutex_unlock(&locked->operation);
    return r < 0 ? -1 : VD_OK;
}

int sim_open_disk(struct sim *sim, const struct sim_ticket *ticket, const char *name, bool writable,
                  struct sim_open **ret, struct sim_refusal *ret_refusal)
{
    VD_FREE char *path = NULL;
    struct vd_error err = VD_ERROR_INIT;
    int r = sim_store_resolve(&sim->stores, name, false, &path, &err);

    if (r < 0) {
        sim_refuse_error(ret_refusal, r, name, &err);
        return -1;
    }
    if (!may_open(sim, ticket, path, writable)) {
        refuse_permission(ret_refusal, name, writable);
        return -1;
    }
    struct sim_open *open = calloc(1, sizeof *open);
    if (!open) {
        sim_refuse(ret_refusal, SIM_REFUSED_MEMORY, "Failed to allocate the requested %zu bytes",
                   sizeof *open);
        return -1;
    }
    open->path = VD_TAKE_PTR(path);
    open->writable = writable;
    r = open_owned(sim, open, name, ret_refusal);
    if (r < 0) {
        free(open->path);
        free(open);
        return -1;
    }
    *ret = open;
    return VD_OK;
}

int sim_open_write(struct sim_open *open, uint64_t offset_bytes, const void *bytes, size_t size,
                   struct vd_error *err)
{
    int r = vd_disk_write(open->disk, offset_bytes / VD_SECTOR_BYTES, size / VD_SECTOR_BYTES, bytes,
                          err);

    if (open->of)
        sim_tracker_note(&open->of->tracker, offset_bytes, size);
    return r;
}

int sim_close_disk(struct sim *sim, struct sim_open *open, struct vd_error *err)
{
    if (!open)
        return VD_OK;
    int r = vd_disk_close(open->disk, err);
    pthread_mutex_lock(&sim->lock);
    struct sim_open **at = &sim->opens;
    while (*at && *at != open)
        at = &(*at)->next;
    if (*at)
        *at = open->next;
    pthread_mutex_unlock(&sim->lock);
    free(open->path);
    free(open);
    return r;
}

bool sim_open_is_used(struct sim *sim, const char *path, bool writers_only)
{
    bool used = false;

    pthread_mutex_lock(&sim->lock);
    for (struct sim_open *open = sim->opens; open && !used; open = open->next)
        used = (open->writable || !writers_only) && strcmp(open->path, path) == 0;
    pthread_mutex_unlock(&sim->lock);
    return used;
}
