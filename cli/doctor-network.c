/* SPDX-License-Identifier: Apache-2.0 */
/* From the name to the certificate: what needs no login. */
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "doctor.h"
#include "interrupt.h"
#include "net/dial.h"

#define MAX_ADDRESSES  8
#define MAX_LIST_BYTES 512u

static void list_addresses(const struct addrinfo *found, struct vd_buf *list)
{
    int count = 0;

    for (const struct addrinfo *a = found; a && count < MAX_ADDRESSES; a = a->ai_next) {
        char text[NI_MAXHOST];

        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        if (vd_buf_printf(list, "%s%s", count > 0 ? ", " : "", text) < 0)
            return;
        count++;
    }
}

static uint16_t port_of(const struct doctor *doctor)
{
    return doctor->url.port ? doctor->url.port : 443;
}

bool doctor_check_name(struct doctor *doctor, const char *check, const char *host)
{
    VD_CLEANUP(vd_buf_done) struct vd_buf list = VD_BUF_INIT(MAX_LIST_BYTES);
    struct addrinfo *found = NULL;
    struct vd_error err = VD_ERROR_INIT;
    int r;

    if (vd_dial_is_address(host)) {
        doctor_tell(doctor, DOCTOR_OK, check, NULL, "'%s' is an address", host);
        return true;
    }
    r = vd_dial_look_up(host, port_of(doctor), VD_NET_CONNECT_MS, cli_interrupt_stop(), &found,
                        &err);
    if (r < 0) {
        doctor_fail(doctor, check, &err, r);
        return false;
    }
    list_addresses(found, &list);
    freeaddrinfo(found);
    doctor_tell(doctor, DOCTOR_OK, check, NULL, "'%s' is %s", host, vd_buf_text(&list));
    return true;
}

/* Who answers, trusted or not. */
static int look_at_peer(const struct doctor *doctor, struct vd_tls_peer *ret, struct vd_error *err)
{
    VD_CLEANUP(vd_stream_free_cleanup) struct vd_stream *stream = NULL;
    struct vd_net_timeouts timeouts = {.stop = cli_interrupt_stop()};
    struct vd_tls_trust anybody = {
        .host_name = doctor->url.host,
        .unverified = true,
        .legacy = true,
    };
    int r = vd_stream_connect(doctor->url.host, port_of(doctor), &timeouts, &stream, err);

    return r < 0 ? r : vd_stream_start_tls(stream, &anybody, ret, err);
}

/* As the session will do it. */
static int judge_peer(const struct doctor *doctor, const struct vd_tls_trust *trust,
                      struct vd_error *err)
{
    VD_CLEANUP(vd_stream_free_cleanup) struct vd_stream *stream = NULL;
    struct vd_net_timeouts timeouts = {.stop = cli_interrupt_stop()};
    int r = vd_stream_connect(doctor->url.host, port_of(doctor), &timeouts, &stream, err);

    return r < 0 ? r : vd_stream_start_tls(stream, trust, NULL, err);
}

static bool check_port(struct doctor *doctor)
{
    VD_CLEANUP(vd_stream_free_cleanup) struct vd_stream *stream = NULL;
    struct vd_net_timeouts timeouts = {.stop = cli_interrupt_stop()};
    struct vd_error err = VD_ERROR_INIT;
    int r = vd_stream_connect(doctor->url.host, port_of(doctor), &timeouts, &stream, &err);

    if (r < 0) {
        doctor_fail(doctor, "server port", &err, r);
        return false;
    }
    doctor_tell(doctor, DOCTOR_OK, "server port", NULL, "'%s' answers at port %u", doctor->url.host,
                (unsigned)port_of(doctor));
    return true;
}

static void tell_trust(struct doctor *doctor, const struct vd_tls_trust *trust)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;

    if (trust->unverified) {
        doctor_tell(doctor, DOCTOR_WARNING, "trust", "give a thumbprint instead",
                    "nothing is verified, because the URL says insecure=1");
        return;
    }
    r = judge_peer(doctor, trust, &err);
    if (r < 0)
        doctor_fail(doctor, "trust", &err, r);
    else
        doctor_tell(doctor, DOCTOR_OK, "trust", NULL, "%s",
                    trust->thumbprint && trust->thumbprint[0]
                        ? "the certificate has the thumbprint expected"
                        : "an authority vouches for the certificate and the name");
}

static bool check_certificate(struct doctor *doctor)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_tls_trust trust;
    struct vd_tls_peer peer;
    int r = look_at_peer(doctor, &peer, &err);

    if (r < 0) {
        doctor_fail(doctor, "certificate", &err, r);
        return false;
    }
    doctor_tell(doctor, DOCTOR_OK, "certificate", NULL, "SHA-1 %s, SHA-256 %s", peer.sha1,
                peer.sha256);
    r = cli_connection_trust(doctor->args, &doctor->url, &trust, &err);
    if (r < 0)
        doctor_fail(doctor, "trust", &err, r);
    else
        tell_trust(doctor, &trust);
    return doctor->checks[doctor->count - 1].outcome != DOCTOR_FAILED;
}

bool doctor_check_server(struct doctor *doctor)
{
    return check_port(doctor) && check_certificate(doctor);
}
