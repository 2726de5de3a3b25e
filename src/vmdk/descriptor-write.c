/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the model to text, in the order and with the comments of VMware's own template (descriptors
 * of ESXi and Workstation; also the Virtual Disk Format 5.0): VirtualBox insists on the first
 * comment and on header, extents, ddb in this order; qemu on CID right before parentCID.
 */
#include <inttypes.h>
#include <string.h>

#include "vmdk/ascii.h"
#include "vmdk/descriptor-int.h"
#include "vmdk/encoding.h"

struct writer {
    const struct vd_descriptor *descriptor;
    struct vd_buf *out;
    struct vd_error *err;
};

/* Header keys that have a field or a place of their own. */
static const char *const placed_keys[] = {"version",         "encoding",          "CID",
                                          "parentCID",       "isNativeSnapshot",  "createType",
                                          "changeTrackPath", "parentFileNameHint"};

static int put_failed(const struct writer *writer, int code)
{
    if (code == VD_E_TOO_BIG)
        return vd_error_set(writer->err, code, "the descriptor is longer than %zu bytes",
                            writer->out->max);
    return vd_error_set(writer->err, code, "no memory to write a descriptor");
}

static int put_text(const struct writer *writer, const char *text)
{
    int r = vd_buf_append(writer->out, text, strlen(text));
    return r < 0 ? put_failed(writer, r) : 0;
}

/* There is no escape mechanism: a quote or a line end would begin something new. */
static int refuse_unwritable(const struct writer *writer, const char *text, const char *forbidden)
{
    if (strpbrk(text, forbidden) == NULL)
        return 0;
    return vd_error_set(writer->err, VD_E_NAME_INVALID,
                        "'%s' cannot be written to a descriptor: it has a quote or a line end",
                        text);
}

static int put_encoded(const struct writer *writer, const char *text)
{
    VD_FREE char *encoded = NULL;
    int r = vd_encoding_from_utf8(writer->descriptor->encoding, text, &encoded, writer->err);
    return r < 0 ? r : put_text(writer, encoded);
}

/* `undecoded`: bytes that never were UTF-8, and go back as they came. */
static int put_quoted(const struct writer *writer, const char *text, bool undecoded)
{
    int r = refuse_unwritable(writer, text, "\"\r\n");
    if (r >= 0)
        r = put_text(writer, "\"");
    if (r >= 0)
        r = undecoded ? put_text(writer, text) : put_encoded(writer, text);
    if (r >= 0)
        r = put_text(writer, "\"");
    return r;
}

/* A value that was kept as bytes when it was read, because it did not fit the encoding, goes back
 * as the same bytes. */
static int put_value(const struct writer *writer, const struct vd_descriptor_entry *entry)
{
    VD_FREE char *encoded = NULL;
    int r = vd_encoding_from_utf8(writer->descriptor->encoding, entry->value, &encoded, NULL);
    if (r == VD_E_NO_MEMORY)
        return put_failed(writer, r);
    const char *text = r < 0 ? entry->value : encoded;
    r = refuse_unwritable(writer, text, entry->quoted ? "\"\r\n" : "\r\n");
    if (r >= 0 && entry->quoted)
        r = put_text(writer, "\"");
    if (r >= 0)
        r = put_text(writer, text);
    if (r >= 0 && entry->quoted)
        r = put_text(writer, "\"");
    return r;
}

static int put_entry(const struct writer *writer, const char *prefix, const char *equals,
                     const struct vd_descriptor_entry *entry)
{
    int r = refuse_unwritable(writer, entry->key, "\r\n=");
    if (r >= 0)
        r = put_text(writer, prefix);
    if (r >= 0)
        r = put_text(writer, entry->key);
    if (r >= 0)
        r = put_text(writer, equals);
    if (r >= 0)
        r = put_value(writer, entry);
    return r < 0 ? r : put_text(writer, "\n");
}

/* `key`="`value`", nothing where value is NULL or empty. */
static int put_string(const struct writer *writer, const char *key, const char *value,
                      bool undecoded)
{
    if (value == NULL || value[0] == '\0')
        return 0;
    int r = put_text(writer, key);
    if (r >= 0)
        r = put_text(writer, "=");
    if (r >= 0)
        r = put_quoted(writer, value, undecoded);
    return r < 0 ? r : put_text(writer, "\n");
}

static bool is_placed(const char *key)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(placed_keys); i++) {
        if (vd_ascii_equal(key, placed_keys[i]))
            return true;
    }
    return false;
}

static const char *native_snapshot_text(const struct vd_descriptor *descriptor)
{
    if (descriptor->native_snapshot)
        return "yes";
    return vd_descriptor_header(descriptor, "isNativeSnapshot") ? "no" : NULL;
}

static int put_cids(const struct writer *writer)
{
    const struct vd_descriptor *descriptor = writer->descriptor;
    int r = 0;
    if (descriptor->has_cid)
        r = vd_buf_printf(writer->out, "CID=%08" PRIx32 "\n", descriptor->cid);
    if (r >= 0 && (descriptor->has_parent_cid || descriptor->parent_hint == NULL))
        r = vd_buf_printf(writer->out, "parentCID=%08" PRIx32 "\n", descriptor->parent_cid);
    return r < 0 ? put_failed(writer, r) : 0;
}

static int put_header(const struct writer *writer)
{
    const struct vd_descriptor *descriptor = writer->descriptor;
    int r = vd_buf_printf(writer->out, "# Disk DescriptorFile\nversion=%" PRIu32 "\n",
                          descriptor->version);
    if (r < 0)
        return put_failed(writer, r);
    r = put_string(writer, "encoding", descriptor->encoding, true);
    if (r >= 0)
        r = put_cids(writer);
    if (r >= 0)
        r = put_string(writer, "isNativeSnapshot", native_snapshot_text(descriptor), true);
    if (r >= 0)
        r = put_string(writer, "createType", descriptor->create_type, true);
    for (size_t i = 0; r >= 0 && i < descriptor->header.count; i++) {
        if (!is_placed(descriptor->header.items[i].key))
            r = put_entry(writer, "", "=", &descriptor->header.items[i]);
    }
    /* VMware puts no blank line between this one and the extents. */
    if (r >= 0)
        r = put_string(writer, "parentFileNameHint", descriptor->parent_hint,
                       descriptor->parent_hint_undecoded);
    if (r >= 0 && descriptor->parent_hint == NULL)
        r = put_text(writer, "\n");
    return r;
}

static int put_extent_tail(const struct writer *writer, const struct vd_extent_line *line)
{
    int r = line->has_offset ? vd_buf_printf(writer->out, " %" PRIu64, line->offset_sectors) : 0;
    if (r < 0)
        return put_failed(writer, r);
    if (line->rest != NULL) {
        r = refuse_unwritable(writer, line->rest, "\r\n");
        if (r >= 0)
            r = put_text(writer, " ");
        if (r >= 0)
            r = put_text(writer, line->rest);
    }
    return r < 0 ? r : put_text(writer, "\n");
}

static int put_extent(const struct writer *writer, const struct vd_extent_line *line)
{
    int r = vd_buf_printf(writer->out, "%s %" PRIu64 " %s", vd_extent_access_text(line->access),
                          line->sectors, vd_extent_type_text(line->type));
    if (r < 0)
        return put_failed(writer, r);
    if (line->file != NULL) {
        r = put_text(writer, " ");
        if (r >= 0)
            r = put_quoted(writer, line->file, line->undecoded);
    }
    return r < 0 ? r : put_extent_tail(writer, line);
}

static int put_extents(const struct writer *writer)
{
    const struct vd_descriptor *descriptor = writer->descriptor;
    int r = put_text(writer, "# Extent description\n");
    for (size_t i = 0; r >= 0 && i < descriptor->num_extents; i++)
        r = put_extent(writer, &descriptor->extents[i]);
    if (r >= 0 && descriptor->change_track != NULL) {
        r = put_text(writer, "\n# Change Tracking File\n");
        if (r >= 0)
            r = put_string(writer, "changeTrackPath", descriptor->change_track, true);
    }
    return r;
}

int vd_descriptor_to_text(const struct vd_descriptor *descriptor, struct vd_buf *out,
                          struct vd_error *err)
{
    struct writer writer = {descriptor, out, err};
    int r = put_header(&writer);
    if (r >= 0)
        r = put_extents(&writer);
    if (r >= 0)
        r = put_text(&writer, "\n# The Disk Data Base \n#DDB\n\n");
    for (size_t i = 0; r >= 0 && i < descriptor->ddb.count; i++)
        r = put_entry(&writer, "ddb.", " = ", &descriptor->ddb.items[i]);
    return r;
}
