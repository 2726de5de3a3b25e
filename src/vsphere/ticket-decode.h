/* SPDX-License-Identifier: Apache-2.0 */
/* A HostServiceTicket taken apart. For this floor and its tests. */
#ifndef VD_VSPHERE_TICKET_DECODE_H
#define VD_VSPHERE_TICKET_DECODE_H

#include "nfc/client.h"
#include "vsphere/xml.h"

/* `issuer` is where the ticket came from: dialled, and trusted as it was, where the ticket names no
 * other host. The secret is wiped from the document. */
struct vd_ticket_issuer {
    const char *host;
    const char *thumbprint; /* "": not known */
};
VD_MUST_CHECK int vd_ticket_decode(const xmlNode *value, const struct vd_ticket_issuer *issuer,
                                   struct vd_nfc_ticket *ret, struct vd_error *err);

#endif
