/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual machines, their disks and snapshots. A first-class disk is kept as a machine of one
 * disk that never runs.
 *
 * Locks, in this order: a machine's `operation` keeps its operations (snapshots, power, attach,
 * opening a disk over NFC) apart, and may be held for long. Each disk's `live_lock` keeps the
 * machine's own writes away from them. sim->lock guards the lists, names and states, and is never
 * held while a disk is read or written. A disk, a machine or a snapshot, once there, stays in place
 * until the end; what is gone is only marked so.
 */
#ifndef SIM_INVENTORY_H
#define SIM_INVENTORY_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk/disk.h"
#include "tracking.h"

struct sim;

struct sim_disk {
    int key;
    char label[32];
    char *adapter; /* as VMs have it: lsilogic, pvscsi, ... */
    char *mode;    /* "persistent", ... */
    int unit;
    char uuid[48]; /* 6000C29x-... */
    uint64_t capacity_bytes;
    bool thin;
    bool detached;
    char *leaf; /* path of this machine */
    struct sim_tracker tracker;
    pthread_mutex_t live_lock; /* the next two */
    struct vd_disk *live;      /* open for the machine's own writes; NULL while there are none */
    uint64_t writes;           /* of the workload, so far */
};

/* A disk at the moment of a snapshot. */
struct sim_frozen {
    struct sim_disk *disk;
    char *path;
    char change_id[SIM_CHANGE_ID_BYTES];
    struct sim_epochs *epochs;
    uint64_t writes; /* of the workload, until then */
};

struct sim_snapshot {
    char *id;
    bool gone;
    struct sim_frozen *frozen;
    size_t count;
    struct sim_snapshot *next; /* newest first */
};

struct sim_vm {
    char *name;
    char *moref; /* the front's; before it is ready, and without one: vm-N */
    char uuid[40], instance_uuid[40];
    char *vmx;
    bool is_fcd;
    bool powered;
    pthread_mutex_t operation;
    struct sim_disk **disks;
    size_t count;
    struct sim_snapshot *snapshots;
    atomic_bool workload_runs;
    pthread_t workload;
    struct sim_vm *next;
};

/* "NAME=[ds] a/b.vmdk,[ds] c.vmdk": opens each disk once, to learn what it is. Later names without
 * "[ds]" are of the first one's datastore. */
VD_MUST_CHECK int sim_vm_add(struct sim *sim, const char *text, bool powered, struct vd_error *err);
/* The disk with this key, not detached. */
struct sim_disk *sim_vm_disk(struct sim *sim, const struct sim_vm *vm, int key);
/* The machine behind this one; NULL: the first. NULL: there is none. */
struct sim_vm *sim_vm_after(struct sim *sim, const struct sim_vm *vm);
/* By moref, or by name. NULL. */
struct sim_vm *sim_vm_find(struct sim *sim, const char *moref);
/* The first-class disk at this path, noted when it is first asked for. */
VD_MUST_CHECK int sim_fcd_find(struct sim *sim, const char *path, struct sim_vm **ret,
                               struct vd_error *err);
/* A disk of the machine, at a host path, which is copied. `key` 0: the next. */
VD_MUST_CHECK int sim_vm_attach(struct sim *sim, struct sim_vm *vm, const char *host_path, int key,
                                struct sim_disk **ret, struct vd_error *err);
void sim_vms_done(struct sim *sim);

/* Which machine's disk has this file in its chain or below a snapshot; `leaf` tells whether it is
 * where the machine writes. False: nobody's. */
struct sim_owner {
    struct sim_vm *vm;
    struct sim_disk *disk;
    bool leaf;
};
bool sim_owner_of(struct sim *sim, const char *host_path, struct sim_owner *ret);

/* Is the file in a chain of this machine, below one of its snapshots too? `key` NULL: any disk. */
bool sim_vm_holds(struct sim *sim, const struct sim_vm *vm, const int *key, const char *host_path);

/* DISK of the control channel, at `path`; NULL: where the machine writes, with `change_id` NULL: of
 * this moment. */
json_t *sim_disk_json(struct sim *sim, struct sim_disk *disk, const char *path,
                      const char *change_id);
/* Of all disks of a machine. */
json_t *sim_disks_json(struct sim *sim, struct sim_vm *vm);

#endif
