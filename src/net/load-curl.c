/* SPDX-License-Identifier: Apache-2.0 */
#include "net/load-curl-int.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "net/load-openssl-int.h"

#define OLDEST      0x075500u /* has CURLOPT_PROTOCOLS_STR */
#define OLDEST_TEXT "7.85.0"

VD_CURL_FUNCTIONS(VD_LIBRARY_DEFINE)

static const struct vd_library_symbol symbols[] = {VD_CURL_FUNCTIONS(VD_LIBRARY_SYMBOL)};
static const struct vd_library libcurl = {
    .file = "libcurl.so.4",
    .package = "libcurl4",
    .purpose = "talking to servers",
    .symbols = symbols,
    .symbol_count = VD_ARRAY_SIZE(symbols),
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct vd_error failure; /* written within `once` */

/* Its TLS contexts are given to our OpenSSL, so they must come from the same one. */
static int check_version(struct vd_error *err)
{
    const curl_version_info_data *info = sym_curl_version_info(CURLVERSION_NOW);
    const char *tls = info->ssl_version ? info->ssl_version : "none";
    char wanted[32];
    (void)snprintf(wanted, sizeof wanted, "OpenSSL/%d", OPENSSL_VERSION_MAJOR); /* always fits */
    if (info->version_num < OLDEST)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "'%s' is version %s, expected " OLDEST_TEXT " or later", libcurl.file,
                            info->version);
    if (strncmp(tls, wanted, strlen(wanted)) != 0)
        return vd_error_set(err, VD_E_NOT_SUPPORTED, "'%s' has the TLS library '%s', expected %s",
                            libcurl.file, tls, wanted);
    return VD_OK;
}

static void load(void)
{
    int r = vd_openssl_load(&failure);
    if (r == VD_OK)
        r = vd_library_load(&libcurl, &failure);
    if (r == VD_OK && sym_curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        r = vd_error_set(&failure, VD_E_NO_MEMORY, "starting '%s': out of memory", libcurl.file);
    if (r == VD_OK)
        VD_DISCARD(check_version(&failure)); /* kept in `failure` */
}

int vd_curl_load(struct vd_error *err)
{
    (void)pthread_once(&once, load); /* cannot fail with these arguments */
    return failure.code ? vd_error_set(err, failure.code, "%s", failure.text) : VD_OK;
}
