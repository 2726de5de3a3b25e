/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "net/dial.h"
#include "net/load-openssl-int.h"
#include "net/tls.h"

#define KEY_BITS      2048u
#define LIFE_SECONDS  (10L * 365 * 24 * 3600)
#define YESTERDAY     (-24L * 3600) /* clocks of test machines disagree */
#define CERTIFICATE_3 2             /* X.509 counts versions from 0 */

static bool add_names(X509 *certificate, const char *name)
{
    char names[400];
    int n = snprintf(names, sizeof names, "%s:%s,DNS:localhost,IP:127.0.0.1",
                     vd_dial_is_address(name) ? "IP" : "DNS", name);
    if (n < 0 || (size_t)n >= sizeof names)
        return false;
    X509_EXTENSION *extension = sym_X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    bool good = extension && sym_X509_add_ext(certificate, extension, -1) == 1;
    sym_X509_EXTENSION_free(extension);
    return good;
}

static bool fill_in(X509 *certificate, EVP_PKEY *key, const char *name)
{
    X509_NAME *subject = sym_X509_get_subject_name(certificate);
    return sym_X509_set_version(certificate, CERTIFICATE_3) == 1 &&
           sym_ASN1_INTEGER_set(sym_X509_get_serialNumber(certificate), (long)time(NULL)) == 1 &&
           sym_X509_gmtime_adj(sym_X509_getm_notBefore(certificate), YESTERDAY) &&
           sym_X509_gmtime_adj(sym_X509_getm_notAfter(certificate), LIFE_SECONDS) &&
           sym_X509_set_pubkey(certificate, key) == 1 &&
           sym_X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
                                          -1, -1, 0) == 1 &&
           sym_X509_set_issuer_name(certificate, subject) == 1 && add_names(certificate, name) &&
           sym_X509_sign(certificate, key, sym_EVP_sha256()) > 0;
}

static FILE *open_private(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file && fd >= 0)
        (void)close(fd); /* nothing was written */
    return file;
}

/* Writes the one that is given. */
static int write_pem(const char *path, X509 *certificate, EVP_PKEY *key, struct vd_error *err)
{
    FILE *file = open_private(path);
    if (!file)
        return vd_error_set_errno(err, errno, "writing '%s'", path);
    int good = certificate ? sym_PEM_write_X509(file, certificate)
                           : sym_PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    if (fclose(file) != 0 || good != 1)
        return vd_error_set(err, VD_E_IO, "writing '%s': it could not be written whole", path);
    return VD_OK;
}

int vd_tls_make_identity(const char *name, const char *certificate_file, const char *key_file,
                         struct vd_error *err)
{
    int r = vd_openssl_load(err);
    if (r < 0)
        return r;
    EVP_PKEY *key = sym_EVP_RSA_gen(KEY_BITS);
    X509 *certificate = sym_X509_new();
    if (!key || !certificate || !fill_in(certificate, key, name))
        r = vd_error_set(err, VD_E_TLS, "making a certificate for '%s' failed", name);
    else
        r = write_pem(certificate_file, certificate, NULL, err);
    if (r == VD_OK)
        r = write_pem(key_file, NULL, key, err);
    sym_ERR_clear_error();
    sym_X509_free(certificate);
    sym_EVP_PKEY_free(key);
    return r;
}
