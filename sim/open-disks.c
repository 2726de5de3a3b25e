/* SPDX-License-Identifier: Apache-2.0 */
#include "open-disks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/units.h"
#include "vmdk/vmdk.h"

/* Asked about at a time: 1 GiB. To find where data ends takes time that grows with its length. */
#define RUN_MAX_SECTORS (UINT64_C(1) << 21)

/* One of the files a disk is in. */
struct sim_open_file {
    int fd;
    bool writable;
    struct sim_open_file *next;
    char path[];
};

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

void sim_open_written(struct sim_open *open, uint64_t offset_bytes, size_t size)
{
    if (open->of)
        sim_tracker_note(&open->of->tracker, offset_bytes, size);
}

int sim_open_write(struct sim_open *open, uint64_t offset_bytes, const void *bytes, size_t size,
                   struct vd_error *err)
{
    int r = vd_disk_write(open->disk, offset_bytes / VD_SECTOR_BYTES, size / VD_SECTOR_BYTES, bytes,
                          err);

    sim_open_written(open, offset_bytes, size);
    if (r == VD_OK)
        atomic_store(&open->written, true);
    return r;
}

static struct sim_open_file *file_new(const char *path, bool writable)
{
    size_t size = strlen(path) + 1;
    int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    struct sim_open_file *file = fd < 0 ? NULL : malloc(sizeof *file + size);

    if (!file) {
        if (fd >= 0)
            (void)close(fd); /* nothing was written */
        return NULL;
    }
    *file = (struct sim_open_file){.fd = fd, .writable = writable};
    memcpy(file->path, path, size);
    return file;
}

static struct sim_open_file *file_of(struct sim_open *open, const char *path, bool writable)
{
    struct sim_open_file *file = open->files;

    while (file && (file->writable != writable || strcmp(file->path, path) != 0))
        file = file->next;
    if (file)
        return file;
    file = file_new(path, writable);
    if (file) {
        file->next = open->files;
        open->files = file;
    }
    return file;
}

static bool holds(const struct vd_run *run, uint64_t start_sectors, uint64_t count_sectors)
{
    return start_sectors >= run->start_sectors && count_sectors <= run->length_sectors &&
           start_sectors - run->start_sectors <= run->length_sectors - count_sectors;
}

/* What is stored keeps its place as long as the disk is open, so a run is good for many requests. A
 * disk that is written hides what its parents hold, bit by bit: theirs is of no use there. */
static bool run_of(struct sim_open *open, uint64_t start_sectors, uint64_t count_sectors)
{
    uint64_t left = vd_disk_capacity(open->disk) - start_sectors;
    size_t count;

    bool known = open->run.kind == VD_RUN_DATA || !open->writable; /* a hole may be filled */
    if (!known || !holds(&open->run, start_sectors, count_sectors)) {
        struct vd_run run;
        int r = vd_disk_map(open->disk, start_sectors, VD_MIN(left, RUN_MAX_SECTORS), &run, 1,
                            &count, NULL);
        if (r < 0 || !holds(&run, start_sectors, count_sectors))
            return false;
        open->run = run;
    }
    return open->run.kind == VD_RUN_DATA && !open->run.compressed &&
           !(open->writable && open->run.link > 0);
}

int sim_open_file_of(struct sim_open *open, uint64_t start_sectors, uint64_t count_sectors,
                     bool writing, uint64_t *ret_offset_bytes)
{
    if ((writing && !atomic_load(&open->written)) || !run_of(open, start_sectors, count_sectors))
        return -1;
    struct sim_open_file *file = file_of(open, open->run.file, writing);
    *ret_offset_bytes =
        open->run.offset_bytes + vd_sectors_to_bytes(start_sectors - open->run.start_sectors);
    return file ? file->fd : -1;
}

/* A late write error, of the first that has one. */
static int close_files(struct sim_open *open, struct vd_error *err)
{
    int r = VD_OK;

    while (open->files) {
        struct sim_open_file *file = open->files;
        open->files = file->next;
        if (file->writable && fdatasync(file->fd) < 0 && r == VD_OK)
            r = vd_error_set_errno(err, errno, "writing '%s'", file->path);
        (void)close(file->fd); /* what was written is safe, or the trouble is told */
        free(file);
    }
    return r;
}

int sim_close_disk(struct sim *sim, struct sim_open *open, struct vd_error *err)
{
    if (!open)
        return VD_OK;
    int r = close_files(open, err);
    int closed = vd_disk_close(open->disk, r < 0 ? NULL : err);
    pthread_mutex_lock(&sim->lock);
    struct sim_open **at = &sim->opens;
    while (*at && *at != open)
        at = &(*at)->next;
    if (*at)
        *at = open->next;
    pthread_mutex_unlock(&sim->lock);
    free(open->path);
    free(open);
    return r < 0 ? r : closed;
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
