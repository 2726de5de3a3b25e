/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that decides whether a certificate is trusted, for streams and for HTTP. */
#ifndef VD_NET_TLS_INT_H
#define VD_NET_TLS_INT_H

#include <openssl/ssl.h>

#include "net/tls.h"

/* One handshake's judge. Stays where it is while its context lives. */
struct vd_tls_verifier {
    const struct vd_tls_trust *trust;
    const char *server;      /* for the sentence: "host:443" */
    struct vd_tls_peer peer; /* who answered; "" before */
    struct vd_error error;   /* why it is not trusted */
};

/* Sets protocol versions, security level, trust anchors and the judge. */
VD_MUST_CHECK int vd_tls_context_prepare(SSL_CTX *context, struct vd_tls_verifier *verifier,
                                         struct vd_error *err);
/* The library's own reason for the last failure, and clears it; never NULL. Per thread. */
const char *vd_tls_reason(char *text, size_t size);

#endif
