/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets: what the SOAP side gives out and authd takes, once. */
#ifndef SIM_TICKETS_H
#define SIM_TICKETS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum sim_ticket_kind {
    SIM_TICKET_READ,      /* the files of a VM, for reading */
    SIM_TICKET_READ_DISK, /* one disk and its parents, for reading */
    SIM_TICKET_WRITE,     /* the same, for writing */
    SIM_TICKET_FILES,     /* a datastore, or the files of a VM, for both */
    SIM_TICKET_SYSTEM,    /* everything */
};

#define SIM_TICKET_ID_BYTES 64u

struct sim_vm;
struct sim_store;

struct sim_ticket {
    char id[SIM_TICKET_ID_BYTES];
    enum sim_ticket_kind kind;
    struct sim_vm *vm;             /* NULL: FILES of a datastore, SYSTEM */
    int key;                       /* of READ_DISK and WRITE */
    const struct sim_store *store; /* of FILES without a VM */
};

/* How many may be waiting to be used; the oldest is forgotten then. */
#define SIM_TICKETS_MAX 1024u

struct sim_tickets {
    pthread_mutex_t lock; /* the rest */
    struct sim_ticket *list;
    size_t count;
};

bool sim_tickets_init(struct sim_tickets *tickets);
void sim_tickets_done(struct sim_tickets *tickets);
/* `ticket->id` "": a new one is made, and told there. */
VD_MUST_CHECK int sim_tickets_add(struct sim_tickets *tickets, struct sim_ticket *ticket,
                                  struct vd_error *err);
/* Hands it out and forgets it. False: there is none (any more). */
bool sim_tickets_take(struct sim_tickets *tickets, const char *id, struct sim_ticket *ret);

/* "8-4-4-4-12" random hexadecimal digits that begin as given; `text` of at least 37 bytes. */
VD_MUST_CHECK int sim_random_uuid(const char *begin, char *text, struct vd_error *err);

#endif
