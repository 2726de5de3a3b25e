/* SPDX-License-Identifier: Apache-2.0 */
#include "base/library.h"

#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"

#define FUNCTIONS(X) X(strlen) X(labs)
FUNCTIONS(VD_LIBRARY_DECLARE)
FUNCTIONS(VD_LIBRARY_DEFINE)

static const struct vd_library_symbol SYMBOLS[] = {FUNCTIONS(VD_LIBRARY_SYMBOL)};

static struct vd_library library(const char *file)
{
    return (struct vd_library){.file = file,
                               .package = "libexample1",
                               .purpose = "trying",
                               .symbols = SYMBOLS,
                               .symbol_count = VD_ARRAY_SIZE(SYMBOLS)};
}

VD_TEST(functions_are_found)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_library libc = library("libc.so.6");
    check_code_err(vd_library_load(&libc, &err), VD_OK, &err);
    check_u64_eq(sym_strlen("four"), 4);
    check_int_eq(sym_labs(-7), 7);
    check_code_err(vd_library_load(&libc, &err), VD_OK, &err);
}

VD_TEST(a_library_that_is_not_there_is_told)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_library none = library("libnone.so.1");
    check_code(vd_library_load(&none, &err), VD_E_NOT_SUPPORTED);
    check_str_has(err.text, "loading 'libnone.so.1', which trying needs: ");
    check_str_has(err.text, "No such file or directory");
    check_str_has(err.text, "package libexample1");
}

VD_TEST(a_broken_library_is_told)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_library broken = library(test_file("libbroken.so.1", "", 0));
    check_code(vd_library_load(&broken, &err), VD_E_NOT_SUPPORTED);
    check_str_has(err.text, "file too short");
    check_code(vd_library_load(&broken, NULL), VD_E_NOT_SUPPORTED);
}

VD_TEST(a_library_that_lacks_a_function_sets_none)
{
    static size_t (*first)(const char *);
    static int (*second)(void);
    static const struct vd_library_symbol symbols[] = {{"strlen", &first},
                                                       {"of_the_next_version", &second}};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_library old = library("libc.so.6");
    old.symbols = symbols;
    check_code(vd_library_load(&old, &err), VD_E_NOT_SUPPORTED);
    check_str_has(err.text, "'libc.so.6'");
    check_str_has(err.text, "of_the_next_version");
    check(!first && !second);
}
