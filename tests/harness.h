/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests that speak TAP, which meson reads.
 *
 *     VD_TEST(adds_up) { check_int_eq(1 + 1, 2); }
 *
 * Tests register themselves and run in the order of the file; harness.c has the main. A check that
 * fails prints both values and ends its test; the others still run. Checks may be used in helper
 * functions and, fatally to the whole program, on other threads. Arguments on the command line
 * select tests by part of their name.
 */
#ifndef VD_TESTS_HARNESS_H
#define VD_TESTS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
};

void test_register(struct test_case *test);

#define VD_TEST(test_name)                                                         \
    static void test_##test_name(void);                                            \
    __attribute__((constructor)) static void register_##test_name(void)            \
    {                                                                              \
        static struct test_case test_case_ = {#test_name, test_##test_name, NULL}; \
        test_register(&test_case_);                                                \
    }                                                                              \
    static void test_##test_name(void)

/* Where a check stands; carried by the macros. */
struct test_place {
    const char *file;
    int line;
    const char *text;
};
#define TEST_PLACE(text)        (&(const struct test_place){__FILE__, __LINE__, text})

#define check(condition)        test_check((condition), TEST_PLACE(#condition))
#define check_int_eq(got, want) test_int_eq((got), (want), TEST_PLACE(#got))
#define check_u64_eq(got, want) test_u64_eq((got), (want), TEST_PLACE(#got))
/* NULL equals only NULL. */
#define check_str_eq(got, want) test_str_eq((got), (want), TEST_PLACE(#got))
/* Is `part` somewhere in `got`? For sentences. */
#define check_str_has(got, part) test_str_has((got), (part), TEST_PLACE(#got))
/* Tells the first difference. */
#define check_mem_eq(got, want, length) test_mem_eq((got), (want), (length), TEST_PLACE(#got))
/* Names of VD_E_ codes instead of numbers; any success equals VD_OK. */
#define check_code(got, want) test_code((got), (want), NULL, TEST_PLACE(#got))
/* As check_code, and shows the sentence when they differ. `err` is evaluated after `got`. */
#define check_code_err(got, want, err)                               \
    do {                                                             \
        int got_code_ = (got);                                       \
        test_code(got_code_, (want), (err)->text, TEST_PLACE(#got)); \
    } while (0)

void test_check(bool condition, const struct test_place *place);
void test_int_eq(int64_t got, int64_t want, const struct test_place *place);
void test_u64_eq(uint64_t got, uint64_t want, const struct test_place *place);
void test_str_eq(const char *got, const char *want, const struct test_place *place);
void test_str_has(const char *got, const char *part, const struct test_place *place);
void test_mem_eq(const void *got, const void *want, size_t length, const struct test_place *place);
void test_code(int got, int want, const char *sentence, const struct test_place *place);

/* Ends the test as not run, with the reason. */
void test_skip(const char *fmt, ...) VD_PRINTF(1, 2) __attribute__((noreturn));
/* Ends the test as failed. */
void test_fail(const char *fmt, ...) VD_PRINTF(1, 2) __attribute__((noreturn));

/* A folder for this test alone, made at the first call and removed with all it holds when the test
 * ends. Paths are valid until then. */
const char *test_folder(void);
const char *test_path(const char *name);
/* Makes a file of these bytes in test_folder() and gives its path. */
const char *test_file(const char *name, const void *bytes, size_t length);

#endif
