/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor never blocks; whoever must wait polls it together with an event descriptor, so
 * that every wait ends by its deadline, the stop of its timeouts or vd_stream_interrupt. Below TLS
 * lies a BIO of our own: OpenSSL's writes without MSG_NOSIGNAL and would raise SIGPIPE in programs
 * that never asked for it.
 */
#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/dial.h"
#include "net/load-openssl-int.h"
#include "net/tls-int.h"

/* Of what is owed, this is worth a wake-up. */
#define LOW_WATER_MAX_BYTES (256u << 10)
/* OpenSSL may hold as much of it already: one record. */
#define TLS_RECORD_MAX_BYTES (17u << 10)

struct vd_stream {
    int fd;
    int wake; /* readable once interrupted, and for ever */
    SSL *tls; /* NULL: plain */
    uint32_t connect_ms;
    uint32_t io_ms;
    const struct vd_net_stop *stop;
    int low_water; /* of the socket, for a poll to call it readable */
    bool settling;
    uint64_t grace_ends_ms; /* once settling was asked to stop; 0: not yet */
    bool tls_wants_write;   /* what OpenSSL waits for, whichever way the caller moves bytes */
    char peer[300];         /* "host:port", for sentences */
};

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static int bio_fd(BIO *bio)
{
    return *(int *)sym_BIO_get_data(bio);
}

static int bio_read(BIO *bio, char *bytes, int size)
{
    sym_BIO_clear_retry_flags(bio);
    ssize_t got = recv(bio_fd(bio), bytes, (size_t)size, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        sym_BIO_set_retry_read(bio);
    return (int)got;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    sym_BIO_clear_retry_flags(bio);
    ssize_t put = send(bio_fd(bio), bytes, (size_t)size, MSG_NOSIGNAL);
    if (put < 0 && (errno == EAGAIN || errno == EINTR))
        sym_BIO_set_retry_write(bio);
    return (int)put;
}

static long bio_ctrl(BIO *bio, int command, long number, void *data)
{
    (void)bio;
    (void)number;
    (void)data;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static int bio_create(BIO *bio)
{
    sym_BIO_set_init(bio, 1);
    return 1;
}

static void make_bio_method(void)
{
    bio_method = sym_BIO_meth_new(BIO_TYPE_SOURCE_SINK | sym_BIO_get_new_index(), "vd_stream");
    if (!bio_method)
        return;
    sym_BIO_meth_set_read(bio_method, bio_read);
    sym_BIO_meth_set_write(bio_method, bio_write);
    sym_BIO_meth_set_ctrl(bio_method, bio_ctrl);
    sym_BIO_meth_set_create(bio_method, bio_create);
}

static bool make_non_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static void set_options(int fd)
{
    int on = 1;
    /* Neither is needed to be right, and a socket pair has none. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

int vd_stream_from_fd(int fd, const struct vd_net_timeouts *timeouts, struct vd_stream **ret,
                      struct vd_error *err)
{
    VD_CLOSE int owned = fd;
    VD_FREE struct vd_stream *stream = calloc(1, sizeof *stream);
    VD_CLOSE int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!stream || wake < 0 || !make_non_blocking(fd))
        return vd_error_set_errno(err, stream ? errno : ENOMEM, "making a network stream");
    set_options(fd);
    stream->connect_ms =
        timeouts && timeouts->connect_ms ? timeouts->connect_ms : VD_NET_CONNECT_MS;
    stream->io_ms = timeouts && timeouts->io_ms ? timeouts->io_ms : VD_NET_IO_MS;
    stream->stop = timeouts ? timeouts->stop : NULL;
    stream->fd = owned;
    stream->low_water = 1;
    stream->wake = wake;
    vd_dial_peer_name(fd, stream->peer, sizeof stream->peer);
    owned = wake = -1;
    *ret = VD_TAKE_PTR(stream);
    return VD_OK;
}

int vd_stream_connect(const char *host, uint16_t port, const struct vd_net_timeouts *timeouts,
                      struct vd_stream **ret, struct vd_error *err)
{
    uint32_t ms = timeouts && timeouts->connect_ms ? timeouts->connect_ms : VD_NET_CONNECT_MS;
    int fd;
    int r = vd_dial(host, port, ms, timeouts ? timeouts->stop : NULL, &fd, err);
    if (r == VD_OK)
        r = vd_stream_from_fd(fd, timeouts, ret, err);
    if (r == VD_OK)
        (void)snprintf((*ret)->peer, sizeof(*ret)->peer, "%s:%u", host, (unsigned)port);
    return r;
}

/* Has the wait ended, because that was asked? A good-bye has its grace. */
static bool stopped(struct vd_stream *stream, bool asked, uint64_t now_ms, uint64_t *deadline_ms)
{
    if (!asked)
        return false;
    if (stream->settling && stream->grace_ends_ms == 0)
        stream->grace_ends_ms = now_ms + VD_NET_GRACE_MS;
    *deadline_ms = VD_MIN(*deadline_ms, stream->grace_ends_ms);
    return !stream->settling;
}

static int cancelled(const struct vd_stream *stream, struct vd_error *err)
{
    return vd_error_set(err, VD_E_CANCELLED, "waiting for '%s': cancelled", stream->peer);
}

static int too_late(const struct vd_stream *stream, struct vd_error *err)
{
    return vd_error_set(err, VD_E_TIMED_OUT, "'%s' did not answer in time", stream->peer);
}

void vd_stream_owed(struct vd_stream *stream, size_t bytes)
{
    size_t held = stream->tls ? TLS_RECORD_MAX_BYTES : 0;
    int low = bytes > held ? (int)VD_MIN(bytes - held, LOW_WATER_MAX_BYTES) : 1;
    if (low == stream->low_water)
        return;
    stream->low_water = low;
    /* Fails for kinds of sockets that do not know it, which wake for every byte. */
    (void)setsockopt(stream->fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
}

/* Until the socket is ready for `events`; `deadline_ms` by vd_clock_now_ms. */
static int wait_for(struct vd_stream *stream, short events, uint64_t deadline_ms,
                    struct vd_error *err)
{
    vd_stream_owed(stream, 1);
    for (;;) {
        uint64_t now = vd_clock_now_ms();
        /* Once: a wish that comes from here on is what the descriptor tells. */
        bool asked = vd_net_stop_asked(stream->stop);
        if (stopped(stream, asked, now, &deadline_ms))
            return cancelled(stream, err);
        int stop_fd = asked ? -1 : vd_net_stop_fd(stream->stop);
        struct pollfd fds[] = {
            {stream->fd, events, 0}, {stream->wake, POLLIN, 0}, {stop_fd, POLLIN, 0}};
        uint64_t left = deadline_ms > now ? deadline_ms - now : 0;
        int n = poll(fds, VD_ARRAY_SIZE(fds), left > INT_MAX ? INT_MAX : (int)left);
        if (n < 0 && errno != EINTR)
            return vd_error_set_errno(err, errno, "waiting for '%s'", stream->peer);
        if (n > 0 && fds[1].revents)
            return cancelled(stream, err);
        if (n > 0 && fds[0].revents)
            return VD_OK;
        if (n == 0)
            return too_late(stream, err);
    }
}

int vd_stream_in_time(struct vd_stream *stream, uint64_t deadline_ms, struct vd_error *err)
{
    uint64_t now = vd_clock_now_ms();
    if (stopped(stream, vd_net_stop_asked(stream->stop), now, &deadline_ms))
        return cancelled(stream, err);
    return now < deadline_ms ? VD_OK : too_late(stream, err);
}

short vd_stream_events(const struct vd_stream *stream, bool reading, bool writing)
{
    if (stream->tls && stream->tls_wants_write)
        return POLLIN | POLLOUT;
    return (short)((reading ? POLLIN : 0) | (writing ? POLLOUT : 0));
}

int vd_stream_fd(const struct vd_stream *stream)
{
    return stream->fd;
}

bool vd_stream_is_secured(const struct vd_stream *stream)
{
    return stream->tls != NULL;
}

static int lost(const struct vd_stream *stream, const char *doing, int number, struct vd_error *err)
{
    if (number == 0 || number == ECONNRESET || number == EPIPE)
        return vd_error_set(err, VD_E_DISCONNECTED, "%s '%s': the connection was lost", doing,
                            stream->peer);
    (void)vd_error_set_errno(err, number, "%s '%s'", doing, stream->peer);
    return vd_error_recode(err, VD_E_DISCONNECTED);
}

/* What an SSL_* call that did not succeed means: VD_STREAM_WAIT, VD_OK for the end, or an error. */
static int tls_outcome(struct vd_stream *stream, int result, const char *doing,
                       struct vd_error *err)
{
    int number = errno;
    char reason[120];
    switch (sym_SSL_get_error(stream->tls, result)) {
    case SSL_ERROR_WANT_READ:
        stream->tls_wants_write = false;
        return VD_STREAM_WAIT;
    case SSL_ERROR_WANT_WRITE:
        stream->tls_wants_write = true;
        return VD_STREAM_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return VD_OK;
    case SSL_ERROR_SYSCALL:
        sym_ERR_clear_error();
        return lost(stream, doing, result == 0 ? 0 : number, err);
    default:
        if (ERR_GET_REASON(sym_ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
            sym_ERR_clear_error();
            return lost(stream, doing, 0, err);
        }
        return vd_error_set(err, VD_E_TLS, "%s '%s': %s", doing, stream->peer,
                            vd_tls_reason(reason, sizeof reason));
    }
}

static int plain_outcome(struct vd_stream *stream, ssize_t moved, const char *doing, size_t *ret,
                         struct vd_error *err)
{
    if (moved < 0 && (errno == EAGAIN || errno == EINTR))
        return VD_STREAM_WAIT;
    if (moved < 0)
        return lost(stream, doing, errno, err);
    *ret = (size_t)moved;
    return VD_OK;
}

static int tls_read(struct vd_stream *stream, void *buffer, size_t size, size_t *ret,
                    struct vd_error *err)
{
    sym_ERR_clear_error();
    int r = sym_SSL_read_ex(stream->tls, buffer, size, ret);
    return r == 1 ? VD_OK : tls_outcome(stream, r, "reading from", err);
}

static int tls_write(struct vd_stream *stream, const void *bytes, size_t size, size_t *ret,
                     struct vd_error *err)
{
    sym_ERR_clear_error();
    int r = sym_SSL_write_ex(stream->tls, bytes, size, ret);
    if (r == 1)
        return VD_OK;
    r = tls_outcome(stream, r, "writing to", err);
    return r == VD_OK ? lost(stream, "writing to", 0, err) : r;
}

int vd_stream_try_read(struct vd_stream *stream, void *buffer, size_t size, size_t *ret,
                       struct vd_error *err)
{
    *ret = 0;
    if (stream->tls)
        return tls_read(stream, buffer, size, ret, err);
    return plain_outcome(stream, recv(stream->fd, buffer, size, 0), "reading from", ret, err);
}

int vd_stream_try_write(struct vd_stream *stream, const void *bytes, size_t size, size_t *ret,
                        struct vd_error *err)
{
    *ret = 0;
    if (stream->tls)
        return tls_write(stream, bytes, size, ret, err);
    return plain_outcome(stream, send(stream->fd, bytes, size, MSG_NOSIGNAL), "writing to", ret,
                         err);
}

int vd_stream_try_readv(struct vd_stream *stream, const struct iovec *pieces, unsigned count,
                        size_t *ret, struct vd_error *err)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces, .msg_iovlen = count};
    *ret = 0;
    if (stream->tls)
        return tls_read(stream, pieces[0].iov_base, pieces[0].iov_len, ret, err);
    return plain_outcome(stream, recvmsg(stream->fd, &message, 0), "reading from", ret, err);
}

int vd_stream_try_writev(struct vd_stream *stream, const struct iovec *pieces, unsigned count,
                         size_t *ret, struct vd_error *err)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces, .msg_iovlen = count};
    *ret = 0;
    if (stream->tls)
        return tls_write(stream, pieces[0].iov_base, pieces[0].iov_len, ret, err);
    return plain_outcome(stream, sendmsg(stream->fd, &message, MSG_NOSIGNAL), "writing to", ret,
                         err);
}

static uint64_t deadline_for(const struct vd_stream *stream, size_t size)
{
    return vd_clock_now_ms() + stream->io_ms + size / VD_NET_SLOWEST_BYTES_PER_MS;
}

uint64_t vd_stream_deadline_ms(const struct vd_stream *stream)
{
    return deadline_for(stream, 0);
}

static int read_until(struct vd_stream *stream, void *buffer, size_t size, uint64_t deadline_ms,
                      size_t *ret, struct vd_error *err)
{
    for (;;) {
        int r = vd_stream_try_read(stream, buffer, size, ret, err);
        if (r != VD_STREAM_WAIT)
            return r;
        r = wait_for(stream, vd_stream_events(stream, true, false), deadline_ms, err);
        if (r < 0)
            return r;
    }
}

int vd_stream_read(struct vd_stream *stream, void *buffer, size_t size, size_t *ret,
                   struct vd_error *err)
{
    return read_until(stream, buffer, size, deadline_for(stream, 0), ret, err);
}

static int read_all_until(struct vd_stream *stream, void *buffer, size_t size, uint64_t deadline_ms,
                          struct vd_error *err)
{
    for (size_t done = 0; done < size;) {
        size_t got;
        int r = read_until(stream, (char *)buffer + done, size - done, deadline_ms, &got, err);
        if (r < 0)
            return r;
        if (got == 0)
            return lost(stream, "reading from", 0, err);
        done += got;
    }
    return VD_OK;
}

int vd_stream_read_all(struct vd_stream *stream, void *buffer, size_t size, struct vd_error *err)
{
    return read_all_until(stream, buffer, size, deadline_for(stream, size), err);
}

int vd_stream_write(struct vd_stream *stream, const void *bytes, size_t size, struct vd_error *err)
{
    uint64_t deadline_ms = deadline_for(stream, size);
    for (size_t done = 0; done < size;) {
        size_t put;
        int r = vd_stream_try_write(stream, (const char *)bytes + done, size - done, &put, err);
        if (r == VD_STREAM_WAIT)
            r = wait_for(stream, vd_stream_events(stream, false, true), deadline_ms, err);
        if (r < 0)
            return r;
        done += put;
    }
    return VD_OK;
}

int vd_stream_read_line(struct vd_stream *stream, char *line, size_t size, struct vd_error *err)
{
    assert(size > 0);
    uint64_t deadline_ms = deadline_for(stream, size);
    for (size_t length = 0; length < size; length++) {
        int r = read_all_until(stream, line + length, 1, deadline_ms, err);
        if (r < 0)
            return r;
        if (line[length] != '\n')
            continue;
        bool crlf = length > 0 && line[length - 1] == '\r';
        line[length - (crlf ? 1 : 0)] = '\0';
        return VD_OK;
    }
    return vd_error_set(err, VD_E_PROTOCOL,
                        "'%s' sends a line of more than %zu bytes, which is no reply of its kind",
                        stream->peer, size - 1);
}

/* Hands the new TLS object its BIO; from here on `stream` frees both. */
static int attach_tls(struct vd_stream *stream, SSL_CTX *context, struct vd_error *err)
{
    assert(!stream->tls);
    (void)pthread_once(&bio_once, make_bio_method); /* cannot fail with these arguments */
    SSL *tls = sym_SSL_new(context);
    BIO *bio = bio_method ? sym_BIO_new(bio_method) : NULL;
    if (!tls || !bio) {
        sym_SSL_free(tls);
        sym_BIO_free(bio);
        return vd_error_set(err, VD_E_NO_MEMORY, "securing '%s': out of memory", stream->peer);
    }
    sym_BIO_set_data(bio, &stream->fd);
    sym_SSL_set_bio(tls, bio, bio);
    sym_SSL_set_quiet_shutdown(tls, 1);
    sym_SSL_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    stream->tls = tls;
    stream->tls_wants_write = false;
    return VD_OK;
}

static int shake_hands(struct vd_stream *stream, struct vd_error *err)
{
    uint64_t deadline_ms = vd_clock_now_ms() + stream->connect_ms;
    for (;;) {
        sym_ERR_clear_error();
        errno = 0;
        int r = sym_SSL_do_handshake(stream->tls);
        if (r == 1)
            return VD_OK;
        r = tls_outcome(stream, r, "securing", err);
        if (r == VD_OK)
            return lost(stream, "securing", 0, err);
        if (r == VD_STREAM_WAIT) {
            short events = stream->tls_wants_write ? POLLOUT : POLLIN;
            r = wait_for(stream, events, deadline_ms, err);
        }
        if (r < 0)
            return r;
    }
}

static int client_handshake(struct vd_stream *stream, SSL_CTX *context,
                            struct vd_tls_verifier *verifier, struct vd_error *err)
{
    int r = vd_tls_context_prepare(context, verifier, err);
    if (r == VD_OK)
        r = attach_tls(stream, context, err);
    if (r < 0)
        return r;
    const char *name = verifier->trust->host_name;
    if (name && !vd_dial_is_address(name)) {
        char copy[256]; /* OpenSSL copies it too, but takes what may be written */
        (void)snprintf(copy, sizeof copy, "%s", name);
        (void)sym_SSL_set_tlsext_host_name(stream->tls,
                                           copy); /* fails only where memory is short */
    }
    sym_SSL_set_connect_state(stream->tls);
    struct vd_error problem = VD_ERROR_INIT;
    r = shake_hands(stream, &problem);
    sym_SSL_set_verify(stream->tls, SSL_VERIFY_NONE, NULL); /* the judge lives in this call only */
    if (r == VD_OK)
        return r;
    vd_stream_drop_tls(stream);
    const struct vd_error *why = verifier->error.code ? &verifier->error : &problem;
    return vd_error_set(err, why->code, "%s", why->text);
}

int vd_stream_start_tls(struct vd_stream *stream, const struct vd_tls_trust *trust,
                        struct vd_tls_peer *ret_peer, struct vd_error *err)
{
    struct vd_tls_verifier verifier = {.trust = trust, .server = stream->peer};
    int r = vd_openssl_load(err);
    if (r < 0)
        return r;
    SSL_CTX *context = sym_SSL_CTX_new(sym_TLS_client_method());
    if (!context)
        return vd_error_set(err, VD_E_NO_MEMORY, "securing '%s': out of memory", stream->peer);
    /* No second handshake of any kind, so the judge is asked within this call only. */
    (void)sym_SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    r = client_handshake(stream, context, &verifier, err);
    sym_SSL_CTX_free(context);
    if (ret_peer)
        *ret_peer = verifier.peer;
    return r;
}

static int load_identity(SSL_CTX *context, const struct vd_tls_identity *identity,
                         struct vd_error *err)
{
    char reason[120];
    if (sym_SSL_CTX_use_certificate_chain_file(context, identity->certificate_file) == 1 &&
        sym_SSL_CTX_use_PrivateKey_file(context, identity->key_file, SSL_FILETYPE_PEM) == 1)
        return VD_OK;
    return vd_error_set(err, VD_E_TLS, "using the certificate '%s' with the key '%s': %s",
                        identity->certificate_file, identity->key_file,
                        vd_tls_reason(reason, sizeof reason));
}

int vd_stream_accept_tls(struct vd_stream *stream, const struct vd_tls_identity *identity,
                         struct vd_error *err)
{
    int r = vd_openssl_load(err);
    if (r < 0)
        return r;
    SSL_CTX *context = sym_SSL_CTX_new(sym_TLS_server_method());
    if (!context)
        return vd_error_set(err, VD_E_NO_MEMORY, "securing '%s': out of memory", stream->peer);
    (void)sym_SSL_CTX_set_num_tickets(context, 0);
    (void)sym_SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)sym_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    if (identity->tls12_only)
        (void)sym_SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    r = load_identity(context, identity, err);
    if (r == VD_OK)
        r = attach_tls(stream, context, err);
    if (r == VD_OK) {
        sym_SSL_set_accept_state(stream->tls);
        r = shake_hands(stream, err);
    }
    sym_SSL_CTX_free(context);
    if (r < 0)
        vd_stream_drop_tls(stream);
    return r;
}

void vd_stream_drop_tls(struct vd_stream *stream)
{
    if (stream->tls) /* without TLS there may be no OpenSSL */
        sym_SSL_free(VD_TAKE_PTR(stream->tls));
    stream->tls_wants_write = false;
}

void vd_stream_settle(struct vd_stream *stream)
{
    stream->settling = true;
}

void vd_stream_interrupt(struct vd_stream *stream)
{
    uint64_t one = 1;
    /* Fails only where it is readable already. */
    if (write(stream->wake, &one, sizeof one) < 0)
        return;
}

void vd_stream_free(struct vd_stream *stream)
{
    if (!stream)
        return;
    vd_stream_drop_tls(stream);
    (void)close(stream->fd); /* a socket has nothing left to lose */
    (void)close(stream->wake);
    free(stream);
}
