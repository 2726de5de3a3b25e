/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/pump.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "nfc/budget.h"
#include "nfc/handshake.h"
#include "nfc/link.h"
#include "nfc/packer.h"

/* 32 requests of 1 MiB, which hosts take: 8 GB/s with 4 ms of latency. */
#define DEFAULT_IN_FLIGHT 32u
#define ATTEMPTS_MAX      5u     /* of a connection, in a row, without one answer between them */
#define RETRIES_MAX       8u     /* of an operation the host has no memory for */
#define PACK_LEAST_BYTES  16384u /* less is packed sooner than a thread is woken */
#define PIECE_BYTES       (256u << 10) /* sent at a time, so that answers are taken in between */

struct vd_nfc_batch {
    pthread_cond_t finished;
    size_t left;
};

struct vd_nfc_pump {
    struct vd_nfc_options options;
    char *path, *server; /* of the options */
    uint32_t buffer_bytes, buffer_count;
    bool in_budget;
    int wake; /* eventfd */
    pthread_t thread;
    struct vd_nfc_packer *packer; /* NULL: nothing is to be packed */

    pthread_mutex_t lock;
    struct vd_nfc_op *waiting, **last_waiting; /* guarded by lock; as is a batch's `left` */
    bool stop;                                 /* guarded by lock */

    /* The thread's own, while it runs. */
    struct vd_nfc_link link; /* stream NULL: not connected */
    struct vd_nfc_opened opened;
    char host[256];
    uint32_t window;
    unsigned attempts;
    uint64_t resume_at_ms;  /* nothing new is sent before */
    uint64_t last_moved_ms; /* operations have got on */
    uint64_t progress;      /* of the session, then */
};

const struct vd_nfc_opened *vd_nfc_pump_opened(const struct vd_nfc_pump *pump)
{
    return &pump->opened;
}

static void wake(struct vd_nfc_pump *pump)
{
    uint64_t one = 1;
    if (write(pump->wake, &one, sizeof one) < 0)
        return; /* it is readable already */
}

static void wake_for_packer(void *data)
{
    wake(data);
}

static void append_locked(struct vd_nfc_pump *pump, struct vd_nfc_op *op)
{
    op->next = NULL;
    *pump->last_waiting = op;
    pump->last_waiting = &op->next;
}

/* In front of those that wait: they were first. */
static void put_back(struct vd_nfc_pump *pump, struct vd_nfc_op *ops)
{
    if (!ops)
        return;
    struct vd_nfc_op *last = ops;
    while (last->next)
        last = last->next;
    (void)pthread_mutex_lock(&pump->lock);
    last->next = pump->waiting;
    if (!pump->waiting)
        pump->last_waiting = &last->next;
    pump->waiting = ops;
    (void)pthread_mutex_unlock(&pump->lock);
}

static struct vd_nfc_op *take_waiting(struct vd_nfc_pump *pump)
{
    (void)pthread_mutex_lock(&pump->lock);
    struct vd_nfc_op *op = pump->waiting;
    if (op)
        pump->waiting = op->next;
    if (!pump->waiting)
        pump->last_waiting = &pump->waiting;
    (void)pthread_mutex_unlock(&pump->lock);
    return op;
}

static bool has_waiting(struct vd_nfc_pump *pump, bool *ret_stop)
{
    (void)pthread_mutex_lock(&pump->lock);
    bool has = pump->waiting != NULL;
    *ret_stop = pump->stop;
    (void)pthread_mutex_unlock(&pump->lock);
    return has;
}

static void job_done(struct vd_nfc_pump *pump, struct vd_nfc_op *op)
{
    struct vd_nfc_batch *batch = ((struct vd_nfc_job *)op)->batch;
    if (op->parcel)
        vd_nfc_packer_give_back(pump->packer, VD_TAKE_PTR(op->parcel));
    (void)pthread_mutex_lock(&pump->lock);
    if (--batch->left == 0)
        (void)pthread_cond_signal(&batch->finished); /* the batch is gone once the lock is */
    (void)pthread_mutex_unlock(&pump->lock);
}

/* The host has no memory for it now: fewer at a time, after a pause. */
static bool ask_again(struct vd_nfc_pump *pump, struct vd_nfc_op *op)
{
    struct vd_nfc_job *job = (struct vd_nfc_job *)op;
    if (op->code != VD_E_NO_MEMORY || op->host_code == 0 || job->retries >= RETRIES_MAX)
        return false;
    pump->resume_at_ms = vd_clock_now_ms() + (pump->options.first_pause_ms << job->retries);
    pump->window = VD_MAX(pump->window / 2, 1u);
    job->retries++;
    op->next = NULL;
    put_back(pump, op);
    return true;
}

static void op_finished(struct vd_nfc_op *op)
{
    struct vd_nfc_pump *pump = op->data;
    pump->attempts = 0;
    if (!ask_again(pump, op))
        job_done(pump, op);
}

static void fail_list(struct vd_nfc_pump *pump, struct vd_nfc_op *ops, int code,
                      const struct vd_error *why)
{
    while (ops) {
        struct vd_nfc_op *next = ops->next;
        ops->code = vd_error_set(&ops->err, code, "%s", why->text);
        vd_nfc_ranges_done(&ops->arrived);
        job_done(pump, ops);
        ops = next;
    }
}

static void fail_waiting(struct vd_nfc_pump *pump, int code, const struct vd_error *why)
{
    struct vd_nfc_op *op;
    while ((op = take_waiting(pump))) {
        op->next = NULL;
        fail_list(pump, op, code, why);
    }
}

static bool can_be_mended(int code)
{
    return vd_error_is(code, VD_E_DISCONNECTED) || vd_error_is(code, VD_E_TIMED_OUT);
}

/* Writes that were packed meanwhile, and reads' fragments that nobody waits for any more. */
static struct vd_nfc_op *take_packed(struct vd_nfc_pump *pump)
{
    struct vd_nfc_op *ops = NULL;
    struct vd_nfc_op **last = &ops;
    struct vd_nfc_parcel *parcel;
    if (!pump->packer)
        return NULL;
    vd_nfc_packer_settle(pump->packer);
    while ((parcel = vd_nfc_packer_next(pump->packer))) {
        if (parcel->op->kind == VD_NFC_OP_WRITE) {
            parcel->op->next = NULL;
            *last = parcel->op;
            last = &parcel->op->next;
        } else {
            vd_nfc_packer_give_back(pump->packer, parcel);
        }
    }
    return ops;
}

/* What was under way goes to the front of the queue, or fails with the reason. */
static void connection_lost(struct vd_nfc_pump *pump, int code, const struct vd_error *why)
{
    put_back(pump, take_packed(pump));
    struct vd_nfc_op *ops = vd_nfc_session_take_all(pump->link.session);
    vd_log(pump->options.log, VD_LOG_WARNING, "NFC: '%s': %s", pump->path, why->text);
    vd_nfc_link_close(&pump->link, false);
    if (can_be_mended(code) && pump->attempts < ATTEMPTS_MAX) {
        put_back(pump, ops);
        return;
    }
    fail_list(pump, ops, code, why);
    if (pump->attempts >= ATTEMPTS_MAX)
        fail_waiting(pump, code, why); /* they would fare no better */
    pump->attempts = 0;
}

/* A new session's reads are unpacked by the packer too. */
static void link_ready(struct vd_nfc_pump *pump)
{
    if (pump->packer) {
        struct vd_nfc_unpacker unpacker = vd_nfc_packer_unpacker(pump->packer);
        vd_nfc_session_set_unpacker(pump->link.session, &unpacker);
    }
    pump->progress = vd_nfc_session_progress(pump->link.session);
    pump->last_moved_ms = vd_clock_now_ms();
}

static int same_disk(const struct vd_nfc_pump *pump, struct vd_error *err)
{
    if (pump->link.opened.capacity_bytes == pump->opened.capacity_bytes)
        return VD_OK;
    return vd_error_set(err, VD_E_FAIL,
                        "opening '%s' again: it has %llu bytes now, and had %llu before the "
                        "connection was lost",
                        pump->path, (unsigned long long)pump->link.opened.capacity_bytes,
                        (unsigned long long)pump->opened.capacity_bytes);
}

static void reconnect(struct vd_nfc_pump *pump)
{
    struct vd_error err = VD_ERROR_INIT;
    pump->attempts++;
    int r =
        vd_nfc_link_open(&pump->options, pump->buffer_bytes, pump->buffer_count, &pump->link, &err);
    if (r > 0)
        r = vd_error_set(&err, VD_E_PROTOCOL, "'%s' has no AIO any more", pump->host);
    if (r == VD_OK)
        r = same_disk(pump, &err);
    if (r == VD_OK) {
        link_ready(pump);
        return;
    }
    if (pump->link.stream)
        vd_nfc_link_close(&pump->link, false);
    /* Locked, by the connection that was lost: the host may need a moment to notice. */
    bool can_wait = can_be_mended(r) || vd_error_is(r, VD_E_LOCKED);
    if (!can_wait || pump->attempts >= ATTEMPTS_MAX) {
        fail_waiting(pump, r, &err);
        pump->attempts = 0;
    } else {
        pump->resume_at_ms = vd_clock_now_ms() + (pump->options.first_pause_ms << pump->attempts);
    }
}

static size_t under_way(const struct vd_nfc_pump *pump)
{
    return vd_nfc_session_pending(pump->link.session) +
           (pump->packer ? vd_nfc_packer_packing(pump->packer) : 0);
}

static bool goes_to_packer(struct vd_nfc_pump *pump, struct vd_nfc_op *op)
{
    return pump->packer && op->kind == VD_NFC_OP_WRITE && !op->parcel &&
           op->length_bytes >= PACK_LEAST_BYTES &&
           vd_nfc_packer_pack(pump->packer, op, pump->buffer_bytes);
}

static void admit(struct vd_nfc_pump *pump)
{
    struct vd_nfc_op *op;
    if (pump->resume_at_ms && vd_clock_now_ms() < pump->resume_at_ms)
        return;
    pump->resume_at_ms = 0;
    if (under_way(pump) == 0)
        pump->last_moved_ms = vd_clock_now_ms(); /* the host owed nothing */
    while (under_way(pump) < pump->window && (op = take_waiting(pump)))
        if (!goes_to_packer(pump, op))
            vd_nfc_session_submit(pump->link.session, op);
}

/* Takes what the packer has done: writes to be sent, and reads that may be whole now. */
static int collect(struct vd_nfc_pump *pump, struct vd_error *err)
{
    struct vd_nfc_parcel *parcel;
    int r = VD_OK;
    while (pump->packer && r == VD_OK && (parcel = vd_nfc_packer_next(pump->packer))) {
        if (parcel->op->kind == VD_NFC_OP_WRITE) {
            vd_nfc_session_submit(pump->link.session, parcel->op);
            continue;
        }
        r = vd_nfc_session_unpacked(pump->link.session, parcel, err);
        vd_nfc_packer_give_back(pump->packer, parcel);
    }
    return r;
}

/* VD_STREAM_WAIT where the stream takes no more now, or there is nothing to send. */
static int send_some(struct vd_nfc_pump *pump, struct vd_error *err)
{
    struct iovec pieces[VD_NFC_PIECES];
    size_t put;
    unsigned count = vd_nfc_session_output(pump->link.session, pieces);
    if (count == 0)
        return VD_STREAM_WAIT;
    pieces[count - 1].iov_len = VD_MIN(pieces[count - 1].iov_len, PIECE_BYTES);
    int r = vd_stream_try_writev(pump->link.stream, pieces, count, &put, err);
    if (r == VD_OK)
        vd_nfc_session_sent(pump->link.session, put);
    return r;
}

static int receive_some(struct vd_nfc_pump *pump, struct vd_error *err)
{
    struct iovec pieces[VD_NFC_PIECES];
    size_t got;
    unsigned count = vd_nfc_session_want(pump->link.session, pieces);
    int r = vd_stream_try_readv(pump->link.stream, pieces, count, &got, err);
    if (r == VD_OK && got == 0)
        r = vd_error_set(err, VD_E_DISCONNECTED, "'%s' ended the NFC session", pump->host);
    return r == VD_OK ? vd_nfc_session_got(pump->link.session, got, err) : r;
}

static uint64_t io_ms(const struct vd_nfc_pump *pump)
{
    return pump->options.timeouts.io_ms ? pump->options.timeouts.io_ms : VD_NET_IO_MS;
}

/* Time that passes is the host's to answer for until the operations under way have got on by
 * VD_NFC_PROGRESS_STEP since this was last so: a little now and then does not count, nor does what
 * nobody asked for. */
static void note_progress(struct vd_nfc_pump *pump)
{
    uint64_t progress = vd_nfc_session_progress(pump->link.session);
    if (progress - pump->progress < VD_NFC_PROGRESS_STEP)
        return;
    pump->progress = progress;
    pump->last_moved_ms = vd_clock_now_ms();
}

static int too_slow(struct vd_nfc_pump *pump, struct vd_error *err)
{
    return vd_error_set(err, VD_E_TIMED_OUT, "'%s' did not answer in time", pump->host);
}

static bool is_overdue(const struct vd_nfc_pump *pump)
{
    return vd_nfc_session_pending(pump->link.session) > 0 &&
           vd_clock_now_ms() - pump->last_moved_ms >= io_ms(pump);
}

static const struct vd_net_stop *stop_of(const struct vd_nfc_pump *pump)
{
    return pump->options.timeouts.stop;
}

static int move_bytes(struct vd_nfc_pump *pump, struct vd_error *err)
{
    for (bool again = false;; again = true) {
        int collected = collect(pump, err);
        if (collected < 0)
            return collected;
        admit(pump);
        /* However much goes on coming: the turn has to see that it is to end. */
        if (again && (under_way(pump) == 0 || vd_net_stop_asked(stop_of(pump))))
            return VD_OK;
        int sent = send_some(pump, err);
        if (sent < 0)
            return sent;
        int received = receive_some(pump, err);
        if (received < 0)
            return received;
        if (sent == VD_STREAM_WAIT && received == VD_STREAM_WAIT)
            return VD_OK;
        note_progress(pump);
        if (is_overdue(pump))
            return too_slow(pump, err);
    }
}

/* Nothing is left under way, and nothing that comes is begun. A connection that was idle stays, for
 * a good-bye. */
static void give_up(struct vd_nfc_pump *pump)
{
    struct vd_error why = VD_ERROR_INIT;
    int r = vd_error_set(&why, VD_E_CANCELLED, "'%s': cancelled", pump->host);
    struct vd_nfc_link *link = &pump->link;
    put_back(pump, take_packed(pump));
    if (link->stream && vd_nfc_session_pending(link->session) > 0) {
        struct vd_nfc_op *ops = vd_nfc_session_take_all(link->session);
        vd_nfc_link_close(link, false);
        fail_list(pump, ops, r, &why);
    }
    fail_waiting(pump, r, &why);
    pump->resume_at_ms = 0;
}

/* -1: for ever. */
static int poll_ms(const struct vd_nfc_pump *pump, bool busy)
{
    uint64_t now = vd_clock_now_ms();
    uint64_t until = busy ? pump->last_moved_ms + io_ms(pump) : UINT64_MAX;
    if (pump->resume_at_ms)
        until = VD_MIN(until, pump->resume_at_ms);
    if (until == UINT64_MAX)
        return -1;
    return until > now ? (int)VD_MIN(until - now + 1, (uint64_t)INT_MAX) : 0;
}

static bool wants_to_send(struct vd_nfc_link *link)
{
    struct iovec pieces[VD_NFC_PIECES];
    return vd_nfc_session_output(link->session, pieces) > 0;
}

/* The host owes the rest of what it has begun to send. */
static void wake_late(struct vd_nfc_link *link)
{
    struct iovec pieces[VD_NFC_PIECES];
    (void)vd_nfc_session_want(link->session, pieces); /* the first */
    vd_stream_owed(link->stream, pieces[0].iov_len);
}

/* Too little to be woken for has come, or nothing. */
static int timed_out(struct vd_nfc_pump *pump, struct vd_error *err)
{
    while (is_overdue(pump)) {
        int r = receive_some(pump, err);
        if (r != VD_OK)
            return r == VD_STREAM_WAIT ? too_slow(pump, err) : r;
        note_progress(pump);
    }
    return VD_OK;
}

/* `cancelled` is what the turn began with: a wish that came since must wake. Once it is obeyed,
 * nobody reads what an idle connection brings. */
static int await_events(struct vd_nfc_pump *pump, bool cancelled, struct vd_error *err)
{
    struct vd_nfc_link *link = &pump->link;
    bool listening = link->stream && !cancelled;
    bool busy = listening && vd_nfc_session_pending(link->session) > 0;
    bool writing = listening && wants_to_send(link);
    if (listening)
        wake_late(link);
    struct pollfd fds[] = {
        {pump->wake, POLLIN, 0},
        {listening ? vd_stream_fd(link->stream) : -1,
         listening ? vd_stream_events(link->stream, true, writing) : (short)0, 0},
        {cancelled ? -1 : vd_net_stop_fd(stop_of(pump)), POLLIN, 0},
    };
    int n = poll(fds, VD_ARRAY_SIZE(fds), poll_ms(pump, busy));
    uint64_t count;
    if (n > 0 && fds[0].revents && read(pump->wake, &count, sizeof count) < 0)
        return VD_OK; /* somebody else's wake: cannot be, and would not matter */
    return n == 0 && busy && is_overdue(pump) ? timed_out(pump, err) : VD_OK;
}

static void turn(struct vd_nfc_pump *pump, bool has_work)
{
    struct vd_error err = VD_ERROR_INIT;
    bool paused = pump->resume_at_ms && vd_clock_now_ms() < pump->resume_at_ms;
    bool cancelled = vd_net_stop_asked(stop_of(pump));
    if (!paused)
        pump->resume_at_ms = 0; /* or nothing would be awaited until what is past */
    if (cancelled)
        give_up(pump);
    else if (!pump->link.stream && has_work && !paused)
        reconnect(pump);
    int r = pump->link.stream && !cancelled ? move_bytes(pump, &err) : VD_OK;
    if (r == VD_OK)
        r = await_events(pump, cancelled, &err);
    if (r < 0 && pump->link.stream)
        connection_lost(pump, r, &err);
}

static void *pump_main(void *data)
{
    struct vd_nfc_pump *pump = data;
    bool stop = false;
    while (!stop) {
        bool has_work = has_waiting(pump, &stop);
        if (!stop)
            turn(pump, has_work);
    }
    return NULL;
}

static int start_thread(struct vd_nfc_pump *pump, struct vd_error *err)
{
    sigset_t all, old;
    (void)sigfillset(&all); /* cannot fail, nor the next: signals stay the program's */
    (void)pthread_sigmask(SIG_BLOCK, &all, &old);
    int why = pthread_create(&pump->thread, NULL, pump_main, pump);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return why ? vd_error_set_errno(err, why, "starting a thread for '%s'", pump->path) : VD_OK;
}

static void choose_buffers(struct vd_nfc_pump *pump)
{
    uint32_t asked = pump->options.buffer_bytes;
    uint32_t count = pump->options.buffer_count;
    pump->in_budget = asked == 0;
    pump->buffer_bytes =
        asked ? VD_MIN(asked, VD_NFC_BUFFER_MAX_BYTES) : vd_nfc_budget_take(pump->options.server);
    pump->buffer_count = count ? count : VD_NFC_WANTED_COUNT;
}

static int connect_first(struct vd_nfc_pump *pump, struct vd_error *err)
{
    int r =
        vd_nfc_link_open(&pump->options, pump->buffer_bytes, pump->buffer_count, &pump->link, err);
    if (r != VD_OK)
        return r;
    pump->opened = pump->link.opened;
    memcpy(pump->host, pump->link.host, sizeof pump->host);
    link_ready(pump);
    return start_thread(pump, err);
}

static void pump_destroy(struct vd_nfc_pump *pump)
{
    if (!pump)
        return;
    if (pump->in_budget)
        vd_nfc_budget_give_back(pump->options.server, pump->buffer_bytes);
    vd_nfc_packer_free(pump->packer);
    if (pump->wake >= 0)
        (void)close(pump->wake); /* nothing to lose */
    (void)pthread_mutex_destroy(&pump->lock);
    free(pump->path);
    free(pump->server);
    free(pump);
}

int vd_nfc_pump_new(const struct vd_nfc_options *options, struct vd_nfc_pump **ret,
                    struct vd_error *err)
{
    struct vd_nfc_pump *pump = calloc(1, sizeof *pump);
    if (!pump)
        return vd_error_set(err, VD_E_NO_MEMORY, "opening '%s': out of memory", options->path);
    (void)pthread_mutex_init(&pump->lock, NULL); /* cannot fail for a default mutex */
    pump->last_waiting = &pump->waiting;
    pump->options = *options;
    pump->window = options->requests_in_flight ? options->requests_in_flight : DEFAULT_IN_FLIGHT;
    pump->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pump->path = strdup(options->path);
    pump->server = strdup(options->server ? options->server : "");
    pump->options.path = pump->path;
    pump->options.server = pump->server;
    int r = VD_OK;
    if (options->compression != VD_NFC_PLAIN)
        r = vd_nfc_packer_new(wake_for_packer, pump, &pump->packer);
    if (r < 0 || !pump->path || !pump->server || pump->wake < 0) {
        pump_destroy(pump);
        return vd_error_set(err, VD_E_NO_MEMORY, "opening '%s': out of memory", options->path);
    }
    choose_buffers(pump);
    r = connect_first(pump, err);
    if (r != VD_OK) {
        vd_nfc_link_close(&pump->link, false);
        pump_destroy(pump);
        return r;
    }
    *ret = pump;
    return VD_OK;
}

void vd_nfc_pump_free(struct vd_nfc_pump *pump)
{
    if (!pump)
        return;
    (void)pthread_mutex_lock(&pump->lock);
    pump->stop = true;
    (void)pthread_mutex_unlock(&pump->lock);
    wake(pump);
    (void)pthread_join(pump->thread, NULL); /* it is ours and was started */
    vd_nfc_link_close(&pump->link, pump->link.stream != NULL);
    pump_destroy(pump);
}

static int first_error(const struct vd_nfc_job *jobs, size_t count, struct vd_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (jobs[i].op.code < 0)
            return vd_error_set(err, jobs[i].op.code, "%s", jobs[i].op.err.text);
    return VD_OK;
}

int vd_nfc_pump_run(struct vd_nfc_pump *pump, struct vd_nfc_job *jobs, size_t count,
                    struct vd_error *err)
{
    struct vd_nfc_batch batch = {.left = count};
    (void)pthread_cond_init(&batch.finished, NULL); /* cannot fail for a default one */
    (void)pthread_mutex_lock(&pump->lock);
    for (size_t i = 0; i < count; i++) {
        jobs[i].batch = &batch;
        jobs[i].retries = 0;
        jobs[i].op.finished = op_finished;
        jobs[i].op.data = pump;
        append_locked(pump, &jobs[i].op);
    }
    (void)pthread_mutex_unlock(&pump->lock);
    wake(pump);
    (void)pthread_mutex_lock(&pump->lock);
    while (batch.left > 0)
        (void)pthread_cond_wait(&batch.finished, &pump->lock);
    (void)pthread_mutex_unlock(&pump->lock);
    (void)pthread_cond_destroy(&batch.finished);
    return first_error(jobs, count, err);
}
