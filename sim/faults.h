/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulated host does wrong on request. The NFC side's faults are numbers that any thread
 * reads and takes; those of the SOAP side are kept as given, for the front. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum sim_fault {
    SIM_LATENCY_MS,        /* every answer comes so much later; answers overlap */
    SIM_BANDWIDTH,         /* bytes per second of each connection, towards the client */
    SIM_DROP_AFTER,        /* each connection is cut after so many bytes of NFC answers */
    SIM_DROP_ONCE,         /* the same, for one connection only */
    SIM_ERROR_FRAME,       /* the N-th IO request of a connection is answered by an error */
    SIM_REVERSE_FRAGMENTS, /* the last fragment of a read first */
    SIM_INTERLEAVE,        /* fragments of different reads take turns */
    SIM_ODD_FRAGMENTS,     /* fragments of sizes that are no multiple of a sector */
    SIM_SKIPZ_RAW_LABEL,   /* raw fragments called SkipZ */
    SIM_MEMORY_ERROR,      /* the next N reads are refused for want of memory */
    SIM_LATE_36,           /* the answer to the empty message 33 waits for message 51 */
    SIM_WRONG_SECOND,      /* the second TLS handshake has another certificate */
    SIM_RUNNING_REFUSED,   /* the leaf of a running VM is not opened; on unless switched off */
    SIM_STALL,             /* nothing is sent after N answers of a connection */
    SIM_BAD_MAGIC,         /* the N-th AIO frame of a connection has another magic number */
    SIM_BAD_LENGTH,        /* the N-th read fragment claims a trailer of 2 GiB */
    SIM_FRAGMENT_OUTSIDE,  /* the N-th read fragment lies behind its request */
    SIM_BAD_STATUS,        /* the N-th read fragment has a status that is not 0 */
    SIM_REFUSE_TICKETS,    /* every ticket is refused by authd */
    SIM_CHANGED_PAGE,      /* at most N areas in an answer to a query for changes */
    /* The N-th answer of a connection, or its N-th request that has one, counted behind authd: */
    SIM_DROP_ANSWER,      /* half of the answer comes, and then the end */
    SIM_DROP_ANSWER_ONCE, /* the same, for one connection only */
    SIM_STALL_ONCE,       /* as SIM_STALL, for one connection only */
    SIM_BAD_ANSWER,       /* the first byte, of type or magic number, is another */
    SIM_REFUSE_REQUEST,   /* an error in place of the answer */
    SIM_REFUSE_MEMORY,    /* the same, for want of memory */
    /* The N-th step of authd towards the client: greeting, TLS, banner, ... */
    SIM_AUTHD_DROP,    /* the end of the connection instead */
    SIM_AUTHD_STALL,   /* silence */
    SIM_AUTHD_REFUSE,  /* 530 */
    SIM_AUTHD_ENDLESS, /* a line that does not end */
    SIM_FAULT_COUNT
};

#define SIM_FAULT_OFF (-1)

struct sim_faults {
    _Atomic int64_t values[SIM_FAULT_COUNT];
    _Atomic uint64_t struck[SIM_FAULT_COUNT]; /* how often since it was set */
    pthread_mutex_t lock;                     /* `soap` */
    json_t *soap;                             /* name: value, of the faults of the SOAP side */
};

/* All off but RUNNING_REFUSED. False when out of memory. */
bool sim_faults_init(struct sim_faults *faults);
void sim_faults_done(struct sim_faults *faults);
/* `value`: true, a number or a text; NULL, null or false: off. VD_E_INVALID_ARG for a name nobody
 * knows, or a value it cannot have. */
VD_MUST_CHECK int sim_faults_set(struct sim_faults *faults, const char *name, json_t *value,
                                 struct vd_error *err);
/* "NAME" or "NAME=VALUE". */
VD_MUST_CHECK int sim_faults_parse(struct sim_faults *faults, const char *text,
                                   struct vd_error *err);
/* SIM_FAULT_OFF, or the value. */
int64_t sim_fault(const struct sim_faults *faults, enum sim_fault fault);
/* Of a fault that counts down: true while there is something left. */
bool sim_fault_take(struct sim_faults *faults, enum sim_fault fault);
/* Counts that the fault did its work. */
void sim_fault_strike(struct sim_faults *faults, enum sim_fault fault);
/* True, and counted, where `number` is the one the fault is for. */
bool sim_fault_is_at(struct sim_faults *faults, enum sim_fault fault, uint64_t number);
/* How often the NFC side's fault struck since it was set; 0 for others. */
uint64_t sim_faults_struck(const struct sim_faults *faults, const char *name);
/* True once; the fault is off then. */
bool sim_fault_clear(struct sim_faults *faults, enum sim_fault fault);
/* Everything that is on, for the front; NULL when out of memory. */
json_t *sim_faults_json(struct sim_faults *faults);
/* One name per line, for --help. */
void sim_faults_print(FILE *out);

#endif
