/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/load-xml-int.h"

#include <pthread.h>

/* Its structures are read, so it must be of the kind whose headers this was compiled with. */
#if LIBXML_VERSION >= 21400
#define SONAME  "libxml2.so.16"
#define PACKAGE "libxml2-16"
#else
#define SONAME  "libxml2.so.2"
#define PACKAGE "libxml2"
#endif

VD_LIBXML_FUNCTIONS(VD_LIBRARY_DEFINE)

static const struct vd_library_symbol symbols[] = {VD_LIBXML_FUNCTIONS(VD_LIBRARY_SYMBOL)};
static const struct vd_library libxml = {
    .file = SONAME,
    .package = PACKAGE,
    .purpose = "talking to servers",
    .symbols = symbols,
    .symbol_count = VD_ARRAY_SIZE(symbols),
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct vd_error failure; /* written within `once` */

static void load(void)
{
    if (vd_library_load(&libxml, &failure) == VD_OK)
        sym_xmlInitParser();
}

int vd_xml_load(struct vd_error *err)
{
    (void)pthread_once(&once, load); /* cannot fail with these arguments */
    return failure.code ? vd_error_set(err, failure.code, "%s", failure.text) : VD_OK;
}
