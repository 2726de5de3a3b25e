/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl, loaded when it is first needed; base/library.h says how the sym_ names are used. */
#ifndef VD_NET_LOAD_CURL_INT_H
#define VD_NET_LOAD_CURL_INT_H

#include <curl/curl.h>

#include "base/library.h"

/* clang-format off */
#define VD_CURL_FUNCTIONS(X)                                                                       \
    X(curl_easy_cleanup) X(curl_easy_getinfo) X(curl_easy_init) X(curl_easy_perform)               \
    X(curl_easy_reset) X(curl_easy_setopt) X(curl_easy_strerror) X(curl_global_init)               \
    X(curl_slist_append) X(curl_slist_free_all) X(curl_version_info)
/* clang-format on */
VD_CURL_FUNCTIONS(VD_LIBRARY_DECLARE)

/* Before any sym_curl_; from any thread. Loads OpenSSL too, and starts curl. What the first call
 * answers, each later one does. VD_E_NOT_SUPPORTED where one of them is missing, too old, or not
 * made for the other. */
VD_MUST_CHECK int vd_curl_load(struct vd_error *err);

#endif
