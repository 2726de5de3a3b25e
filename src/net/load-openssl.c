/* SPDX-License-Identifier: Apache-2.0 */
#include "net/load-openssl-int.h"

#include <pthread.h>

/* The number is that of the headers this was compiled with. */
#define SONAME_OF(number) "libssl.so." #number
#define SONAME(number)    SONAME_OF(number)

VD_LIBSSL_FUNCTIONS(VD_LIBRARY_DEFINE)
VD_LIBCRYPTO_FUNCTIONS(VD_LIBRARY_DEFINE)

static const struct vd_library_symbol symbols[] = {VD_LIBSSL_FUNCTIONS(VD_LIBRARY_SYMBOL)
                                                       VD_LIBCRYPTO_FUNCTIONS(VD_LIBRARY_SYMBOL)};

/* It brings libcrypto, whose functions are found through it. */
static const struct vd_library libssl = {
    .file = SONAME(OPENSSL_SHLIB_VERSION),
    .package = "libssl3",
    .purpose = "talking to servers",
    .symbols = symbols,
    .symbol_count = VD_ARRAY_SIZE(symbols),
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct vd_error failure; /* written within `once` */

static void load(void)
{
    VD_DISCARD(vd_library_load(&libssl, &failure)); /* kept in `failure` */
}

int vd_openssl_load(struct vd_error *err)
{
    (void)pthread_once(&once, load); /* cannot fail with these arguments */
    return failure.code ? vd_error_set(err, failure.code, "%s", failure.text) : VD_OK;
}
