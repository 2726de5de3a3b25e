/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte stream to a peer: TCP, with TLS put on and taken off as a protocol asks. Every wait is
 * bounded by the timeouts. One thread at a time uses a stream; only vd_stream_interrupt may be
 * called from another.
 */
#ifndef VD_NET_STREAM_H
#define VD_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"
#include "net/stop.h"
#include "net/tls.h"

struct vd_stream;

struct vd_net_timeouts {
    uint32_t connect_ms; /* 0: VD_NET_CONNECT_MS; name lookup, TCP, and each TLS handshake */
    uint32_t io_ms;      /* 0: VD_NET_IO_MS; the longest silence of a peer that owes something */
    const struct vd_net_stop *stop; /* or NULL; outlives what it is given to */
};
/* A peer that is never silent for long, but sends a byte now and then, is given io_ms and a
 * millisecond for so many bytes; no line is as slow as that. */
#define VD_NET_SLOWEST_BYTES_PER_MS 16u
#define VD_NET_CONNECT_MS           10000
#define VD_NET_IO_MS                60000

/* TCP_NODELAY and keep-alive are set. VD_E_HOST_UNKNOWN, VD_E_REFUSED, VD_E_TIMED_OUT,
 * VD_E_UNREACHABLE, each naming host and port. */
VD_MUST_CHECK int vd_stream_connect(const char *host, uint16_t port,
                                    const struct vd_net_timeouts *timeouts, struct vd_stream **ret,
                                    struct vd_error *err);
/* Takes the descriptor, also on failure. */
VD_MUST_CHECK int vd_stream_from_fd(int fd, const struct vd_net_timeouts *timeouts,
                                    struct vd_stream **ret, struct vd_error *err);
/* The client's end of a handshake; `ret_peer` (may be NULL) tells who answered, also when trust
 * failed: VD_E_CERTIFICATE, with found and expected thumbprint in the sentence. */
VD_MUST_CHECK int vd_stream_start_tls(struct vd_stream *stream, const struct vd_tls_trust *trust,
                                      struct vd_tls_peer *ret_peer, struct vd_error *err);
/* The server's end. No session tickets are sent, so that TLS can be taken off again. */
VD_MUST_CHECK int vd_stream_accept_tls(struct vd_stream *stream,
                                       const struct vd_tls_identity *identity,
                                       struct vd_error *err);
/* Back to plain TCP without a word to the peer (no close_notify). */
void vd_stream_drop_tls(struct vd_stream *stream);

/* Some bytes, at least one; *ret 0 at the end of the stream. */
VD_MUST_CHECK int vd_stream_read(struct vd_stream *stream, void *buffer, size_t size, size_t *ret,
                                 struct vd_error *err);
/* All of it; VD_E_DISCONNECTED where the stream ends first. */
VD_MUST_CHECK int vd_stream_read_all(struct vd_stream *stream, void *buffer, size_t size,
                                     struct vd_error *err);
/* All of it, as one TLS record where it fits one. */
VD_MUST_CHECK int vd_stream_write(struct vd_stream *stream, const void *bytes, size_t size,
                                  struct vd_error *err);
/* A line without its CRLF (a bare LF is accepted), read byte by byte: nothing behind it is taken.
 * VD_E_PROTOCOL when it does not fit `size`. */
VD_MUST_CHECK int vd_stream_read_line(struct vd_stream *stream, char *line, size_t size,
                                      struct vd_error *err);

/* For an event loop that waits for other things too. try_*: as much as goes without waiting; *ret
 * 0 and VD_STREAM_WAIT (positive) where nothing goes: then poll vd_stream_fd for
 * vd_stream_events() first. The end of the stream is VD_OK with *ret 0. */
#define VD_STREAM_WAIT 1
VD_MUST_CHECK int vd_stream_try_read(struct vd_stream *stream, void *buffer, size_t size,
                                     size_t *ret, struct vd_error *err);
VD_MUST_CHECK int vd_stream_try_write(struct vd_stream *stream, const void *bytes, size_t size,
                                      size_t *ret, struct vd_error *err);
/* The same of `count` (1 or more) pieces, one behind the other, the first of which is not empty:
 * with one call to the system on a plain stream. Under TLS the first piece only. */
VD_MUST_CHECK int vd_stream_try_readv(struct vd_stream *stream, const struct iovec *pieces,
                                      unsigned count, size_t *ret, struct vd_error *err);
VD_MUST_CHECK int vd_stream_try_writev(struct vd_stream *stream, const struct iovec *pieces,
                                       unsigned count, size_t *ret, struct vd_error *err);
int vd_stream_fd(const struct vd_stream *stream);
short vd_stream_events(const struct vd_stream *stream, bool reading, bool writing);

/* What follows is a good-bye: the stop of its timeouts does not end it, only shorten it, to
 * VD_NET_GRACE_MS in all. */
void vd_stream_settle(struct vd_stream *stream);

/* So many bytes are owed by the peer: whoever polls need not be woken before there is a good part
 * of them, which spares most of the wake-ups of a stream at full speed. The peer's end, and errors,
 * wake all the same. Less may lie there when a wait has timed out: try once more. Good until the
 * next vd_stream_read or its like, which wait for any byte. */
void vd_stream_owed(struct vd_stream *stream, size_t bytes);
/* Is TLS on now? */
bool vd_stream_is_secured(const struct vd_stream *stream);

/* For an exchange of several reads: until when a peer that owes something is given, from now on;
 * and whether it is in time. VD_E_TIMED_OUT, or VD_E_CANCELLED, as of a wait until then, though
 * nothing is waited for: whoever goes on sending is not waited for either. */
uint64_t vd_stream_deadline_ms(const struct vd_stream *stream);
VD_MUST_CHECK int vd_stream_in_time(struct vd_stream *stream, uint64_t deadline_ms,
                                    struct vd_error *err);

/* From any thread: whoever waits on the stream, now or later, gets VD_E_CANCELLED. */
void vd_stream_interrupt(struct vd_stream *stream);
/* NULL allowed. */
void vd_stream_free(struct vd_stream *stream);
VD_DEFINE_CLEANUP(struct vd_stream *, vd_stream_free)

#endif
