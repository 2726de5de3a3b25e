/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S   UINT64_C(1000000000)
#define NS_PER_MS  UINT64_C(1000000)
#define PIPE_BYTES (1 << 20)
/* An open disk without traffic is kept so long, as hosts do. */
#define IDLE_NS (30 * 60 * NS_PER_S)

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int sim_conn_init(struct sim_conn *conn, struct vd_stream *stream, struct sim_faults *faults,
                  struct vd_error *err)
{
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (wake < 0)
        return vd_error_set_errno(err, errno, "making a connection");
    *conn = (struct sim_conn){.stream = stream,
                              .faults = faults,
                              .wake = wake,
                              .thread = pthread_self(),
                              .pipe = {-1, -1}};
    pthread_mutex_init(&conn->lock, NULL);
    return VD_OK;
}

/* A pipe with bytes in it that nobody wants. */
static void drop_pipe(struct sim_conn *conn)
{
    for (int i = 0; i < 2; i++) {
        if (conn->pipe[i] >= 0)
            (void)close(conn->pipe[i]); /* carries nothing that is needed */
        conn->pipe[i] = -1;
    }
}

void sim_conn_done(struct sim_conn *conn)
{
    while (conn->first) {
        struct sim_packet *packet = conn->first;
        conn->first = packet->next;
        free(packet);
    }
    drop_pipe(conn);
    (void)close(conn->wake); /* carries no data */
    pthread_mutex_destroy(&conn->lock);
}

static void ring(struct sim_conn *conn)
{
    uint64_t one = 1;

    if (write(conn->wake, &one, sizeof one) < 0) {
        /* full: then it is awake already */
    }
}

void sim_conn_wake(struct sim_conn *conn)
{
    if (!pthread_equal(pthread_self(), conn->thread))
        ring(conn);
}

void sim_conn_stop(struct sim_conn *conn)
{
    atomic_store(&conn->stopping, true);
    vd_stream_interrupt(conn->stream);
    ring(conn);
}

struct sim_packet *sim_packet_new(size_t size)
{
    struct sim_packet *packet = malloc(sizeof *packet + size);

    if (packet)
        *packet = (struct sim_packet){.size = size};
    return packet;
}

static size_t bytes_of(const struct sim_packet *packet)
{
    return packet->size + packet->file_bytes;
}

/* When the packet may leave: behind those before it at the line's speed, and then the way. */
static void set_due_locked(struct sim_conn *conn, struct sim_packet *packet)
{
    int64_t bandwidth = sim_fault(conn->faults, SIM_BANDWIDTH);
    int64_t latency_ms = sim_fault(conn->faults, SIM_LATENCY_MS);
    uint64_t now = now_ns();

    packet->due_ns = now;
    if (bandwidth > 0) {
        if (conn->line_free_ns < now)
            conn->line_free_ns = now;
        conn->line_free_ns += bytes_of(packet) * NS_PER_S / (uint64_t)bandwidth;
        packet->due_ns = conn->line_free_ns;
    }
    if (latency_ms > 0)
        packet->due_ns += (uint64_t)latency_ms * NS_PER_MS;
}

void sim_conn_send(struct sim_conn *conn, struct sim_packet *packet)
{
    pthread_mutex_lock(&conn->lock);
    set_due_locked(conn, packet);
    if (sim_fault_is_at(conn->faults, SIM_BAD_ANSWER, ++conn->queued_packets))
        packet->bytes[0] ^= 0xff;
    packet->next = NULL;
    if (conn->first)
        conn->last->next = packet;
    else
        conn->first = packet;
    conn->last = packet;
    conn->queued_bytes += bytes_of(packet);
    pthread_mutex_unlock(&conn->lock);
    sim_conn_wake(conn);
}

int sim_conn_send_bytes(struct sim_conn *conn, const void *bytes, size_t size, struct vd_error *err)
{
    struct sim_packet *packet = sim_packet_new(size);

    if (!packet)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    memcpy(packet->bytes, bytes, size);
    sim_conn_send(conn, packet);
    return VD_OK;
}

size_t sim_conn_queued(struct sim_conn *conn)
{
    pthread_mutex_lock(&conn->lock);
    size_t queued = conn->queued_bytes;
    pthread_mutex_unlock(&conn->lock);
    return queued;
}

size_t sim_conn_room(const struct sim_conn *conn)
{
    return sim_fault(conn->faults, SIM_LATENCY_MS) > 0 ? SIM_CONN_LINE_BYTES : SIM_CONN_QUEUE_BYTES;
}

/* How many bytes may still leave by this fault before the connection is to be cut. */
static uint64_t bytes_before(const struct sim_conn *conn, const struct sim_packet *packet,
                             enum sim_fault fault)
{
    int64_t value = sim_fault(conn->faults, fault);
    bool by_answer = fault == SIM_DROP_ANSWER || fault == SIM_DROP_ANSWER_ONCE;

    if (value < 0 || (by_answer && (uint64_t)value != conn->sent_packets + 1))
        return UINT64_MAX;
    uint64_t at = by_answer ? bytes_of(packet) / 2 : (uint64_t)value;
    uint64_t sent = by_answer ? conn->sent_of_first : conn->sent_bytes;
    return at > sent ? at - sent : 0;
}

static const enum sim_fault cuts[] = {SIM_DROP_AFTER, SIM_DROP_ONCE, SIM_DROP_ANSWER,
                                      SIM_DROP_ANSWER_ONCE};

static uint64_t bytes_before_cut(const struct sim_conn *conn, const struct sim_packet *packet)
{
    uint64_t left = UINT64_MAX;

    for (size_t i = 0; i < VD_ARRAY_SIZE(cuts); i++)
        left = VD_MIN(left, bytes_before(conn, packet, cuts[i]));
    return left;
}

static int cut(struct sim_conn *conn, const struct sim_packet *packet, struct vd_error *err)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(cuts); i++) {
        if (bytes_before(conn, packet, cuts[i]) > 0)
            continue;
        sim_fault_strike(conn->faults, cuts[i]);
        if (cuts[i] == SIM_DROP_ONCE || cuts[i] == SIM_DROP_ANSWER_ONCE)
            (void)sim_fault_clear(conn->faults, cuts[i]); /* one connection at a time is cut */
    }
    (void)shutdown(vd_stream_fd(conn->stream), SHUT_RDWR); /* it may be gone already */
    return vd_error_set(err, VD_E_DISCONNECTED, "cut, as asked for");
}

static void drop_first(struct sim_conn *conn, struct sim_packet *packet)
{
    pthread_mutex_lock(&conn->lock);
    conn->first = packet->next;
    conn->queued_bytes -= bytes_of(packet);
    pthread_mutex_unlock(&conn->lock);
    free(packet);
    conn->sent_of_first = 0;
    conn->sent_packets++;
}

static bool is_stalled(struct sim_conn *conn)
{
    int64_t always = sim_fault(conn->faults, SIM_STALL);
    int64_t once = sim_fault(conn->faults, SIM_STALL_ONCE);

    if (once >= 0 && conn->sent_packets >= (uint64_t)once &&
        sim_fault_clear(conn->faults, SIM_STALL_ONCE)) {
        sim_fault_strike(conn->faults, SIM_STALL_ONCE);
        conn->stalled = true;
    }
    if (always < 0 || conn->sent_packets < (uint64_t)always)
        return conn->stalled;
    sim_fault_strike(conn->faults, SIM_STALL);
    return true;
}

/* What is to leave next; NULL: nothing may. */
static struct sim_packet *first_packet(struct sim_conn *conn)
{
    pthread_mutex_lock(&conn->lock);
    struct sim_packet *packet = conn->first;
    pthread_mutex_unlock(&conn->lock);
    return packet && !is_stalled(conn) ? packet : NULL;
}

/* What is left of the first packet's bytes, or of its file's, but no more than `allowed`. */
static int send_part(struct sim_conn *conn, const struct sim_packet *packet, uint64_t allowed,
                     size_t *ret_put, struct vd_error *err)
{
    size_t done = conn->sent_of_first;
    bool in_file = done >= packet->size;
    size_t left = in_file ? bytes_of(packet) - done : packet->size - done;
    off_t at = (off_t)(packet->file_at_bytes + done - packet->size);
    ssize_t put;

    left = VD_MIN(left, allowed);
    if (packet->file_bytes == 0)
        return vd_stream_try_write(conn->stream, packet->bytes + done, left, ret_put, err);
    if (in_file)
        put = sendfile(vd_stream_fd(conn->stream), packet->file, &at, left);
    else
        put = send(vd_stream_fd(conn->stream), packet->bytes + done, left, MSG_NOSIGNAL | MSG_MORE);
    if (put < 0 && (errno == EAGAIN || errno == EINTR))
        return VD_STREAM_WAIT;
    if (put <= 0)
        return vd_error_set_errno(err, put < 0 ? errno : EIO, "sending what is in a file");
    *ret_put = (size_t)put;
    return VD_OK;
}

/* Sends what is due, as far as it goes without waiting. *ret_due_ns: when more is due; UINT64_MAX:
 * nothing is queued. VD_STREAM_WAIT: the peer takes no more now. */
static int send_due(struct sim_conn *conn, uint64_t *ret_due_ns, struct vd_error *err)
{
    struct sim_packet *packet;

    *ret_due_ns = UINT64_MAX;
    while ((packet = first_packet(conn)) != NULL) {
        size_t put = 0;
        uint64_t allowed = bytes_before_cut(conn, packet);
        if (packet->due_ns > now_ns()) {
            *ret_due_ns = packet->due_ns;
            return VD_OK;
        }
        if (allowed == 0)
            return cut(conn, packet, err);
        int r = send_part(conn, packet, allowed, &put, err);
        if (r != VD_OK)
            return r;
        conn->sent_bytes += put;
        conn->sent_of_first += put;
        if (conn->sent_of_first == bytes_of(packet))
            drop_first(conn, packet);
    }
    return VD_OK;
}

/* Also for the `owed` bytes that are to be read, if any are. */
static int wait_for(struct sim_conn *conn, size_t owed, bool writing, uint64_t due_ns,
                    struct vd_error *err)
{
    bool reading = owed > 0;
    /* Nothing that is sent tells that the client is gone where nothing is sent. */
    bool silent = conn->stalled || sim_fault(conn->faults, SIM_STALL) >= 0;
    struct pollfd fds[] = {
        {vd_stream_fd(conn->stream),
         (short)(vd_stream_events(conn->stream, reading, writing) | (silent ? POLLRDHUP : 0)), 0},
        {conn->wake, POLLIN, 0},
    };
    vd_stream_owed(conn->stream, owed);
    uint64_t now = now_ns();
    uint64_t idle = IDLE_NS;
    uint64_t left = due_ns == UINT64_MAX ? idle : due_ns > now ? due_ns - now : 0;
    struct timespec timeout = {(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
    uint64_t ignored;

    int n = ppoll(fds, 2, &timeout, NULL);
    if (n < 0 && errno != EINTR)
        return vd_error_set_errno(err, errno, "waiting for a client");
    if (n == 0 && due_ns == UINT64_MAX)
        return vd_error_set(err, VD_E_TIMED_OUT, "a client was silent for 30 minutes");
    if (n > 0 && !reading && (fds[0].revents & (POLLERR | POLLHUP | POLLRDHUP)))
        return vd_error_set(err, VD_E_DISCONNECTED, "the client is gone");
    if (n > 0 && fds[1].revents && read(conn->wake, &ignored, sizeof ignored) < 0)
        return VD_OK; /* somebody else's wake was taken together with it */
    return VD_OK;
}

/* Where bytes from the client go. */
struct sink {
    void *buffer; /* NULL: the pipe */
    size_t size;  /* 0: nowhere; none is taken */
};

static int take_bytes(struct sim_conn *conn, const struct sink *sink, size_t *ret,
                      struct vd_error *err)
{
    if (sink->buffer)
        return vd_stream_try_read(conn->stream, sink->buffer, sink->size, ret, err);
    ssize_t got = splice(vd_stream_fd(conn->stream), NULL, conn->pipe[1], NULL, sink->size,
                         SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return VD_STREAM_WAIT;
    if (got < 0)
        return vd_error_set_errno(err, errno, "reading from a client");
    *ret = (size_t)got;
    return VD_OK;
}

/* Looks around once: sends, reads if there is a sink, and waits when nothing goes. */
static int step(struct sim_conn *conn, const struct sink *sink, size_t *ret, struct vd_error *err)
{
    uint64_t due_ns;
    uint64_t sent_bytes = conn->sent_bytes;

    *ret = 0;
    if (atomic_load(&conn->stopping))
        return vd_error_set(err, VD_E_CANCELLED, "the simulator ends");
    if (conn->pump)
        conn->pump(conn->pump_data);
    int r = send_due(conn, &due_ns, err);
    bool writing = r == VD_STREAM_WAIT;
    if (r < 0)
        return r;
    if (sink->size > 0) {
        r = take_bytes(conn, sink, ret, err);
        if (r == VD_OK && *ret == 0)
            return vd_error_set(err, VD_E_DISCONNECTED, "the client is gone");
        if (r != VD_STREAM_WAIT)
            return r;
    }
    if (conn->sent_bytes != sent_bytes)
        return VD_OK; /* there is room again, which the pump may use */
    return wait_for(conn, sink->size, writing, due_ns, err);
}

static int step_without_reading(struct sim_conn *conn, struct vd_error *err)
{
    size_t got;

    return step(conn, &(struct sink){NULL, 0}, &got, err);
}

int sim_conn_read(struct sim_conn *conn, void *buffer, size_t size, struct vd_error *err)
{
    for (size_t done = 0; done < size;) {
        size_t got;
        int r = step(conn, &(struct sink){(uint8_t *)buffer + done, size - done}, &got, err);
        if (r < 0)
            return r;
        done += got;
    }
    return VD_OK;
}

/* So many bytes out of the pipe; -1 with errno. */
static int empty_pipe(struct sim_conn *conn, int fd, off_t at, size_t size)
{
    while (size > 0) {
        ssize_t put = splice(conn->pipe[0], NULL, fd, &at, size, SPLICE_F_MOVE);
        if (put < 0 && errno != EINTR)
            return -1;
        size -= put > 0 ? (size_t)put : 0;
    }
    return 0;
}

bool sim_conn_can_store(struct sim_conn *conn)
{
    if (vd_stream_is_secured(conn->stream))
        return false;
    if (conn->pipe[0] < 0 && pipe2(conn->pipe, O_CLOEXEC) == 0)
        (void)fcntl(conn->pipe[1], F_SETPIPE_SZ, PIPE_BYTES); /* the usual size does too */
    return conn->pipe[0] >= 0;
}

int sim_conn_store(struct sim_conn *conn, size_t size, int fd, uint64_t at_bytes, int *ret_errno,
                   struct vd_error *err)
{
    *ret_errno = 0;
    for (size_t done = 0; done < size;) {
        size_t got;
        int r = step(conn, &(struct sink){NULL, size - done}, &got, err);
        if (r < 0)
            return r;
        if (empty_pipe(conn, fd, (off_t)(at_bytes + done), got) < 0) {
            *ret_errno = errno;
            drop_pipe(conn);
            return sim_conn_skip(conn, size - done - got, err);
        }
        done += got;
    }
    return VD_OK;
}

int sim_conn_skip(struct sim_conn *conn, size_t size, struct vd_error *err)
{
    uint8_t nothing[4096];

    while (size > 0) {
        size_t part = VD_MIN(size, sizeof nothing);
        int r = sim_conn_read(conn, nothing, part, err);
        if (r < 0)
            return r;
        size -= part;
    }
    return VD_OK;
}

static bool is_drained(struct sim_conn *conn, bool (*is_done)(void *data), void *data)
{
    if (conn->pump)
        conn->pump(conn->pump_data); /* what was waited for may have happened */
    return sim_conn_queued(conn) == 0 && (!is_done || is_done(data));
}

int sim_conn_drain(struct sim_conn *conn, bool (*is_done)(void *data), void *data,
                   struct vd_error *err)
{
    while (!is_drained(conn, is_done, data)) {
        int r = step_without_reading(conn, err);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

int sim_conn_wait(struct sim_conn *conn, bool (*is_done)(void *data), void *data,
                  struct vd_error *err)
{
    while (!is_done(data)) {
        int r = step_without_reading(conn, err);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

int sim_conn_make_room(struct sim_conn *conn, struct vd_error *err)
{
    while (sim_conn_queued(conn) > sim_conn_room(conn)) {
        int r = step_without_reading(conn, err);
        if (r < 0)
            return r;
    }
    return VD_OK;
}
