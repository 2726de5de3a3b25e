/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client's connection once authd is done with it. The connection's own thread reads requests
 * and writes answers; any thread may queue an answer. While the thread waits for bytes it sends
 * what is queued, so a protocol reads as plain sequence.
 *
 * Latency, bandwidth, cuts and stalls are made here, where bytes leave.
 */
#ifndef SIM_CONN_H
#define SIM_CONN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "faults.h"
#include "net/stream.h"

/* Answers waiting to be sent, all together: who makes them waits above it. Few, so that the
 * processor's cache still has them when they leave; more where they wait for their time to come, as
 * the line they stand for would hold them. */
#define SIM_CONN_QUEUE_BYTES (2u << 20)
#define SIM_CONN_LINE_BYTES  (16u << 20)

/* One write to the stream. */
struct sim_packet {
    struct sim_packet *next;
    uint64_t due_ns;
    size_t size;
    uint8_t bytes[];
};

struct sim_conn {
    struct vd_stream *stream;
    struct sim_faults *faults;
    int wake;                 /* readable when an answer was queued or the end is asked for */
    atomic_bool stopping;     /* by another thread */
    void (*pump)(void *data); /* called by the connection's thread whenever it looks around */
    void *pump_data;
    /* the connection's thread's */
    size_t sent_of_first;
    uint64_t sent_bytes;
    uint64_t sent_packets;

    pthread_mutex_t lock; /* the rest */
    struct sim_packet *first, *last;
    size_t queued_bytes;
    uint64_t line_free_ns;
};

/* The stream stays the caller's. */
VD_MUST_CHECK int sim_conn_init(struct sim_conn *conn, struct vd_stream *stream,
                                struct sim_faults *faults, struct vd_error *err);
void sim_conn_done(struct sim_conn *conn);

/* Its bytes are the caller's to fill; NULL when out of memory. */
struct sim_packet *sim_packet_new(size_t size);
/* Takes the packet. */
void sim_conn_send(struct sim_conn *conn, struct sim_packet *packet);
/* A copy. */
VD_MUST_CHECK int sim_conn_send_bytes(struct sim_conn *conn, const void *bytes, size_t size,
                                      struct vd_error *err);
size_t sim_conn_queued(struct sim_conn *conn);
/* SIM_CONN_QUEUE_BYTES, or SIM_CONN_LINE_BYTES. */
size_t sim_conn_room(const struct sim_conn *conn);
/* The connection's thread looks around, though nothing was queued. */
void sim_conn_wake(struct sim_conn *conn);

/* All of it, sending meanwhile. VD_E_DISCONNECTED, VD_E_CANCELLED. */
VD_MUST_CHECK int sim_conn_read(struct sim_conn *conn, void *buffer, size_t size,
                                struct vd_error *err);
VD_MUST_CHECK int sim_conn_skip(struct sim_conn *conn, size_t size, struct vd_error *err);
/* Until `is_done` (NULL: at once) says so and all is sent. */
VD_MUST_CHECK int sim_conn_drain(struct sim_conn *conn, bool (*is_done)(void *data), void *data,
                                 struct vd_error *err);
/* Until `is_done` says so; others wake it. */
VD_MUST_CHECK int sim_conn_wait(struct sim_conn *conn, bool (*is_done)(void *data), void *data,
                                struct vd_error *err);
/* Until less than sim_conn_room wait. */
VD_MUST_CHECK int sim_conn_make_room(struct sim_conn *conn, struct vd_error *err);
/* From any thread: ends it. */
void sim_conn_stop(struct sim_conn *conn);

#endif
