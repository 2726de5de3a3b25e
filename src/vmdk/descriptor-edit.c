/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/descriptor-edit.h"

#include <string.h>

#include "vmdk/ascii.h"

#define DDB_PREFIX "ddb."

/* One line of the text that holds a key. */
struct found {
    size_t start;
    size_t end;   /* of its text, before the line end */
    size_t next;  /* where the next line begins */
    size_t value; /* first byte of the value, inside its quotes */
    size_t value_end;
    bool quoted;
};

static int text_failed(const struct vd_buf *text, int code, struct vd_error *err)
{
    if (code == VD_E_TOO_BIG)
        return vd_error_set(err, code, "the descriptor would be longer than %zu bytes", text->max);
    return vd_error_set(err, code, "no memory to change a descriptor");
}

/* Replaces [at, at + removed) by `bytes`. */
static int splice(struct vd_buf *text, size_t at, size_t removed, const char *bytes,
                  struct vd_error *err)
{
    size_t added = strlen(bytes);
    if (added > removed) {
        int r = vd_buf_reserve(text, added - removed);
        if (r < 0)
            return text_failed(text, r, err);
    }
    memmove(text->data + at + added, text->data + at + removed, text->length - at - removed);
    memcpy(text->data + at, bytes, added);
    text->length = text->length - removed + added;
    text->data[text->length] = '\0';
    return 0;
}

static void line_at(const struct vd_buf *text, size_t start, struct found *line)
{
    const char *end = memchr(text->data + start, '\n', text->length - start);
    line->start = start;
    line->end = end ? (size_t)(end - text->data) : text->length;
    line->next = end ? line->end + 1 : text->length;
}

static size_t skip_blanks(const struct vd_buf *text, size_t at, size_t end)
{
    while (at < end && vd_ascii_is_blank(text->data[at]))
        at++;
    return at;
}

/* Where `word` ends if the line has it at `at`, without case; SIZE_MAX if not. */
static size_t skip_word(const struct vd_buf *text, size_t at, size_t end, const char *word)
{
    size_t length = strlen(word);
    if (at == SIZE_MAX || end - at < length || !vd_ascii_equal_n(text->data + at, word, length))
        return SIZE_MAX;
    return at + length;
}

static void find_value(const struct vd_buf *text, size_t at, struct found *line)
{
    at = skip_blanks(text, at, line->end);
    line->quoted = at < line->end && text->data[at] == '"';
    line->value = at + line->quoted;
    size_t end = line->end;
    if (line->quoted) {
        const char *quote = memchr(text->data + line->value, '"', line->end - line->value);
        end = quote ? (size_t)(quote - text->data) : line->end;
    } else {
        while (end > line->value && vd_ascii_is_blank(text->data[end - 1]))
            end--;
    }
    line->value_end = end;
}

/* The next line with the key, from `from`, the start of a line, on. */
static bool find(const struct vd_buf *text, size_t from, const char *prefix, const char *key,
                 struct found *ret)
{
    for (; from < text->length; from = ret->next) {
        line_at(text, from, ret);
        size_t at = skip_blanks(text, from, ret->end);
        at = skip_word(text, at, ret->end, prefix);
        at = skip_word(text, at, ret->end, key);
        if (at == SIZE_MAX)
            continue;
        at = skip_blanks(text, at, ret->end);
        if (at < ret->end && text->data[at] == '=') {
            find_value(text, at + 1, ret);
            return true;
        }
    }
    return false;
}

/* How many lines were changed. */
static int replace_all(struct vd_buf *text, const char *prefix, const char *key, const char *value,
                       struct vd_error *err)
{
    struct found line;
    size_t from = 0;
    int count = 0;
    while (find(text, from, prefix, key, &line)) {
        int r = splice(text, line.value, line.value_end - line.value, value, err);
        if (r < 0)
            return r;
        line_at(text, line.start, &line);
        from = line.next;
        count++;
    }
    return count;
}

int vd_descriptor_edit_header(struct vd_buf *text, const char *key, const char *value,
                              struct vd_error *err)
{
    int r = replace_all(text, "", key, value, err);
    if (r != 0)
        return r < 0 ? r : 0;
    struct found version;
    bool there = find(text, 0, "", "version", &version);
    struct vd_buf line = VD_BUF_INIT(VD_ERROR_TEXT_BYTES);
    r = vd_buf_printf(&line, "%s%s=%s\n", there && version.next == version.end ? "\n" : "", key,
                      value);
    if (r < 0)
        r = text_failed(&line, r, err);
    else
        r = splice(text, there ? version.next : 0, 0, vd_buf_text(&line), err);
    vd_buf_done(&line);
    return r;
}

static int check_ddb(const char *key, const char *value, struct vd_error *err)
{
    if (key[0] == '\0' || strpbrk(key, "=\"# \t\r\n") != NULL)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "'%s' cannot be a key of a disk database: it is empty or has a blank, "
                            "a quote, '#' or '='",
                            key);
    if (value != NULL && strpbrk(value, "\"\r\n") != NULL)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "the value of '%s' cannot be written: it has a quote or a line end",
                            key);
    return 0;
}

static void remove_all(struct vd_buf *text, const char *prefix, const char *key)
{
    struct found line;
    size_t from = 0;
    while (find(text, from, prefix, key, &line)) {
        from = line.start;
        VD_DISCARD(splice(text, from, line.next - from, "", NULL)); /* it gets shorter */
    }
}

static int append_ddb(struct vd_buf *text, const char *key, const char *value, struct vd_error *err)
{
    bool ended = text->length == 0 || text->data[text->length - 1] == '\n';
    int r = vd_buf_printf(text, "%s%s%s = \"%s\"\n", ended ? "" : "\n", DDB_PREFIX, key, value);
    return r < 0 ? text_failed(text, r, err) : 0;
}

/* A value without quotes has no room for every text. */
static int replace_ddb(struct vd_buf *text, const char *key, const char *value,
                       struct vd_error *err)
{
    struct found line;
    int count = 0;
    for (size_t from = 0; find(text, from, DDB_PREFIX, key, &line); count++) {
        struct vd_buf quoted = VD_BUF_INIT(text->max);
        int r = vd_buf_printf(&quoted, line.quoted ? "%s" : "\"%s\"", value);
        if (r < 0)
            r = text_failed(&quoted, r, err);
        else
            r = splice(text, line.value, line.value_end - line.value, vd_buf_text(&quoted), err);
        vd_buf_done(&quoted);
        if (r < 0)
            return r;
        line_at(text, line.start, &line);
        from = line.next;
    }
    return count;
}

int vd_descriptor_edit_ddb(struct vd_buf *text, const char *key, const char *value,
                           struct vd_error *err)
{
    int r = check_ddb(key, value, err);
    if (r < 0)
        return r;
    if (value == NULL) {
        remove_all(text, DDB_PREFIX, key);
        return 0;
    }
    r = replace_ddb(text, key, value, err);
    return r != 0 ? VD_MIN(r, 0) : append_ddb(text, key, value, err);
}

void vd_descriptor_edit_remove(struct vd_buf *text, const char *key, const char *comment)
{
    remove_all(text, "", key);
    for (size_t from = 0; comment != NULL && from < text->length;) {
        struct found line;
        line_at(text, from, &line);
        size_t end = skip_word(text, from, line.end, comment);
        from = line.next;
        if (end != SIZE_MAX && skip_blanks(text, end, line.end) == line.end) {
            from = line.start;
            VD_DISCARD(splice(text, from, line.next - from, "", NULL)); /* it gets shorter */
        }
    }
}
