/* SPDX-License-Identifier: Apache-2.0 */
/* From gathered lines to typed fields. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "vmdk/ascii.h"
#include "vmdk/descriptor-int.h"
#include "vmdk/encoding.h"

#define MAX_VERSION 4u

struct interpreter {
    struct vd_descriptor *descriptor;
    const char *where;
    struct vd_error *err;
};

static int no_memory(const struct interpreter *in)
{
    return vd_error_set(in->err, VD_E_NO_MEMORY, "no memory for the descriptor '%s'", in->where);
}

/* VMware takes the digits and lets anything follow them. */
static int read_version(struct interpreter *in)
{
    const char *value = vd_descriptor_header(in->descriptor, "version");
    if (value == NULL)
        return vd_error_set(in->err, VD_E_DESC_NO_VERSION,
                            "'%s' has no line 'version=...', so it is no disk descriptor",
                            in->where);
    size_t digits = 0;
    while (vd_ascii_is_digit(value[digits]))
        digits++;
    struct vd_span span = {value, digits};
    uint64_t version;
    if (!vd_span_u64(&span, &version) || version < 1 || version > MAX_VERSION)
        return vd_error_set(in->err, VD_E_VERSION,
                            "'%s': descriptor version '%.20s', expected 1 to %u", in->where, value,
                            MAX_VERSION);
    in->descriptor->version = (uint32_t)version;
    return 0;
}

static int hex_digit(char c)
{
    c = vd_ascii_lower(c);
    if (vd_ascii_is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Eight hex digits; fewer from qemu, which prints without leading zeros. xen-orchestra has written
 * the number in decimal: up to eight digits that cannot be told from hex, and needs no telling,
 * since a child copies its parent's text. Longer ones are taken as decimal where they fit.
 */
static bool parse_cid(const char *value, uint32_t *ret)
{
    if (value[0] == '0' && vd_ascii_lower(value[1]) == 'x')
        value += 2;
    size_t length = strlen(value);
    uint64_t decimal;
    struct vd_span span = {value, length};
    if (length > 8 && vd_span_u64(&span, &decimal) && decimal <= UINT32_MAX) {
        *ret = (uint32_t)decimal;
        return true;
    }
    uint32_t cid = 0;
    for (size_t i = 0; i < length; i++) {
        int digit = hex_digit(value[i]);
        if (digit < 0 || cid >> 28 != 0)
            return false;
        cid = cid << 4 | (uint32_t)digit;
    }
    *ret = cid;
    return length > 0;
}

static int read_cid(struct interpreter *in, const char *key, uint32_t *ret, bool *ret_has)
{
    const char *value = vd_descriptor_header(in->descriptor, key);
    *ret_has = value != NULL;
    if (value == NULL || parse_cid(value, ret))
        return 0;
    return vd_error_set(in->err, VD_E_DESC_SYNTAX, "'%s': %s is '%.20s', expected 8 hex digits",
                        in->where, key, value);
}

static int copy_value(struct interpreter *in, const char *value, char **ret)
{
    if (value == NULL)
        return 0;
    *ret = strdup(value);
    return *ret == NULL ? no_memory(in) : 0;
}

/* A value that is there but empty is as good as none. */
static const char *not_empty(const char *value)
{
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static int copy_name(struct interpreter *in, const char *key, char **ret)
{
    return copy_value(in, not_empty(vd_descriptor_header(in->descriptor, key)), ret);
}

/* Third parties have put the encoding among the ddb keys. */
static int read_encoding(struct interpreter *in)
{
    const char *value = not_empty(vd_descriptor_header(in->descriptor, "encoding"));
    if (value == NULL)
        value = not_empty(vd_descriptor_ddb(in->descriptor, "encoding"));
    return copy_value(in, value, &in->descriptor->encoding);
}

/* `text` becomes UTF-8; what stood there goes to *ret_raw where it differs. What cannot be
 * converted stays, and is told when no file of that name is found: it may have been copied byte by
 * byte, and the name in an embedded descriptor does not matter. */
static int convert_name(struct interpreter *in, char **text, char **ret_raw, bool *ret_undecoded)
{
    if (*text == NULL)
        return 0;
    char *converted;
    int r = vd_encoding_to_utf8(in->descriptor->encoding, *text, &converted, NULL);
    if (r == VD_E_NO_MEMORY)
        return no_memory(in);
    *ret_undecoded = r < 0;
    if (r < 0)
        return 0;
    if (strcmp(converted, *text) == 0)
        free(*text);
    else
        *ret_raw = *text;
    *text = converted;
    return 0;
}

static int convert_names(struct interpreter *in)
{
    struct vd_descriptor *descriptor = in->descriptor;
    int r = convert_name(in, &descriptor->parent_hint, &descriptor->parent_hint_raw,
                         &descriptor->parent_hint_undecoded);
    for (size_t i = 0; r >= 0 && i < descriptor->num_extents; i++) {
        struct vd_extent_line *line = &descriptor->extents[i];
        r = convert_name(in, &line->file, &line->file_raw, &line->undecoded);
    }
    return r;
}

/* Comments and the like: what cannot be converted stays as it is, a disk opens without it. */
static int convert_entries(struct interpreter *in, struct vd_descriptor_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        char *converted;
        int r = vd_encoding_to_utf8(in->descriptor->encoding, entries->items[i].value, &converted,
                                    NULL);
        if (r == VD_E_NO_MEMORY)
            return no_memory(in);
        if (r < 0)
            continue;
        free(entries->items[i].value);
        entries->items[i].value = converted;
    }
    return 0;
}

static int read_names(struct interpreter *in)
{
    struct vd_descriptor *descriptor = in->descriptor;
    const char *type = vd_descriptor_header(descriptor, "createType");
    int r = copy_value(in, type ? type : "", &descriptor->create_type);
    if (r >= 0)
        r = copy_name(in, "parentFileNameHint", &descriptor->parent_hint);
    if (r >= 0)
        r = copy_name(in, "changeTrackPath", &descriptor->change_track);
    if (r >= 0)
        r = convert_names(in);
    if (r >= 0)
        r = convert_entries(in, &descriptor->header);
    if (r >= 0)
        r = convert_entries(in, &descriptor->ddb);
    return r;
}

static int read_capacity(struct interpreter *in)
{
    struct vd_descriptor *descriptor = in->descriptor;
    if (descriptor->num_extents == 0)
        return vd_error_set(in->err, VD_E_DESC_NO_EXTENT, "'%s' describes no extent", in->where);
    uint64_t sum = 0; /* cannot overflow: 2^17 extents of at most 2^54 make less than 2^64 once */
    for (size_t i = 0; i < descriptor->num_extents; i++) {
        sum += descriptor->extents[i].sectors;
        if (sum > VD_MAX_SECTORS)
            return vd_error_set(in->err, VD_E_DESC_CAPACITY,
                                "'%s': the extents have more than %" PRIu64 " sectors in all",
                                in->where, VD_MAX_SECTORS);
    }
    descriptor->capacity_sectors = sum;
    return 0;
}

int vd_descriptor_interpret(struct vd_descriptor *descriptor, const char *where,
                            struct vd_error *err)
{
    struct interpreter in = {descriptor, where, err};
    descriptor->parent_cid = VD_CID_NONE;
    int r = read_version(&in);
    if (r >= 0)
        r = read_cid(&in, "CID", &descriptor->cid, &descriptor->has_cid);
    if (r >= 0)
        r = read_cid(&in, "parentCID", &descriptor->parent_cid, &descriptor->has_parent_cid);
    if (r >= 0)
        r = read_encoding(&in);
    if (r >= 0)
        r = read_names(&in);
    if (r >= 0)
        r = read_capacity(&in);
    const char *native = vd_descriptor_header(descriptor, "isNativeSnapshot");
    descriptor->native_snapshot = native != NULL && vd_ascii_equal(native, "yes");
    return r;
}
