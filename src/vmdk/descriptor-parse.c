/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text to lines to the model. Accepted beyond the Virtual Disk Format 5.0, because writers in
 * the field do it: a UTF-8 byte order mark, CR LF, no final line end, NUL padding (qemu), blanks
 * around values (ESXi exports) and at the start of lines, any order, any case of keys, unknown
 * keys, keys given twice (the first counts). Lines that are none of comment, key or extent are
 * refused: one of them may be an extent, and dropping it would move everything behind it.
 */
#include <string.h>

#include "vmdk/ascii.h"
#include "vmdk/descriptor-int.h"

#define SHOWN_LENGTH 60

struct parser {
    const char *where;
    unsigned line; /* from 1 */
    struct vd_descriptor *descriptor;
    size_t extents_allocated;
    size_t header_allocated;
    size_t ddb_allocated;
    struct vd_error *err;
};

static int no_memory(const struct parser *parser)
{
    return vd_error_set(parser->err, VD_E_NO_MEMORY, "no memory for the descriptor '%s'",
                        parser->where);
}

static int shown(const struct vd_span *span)
{
    return (int)VD_MIN(span->length, (size_t)SHOWN_LENGTH);
}

/* Makes room for one more item; doubles, so that many lines cost no more than their sum. */
static bool grow(void **items, size_t count, size_t *allocated, size_t item_bytes)
{
    if (count < *allocated)
        return true;
    size_t wanted = *allocated == 0 ? 8 : *allocated * 2;
    void *grown = reallocarray(*items, wanted, item_bytes);
    if (grown == NULL)
        return false;
    *items = grown;
    *allocated = wanted;
    return true;
}

static int add_extent(struct parser *parser, const struct vd_span *line)
{
    struct vd_descriptor *descriptor = parser->descriptor;
    if (descriptor->num_extents >= VD_DESCRIPTOR_MAX_EXTENTS)
        return vd_error_set(parser->err, VD_E_DESC_TOO_LARGE, "'%s', line %u: more than %u extents",
                            parser->where, parser->line, VD_DESCRIPTOR_MAX_EXTENTS);
    void *items = descriptor->extents;
    if (!grow(&items, descriptor->num_extents, &parser->extents_allocated,
              sizeof *descriptor->extents))
        return no_memory(parser);
    descriptor->extents = items;
    struct vd_extent_line *extent = &descriptor->extents[descriptor->num_extents];
    int r = vd_extent_line_parse(*line, parser->where, parser->line, extent, parser->err);
    if (r >= 0)
        descriptor->num_extents++;
    return r;
}

/* Without its quotes. One that is never closed, as in a file cut short, goes to the line's end. */
static struct vd_span unquote(struct vd_span value, bool *ret_quoted)
{
    *ret_quoted = value.length > 0 && value.at[0] == '"';
    if (!*ret_quoted)
        return value;
    value.at++;
    value.length--;
    const char *end = memchr(value.at, '"', value.length);
    if (end != NULL)
        value.length = (size_t)(end - value.at);
    return value;
}

static int add_entry(struct parser *parser, struct vd_descriptor_entries *entries,
                     size_t *allocated, struct vd_span key, struct vd_span value)
{
    if (entries->count >= VD_DESCRIPTOR_MAX_ENTRIES)
        return vd_error_set(parser->err, VD_E_DESC_TOO_LARGE, "'%s', line %u: more than %u keys",
                            parser->where, parser->line, VD_DESCRIPTOR_MAX_ENTRIES);
    void *items = entries->items;
    if (!grow(&items, entries->count, allocated, sizeof *entries->items))
        return no_memory(parser);
    entries->items = items;

    struct vd_descriptor_entry *entry = &entries->items[entries->count];
    value = unquote(value, &entry->quoted);
    entry->key = vd_span_dup(key);
    entry->value = vd_span_dup(value);
    entries->count++; /* half-built entries are freed with the rest */
    return entry->key == NULL || entry->value == NULL ? no_memory(parser) : 0;
}

/* Encrypted disks keep cipher text where other lines should be: said before they are read. */
static int refuse_encrypted(const struct parser *parser, const struct vd_span *key)
{
    static const char prefix[] = "encryption";
    if (key->length < sizeof prefix - 1 || !vd_ascii_equal_n(key->at, prefix, sizeof prefix - 1))
        return 0;
    return vd_error_set(
        parser->err, VD_E_ENCRYPTED,
        "'%s', line %u: the disk is encrypted (key '%.*s'), its data cannot be read", parser->where,
        parser->line, shown(key), key->at);
}

static int add_key(struct parser *parser, const struct vd_span *line, const char *equals)
{
    static const char ddb[] = "ddb.";
    struct vd_descriptor *descriptor = parser->descriptor;
    size_t key_length = (size_t)(equals - line->at);
    struct vd_span key = vd_span_trim((struct vd_span){line->at, key_length});
    struct vd_span value =
        vd_span_trim((struct vd_span){equals + 1, line->length - key_length - 1});

    bool in_ddb = key.length >= sizeof ddb - 1 && vd_ascii_equal_n(key.at, ddb, sizeof ddb - 1);
    if (in_ddb) {
        key.at += sizeof ddb - 1;
        key.length -= sizeof ddb - 1;
    }
    if (key.length == 0)
        return vd_error_set(parser->err, VD_E_DESC_SYNTAX, "'%s', line %u: no key before '='",
                            parser->where, parser->line);
    if (in_ddb)
        return add_entry(parser, &descriptor->ddb, &parser->ddb_allocated, key, value);
    int r = refuse_encrypted(parser, &key);
    if (r < 0)
        return r;
    return add_entry(parser, &descriptor->header, &parser->header_allocated, key, value);
}

static int parse_line(struct parser *parser, const struct vd_span *line)
{
    struct vd_span rest = *line;
    struct vd_span word = vd_span_word(&rest);
    if (word.length == 0 || word.at[0] == '#')
        return 0;
    enum vd_extent_access access;
    if (vd_extent_access_parse(&word, &access))
        return add_extent(parser, line);
    const char *equals = memchr(line->at, '=', line->length);
    if (equals != NULL)
        return add_key(parser, line, equals);
    return vd_error_set(parser->err, VD_E_DESC_SYNTAX,
                        "'%s', line %u: '%.*s' is no comment, key or extent", parser->where,
                        parser->line, shown(line), line->at);
}

static int parse_lines(struct parser *parser, struct vd_span text)
{
    while (text.length > 0) {
        const char *end = memchr(text.at, '\n', text.length);
        size_t length = end ? (size_t)(end - text.at) : text.length;
        struct vd_span line = vd_span_trim((struct vd_span){text.at, length});
        parser->line++;
        int r = parse_line(parser, &line);
        if (r < 0)
            return r;
        text.at += length + (end != NULL);
        text.length -= length + (end != NULL);
    }
    return 0;
}

int vd_descriptor_parse(const char *text, size_t length, const char *where,
                        struct vd_descriptor **ret, struct vd_error *err)
{
    VD_CLEANUP(vd_descriptor_free_cleanup)
    struct vd_descriptor *descriptor = calloc(1, sizeof *descriptor);
    struct parser parser = {.where = where, .descriptor = descriptor, .err = err};
    if (descriptor == NULL)
        return no_memory(&parser);

    struct vd_span span = {text, strnlen(text, length)};
    if (span.length > VD_DESCRIPTOR_MAX_BYTES)
        return vd_error_set(err, VD_E_DESC_TOO_LARGE,
                            "'%s': a descriptor of %zu bytes, at most %u are read", where,
                            span.length, VD_DESCRIPTOR_MAX_BYTES);
    if (span.length >= 3 && memcmp(span.at, "\xef\xbb\xbf", 3) == 0) /* byte order mark */
        span.at += 3, span.length -= 3;

    int r = parse_lines(&parser, span);
    if (r >= 0)
        r = vd_descriptor_interpret(descriptor, where, err);
    if (r < 0)
        return r;
    *ret = VD_TAKE_PTR(descriptor);
    return 0;
}
