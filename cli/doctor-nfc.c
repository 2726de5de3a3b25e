/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the disks: the host that holds them, its port 902, and the NFC service behind it. */
#include <string.h>

#include "doctor.h"
#include "interrupt.h"
#include "nfc/authd.h"

#define NFC_PORT 902

static void release_ticket(struct vd_nfc_ticket *ticket)
{
    explicit_bzero(ticket, sizeof *ticket);
}

/* A ticket names the host and the port, and is spent for the handshake. False: there is none. */
static bool get_ticket(struct doctor *doctor, struct vd_nfc_ticket *ret)
{
    const struct vd_machine *machine = &doctor->machine;
    struct vd_error err = VD_ERROR_INIT;
    int version;
    int r;

    if (!doctor->session || !machine->vm || machine->vm->disk_count == 0)
        return false;
    r = vd_vsphere_ticket(doctor->session, machine->moid, machine->vm->disks[0].key, false, ret,
                          &err);
    if (r < 0) {
        doctor_fail(doctor, "ticket", &err, r);
        return false;
    }
    r = vd_vsphere_nfc_version(doctor->session, machine->moid, &version, &err);
    if (r < 0)
        doctor_fail(doctor, "ticket", &err, r);
    else
        doctor_tell(doctor, DOCTOR_OK, "ticket", NULL,
                    "for '%s' port %u, service %s, NFC library version %d", ret->host,
                    (unsigned)ret->port, ret->service, version);
    return true;
}

static int greet(struct vd_stream *stream, struct vd_nfc_greeting *ret, struct vd_error *err)
{
    char line[VD_NFC_LINE_BYTES];
    int r = vd_stream_read_line(stream, line, sizeof line, err);

    if (r == VD_OK && vd_nfc_greeting_parse(line, ret) < 0)
        r = vd_error_set(err, VD_E_PROTOCOL, "what answers is not VMware's daemon: '%.80s'", line);
    return r;
}

static void tell_greeting(struct doctor *doctor, const struct vd_nfc_greeting *greeting)
{
    if (!greeting->ssl_required || !greeting->nfc_ssl)
        doctor_tell(doctor, DOCTOR_WARNING, "disk greeting",
                    "write ?transport=nbd behind the URL; the data goes unencrypted then",
                    "the host offers no NFC over TLS");
    else
        doctor_tell(doctor, DOCTOR_OK, "disk greeting", NULL, "the host offers nbd and nbdssl%s",
                    greeting->sha256 ? ", and tells its SHA-256 thumbprint" : "");
}

static void tell_peer(struct doctor *doctor, const struct vd_nfc_ticket *ticket,
                      const struct vd_tls_peer *peer)
{
    if (ticket->thumbprint[0] && !vd_tls_thumbprint_matches(ticket->thumbprint, peer))
        doctor_tell(doctor, DOCTOR_FAILED, "disk certificate",
                    "reconnect the host to its vCenter, so that it learns the new certificate",
                    "SHA-1 %s, SHA-256 %s, but the server says it is %s", peer->sha1, peer->sha256,
                    ticket->thumbprint);
    else
        doctor_tell(doctor, DOCTOR_OK, "disk certificate", NULL, "SHA-1 %s, SHA-256 %s", peer->sha1,
                    peer->sha256);
}

static bool check_port(struct doctor *doctor, const struct vd_nfc_ticket *ticket)
{
    VD_CLEANUP(vd_stream_free_cleanup) struct vd_stream *stream = NULL;
    struct vd_net_timeouts timeouts = {.stop = cli_interrupt_stop()};
    struct vd_tls_trust anybody = {.unverified = true, .legacy = true};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_nfc_greeting greeting;
    struct vd_tls_peer peer;
    int r = vd_stream_connect(ticket->host, ticket->port, &timeouts, &stream, &err);

    if (r < 0) {
        doctor_fail(doctor, "disk port", &err, r);
        return false;
    }
    doctor_tell(doctor, DOCTOR_OK, "disk port", NULL, "'%s' answers at port %u", ticket->host,
                (unsigned)ticket->port);
    r = greet(stream, &greeting, &err);
    if (r < 0) {
        doctor_fail(doctor, "disk greeting", &err, r);
        return false;
    }
    tell_greeting(doctor, &greeting);
    r = vd_stream_start_tls(stream, &anybody, &peer, &err);
    if (r < 0) {
        doctor_fail(doctor, "disk certificate", &err, r);
        return false;
    }
    tell_peer(doctor, ticket, &peer);
    return true;
}

static void check_handshake(struct doctor *doctor, const struct vd_nfc_ticket *ticket)
{
    VD_CLEANUP(vd_stream_free_cleanup) struct vd_stream *stream = NULL;
    struct vd_net_timeouts timeouts = {.stop = cli_interrupt_stop()};
    struct vd_nfc_options options = {
        .ssl = true,
        .read_only = true,
        .legacy_tls = doctor->url.legacy_tls,
        .unverified_tls = doctor->url.insecure,
    };
    struct vd_error err = VD_ERROR_INIT;
    char tag[VD_NFC_TAG_BYTES];
    int r = vd_stream_connect(ticket->host, ticket->port, &timeouts, &stream, &err);

    if (r == VD_OK)
        r = vd_nfc_authd(stream, ticket, &options, tag, &err);
    if (r < 0)
        doctor_fail(doctor, "disk service", &err, r);
    else
        doctor_tell(doctor, DOCTOR_OK, "disk service", NULL,
                    "the ticket is taken, and NFC answers");
}

void doctor_check_nfc(struct doctor *doctor)
{
    VD_CLEANUP(release_ticket) struct vd_nfc_ticket ticket = {.port = NFC_PORT};
    bool granted = get_ticket(doctor, &ticket);

    if (!granted && doctor->session && vd_vsphere_is_vcenter(doctor->session)) {
        doctor_tell(doctor, DOCTOR_SKIPPED, "disk port", "name a machine: HOST/VM",
                    "disks are read from the hosts of a vCenter, and no machine tells which");
        return;
    }
    if (!granted)
        (void)snprintf(ticket.host, sizeof ticket.host, "%s", doctor->url.host);
    if (doctor->args->nfc_port)
        ticket.port = (uint16_t)doctor->args->nfc_port;
    if (granted && strcmp(ticket.host, doctor->url.host) != 0 &&
        !doctor_check_name(doctor, "disk host", ticket.host))
        return;
    if (check_port(doctor, &ticket) && granted)
        check_handshake(doctor, &ticket);
}
