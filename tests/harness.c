/* SPDX-License-Identifier: Apache-2.0 */
/* A failed check leaves its test by longjmp: VD_CLEANUP is skipped then, which is why leak reports
 * of a failing run mean nothing. */
#include "tests/harness.h"

#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum outcome { PASSED = 1, FAILED, SKIPPED };

#define MAX_PATHS 256

static struct {
    struct test_case *first;
    struct test_case **end;
    jmp_buf back;
    pthread_t thread; /* the one that may jump */
    char reason[256]; /* of a skip */
    char *paths[MAX_PATHS];
    size_t num_paths; /* paths[0] is the folder */
} harness;

void test_register(struct test_case *test)
{
    if (!harness.end)
        harness.end = &harness.first;
    *harness.end = test;
    harness.end = &test->next;
}

static void __attribute__((noreturn)) leave(enum outcome outcome)
{
    fflush(stdout);
    if (!pthread_equal(pthread_self(), harness.thread)) {
        printf("Bail out! a check failed on another thread\n");
        fflush(stdout);
        _exit(1);
    }
    longjmp(harness.back, (int)outcome);
}

void test_skip(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(harness.reason, sizeof harness.reason, fmt, args);
    va_end(args);
    leave(SKIPPED);
}

void test_fail(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    printf("# ");
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
    leave(FAILED);
}

static void VD_PRINTF(2, 3) __attribute__((noreturn))
differ(const struct test_place *place, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    printf("# %s:%d: %s: ", place->file, place->line, place->text);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
    leave(FAILED);
}

void test_check(bool condition, const struct test_place *place)
{
    if (!condition)
        differ(place, "is false");
}

void test_int_eq(int64_t got, int64_t want, const struct test_place *place)
{
    if (got != want)
        differ(place, "is %" PRId64 ", expected %" PRId64, got, want);
}

void test_u64_eq(uint64_t got, uint64_t want, const struct test_place *place)
{
    if (got != want)
        differ(place, "is %" PRIu64 " (0x%" PRIx64 "), expected %" PRIu64 " (0x%" PRIx64 ")", got,
               got, want, want);
}

void test_str_eq(const char *got, const char *want, const struct test_place *place)
{
    if (got == want || (got && want && strcmp(got, want) == 0))
        return;
    differ(place, "is '%s', expected '%s'", got ? got : "(null)", want ? want : "(null)");
}

void test_str_has(const char *got, const char *part, const struct test_place *place)
{
    if (!got || !strstr(got, part))
        differ(place, "is '%s', expected '%s' in it", got ? got : "(null)", part);
}

void test_mem_eq(const void *got, const void *want, size_t length, const struct test_place *place)
{
    const unsigned char *a = got;
    const unsigned char *b = want;
    for (size_t i = 0; i < length; i++)
        if (a[i] != b[i])
            differ(place, "byte %zu of %zu is 0x%02x, expected 0x%02x", i, length, a[i], b[i]);
}

void test_code(int got, int want, const char *sentence, const struct test_place *place)
{
    got = got > 0 ? VD_OK : got;
    if (got != want)
        differ(place, "is %s, expected %s%s%s", vd_error_name(got), vd_error_name(want),
               sentence && *sentence ? ": " : "", sentence ? sentence : "");
}

static const char *keep_path(char *path)
{
    if (!path || harness.num_paths == MAX_PATHS)
        test_fail("cannot keep one more path");
    harness.paths[harness.num_paths++] = path;
    return path;
}

const char *test_folder(void)
{
    if (harness.num_paths > 0)
        return harness.paths[0];

    const char *parent = getenv("TMPDIR");
    char *path;
    if (asprintf(&path, "%s/vd-test-XXXXXX", parent && *parent ? parent : "/tmp") < 0)
        test_fail("out of memory");
    if (!mkdtemp(path))
        test_fail("cannot make the folder '%s'", path);
    return keep_path(path);
}

const char *test_path(const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", test_folder(), name) < 0)
        test_fail("out of memory");
    return keep_path(path);
}

const char *test_file(const char *name, const void *bytes, size_t length)
{
    const char *path = test_path(name);
    FILE *file = fopen(path, "we");
    if (!file)
        test_fail("cannot make '%s'", path);
    bool ok = fwrite(bytes, 1, length, file) == length;
    if (fclose(file) != 0 || !ok)
        test_fail("cannot write '%s'", path);
    return path;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_folder(void)
{
    if (harness.num_paths > 0)
        (void)nftw(harness.paths[0], remove_one, 16, FTW_DEPTH | FTW_PHYS); /* nothing to add */
    while (harness.num_paths > 0)
        free(harness.paths[--harness.num_paths]);
}

static enum outcome run_one(const struct test_case *test)
{
    int outcome = setjmp(harness.back);
    if (outcome == 0) {
        test->run();
        outcome = PASSED;
    }
    remove_folder();
    return (enum outcome)outcome;
}

static bool selected(const struct test_case *test, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(test->name, argv[i]))
            return true;
    return argc < 2;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    for (const struct test_case *test = harness.first; test; test = test->next)
        count += selected(test, argc, argv);
    printf("1..%u\n", count);

    harness.thread = pthread_self();
    unsigned number = 0;
    bool failed = false;
    for (const struct test_case *test = harness.first; test; test = test->next) {
        if (!selected(test, argc, argv))
            continue;
        enum outcome outcome = run_one(test);
        failed |= outcome == FAILED;
        printf("%sok %u - %s%s%s\n", outcome == FAILED ? "not " : "", ++number, test->name,
               outcome == SKIPPED ? " # SKIP " : "", outcome == SKIPPED ? harness.reason : "");
        fflush(stdout);
    }
    return failed || count == 0;
}
