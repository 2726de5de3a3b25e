/* SPDX-License-Identifier: Apache-2.0 */
/* Whom to trust. A TLS peer is verified by thumbprint where one is given, by certificate authority
 * otherwise, and not at all only where the caller says so in so many words. */
#ifndef VD_NET_TLS_H
#define VD_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define VD_TLS_SHA1_TEXT_BYTES   60 /* "AA:BB:...", NUL included */
#define VD_TLS_SHA256_TEXT_BYTES 96

/* Strings are the caller's and outlive the calls they are given to. */
struct vd_tls_trust {
    const char *host_name;  /* for SNI, and for the name check by CA; NULL: neither */
    const char *thumbprint; /* SHA-1 or SHA-256 of the leaf certificate, hex in either case, colons
                               and blanks ignored; NULL or "": verify by CA and host name */
    const char *ca_file;    /* NULL: the system's */
    bool unverified;        /* trust anybody; thumbprint and CA are not looked at */
    bool legacy;            /* also SHA-1 signatures and short keys, as hosts before 7.0 have */
};

struct vd_tls_peer {
    char sha1[VD_TLS_SHA1_TEXT_BYTES];
    char sha256[VD_TLS_SHA256_TEXT_BYTES];
};

/* A server's certificate and key, PEM files. */
struct vd_tls_identity {
    const char *certificate_file;
    const char *key_file;
    bool tls12_only; /* as hosts 7 and 8 are */
};

/* VD_E_INVALID_ARG where the text is neither kind of thumbprint. */
VD_MUST_CHECK int vd_tls_thumbprint_check(const char *thumbprint, struct vd_error *err);
/* Does `thumbprint` name this peer? */
bool vd_tls_thumbprint_matches(const char *thumbprint, const struct vd_tls_peer *peer);
/* The thumbprints of a PEM certificate file. */
VD_MUST_CHECK int vd_tls_file_thumbprints(const char *certificate_file, struct vd_tls_peer *ret,
                                          struct vd_error *err);
/* As vd_tls_file_thumbprints, of PEM text in memory. */
VD_MUST_CHECK int vd_tls_pem_thumbprints(const char *pem, size_t length, struct vd_tls_peer *ret,
                                         struct vd_error *err);

/* Makes a key and a self-signed certificate for `name` (a host name or an IP address, which
 * 127.0.0.1 and localhost are added to), good for ten years; the key file for its owner's eyes
 * only. For simulators and tests. */
VD_MUST_CHECK int vd_tls_make_identity(const char *name, const char *certificate_file,
                                       const char *key_file, struct vd_error *err);

#endif
