/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extent line:
 *
 *     access sectors type ["file" [offset [anything]]]
 *
 * as the Virtual Disk Format 5.0 has it, with these found in the field: any run of blanks between
 * fields, any case, an offset on VMFS lines, and tails such as `partitionUUID ...` (Workstation 9
 * and later, on physical disks), which are kept.
 */
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "vmdk/descriptor-int.h"

/* As much of a line as a message shows. */
#define SHOWN_LENGTH 80

static const char *const access_words[] = {
    [VD_ACCESS_RW] = "RW",
    [VD_ACCESS_RDONLY] = "RDONLY",
    [VD_ACCESS_NOACCESS] = "NOACCESS",
};

static const char *const type_words[] = {
    [VD_EXTENT_FLAT] = "FLAT",         [VD_EXTENT_VMFS] = "VMFS",
    [VD_EXTENT_VMFSTHIN] = "VMFSTHIN", [VD_EXTENT_ZERO] = "ZERO",
    [VD_EXTENT_SPARSE] = "SPARSE",     [VD_EXTENT_VMFSSPARSE] = "VMFSSPARSE",
    [VD_EXTENT_SESPARSE] = "SESPARSE", [VD_EXTENT_VMFSRDM] = "VMFSRDM",
    [VD_EXTENT_VMFSRAW] = "VMFSRAW",   [VD_EXTENT_VSANSPARSE] = "VSANSPARSE",
};

struct extent_parser {
    struct vd_span whole;
    struct vd_span rest;
    const char *where;
    unsigned line;
    struct vd_error *err;
};

static bool find_word(const struct vd_span *word, const char *const *words, size_t count,
                      size_t *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (vd_span_equal(word, words[i])) {
            *ret = i;
            return true;
        }
    }
    return false;
}

bool vd_extent_access_parse(const struct vd_span *word, enum vd_extent_access *ret)
{
    size_t index;
    if (!find_word(word, access_words, VD_ARRAY_SIZE(access_words), &index))
        return false;
    *ret = (enum vd_extent_access)index;
    return true;
}

bool vd_extent_type_parse(const struct vd_span *word, enum vd_extent_type *ret)
{
    size_t index;
    if (!find_word(word, type_words, VD_ARRAY_SIZE(type_words), &index))
        return false;
    *ret = (enum vd_extent_type)index;
    return true;
}

const char *vd_extent_access_text(enum vd_extent_access access)
{
    return access_words[access];
}

const char *vd_extent_type_text(enum vd_extent_type type)
{
    return type_words[type];
}

bool vd_extent_type_is_raw(enum vd_extent_type type)
{
    switch (type) {
    case VD_EXTENT_FLAT:
    case VD_EXTENT_VMFS:
    case VD_EXTENT_VMFSTHIN:
    case VD_EXTENT_VMFSRDM:
    case VD_EXTENT_VMFSRAW:
        return true;
    default:
        return false;
    }
}

static int malformed(const struct extent_parser *parser, const char *what)
{
    int shown = (int)VD_MIN(parser->whole.length, (size_t)SHOWN_LENGTH);
    return vd_error_set(parser->err, VD_E_DESC_EXTENT,
                        "'%s', line %u: %s in the extent line '%.*s'", parser->where, parser->line,
                        what, shown, parser->whole.at);
}

static int parse_size(struct extent_parser *parser, struct vd_extent_line *ret)
{
    struct vd_span word = vd_span_word(&parser->rest);
    if (!vd_span_u64(&word, &ret->sectors))
        return malformed(parser, "no number of sectors");
    if (ret->sectors > VD_MAX_SECTORS)
        return vd_error_set(parser->err, VD_E_DESC_CAPACITY,
                            "'%s', line %u: an extent of %" PRIu64 " sectors, at most %" PRIu64
                            " are possible",
                            parser->where, parser->line, ret->sectors, VD_MAX_SECTORS);
    return 0;
}

static int parse_type(struct extent_parser *parser, struct vd_extent_line *ret)
{
    struct vd_span word = vd_span_word(&parser->rest);
    if (word.length == 0)
        return malformed(parser, "no extent type");
    if (!vd_extent_type_parse(&word, &ret->type))
        return vd_error_set(parser->err, VD_E_DESC_EXTENT_TYPE,
                            "'%s', line %u: unsupported extent type '%.*s'", parser->where,
                            parser->line, (int)VD_MIN(word.length, (size_t)SHOWN_LENGTH), word.at);
    return 0;
}

static int take_text(struct extent_parser *parser, const char *at, size_t length, char **ret)
{
    char *text = vd_span_dup((struct vd_span){at, length});
    if (text == NULL)
        return vd_error_set(parser->err, VD_E_NO_MEMORY, "no memory for the descriptor '%s'",
                            parser->where);
    *ret = text;
    return 0;
}

/* The name ends at the second quote: there is no way to escape one. */
static int parse_file(struct extent_parser *parser, struct vd_extent_line *ret)
{
    parser->rest = vd_span_trim(parser->rest);
    struct vd_span *rest = &parser->rest;
    if (rest->length == 0)
        return malformed(parser, "no file name");
    const char *start = rest->at + 1;
    const char *end = rest->at[0] == '"' ? memchr(start, '"', rest->length - 1) : NULL;
    if (end == NULL)
        return malformed(parser, "no quoted file name");
    int r = take_text(parser, start, (size_t)(end - start), &ret->file);
    rest->length -= (size_t)(end + 1 - rest->at);
    rest->at = end + 1;
    return r;
}

/* A tail that does not begin with a number is kept whole. */
static int parse_offset_and_rest(struct extent_parser *parser, struct vd_extent_line *ret)
{
    struct vd_span after = parser->rest;
    struct vd_span word = vd_span_word(&after);
    if (ret->type != VD_EXTENT_ZERO && vd_span_u64(&word, &ret->offset_sectors)) {
        ret->has_offset = true;
        parser->rest = after;
    }
    bool raw = vd_extent_type_is_raw(ret->type);
    if (ret->offset_sectors > VD_MAX_SECTORS - ret->sectors || (!raw && ret->offset_sectors != 0))
        return malformed(parser, raw ? "an impossible offset" : "an offset, which must be 0,");

    struct vd_span rest = vd_span_trim(parser->rest);
    return rest.length == 0 ? 0 : take_text(parser, rest.at, rest.length, &ret->rest);
}

int vd_extent_line_parse(struct vd_span text, const char *where, unsigned line,
                         struct vd_extent_line *ret, struct vd_error *err)
{
    struct extent_parser parser = {text, text, where, line, err};
    struct vd_extent_line parsed = {0};
    struct vd_span word = vd_span_word(&parser.rest);
    if (!vd_extent_access_parse(&word, &parsed.access))
        return malformed(&parser, "an unknown access");

    int r = parse_size(&parser, &parsed);
    if (r >= 0)
        r = parse_type(&parser, &parsed);
    if (r >= 0 && parsed.type != VD_EXTENT_ZERO)
        r = parse_file(&parser, &parsed);
    if (r >= 0)
        r = parse_offset_and_rest(&parser, &parsed);
    if (r < 0) {
        vd_extent_line_done(&parsed);
        return r;
    }
    *ret = parsed;
    return 0;
}

void vd_extent_line_done(struct vd_extent_line *line)
{
    free(line->file);
    free(line->file_raw);
    free(line->rest);
}
