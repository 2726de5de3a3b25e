/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator as a whole: what every part of it may look at. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/workers.h"
#include "chains.h"
#include "faults.h"
#include "inventory.h"
#include "net/tls.h"
#include "store.h"
#include "tickets.h"

struct sim_front;
struct sim_server;

struct sim_open; /* open-disks.h */

/* Fixed once the simulator is ready, but for what `lock` guards. */
struct sim {
    bool esxi;
    bool verbose;
    int profile;          /* 8, 7 or 6 */
    uint32_t nfc_version; /* 11, 7, 2 or 0 */
    bool workload;
    uint32_t workload_per_second;
    uint64_t seed;
    char folder[64]; /* private, temporary: certificates, exports */
    char certificate[96], key[96];
    char second_certificate[112], second_key[112];
    struct vd_tls_peer thumbprints;
    struct sim_stores stores;
    struct sim_tickets tickets;
    struct sim_chains chains;
    struct sim_faults faults;
    struct vd_workers *readers; /* of fragments, for all connections */

    pthread_mutex_t lock; /* the lists of machines, names and states (inventory.h), open disks */
    struct sim_vm *vms;
    struct sim_open *opens;
    unsigned exports; /* made so far, for their names */
};

/* A line on standard error, where --verbose asks for it. Never a ticket or a password. */
void sim_say(const struct sim *sim, const char *fmt, ...) VD_PRINTF(2, 3);

#endif
