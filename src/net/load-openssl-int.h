/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL, loaded when it is first needed; base/library.h says how the sym_ names are used. */
#ifndef VD_NET_LOAD_OPENSSL_INT_H
#define VD_NET_LOAD_OPENSSL_INT_H

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/library.h"

/* clang-format off */
#define VD_LIBSSL_FUNCTIONS(X)                                                                     \
    X(SSL_ctrl) X(SSL_CTX_ctrl) X(SSL_CTX_free) X(SSL_CTX_load_verify_locations) X(SSL_CTX_new)    \
    X(SSL_CTX_set_cert_verify_callback) X(SSL_CTX_set_default_verify_paths)                        \
    X(SSL_CTX_set_num_tickets) X(SSL_CTX_set_options) X(SSL_CTX_set_security_level)                \
    X(SSL_CTX_set_verify) X(SSL_CTX_use_certificate_chain_file) X(SSL_CTX_use_PrivateKey_file)     \
    X(SSL_do_handshake) X(SSL_free) X(SSL_get_error) X(SSL_new) X(SSL_read_ex)                     \
    X(SSL_set_accept_state) X(SSL_set_bio) X(SSL_set_connect_state) X(SSL_set_quiet_shutdown)      \
    X(SSL_set_verify) X(SSL_write_ex) X(TLS_client_method) X(TLS_server_method)
#define VD_LIBCRYPTO_FUNCTIONS(X)                                                                  \
    X(ASN1_INTEGER_set) X(BIO_clear_flags) X(BIO_free) X(BIO_get_data) X(BIO_get_new_index)        \
    X(BIO_meth_new) X(BIO_meth_set_create) X(BIO_meth_set_ctrl) X(BIO_meth_set_read)               \
    X(BIO_meth_set_write) X(BIO_new) X(BIO_new_mem_buf) X(BIO_set_data) X(BIO_set_flags)           \
    X(BIO_set_init) X(ERR_clear_error) X(ERR_peek_last_error) X(ERR_reason_error_string)           \
    X(EVP_DigestFinal_ex) X(EVP_DigestInit_ex) X(EVP_DigestUpdate) X(EVP_MD_CTX_free)              \
    X(EVP_MD_CTX_new) X(EVP_PKEY_free) X(EVP_PKEY_Q_keygen) X(EVP_sha1) X(EVP_sha256)              \
    X(PEM_read_bio_X509)                                                                           \
    X(PEM_read_X509) X(PEM_write_PrivateKey) X(PEM_write_X509) X(X509_add_ext) X(X509_digest)      \
    X(X509_EXTENSION_free) X(X509_free) X(X509_get_serialNumber) X(X509_get_subject_name)          \
    X(X509_getm_notAfter) X(X509_getm_notBefore) X(X509_gmtime_adj) X(X509_NAME_add_entry_by_txt)  \
    X(X509_new) X(X509_set_issuer_name) X(X509_set_pubkey) X(X509_set_version) X(X509_sign)        \
    X(X509_STORE_CTX_get0_cert) X(X509_STORE_CTX_get0_param) X(X509_STORE_CTX_get_error)           \
    X(X509_STORE_CTX_set_error) X(X509_verify_cert) X(X509_verify_cert_error_string)               \
    X(X509_VERIFY_PARAM_set1_host) X(X509_VERIFY_PARAM_set1_ip_asc) X(X509V3_EXT_conf_nid)
/* clang-format on */
VD_LIBSSL_FUNCTIONS(VD_LIBRARY_DECLARE)
VD_LIBCRYPTO_FUNCTIONS(VD_LIBRARY_DECLARE)

/* Before any other sym_ of this header; from any thread. What the first call answers, each later
 * one does. VD_E_NOT_SUPPORTED where the libraries are missing or too old. */
VD_MUST_CHECK int vd_openssl_load(struct vd_error *err);

/* What OpenSSL has as macros over the functions above. */
static inline bool sym_SSL_CTX_set_min_proto_version(SSL_CTX *context, long version)
{
    return sym_SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, version, NULL) == 1;
}

static inline bool sym_SSL_CTX_set_max_proto_version(SSL_CTX *context, long version)
{
    return sym_SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, version, NULL) == 1;
}

static inline long sym_SSL_CTX_set_session_cache_mode(SSL_CTX *context, long mode)
{
    return sym_SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, mode, NULL);
}

static inline long sym_SSL_set_mode(SSL *tls, long mode)
{
    return sym_SSL_ctrl(tls, SSL_CTRL_MODE, mode, NULL);
}

static inline bool sym_SSL_set_tlsext_host_name(SSL *tls, char *name)
{
    return sym_SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name) == 1;
}

static inline EVP_PKEY *sym_EVP_RSA_gen(size_t bits)
{
    return sym_EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);
}

static inline void sym_BIO_clear_retry_flags(BIO *bio)
{
    sym_BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
}

static inline void sym_BIO_set_retry_read(BIO *bio)
{
    sym_BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
}

static inline void sym_BIO_set_retry_write(BIO *bio)
{
    sym_BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY);
}

#endif
