/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared libraries of the system that are loaded when they are first needed. Linked, they would be
 * loaded, with all that they need themselves, into every program that only opens a local disk.
 *
 * The convention: what the library's own header calls `name` is called through the pointer
 * `sym_name`, of the type the header gives it. Each such library has a file load-<library>.h with
 * one list of the functions that are used, and one function vd_<library>_load, which whoever can be
 * the first to need the library calls before any sym_:
 *
 *     #define VD_CURL_FUNCTIONS(X) X(curl_easy_init) X(curl_easy_perform)
 *     VD_CURL_FUNCTIONS(VD_LIBRARY_DECLARE)
 *
 *     int r = vd_curl_load(err);
 *     if (r == VD_OK)
 *         handle->curl = sym_curl_easy_init();
 *
 * To call another function, put it into the list. The pointers never change once they are set, and
 * a library once loaded stays, so they may be used on any thread.
 */
#ifndef VD_BASE_LIBRARY_H
#define VD_BASE_LIBRARY_H

#include <stddef.h>

#include "base/error.h"

#define VD_LIBRARY_DECLARE(name) extern __typeof__(name) *sym_##name;
#define VD_LIBRARY_DEFINE(name)  __typeof__(name) *sym_##name;
#define VD_LIBRARY_SYMBOL(name)  {#name, &sym_##name},

struct vd_library_symbol {
    const char *name;
    void *pointer; /* the address of sym_<name> */
};

struct vd_library {
    const char *file;    /* its soname */
    const char *package; /* of Debian, for the sentence; and so is */
    const char *purpose; /* "talking to servers" */
    const struct vd_library_symbol *symbols;
    size_t symbol_count;
};

/* Opens the library and sets every pointer, or none. For one thread at a time. VD_E_NOT_SUPPORTED
 * where it is not there, cannot be used, or is too old to have one of the functions. */
VD_MUST_CHECK int vd_library_load(const struct vd_library *library, struct vd_error *err);

#endif
