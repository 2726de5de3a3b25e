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
#define SIM_CONN_LINE_BYTES  (32u << 20)

/* What leaves together: its bytes, and behind them so many of a file, which go from the page cache
 * to the socket without a copy; on plain streams only. */
struct sim_packet {
    struct sim_packet *next;
    uint64_t due_ns;
    size_t size; /* of `bytes` */
    int file;    /* stays its owner's, open until the packet has left or the connection ends */
    uint64_t file_at_bytes;
    size_t file_bytes; /* 0: none */
    uint8_t bytes[];
};

struct sim_conn {
    struct vd_stream *stream;
    struct sim_faults *faults;
    int wake;                 /* readable when an answer was queued or the end is asked for */
    pthread_t thread;         /* the connection's */
    atomic_bool stopping;     /* by another thread */
    void (*pump)(void *data); /* called by the connection's thread whenever it looks around */
    void *pump_data;
    int pipe[2]; /* from the socket to a file; -1: not made */
    /* the connection's thread's, as the pipe */
    size_t sent_of_first;
    uint64_t sent_bytes;
    uint64_t sent_packets;
    bool stalled; /* once, for good */

    pthread_mutex_t lock; /* the rest */
    struct sim_packet *first, *last;
    size_t queued_bytes;
    uint64_t queued_packets; /* so far */
    uint64_t line_free_ns;
};

/* For the connection's own thread to call. The stream stays the caller's. */
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
/* The connection's thread looks around, though nothing was queued. On that thread itself nothing
 * happens: it looks around before it sleeps. */
void sim_conn_wake(struct sim_conn *conn);

/* All of it, sending meanwhile. VD_E_DISCONNECTED, VD_E_CANCELLED. */
VD_MUST_CHECK int sim_conn_read(struct sim_conn *conn, void *buffer, size_t size,
                                struct vd_error *err);
VD_MUST_CHECK int sim_conn_skip(struct sim_conn *conn, size_t size, struct vd_error *err);
/* Can sim_conn_store be used? Not under TLS. */
bool sim_conn_can_store(struct sim_conn *conn);
/* As sim_conn_read, into a file, from socket to page cache with one copy less. Where the file takes
 * them not, *ret_errno tells why, and the bytes are taken all the same. */
VD_MUST_CHECK int sim_conn_store(struct sim_conn *conn, size_t size, int fd, uint64_t at_bytes,
                                 int *ret_errno, struct vd_error *err);
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
