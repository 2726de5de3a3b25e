/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Stdio forgets why an earlier write failed; the first reason is the one worth telling. */
static void note_failure(struct vd_json *json)
{
    if (json->sys_errno == 0 && ferror(json->out))
        json->sys_errno = errno ? errno : EIO;
}

static void write_out(struct vd_json *json)
{
    errno = 0;
    if (fwrite(json->text, 1, json->used, json->out) != json->used)
        note_failure(json);
    json->used = 0;
}

/* Collected here first: a map of a million runs is thirty million pieces of a few bytes, and each
 * call of fwrite takes the lock of its FILE. */
static void put_bytes(struct vd_json *json, const char *bytes, size_t length)
{
    while (length > sizeof json->text - json->used) {
        size_t here = sizeof json->text - json->used;
        memcpy(json->text + json->used, bytes, here);
        json->used += here;
        bytes += here;
        length -= here;
        write_out(json);
    }
    memcpy(json->text + json->used, bytes, length);
    json->used += length;
}

static void put(struct vd_json *json, const char *text)
{
    put_bytes(json, text, strlen(text));
}

static void put_line(struct vd_json *json)
{
    if (!json->pretty)
        return;
    put(json, "\n");
    for (int i = 0; i < json->depth; i++)
        put(json, "  ");
}

/* What the lead byte of a UTF-8 sequence says about the rest (RFC 3629): the bounds of the second
 * byte are what keeps out overlong forms, surrogates and all past U+10FFFF. */
struct utf8_rule {
    unsigned char first, last; /* lead bytes it is for */
    unsigned char low, high;   /* of the second byte */
    unsigned char length;
};

static const struct utf8_rule *utf8_rule_of(unsigned char lead)
{
    static const struct utf8_rule rules[] = {
        {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(rules); i++)
        if (lead >= rules[i].first && lead <= rules[i].last)
            return &rules[i];
    return NULL;
}

/* Length of the well-formed sequence at `s`, 0 when there is none. Reads no byte past the NUL. */
static size_t utf8_length(const unsigned char *s)
{
    const struct utf8_rule *rule = utf8_rule_of(s[0]);
    if (!rule)
        return 0;
    if (rule->length > 1 && (s[1] < rule->low || s[1] > rule->high))
        return 0;
    for (size_t i = 2; i < rule->length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return rule->length;
}

static void put_control(struct vd_json *json, unsigned char c)
{
    static const char letters[] = "\b\t\n\f\r";
    static const char names[] = "btnfr";
    char text[8];
    const char *found = memchr(letters, c, sizeof letters - 1);
    if (found)
        (void)snprintf(text, sizeof text, "\\%c", names[found - letters]);
    else
        (void)snprintf(text, sizeof text, "\\u%04x", c);
    put(json, text);
}

/* How many bytes stand for themselves, which is nearly always all of them. */
static size_t plain_length(const unsigned char *s)
{
    size_t n = 0;

    while (s[n] >= 0x20 && s[n] < 0x80 && s[n] != '"' && s[n] != '\\')
        n++;
    return n;
}

static void put_string(struct vd_json *json, const char *value)
{
    put(json, "\"");
    for (const unsigned char *s = (const unsigned char *)value; *s;) {
        size_t plain = plain_length(s);
        if (plain > 0) {
            put_bytes(json, (const char *)s, plain);
            s += plain;
            continue;
        }
        size_t length = utf8_length(s);
        if (length == 0)
            put(json, "\xef\xbf\xbd");
        else if (*s == '"' || *s == '\\')
            put(json, *s == '"' ? "\\\"" : "\\\\");
        else if (*s < 0x20)
            put_control(json, *s);
        else
            put_bytes(json, (const char *)s, length);
        s += length ? length : 1;
    }
    put(json, "\"");
}

/* Everything that stands before a value: the comma, the line, the key. */
static void begin_member(struct vd_json *json, const char *key)
{
    if (json->depth > 0) {
        if (json->has_member[json->depth])
            put(json, ",");
        json->has_member[json->depth] = true;
        put_line(json);
    }
    if (key) {
        put_string(json, key);
        put(json, json->pretty ? ": " : ":");
    }
}

static void open_bracket(struct vd_json *json, const char *key, const char *bracket)
{
    assert(json->depth < VD_JSON_MAX_DEPTH);
    begin_member(json, key);
    put(json, bracket);
    json->depth++;
    json->has_member[json->depth] = false;
}

void vd_json_init(struct vd_json *json, FILE *out, bool pretty)
{
    json->out = out;
    json->pretty = pretty;
    json->depth = 0;
    json->has_member[0] = false;
    json->sys_errno = 0;
    json->used = 0;
}

void vd_json_object(struct vd_json *json, const char *key)
{
    open_bracket(json, key, "{");
}

void vd_json_array(struct vd_json *json, const char *key)
{
    open_bracket(json, key, "[");
}

void vd_json_end(struct vd_json *json, char bracket)
{
    assert(json->depth > 0);
    assert(bracket == '}' || bracket == ']');
    bool had_member = json->has_member[json->depth];
    json->depth--;
    if (had_member)
        put_line(json);
    put_bytes(json, &bracket, 1);
}

void vd_json_string(struct vd_json *json, const char *key, const char *value)
{
    if (!value) {
        vd_json_null(json, key);
        return;
    }
    begin_member(json, key);
    put_string(json, value);
}

void vd_json_u64(struct vd_json *json, const char *key, uint64_t value)
{
    char text[20]; /* 2^64 has 20 digits */
    size_t at = sizeof text;

    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    begin_member(json, key);
    put_bytes(json, text + at, sizeof text - at);
}

void vd_json_bool(struct vd_json *json, const char *key, bool value)
{
    begin_member(json, key);
    put(json, value ? "true" : "false");
}

void vd_json_null(struct vd_json *json, const char *key)
{
    begin_member(json, key);
    put(json, "null");
}

/* The embedding program's locale may print another point, of more than one byte even. */
static void repair_point(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (strchr("0123456789+-e", *from))
            *to++ = *from;
        else if (to == text || to[-1] != '.')
            *to++ = '.';
    }
    *to = '\0';
}

void vd_json_double(struct vd_json *json, const char *key, double value)
{
    if (!isfinite(value)) { /* JSON has no word for it */
        vd_json_null(json, key);
        return;
    }
    /* 15 digits read best; 17 always come back as the same number. */
    char text[40];
    (void)snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value)
        (void)snprintf(text, sizeof text, "%.17g", value);
    repair_point(text);
    begin_member(json, key);
    put(json, text);
}

int vd_json_finish(struct vd_json *json, struct vd_error *err)
{
    assert(json->depth == 0);
    put(json, "\n");
    write_out(json);
    errno = 0;
    if (fflush(json->out) != 0)
        note_failure(json);
    if (json->sys_errno == 0)
        return VD_OK;

    (void)vd_error_set_errno(err, json->sys_errno, "cannot write the JSON output");
    return vd_error_recode(err, VD_E_IO);
}
