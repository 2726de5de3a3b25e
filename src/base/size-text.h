/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes as people write them: digits and an optional K, M, G or T (1024-based), or a plain number.
 */
#ifndef VD_BASE_SIZE_TEXT_H
#define VD_BASE_SIZE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* VD_E_INVALID_ARG with a sentence on anything else, on overflow and on negative numbers. "1.5G" is
 * allowed when it comes out as whole bytes; "10GiB", "10GB" and lower case are accepted too. */
VD_MUST_CHECK int vd_size_parse(const char *text, uint64_t *ret_bytes, struct vd_error *err);

/* "10 GiB", "1.5 MiB", "512 B": at most 3 significant decimals, for people. Returns `out`. */
#define VD_SIZE_TEXT_BYTES 48 /* two numbers of 20 digits, the point, the unit, the end */
const char *vd_size_to_text(uint64_t bytes, char out[VD_SIZE_TEXT_BYTES]);

#endif
