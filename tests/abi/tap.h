/* SPDX-License-Identifier: Apache-2.0 */
/* TAP for programs that know nothing of the project but the public headers. */
#ifndef VD_TESTS_ABI_TAP_H
#define VD_TESTS_ABI_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned tap_count;
static unsigned tap_failed;

/* Where a claim stands; carried by the macros. */
struct tap_place {
    const char *text;
    const char *file;
    int line;
};
#define TAP_PLACE(text) (&(const struct tap_place){text, __FILE__, __LINE__})

/* One line per claim. */
#define ok(condition, ...) tap_ok((condition), TAP_PLACE(#condition), __VA_ARGS__)
/* Two numbers. */
#define is(got, want, ...) tap_is((uint64_t)(got), (uint64_t)(want), TAP_PLACE(#got), __VA_ARGS__)
/* Two strings, NULL being none. */
#define is_text(got, want, ...) tap_is_text((got), (want), TAP_PLACE(#got), __VA_ARGS__)

#define TAP_NAME(name)         \
    do {                       \
        va_list args_;         \
        va_start(args_, name); \
        vprintf(name, args_);  \
        va_end(args_);         \
        putchar('\n');         \
    } while (0)

#define TAP_PRINTF(fmt, args) __attribute__((unused, format(printf, fmt, args)))

TAP_PRINTF(3, 4)
static bool tap_ok(bool condition, const struct tap_place *place, const char *name, ...)
{
    printf("%sok %u - ", condition ? "" : "not ", ++tap_count);
    TAP_NAME(name);
    if (!condition) {
        printf("# %s:%d: %s\n", place->file, place->line, place->text);
        tap_failed++;
    }
    fflush(stdout);
    return condition;
}

TAP_PRINTF(4, 5)
static bool tap_is(uint64_t got, uint64_t want, const struct tap_place *place, const char *name,
                   ...)
{
    printf("%sok %u - ", got == want ? "" : "not ", ++tap_count);
    TAP_NAME(name);
    if (got != want) {
        printf("# %s:%d: %s is %llu, want %llu\n", place->file, place->line, place->text,
               (unsigned long long)got, (unsigned long long)want);
        tap_failed++;
    }
    fflush(stdout);
    return got == want;
}

TAP_PRINTF(4, 5)
static bool tap_is_text(const char *got, const char *want, const struct tap_place *place,
                        const char *name, ...)
{
    bool same = got && want ? strcmp(got, want) == 0 : got == want;
    printf("%sok %u - ", same ? "" : "not ", ++tap_count);
    TAP_NAME(name);
    if (!same) {
        printf("# %s:%d: %s is '%s', want '%s'\n", place->file, place->line, place->text,
               got ? got : "(null)", want ? want : "(null)");
        tap_failed++;
    }
    fflush(stdout);
    return same;
}

/* What main returns. */
static int tap_done(void)
{
    printf("1..%u\n", tap_count);
    return tap_failed ? 1 : 0;
}

#endif
