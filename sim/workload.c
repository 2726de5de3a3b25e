/* SPDX-License-Identifier: Apache-2.0 */
#include "workload.h"

#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/vmdk.h"

#define PAGE_SECTORS     8u
#define PAGES_MAX        16u
#define AREA_MAX_BYTES   (UINT64_C(64) << 20)
#define AREA_LEAST_BYTES (UINT64_C(128) << 10)
#define WRITE_MAX_BYTES  (PAGES_MAX * PAGE_SECTORS * VD_SECTOR_BYTES)

struct workload {
    struct sim *sim;
    struct sim_vm *vm;
};

/* One step of splitmix64: the public generator by Sebastiano Vigna. */
static uint64_t mix(uint64_t state)
{
    uint64_t z = state + UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t area_bytes(const struct sim_disk *disk)
{
    uint64_t quarter = disk->capacity_bytes / 4 / (PAGE_SECTORS * VD_SECTOR_BYTES) *
                       (PAGE_SECTORS * VD_SECTOR_BYTES);

    return VD_MIN(quarter, AREA_MAX_BYTES);
}

static void fill(uint64_t x, uint64_t sectors, uint8_t *bytes)
{
    for (uint64_t i = 0; i < sectors; i++) {
        uint64_t word = mix(x + i);
        for (size_t at = 0; at < VD_SECTOR_BYTES; at += 8)
            vd_le64_encode(bytes + i * VD_SECTOR_BYTES + at, word);
    }
}

/* With the disk's live_lock held. */
static int write_next(struct sim *sim, struct sim_disk *disk, uint8_t *bytes, struct vd_error *err)
{
    uint64_t x = mix(sim->seed ^ (uint64_t)(uint32_t)disk->key << 32 ^ disk->writes);
    uint64_t sectors = PAGE_SECTORS * (1 + (x >> 40 & (PAGES_MAX - 1)));
    uint64_t area_sectors = area_bytes(disk) / VD_SECTOR_BYTES;
    uint64_t first = disk->capacity_bytes / VD_SECTOR_BYTES - area_sectors;
    uint64_t start = first + PAGE_SECTORS * (x % (area_sectors / PAGE_SECTORS - PAGES_MAX));

    fill(x, sectors, bytes);
    int r = vd_disk_write(disk->live, start, sectors, bytes, err);
    if (r < 0)
        return r;
    sim_tracker_note(&disk->tracker, vd_sectors_to_bytes(start), vd_sectors_to_bytes(sectors));
    disk->writes++;
    return VD_OK;
}

static void rest(uint32_t per_second)
{
    struct timespec pause = {0, (long)(1000000000u / per_second)};

    if (per_second == 1)
        pause = (struct timespec){1, 0};
    (void)nanosleep(&pause, NULL); /* a shorter one does no harm */
}

static void round_of(struct workload *self, uint8_t *bytes)
{
    struct sim_vm *vm = self->vm;

    pthread_mutex_lock(&self->sim->lock);
    size_t count = vm->count;
    pthread_mutex_unlock(&self->sim->lock);
    for (size_t i = 0; i < count; i++) {
        struct vd_error err = VD_ERROR_INIT;
        pthread_mutex_lock(&self->sim->lock);
        struct sim_disk *disk = vm->disks[i];
        pthread_mutex_unlock(&self->sim->lock);
        pthread_mutex_lock(&disk->live_lock);
        bool writes = disk->live && !disk->detached && area_bytes(disk) > AREA_LEAST_BYTES;
        int r = writes ? write_next(self->sim, disk, bytes, &err) : VD_OK;
        pthread_mutex_unlock(&disk->live_lock);
        if (r < 0)
            sim_say(self->sim, "workload of '%s': %s", vm->name, err.text);
    }
}

static void *run(void *data)
{
    VD_FREE struct workload *self = data;
    VD_FREE uint8_t *bytes = malloc(WRITE_MAX_BYTES);

    while (bytes && atomic_load(&self->vm->workload_runs)) {
        round_of(self, bytes);
        rest(self->sim->workload_per_second);
    }
    return NULL;
}

static int close_all(struct sim_vm *vm, struct vd_error *err)
{
    int r = VD_OK;

    for (size_t i = 0; i < vm->count; i++) {
        struct sim_disk *disk = vm->disks[i];
        pthread_mutex_lock(&disk->live_lock);
        int closed = vd_disk_close(VD_TAKE_PTR(disk->live), err);
        pthread_mutex_unlock(&disk->live_lock);
        r = r < 0 ? r : closed;
    }
    return r;
}

static int open_all(struct sim *sim, struct sim_vm *vm, struct vd_error *err)
{
    int r = VD_OK;

    for (size_t i = 0; i < vm->count && r == VD_OK; i++) {
        struct sim_disk *disk = vm->disks[i];
        if (disk->detached)
            continue;
        pthread_mutex_lock(&sim->lock);
        VD_FREE char *leaf = strdup(disk->leaf);
        pthread_mutex_unlock(&sim->lock);
        pthread_mutex_lock(&disk->live_lock);
        r = leaf ? vd_vmdk_open(leaf, NULL, &disk->live, err)
                 : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
        pthread_mutex_unlock(&disk->live_lock);
    }
    return r;
}

int sim_workload_start(struct sim *sim, struct sim_vm *vm, struct vd_error *err)
{
    if (!sim->workload || vm->is_fcd || atomic_load(&vm->workload_runs))
        return VD_OK;
    VD_FREE struct workload *self = malloc(sizeof *self);
    int r = self ? open_all(sim, vm, err) : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    if (r == VD_OK) {
        *self = (struct workload){sim, vm};
        atomic_store(&vm->workload_runs, true);
        int number = pthread_create(&vm->workload, NULL, run, self);
        if (number == 0) {
            self = NULL;
            return VD_OK;
        }
        atomic_store(&vm->workload_runs, false);
        r = vd_error_set_errno(err, number, "starting the workload of '%s'", vm->name);
    }
    VD_DISCARD(close_all(vm, NULL)); /* the first error counts */
    return r;
}

int sim_workload_stop(struct sim_vm *vm, struct vd_error *err)
{
    if (!atomic_load(&vm->workload_runs))
        return VD_OK;
    atomic_store(&vm->workload_runs, false);
    (void)pthread_join(vm->workload, NULL); /* fails for no thread of ours */
    return close_all(vm, err);
}
