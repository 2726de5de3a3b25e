/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing words of a descriptor without case. Not strcasecmp: its answer depends on the locale of
 * the program that loaded the library. */
#ifndef VD_VMDK_ASCII_H
#define VD_VMDK_ASCII_H

#include <stdbool.h>
#include <stddef.h>

static inline char vd_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline bool vd_ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Blanks inside a line; a CR belongs to a line end or is noise. */
static inline bool vd_ascii_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Do the first `length` bytes of both agree but for case? */
static inline bool vd_ascii_equal_n(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (vd_ascii_lower(a[i]) != vd_ascii_lower(b[i]))
            return false;
        if (a[i] == '\0')
            return true;
    }
    return true;
}

static inline bool vd_ascii_equal(const char *a, const char *b)
{
    return vd_ascii_equal_n(a, b, (size_t)-1);
}

#endif
