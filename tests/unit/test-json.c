/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "tests/harness.h"

/* A writer into memory; `done` gives the text, which the caller frees. */
struct sheet {
    struct vd_json json;
    char *text;
    size_t length;
};

static void sheet_begin(struct sheet *sheet, bool pretty)
{
    FILE *out = open_memstream(&sheet->text, &sheet->length);
    check(out != NULL);
    vd_json_init(&sheet->json, out, pretty);
}

static char *sheet_done(struct sheet *sheet)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_json_finish(&sheet->json, &err), VD_OK, &err);
    check_int_eq(fclose(sheet->json.out), 0);
    return sheet->text;
}

static void write_sample(struct vd_json *json)
{
    vd_json_object(json, NULL);
    vd_json_string(json, "name", "a.vmdk");
    vd_json_u64(json, "size", UINT64_MAX);
    vd_json_array(json, "runs");
    vd_json_u64(json, NULL, 1);
    vd_json_object(json, NULL);
    vd_json_end(json, '}');
    vd_json_bool(json, NULL, true);
    vd_json_end(json, ']');
    vd_json_array(json, "none");
    vd_json_end(json, ']');
    vd_json_string(json, "parent", NULL);
    vd_json_end(json, '}');
}

VD_TEST(compact)
{
    struct sheet sheet;
    sheet_begin(&sheet, false);
    write_sample(&sheet.json);
    VD_FREE char *text = sheet_done(&sheet);
    check_str_eq(text, "{\"name\":\"a.vmdk\",\"size\":18446744073709551615,\"runs\":[1,{},true],"
                       "\"none\":[],\"parent\":null}\n");
}

VD_TEST(pretty)
{
    struct sheet sheet;
    sheet_begin(&sheet, true);
    write_sample(&sheet.json);
    VD_FREE char *text = sheet_done(&sheet);
    check_str_eq(text, "{\n"
                       "  \"name\": \"a.vmdk\",\n"
                       "  \"size\": 18446744073709551615,\n"
                       "  \"runs\": [\n"
                       "    1,\n"
                       "    {},\n"
                       "    true\n"
                       "  ],\n"
                       "  \"none\": [],\n"
                       "  \"parent\": null\n"
                       "}\n");
}

static void check_string(const char *value, const char *want)
{
    struct sheet sheet;
    sheet_begin(&sheet, false);
    vd_json_string(&sheet.json, NULL, value);
    VD_FREE char *text = sheet_done(&sheet);
    check_str_eq(text, want);
}

#define BAD "\xef\xbf\xbd"

VD_TEST(strings)
{
    check_string("", "\"\"\n");
    check_string("a\"b\\c/", "\"a\\\"b\\\\c/\"\n");
    check_string("\b\t\n\f\r\x01\x1f\x7f", "\"\\b\\t\\n\\f\\r\\u0001\\u001f\x7f\"\n");
    check_string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe",
                 "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe\"\n");
}

VD_TEST(broken_utf8_is_replaced)
{
    check_string("a\xff"
                 "b",
                 "\"a" BAD "b\"\n");
    check_string("\xc0\x80", "\"" BAD BAD "\"\n");         /* overlong */
    check_string("\xed\xa0\x80", "\"" BAD BAD BAD "\"\n"); /* surrogate */
    check_string("\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\"\n");
    check_string("\xe0\x80\x80", "\"" BAD BAD BAD "\"\n");
    check_string("\xf0\x80\x80\x80", "\"" BAD BAD BAD BAD "\"\n");
    check_string("\xe2\x82", "\"" BAD BAD "\"\n"); /* cut by the end */
    check_string("\xf0\x9f\x92", "\"" BAD BAD BAD "\"\n");
    check_string("\xe2\x82\"", "\"" BAD BAD "\\\"\"\n");
}

static void check_double(double value, const char *want)
{
    struct sheet sheet;
    sheet_begin(&sheet, false);
    vd_json_double(&sheet.json, NULL, value);
    VD_FREE char *text = sheet_done(&sheet);
    check_str_eq(text, want);
}

VD_TEST(doubles)
{
    check_double(0.1, "0.1\n");
    check_double(3, "3\n");
    check_double(-2.5, "-2.5\n");
    check_double(1e300, "1e+300\n");
    check_double(0.1 + 0.2, "0.30000000000000004\n");
    check_double(NAN, "null\n");
    check_double(INFINITY, "null\n");
}

VD_TEST(doubles_in_a_locale_with_a_comma)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    const char *set = NULL;
    for (size_t i = 0; i < VD_ARRAY_SIZE(names) && !set; i++)
        set = setlocale(LC_NUMERIC, names[i]);
    if (!set)
        test_skip("no locale with a decimal comma is installed");
    check_double(0.5, "0.5\n");
    setlocale(LC_NUMERIC, "C");
}

VD_TEST(lost_output_is_told)
{
    FILE *full = fopen("/dev/full", "we");
    if (!full)
        test_skip("no /dev/full");
    struct vd_json json;
    vd_json_init(&json, full, false);
    vd_json_array(&json, NULL);
    for (int i = 0; i < 10000; i++) /* more than stdio keeps back */
        vd_json_u64(&json, NULL, 12345);
    vd_json_end(&json, ']');
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_json_finish(&json, &err), VD_E_IO);
    check_code(err.code, VD_E_IO);
    check_int_eq(err.sys_errno, ENOSPC);
    check_str_eq(err.text, "cannot write the JSON output: No space left on device");
    (void)fclose(full); /* what it still holds cannot be written either */
}

VD_TEST(longer_than_what_is_kept_back)
{
    enum { LENGTH = 3 * VD_JSON_BUFFER_BYTES + 17 };
    VD_FREE char *value = malloc(LENGTH + 1);
    struct sheet sheet;
    check(value != NULL);
    for (size_t i = 0; i < LENGTH; i++)
        value[i] = (char)('a' + i % 26);
    value[LENGTH] = '\0';
    sheet_begin(&sheet, false);
    vd_json_array(&sheet.json, NULL);
    vd_json_string(&sheet.json, NULL, value);
    for (uint64_t i = 0; i < 2 * VD_JSON_BUFFER_BYTES; i++)
        vd_json_u64(&sheet.json, NULL, i % 10);
    vd_json_end(&sheet.json, ']');
    VD_FREE char *text = sheet_done(&sheet);
    check_u64_eq(sheet.length, LENGTH + 4 + 2 * 2 * VD_JSON_BUFFER_BYTES + 1);
    check_mem_eq(text + 2, value, LENGTH);
    check_mem_eq(text + LENGTH + 3, ",0,1,2,3,4,5,6,7,8,9,0,", 23);
}

VD_TEST(as_deep_as_allowed)
{
    struct sheet sheet;
    sheet_begin(&sheet, false);
    for (int i = 0; i < VD_JSON_MAX_DEPTH; i++)
        vd_json_array(&sheet.json, NULL);
    for (int i = 0; i < VD_JSON_MAX_DEPTH; i++)
        vd_json_end(&sheet.json, ']');
    VD_FREE char *text = sheet_done(&sheet);
    check_str_eq(text, "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n");
}
