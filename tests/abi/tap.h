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

/* One line per claim. */
#define ok(condition, ...) tap_ok((condition), #condition, __FILE__, __LINE__, __VA_ARGS__)
/* Two numbers. */
#define is(got, want, ...) \
    tap_is((uint64_t)(got), (uint64_t)(want), #got, __FILE__, __LINE__, __VA_ARGS__)
/* Two strings, NULL being none. */
#define is_text(got, want, ...) tap_is_text((got), (want), #got, __FILE__, __LINE__, __VA_ARGS__)

#define TAP_NAME(name)         \
    do {                       \
        va_list args_;         \
        va_start(args_, name); \
        vprintf(name, args_);  \
        va_end(args_);         \
        putchar('\n');         \
    } while (0)

#define TAP_PRINTF(fmt, args) __attribute__((unused, format(printf, fmt, args)))

TAP_PRINTF(5, 6)
static bool tap_ok(bool condition, const char *text, const char *file, int line, const char *name,
                   ...)
{
    printf("%sok %u - ", condition ? "" : "not ", ++tap_count);
    TAP_NAME(name);
    if (!condition) {
        printf("# %s:%d: %s\n", file, line, text);
        tap_failed++;
    }
    fflush(stdout);
    return condition;
}

TAP_PRINTF(6, 7)
static bool tap_is(uint64_t got, uint64_t want, const char *text, const char *file, int line,
                   const char *name, ...)
{
    printf("%sok %u - ", got == want ? "" : "not ", ++tap_count);
    TAP_NAME(name);
    if (got != want) {
        printf("# %s:%d: %s is %llu, want %llu\n", file, line, text, (unsigned long long)got,
               (unsigned long long)want);
        tap_failed++;
    }
    fflush(stdout);
    return got == want;
}

TAP_PRINTF(6, 7)
static bool tap_is_text(const char *got, const char *want, const char *text, const char *file,
                        int line, const char *name, ...)
{
    bool same = got && want ? strcmp(got, want) == 0 : got == want;
    printf("%sok %u - ", same ? "" : "not ", ++tap_count);
    TAP_NAME(name);
    if (!same) {
        printf("# %s:%d: %s is '%s', want '%s'\n", file, line, text, got ? got : "(null)",
               want ? want : "(null)");
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
