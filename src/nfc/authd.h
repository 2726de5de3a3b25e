/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon in front of NFC, on port 902: shows a ticket and is passed on to the NFC service. */
#ifndef VD_NFC_AUTHD_H
#define VD_NFC_AUTHD_H

#include <stdbool.h>

#include "net/stream.h"
#include "nfc/client.h"

#define VD_NFC_TAG_BYTES  17u   /* 16 characters and NUL */
#define VD_NFC_LINE_BYTES 1024u /* 1016 with CRLF are allowed */

/* What the greeting offers. */
struct vd_nfc_greeting {
    bool ssl_required;
    bool nfc_ssl;
    bool sha256; /* THUMBPRINT_SHA2 */
};

/* "220 VMware Authentication Daemon Version 1.10: SSL Required, ..." VD_E_PROTOCOL. */
VD_MUST_CHECK int vd_nfc_greeting_parse(const char *line, struct vd_nfc_greeting *ret);

/* From the greeting to the point where NFC begins, in TLS where `ssl`. `tag` is "" where the host
 * was not told one; else it must be repeated in the first NFC message. The ticket is spent once
 * this was called. */
VD_MUST_CHECK int vd_nfc_authd(struct vd_stream *stream, const struct vd_nfc_ticket *ticket,
                               const struct vd_nfc_options *options, char tag[VD_NFC_TAG_BYTES],
                               struct vd_error *err);

#endif
