/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "net/load-openssl-int.h"
#include "net/tls-int.h"

#define SHA1_DIGITS   40
#define SHA256_DIGITS 64
#define MAX_PEM_BYTES (1u << 20)

/* The hexadecimal digits of a thumbprint, without what people put between them. Returns how many,
 * SIZE_MAX for anything else in the text. */
static size_t thumbprint_digits(const char *text, char digits[SHA256_DIGITS + 1])
{
    size_t count = 0;
    for (const char *c = text; *c; c++) {
        if (*c == ':' || *c == ' ' || *c == '-')
            continue;
        if (!strchr("0123456789abcdefABCDEF", *c) || count == SHA256_DIGITS)
            return SIZE_MAX;
        digits[count++] = *c;
    }
    digits[count] = '\0';
    return count;
}

int vd_tls_thumbprint_check(const char *thumbprint, struct vd_error *err)
{
    char digits[SHA256_DIGITS + 1];
    size_t count = thumbprint_digits(thumbprint, digits);
    if (count == SHA1_DIGITS || count == SHA256_DIGITS)
        return VD_OK;
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "the thumbprint '%.100s' is neither of SHA-1 (40 hexadecimal digits) nor "
                        "of SHA-256 (64)",
                        thumbprint);
}

bool vd_tls_thumbprint_matches(const char *thumbprint, const struct vd_tls_peer *peer)
{
    char wanted[SHA256_DIGITS + 1];
    char found[SHA256_DIGITS + 1];
    size_t count = thumbprint_digits(thumbprint, wanted);
    const char *text = count == SHA1_DIGITS ? peer->sha1 : peer->sha256;
    return (count == SHA1_DIGITS || count == SHA256_DIGITS) &&
           thumbprint_digits(text, found) == count && strcasecmp(wanted, found) == 0;
}

static bool digest_text(const X509 *certificate, const EVP_MD *kind, char *text, size_t size)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (sym_X509_digest(certificate, kind, digest, &length) != 1 || length * 3u > size)
        return false;
    for (unsigned i = 0; i < length; i++)
        (void)snprintf(text + i * 3u, 4, "%02X%s", digest[i], i + 1 < length ? ":" : "");
    return true;
}

static bool peer_of(const X509 *certificate, struct vd_tls_peer *ret)
{
    return certificate && digest_text(certificate, sym_EVP_sha1(), ret->sha1, sizeof ret->sha1) &&
           digest_text(certificate, sym_EVP_sha256(), ret->sha256, sizeof ret->sha256);
}

int vd_tls_file_thumbprints(const char *certificate_file, struct vd_tls_peer *ret,
                            struct vd_error *err)
{
    int r = vd_openssl_load(err);
    if (r < 0)
        return r;
    FILE *file = fopen(certificate_file, "re");
    if (!file)
        return vd_error_set_errno(err, errno, "reading the certificate '%s'", certificate_file);
    X509 *certificate = sym_PEM_read_X509(file, NULL, NULL, NULL);
    (void)fclose(file); /* only read */
    struct vd_tls_peer peer;
    bool good = certificate && peer_of(certificate, &peer);
    sym_X509_free(certificate);
    sym_ERR_clear_error();
    if (!good)
        return vd_error_set(err, VD_E_FILE_TYPE, "'%s' holds no PEM certificate", certificate_file);
    *ret = peer;
    return VD_OK;
}

/* Never asks a person for the passphrase of a text from elsewhere. */
static int no_passphrase(char *buffer, int size, int writing, void *data)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)data;
    return -1;
}

int vd_tls_pem_thumbprints(const char *pem, size_t length, struct vd_tls_peer *ret,
                           struct vd_error *err)
{
    int r = vd_openssl_load(err);
    if (r < 0)
        return r;
    struct vd_tls_peer peer;
    BIO *text = length <= MAX_PEM_BYTES ? sym_BIO_new_mem_buf(pem, (int)length) : NULL;
    X509 *certificate = text ? sym_PEM_read_bio_X509(text, NULL, no_passphrase, NULL) : NULL;
    bool good = certificate && peer_of(certificate, &peer);
    sym_X509_free(certificate);
    sym_BIO_free(text);
    sym_ERR_clear_error();
    if (!good)
        return vd_error_set(err, VD_E_FILE_TYPE, "a text of %zu bytes is no PEM certificate",
                            length);
    *ret = peer;
    return VD_OK;
}

static bool judge_thumbprint(struct vd_tls_verifier *verifier)
{
    const char *expected = verifier->trust->thumbprint;
    if (vd_tls_thumbprint_matches(expected, &verifier->peer))
        return true;
    char digits[SHA256_DIGITS + 1];
    bool sha256 = thumbprint_digits(expected, digits) == SHA256_DIGITS;
    (void)vd_error_set(&verifier->error, VD_E_CERTIFICATE,
                       "'%s' is not trusted: actual thumbprint=%s expected=%s", verifier->server,
                       sha256 ? verifier->peer.sha256 : verifier->peer.sha1, expected);
    return false;
}

static bool judge_by_authority(struct vd_tls_verifier *verifier, X509_STORE_CTX *store)
{
    const char *name = verifier->trust->host_name;
    X509_VERIFY_PARAM *param = sym_X509_STORE_CTX_get0_param(store);
    if (name && sym_X509_VERIFY_PARAM_set1_ip_asc(param, name) != 1 &&
        sym_X509_VERIFY_PARAM_set1_host(param, name, 0) != 1)
        return false;
    if (sym_X509_verify_cert(store) == 1)
        return true;
    (void)vd_error_set(&verifier->error, VD_E_CERTIFICATE,
                       "'%s' is not trusted: %s; its thumbprint, for who knows it to be right, is "
                       "actual thumbprint=%s",
                       verifier->server,
                       sym_X509_verify_cert_error_string(sym_X509_STORE_CTX_get_error(store)),
                       verifier->peer.sha1);
    return false;
}

/* OpenSSL asks here instead of building a chain by itself. 1: trusted. */
static int judge(X509_STORE_CTX *store, void *data)
{
    struct vd_tls_verifier *verifier = data;
    const struct vd_tls_trust *trust = verifier->trust;
    if (!peer_of(sym_X509_STORE_CTX_get0_cert(store), &verifier->peer))
        return 0;
    if (trust->unverified)
        return 1;
    bool good = trust->thumbprint && trust->thumbprint[0] ? judge_thumbprint(verifier)
                                                          : judge_by_authority(verifier, store);
    sym_X509_STORE_CTX_set_error(store, good ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return good;
}

static bool needs_authority(const struct vd_tls_trust *trust)
{
    return !trust->unverified && !(trust->thumbprint && trust->thumbprint[0]);
}

static int load_authority(SSL_CTX *context, const struct vd_tls_trust *trust, struct vd_error *err)
{
    if (!trust->ca_file) {
        if (sym_SSL_CTX_set_default_verify_paths(context) == 1)
            return VD_OK;
        return vd_error_set(err, VD_E_TLS, "the system's certificate authorities cannot be read");
    }
    if (sym_SSL_CTX_load_verify_locations(context, trust->ca_file, NULL) == 1)
        return VD_OK;
    sym_ERR_clear_error();
    return vd_error_set(err, VD_E_TLS, "'%s' holds no certificate authority that can be used",
                        trust->ca_file);
}

int vd_tls_context_prepare(SSL_CTX *context, struct vd_tls_verifier *verifier, struct vd_error *err)
{
    const struct vd_tls_trust *trust = verifier->trust;
    int r = VD_OK;
    if (trust->thumbprint && trust->thumbprint[0] && !trust->unverified)
        r = vd_tls_thumbprint_check(trust->thumbprint, err);
    if (r == VD_OK && needs_authority(trust))
        r = load_authority(context, trust, err);
    if (r < 0)
        return r;
    if (!sym_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION))
        return vd_error_set(err, VD_E_TLS, "this machine's TLS has no version 1.2");
    if (trust->legacy)
        sym_SSL_CTX_set_security_level(context, 0); /* OpenSSL 3 takes SHA-1 signatures at 0 only */
    sym_SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    sym_SSL_CTX_set_cert_verify_callback(context, judge, verifier);
    return VD_OK;
}

const char *vd_tls_reason(char *text, size_t size)
{
    unsigned long code = sym_ERR_peek_last_error();
    const char *reason = code ? sym_ERR_reason_error_string(code) : NULL;
    (void)snprintf(text, size, "%s", reason ? reason : "no reason given");
    sym_ERR_clear_error();
    return text;
}
