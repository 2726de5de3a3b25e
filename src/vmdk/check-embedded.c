/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/check-embedded.h"

#include <inttypes.h>
#include <string.h>

#include "base/path.h"
#include "base/units.h"
#include "vmdk/ascii.h"
#include "vmdk/descriptor-int.h"
#include "vmdk/descriptor-store.h"
#include "vmdk/kdmv-header.h"

struct remains {
    struct vd_check_file *file;
    const struct vd_kdmv_header *header;
    struct vd_buf text;    /* header and ddb lines that are whole */
    struct vd_span extent; /* the line that fits the header; empty where there is none */
};

/* --- lines --- */

static bool is_text(const struct vd_span *line)
{
    for (size_t i = 0; i < line->length; i++) {
        unsigned char c = (unsigned char)line->at[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_key(const struct vd_span *key)
{
    for (size_t i = 0; i < key->length; i++) {
        char c = vd_ascii_lower(key->at[i]);
        if (!(c >= 'a' && c <= 'z') && !vd_ascii_is_digit(c) && c != '.' && c != '_')
            return false;
    }
    return key->length > 0;
}

static bool is_whole_value(const struct vd_span *value)
{
    return value->length > 0 &&
           (value->at[0] != '"' || (value->length > 1 && value->at[value->length - 1] == '"'));
}

static int keep_key(struct remains *remains, const struct vd_span *line, const char *equals,
                    struct vd_error *err)
{
    size_t key_length = (size_t)(equals - line->at);
    struct vd_span key = vd_span_trim((struct vd_span){line->at, key_length});
    struct vd_span value =
        vd_span_trim((struct vd_span){equals + 1, line->length - key_length - 1});
    if (!is_key(&key) || !is_whole_value(&value))
        return 0;
    int r = vd_buf_append(&remains->text, line->at, line->length);
    if (r >= 0)
        r = vd_buf_append(&remains->text, "\n", 1);
    return r < 0 ? vd_error_set(err, r, "no memory to repair '%s'", remains->file->path) : 0;
}

/* Some writers round the header's capacity up, and only the line has the exact one. */
static void keep_extent(struct remains *remains, const struct vd_span *line)
{
    struct vd_extent_line extent;
    if (vd_extent_line_parse(*line, remains->file->path, 0, &extent, NULL) < 0)
        return;
    uint64_t end = vd_kdmv_mapped_sectors(remains->header);
    if (extent.type == VD_EXTENT_SPARSE && extent.sectors <= end &&
        end - extent.sectors < remains->header->grain_sectors)
        remains->extent = *line;
    vd_extent_line_done(&extent);
}

static int keep_line(struct remains *remains, struct vd_span line, struct vd_error *err)
{
    struct vd_span rest = line;
    struct vd_span word = vd_span_word(&rest);
    enum vd_extent_access access;
    const char *equals = memchr(line.at, '=', line.length);
    if (word.length == 0 || word.at[0] == '#' || !is_text(&line))
        return 0;
    if (!vd_extent_access_parse(&word, &access))
        return equals != NULL ? keep_key(remains, &line, equals, err) : 0;
    keep_extent(remains, &line);
    return 0;
}

/* Up to the first NUL: behind it may be lines of an older text. */
static int keep_lines(struct remains *remains, const char *area, size_t length,
                      struct vd_error *err)
{
    int r = 0;
    for (size_t at = 0; r >= 0 && at < length;) {
        size_t end = at;
        while (end < length && area[end] != '\n')
            end++;
        r = keep_line(remains, vd_span_trim((struct vd_span){area + at, end - at}), err);
        at = end + 1;
    }
    return r;
}

/* --- the whole --- */

static int add_missing(struct remains *remains, struct vd_error *err)
{
    const struct vd_kdmv_header *header = remains->header;
    bool stream = (header->flags & VD_KDMV_COMPRESSED) != 0;
    int r = 0;
    if (remains->extent.length > 0)
        r = vd_buf_append(&remains->text, remains->extent.at, remains->extent.length);
    else
        r = vd_buf_printf(&remains->text, "%s %" PRIu64 " SPARSE \"%s\"", stream ? "RDONLY" : "RW",
                          header->capacity_sectors, vd_path_name(remains->file->path));
    /* The first line of a key counts, so these say something only where there is none. */
    if (r >= 0)
        r = vd_buf_printf(&remains->text, "\nversion=1\ncreateType=\"%s\"\n",
                          stream ? "streamOptimized" : "monolithicSparse");
    return r < 0 ? vd_error_set(err, r, "no memory to repair '%s'", remains->file->path) : 0;
}

/* Nothing that decides where data comes from may be among the lines that are lost. */
static bool says_enough(const struct vd_descriptor *descriptor)
{
    bool virtualbox = vd_descriptor_ddb(descriptor, "uuid.image") != NULL;
    return descriptor->has_cid && descriptor->has_parent_cid &&
           (descriptor->parent_cid == VD_CID_NONE || descriptor->parent_hint != NULL) &&
           (!virtualbox || vd_descriptor_ddb(descriptor, "uuid.parent") != NULL);
}

static bool make_text(const struct remains *remains, struct vd_buf *out)
{
    VD_CLEANUP(vd_descriptor_free_cleanup) struct vd_descriptor *descriptor = NULL;
    return vd_descriptor_parse(remains->text.data, remains->text.length, remains->file->path,
                               &descriptor, NULL) >= 0 &&
           says_enough(descriptor) && vd_descriptor_to_text(descriptor, out, NULL) >= 0;
}

static size_t used_length(const char *area, size_t length)
{
    while (length > 0 && area[length - 1] == '\0')
        length--;
    return length;
}

static int mend(struct remains *remains, struct vd_block *block, const char *area, size_t length,
                struct vd_error *err)
{
    const struct vd_check_file *file = remains->file;
    const struct vd_descriptor_place place = {file->run->fs, file->path, block};
    struct vd_buf text = VD_BUF_INIT(VD_DESCRIPTOR_MAX_BYTES);
    int r = keep_lines(remains, area, strnlen(area, length), err);
    if (r >= 0)
        r = add_missing(remains, err);
    bool whole =
        r >= 0 && make_text(remains, &text) && vd_descriptor_store_check(&place, &text, NULL) >= 0;
    if (whole && file->repair != NULL) {
        r = vd_repair_keep_text(place.fs, file->path, area, used_length(area, length), err);
        if (r >= 0)
            r = vd_descriptor_store(&place, &text, false, err);
    }
    vd_buf_done(&text);
    return r < 0 ? r : whole;
}

int vd_check_mend_embedded(struct vd_check_file *file, struct vd_block *block, struct vd_error *err)
{
    struct vd_kdmv_header header;
    if (vd_kdmv_header_read(block, &header, NULL) < 0 || header.capacity_sectors == 0 ||
        header.descriptor_offset_sectors == 0 ||
        header.descriptor_sectors > VD_DESCRIPTOR_MAX_BYTES / VD_SECTOR_BYTES)
        return 0;
    struct remains remains = {file, &header, VD_BUF_INIT(VD_DESCRIPTOR_MAX_BYTES), {NULL, 0}};
    size_t length = (size_t)vd_sectors_to_bytes(header.descriptor_sectors);
    VD_FREE char *area = malloc(length);
    if (area == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to repair '%s'", file->path);
    int r = vd_block_read(block, vd_sectors_to_bytes(header.descriptor_offset_sectors), area,
                          length, err);
    if (r >= 0)
        r = mend(&remains, block, area, length, err);
    vd_buf_done(&remains.text);
    return r;
}
