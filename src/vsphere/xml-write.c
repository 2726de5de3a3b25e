/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/xml.h"

#include <string.h>

#include "vsphere/load-xml-int.h"

static void put(struct vd_xml_writer *writer, const char *bytes, size_t length)
{
    if (writer->result == VD_OK)
        writer->result = vd_buf_append(&writer->buf, bytes, length);
}

void vd_xml_raw(struct vd_xml_writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

static const char *escape_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    case '\r':
        return "&#13;"; /* a reader would make a newline of it */
    default:
        return NULL;
    }
}

/* XML has no way to say most control characters. */
static bool is_sayable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 && !strchr("\t\n\r", *text))
            return false;
    return true;
}

static void put_escaped(struct vd_xml_writer *writer, const char *text)
{
    if (writer->result == VD_OK)
        writer->result = vd_xml_load(NULL); /* a session has told of a failure before */
    if (writer->result == VD_OK && !sym_xmlCheckUTF8((const xmlChar *)text))
        writer->result = VD_E_INVALID_UTF8;
    if (writer->result == VD_OK && !is_sayable(text))
        writer->result = VD_E_INVALID_ARG;
    const char *run = text;
    for (; *text; text++) {
        const char *escape = escape_of(*text);
        if (!escape)
            continue;
        put(writer, run, (size_t)(text - run));
        vd_xml_raw(writer, escape);
        run = text + 1;
    }
    put(writer, run, (size_t)(text - run));
}

void vd_xml_begin(struct vd_xml_writer *writer, const char *name)
{
    vd_xml_raw(writer, "<");
    vd_xml_raw(writer, name);
    vd_xml_raw(writer, ">");
}

void vd_xml_begin_typed(struct vd_xml_writer *writer, const char *name, const char *type)
{
    vd_xml_raw(writer, "<");
    vd_xml_raw(writer, name);
    vd_xml_raw(writer, " xsi:type=\"");
    vd_xml_raw(writer, type);
    vd_xml_raw(writer, "\">");
}

void vd_xml_end(struct vd_xml_writer *writer, const char *name)
{
    vd_xml_raw(writer, "</");
    vd_xml_raw(writer, name);
    vd_xml_raw(writer, ">");
}

void vd_xml_leaf(struct vd_xml_writer *writer, const char *name, const char *text)
{
    if (!text)
        return;
    vd_xml_begin(writer, name);
    put_escaped(writer, text);
    vd_xml_end(writer, name);
}

void vd_xml_leaf_bool(struct vd_xml_writer *writer, const char *name, bool value)
{
    vd_xml_leaf(writer, name, value ? "true" : "false");
}

void vd_xml_leaf_i64(struct vd_xml_writer *writer, const char *name, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value); /* always fits */
    vd_xml_leaf(writer, name, text);
}

void vd_xml_ref(struct vd_xml_writer *writer, const char *name, const char *type, const char *moid)
{
    if (!moid)
        return;
    vd_xml_raw(writer, "<");
    vd_xml_raw(writer, name);
    vd_xml_raw(writer, " type=\"");
    put_escaped(writer, type);
    vd_xml_raw(writer, "\">");
    put_escaped(writer, moid);
    vd_xml_end(writer, name);
}
