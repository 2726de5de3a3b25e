/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/encoding.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "vmdk/ascii.h"

#define MAX_NAME_LENGTH 40u
/* A character of one byte becomes at most 4 bytes of UTF-8, and one of UTF-8 at most 4 elsewhere.
 */
#define MAX_GROWTH 4u

static bool is_ascii(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text >= 0x80)
            return false;
    }
    return true;
}

static bool is_utf8_name(const char *encoding)
{
    return encoding == NULL || vd_ascii_equal(encoding, "UTF-8") ||
           vd_ascii_equal(encoding, "UTF8");
}

/*
 * The name comes from a file, so only plain labels reach iconv: none of its suffixes, and none of
 * the 7-bit encodings with shift states (ISO-2022, UTF-7) or of wide units, which cannot stand in
 * a descriptor whose other lines are ASCII.
 */
static bool is_plain_label(const char *encoding)
{
    static const char *const refused[] = {"ISO-2022",  "ISO2022", "CSISO2022", "UTF-7",    "UTF7",
                                          "UTF-16",    "UTF16",   "UTF-32",    "UTF32",    "UCS",
                                          "ISO-10646", "UNICODE", "WCHAR",     "INTERNAL", "HZ"};
    size_t length = strlen(encoding);
    if (length == 0 || length > MAX_NAME_LENGTH)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = vd_ascii_lower(encoding[i]);
        if (!(c >= 'a' && c <= 'z') && !vd_ascii_is_digit(c) && strchr("-_.:+()", c) == NULL)
            return false;
    }
    for (size_t i = 0; i < VD_ARRAY_SIZE(refused); i++) {
        if (vd_ascii_equal_n(encoding, refused[i], strlen(refused[i])))
            return false;
    }
    return true;
}

/* "windows-936" is "CP936" to iconv wherever it does not know the first. */
static iconv_t open_converter(const char *to, const char *from)
{
    iconv_t converter = iconv_open(to, from);
    if (converter != (iconv_t)-1)
        return converter;

    static const char windows[] = "windows-";
    bool to_windows = vd_ascii_equal_n(to, windows, sizeof windows - 1);
    const char *label = to_windows ? to : from;
    if (!to_windows && !vd_ascii_equal_n(from, windows, sizeof windows - 1))
        return converter;
    char code_page[MAX_NAME_LENGTH + 3];
    (void)snprintf(code_page, sizeof code_page, "CP%s", label + sizeof windows - 1); /* fits */
    return to_windows ? iconv_open(code_page, from) : iconv_open(to, code_page);
}

/* Runs the whole text through; 0 or an errno. */
static int run_converter(iconv_t converter, const char *text, char *out, size_t room)
{
    char *from = (char *)(uintptr_t)text; /* iconv's prototype lacks a const, it does not write */
    size_t left = strlen(text);
    if (iconv(converter, &from, &left, &out, &room) == (size_t)-1 ||
        iconv(converter, NULL, NULL, &out, &room) == (size_t)-1)
        return errno;
    *out = '\0';
    return 0;
}

static int convert(const char *to, const char *from, const char *label, const char *text,
                   char **ret, struct vd_error *err)
{
    if (!is_plain_label(label))
        return vd_error_set(err, VD_E_DESC_ENCODING, "cannot use the text encoding '%s'", label);
    iconv_t converter = open_converter(to, from);
    if (converter == (iconv_t)-1)
        return vd_error_set(err, VD_E_DESC_ENCODING, "the text encoding '%s' is not known", label);

    size_t room = strlen(text) * MAX_GROWTH + MAX_GROWTH;
    VD_FREE char *out = malloc(room + 1);
    int failed = out ? run_converter(converter, text, out, room) : ENOMEM;
    (void)iconv_close(converter); /* can only fail for what is no converter */
    if (out == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for converted text");
    if (failed != 0)
        return vd_error_set(err, VD_E_DESC_ENCODING, "'%s' is not text in the encoding '%s'", text,
                            label);
    *ret = VD_TAKE_PTR(out);
    return 0;
}

static int copy(const char *text, char **ret, struct vd_error *err)
{
    char *out = strdup(text);
    if (out == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for text of a descriptor");
    *ret = out;
    return 0;
}

int vd_encoding_to_utf8(const char *encoding, const char *text, char **ret, struct vd_error *err)
{
    if (is_utf8_name(encoding) || is_ascii(text))
        return copy(text, ret, err);
    return convert("UTF-8", encoding, encoding, text, ret, err);
}

int vd_encoding_from_utf8(const char *encoding, const char *text, char **ret, struct vd_error *err)
{
    if (is_utf8_name(encoding) || is_ascii(text))
        return copy(text, ret, err);
    return convert(encoding, "UTF-8", encoding, text, ret, err);
}
