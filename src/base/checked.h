/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on numbers from outside: false on overflow, and *ret is then not written. */
#ifndef VD_BASE_CHECKED_H
#define VD_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

VD_MUST_CHECK static inline bool vd_add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *ret = sum;
    return true;
}

VD_MUST_CHECK static inline bool vd_mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *ret = product;
    return true;
}

/* True when [start, start + length) lies inside [0, size), without overflow. */
static inline bool vd_range_inside(uint64_t start, uint64_t length, uint64_t size)
{
    return start <= size && length <= size - start;
}

/* a / b rounded up; b > 0. Cannot overflow. */
static inline uint64_t vd_div_up(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

static inline bool vd_is_power_of_two(uint64_t v)
{
    return v != 0 && (v & (v - 1)) == 0;
}

#endif
