/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP(S) requests to one server, over libcurl, on connections that are kept. Thread-safe: requests
 * of several threads run on several connections. */
#ifndef VD_NET_HTTP_H
#define VD_NET_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "net/stream.h"
#include "net/tls.h"

struct vd_http;

/* Copied. */
struct vd_http_options {
    const char *host;
    uint16_t port; /* 0: 443 */
    struct vd_tls_trust trust;
    struct vd_net_timeouts timeouts;
    const char *proxy;      /* URL; NULL: as the environment says (https_proxy, no_proxy) */
    const char *user_agent; /* NULL: ours */
};

struct vd_http_request {
    const char *method;         /* "GET", "POST", "PUT", ... */
    const char *path;           /* "/sdk", with query, percent-encoded by the caller */
    const char *const *headers; /* "Name: value", NULL-terminated; or NULL */
    const char *cookie;         /* "name=value" as is; or NULL */
    const void *body;           /* or NULL; `body_bytes` of it */
    size_t body_bytes;
    uint32_t io_ms; /* 0: the options'; longer for what the server may think about */
    bool settles;   /* its outcome must be known: goes on when the timeouts' stop is asked, as
                       long as the server is not silent */
    /* Of the reply kept in memory; 0: 64 MiB; above that VD_E_PROTOCOL, or, where the status is no
     * success, that status and what came until then. */
    size_t max_body_bytes;
    /* NULL, or takes the body of a reply that is a success (2xx) as it comes, when the reply's
     * status and headers are known; a negative code ends the request with it. Bodies of other
     * replies are kept in memory. */
    int (*sink)(void *data, const void *bytes, size_t size);
    void *sink_data;
    /* NULL, or gives the request's body (`body` NULL, `body_bytes` its length). */
    int (*source)(void *data, void *bytes, size_t size, size_t *ret);
    void *source_data;
    /* NULL, or asked about once a second while the request is under way; a negative code ends it
     * with that. */
    int (*tick)(void *data);
    void *tick_data;
};

struct vd_http_reply {
    int status;                 /* 200, 404, 500, ...: any answer is a success of this floor */
    struct vd_buf body;         /* where there is no sink */
    char *set_cookie;           /* first field ("name=value") of the last Set-Cookie; NULL: none */
    char *content_range;        /* or NULL */
    char *etag, *last_modified; /* or NULL */
    uint64_t content_bytes;     /* Content-Length; UINT64_MAX: unknown */
    struct vd_tls_peer peer;
};

VD_MUST_CHECK int vd_http_new(const struct vd_http_options *options, struct vd_http **ret,
                              struct vd_error *err);
/* For another server, which is met on the same terms (authorities, proxy, timeouts), except that a
 * thumbprint is of one server only: `thumbprint` is the other one's, "" where it is not known.
 * Nothing of `http` is shared. */
VD_MUST_CHECK int vd_http_new_beside(const struct vd_http *http, const char *host, uint16_t port,
                                     const char *thumbprint, struct vd_http **ret,
                                     struct vd_error *err);
/* Errors of the way there: as vd_stream_connect, VD_E_CERTIFICATE, VD_E_DISCONNECTED. `reply` is
 * the caller's, to be given to vd_http_reply_done also on failure (zeroed at the start). */
VD_MUST_CHECK int vd_http_send(struct vd_http *http, const struct vd_http_request *request,
                               struct vd_http_reply *reply, struct vd_error *err);
/* Overwrites what it held, which may be a ticket or a cookie. */
void vd_http_reply_done(struct vd_http_reply *reply);
void vd_http_free(struct vd_http *http);
VD_DEFINE_CLEANUP(struct vd_http *, vd_http_free)

/* Percent-encodes `text` for one path segment or query value; malloc'd, NULL when out of memory. */
char *vd_http_escape(const char *text);

#endif
