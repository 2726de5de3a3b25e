/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/ticket-decode.h"

#include <stdio.h>
#include <string.h>

#include "net/tls.h"

#define DEFAULT_PORT 902u

/* What goes into a line of a text protocol must not end that line. */
static int take_word(const char *text, const char *name, char *ret, size_t size,
                     struct vd_error *err)
{
    size_t length = text ? strlen(text) : 0;
    if (length == 0 || length >= size)
        return vd_error_set(err, VD_E_PROTOCOL, "the ticket has %s '%s'",
                            length ? "too long a" : "no", name);
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return vd_error_set(err, VD_E_PROTOCOL,
                                "the ticket's '%s' has a blank or a character that is not ASCII",
                                name);
    memcpy(ret, text, length + 1);
    return VD_OK;
}

static int take_port(const xmlNode *value, uint16_t *ret, struct vd_error *err)
{
    const xmlNode *node = vd_xml_child(value, "port");
    uint64_t port = DEFAULT_PORT;
    if (node && (!vd_xml_u64(node, &port) || port == 0 || port > UINT16_MAX))
        return vd_error_set(err, VD_E_PROTOCOL, "the ticket's port is '%.20s', expected 1 to 65535",
                            vd_xml_text(node));
    *ret = (uint16_t)port;
    return VD_OK;
}

/* Either the thumbprint or, from vSphere 9 on, the certificate itself. */
static int take_thumbprint(const xmlNode *value, struct vd_nfc_ticket *ret, struct vd_error *err)
{
    const char *thumbprint = vd_xml_child_text(value, "sslThumbprint");
    const char *certificate = vd_xml_child_text(value, "sslCertificate");
    if (thumbprint && thumbprint[0]) {
        int r =
            take_word(thumbprint, "sslThumbprint", ret->thumbprint, sizeof ret->thumbprint, err);
        return r < 0 ? r : vd_tls_thumbprint_check(ret->thumbprint, err);
    }
    if (certificate && certificate[0]) {
        struct vd_tls_peer peer;
        int r = vd_tls_pem_thumbprints(certificate, strlen(certificate), &peer, err);
        if (r < 0)
            return r;
        (void)snprintf(ret->thumbprint, sizeof ret->thumbprint, "%s", peer.sha256);
    }
    return VD_OK;
}

int vd_ticket_decode(const xmlNode *value, const struct vd_ticket_issuer *issuer,
                     struct vd_nfc_ticket *ret, struct vd_error *err)
{
    struct vd_nfc_ticket ticket = {.port = 0};
    const xmlNode *session = vd_xml_child(value, "sessionId");
    const char *host = vd_xml_child_text(value, "host");
    bool elsewhere = host && host[0];
    int r =
        take_word(elsewhere ? host : issuer->host, "host", ticket.host, sizeof ticket.host, err);
    if (r == VD_OK)
        r = take_port(value, &ticket.port, err);
    if (r == VD_OK)
        r = take_word(vd_xml_child_text(value, "service"), "service", ticket.service,
                      sizeof ticket.service, err);
    if (r == VD_OK)
        r = take_thumbprint(value, &ticket, err);
    if (r == VD_OK && !elsewhere && ticket.thumbprint[0] == '\0')
        (void)snprintf(ticket.thumbprint, sizeof ticket.thumbprint, "%s", issuer->thumbprint);
    if (r == VD_OK)
        r = take_word(vd_xml_text(session), "sessionId", ticket.session_id,
                      sizeof ticket.session_id, err);
    if (r == VD_OK)
        *ret = ticket;
    vd_xml_wipe(session);
    explicit_bzero(&ticket, sizeof ticket);
    return r;
}
