/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results in memory that the program gives back with a Free function. A second Free of one, or of
 * an address that was never handed out, is reported and not followed. Threads: any.
 */
#ifndef VD_VIX_GIVEN_H
#define VD_VIX_GIVEN_H

#include <stddef.h>

#include "vix/export.h"
#include "vix/registry.h"

/* Zeros, aligned for anything; `kind` one of the results. NULL when out of memory. */
void *vd_vix_given_new(enum vd_vix_kind kind, size_t bytes);
/* For the public function `function`; NULL is VIX_OK, what is no such result VIX_E_INVALID_ARG. */
VixError vd_vix_given_free(const char *function, const void *memory, enum vd_vix_kind kind);

#endif
