/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/xml.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "vsphere/load-xml-int.h"

static const char XSI[] = "http://www.w3.org/2001/XMLSchema-instance";

/* A DTD can make a small document endless, and nobody sends one here. */
static void meet_dtd(void *context, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
    (void)name;
    (void)id;
    (void)system;
    xmlParserCtxt *parser = context;
    *(bool *)parser->_private = true;
    sym_xmlStopParser(parser);
}

static xmlParserCtxt *parser_new(bool *has_dtd)
{
    xmlParserCtxt *parser = sym_xmlNewParserCtxt();
    if (!parser)
        return NULL;
    parser->_private = has_dtd;
    parser->sax->internalSubset = meet_dtd;
    parser->sax->comment = NULL;
    parser->sax->processingInstruction = NULL;
    return parser;
}

/* More than elements, attributes and namespaces there can be. */
static size_t count_marks(const char *bytes, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += bytes[i] == '<' || bytes[i] == '=';
    return count;
}

/* The parser's own reason, cut at its newline. */
static int not_well_formed(const xmlParserCtxt *parser, struct vd_error *err)
{
    const xmlError *last = &parser->lastError;
    const char *text = last->message ? last->message : "it is not XML";
    return vd_error_set(err, VD_E_PROTOCOL, "the answer cannot be read: line %d: %.*s", last->line,
                        (int)strcspn(text, "\r\n"), text);
}

int vd_xml_parse(const char *bytes, size_t size, xmlDoc **ret, struct vd_error *err)
{
    bool has_dtd = false;
    int r = vd_xml_load(err);
    if (r < 0)
        return r;
    if (size == 0 || size > INT_MAX)
        return vd_error_set(err, VD_E_PROTOCOL, "the answer has %zu bytes", size);
    if (count_marks(bytes, size) > VD_XML_MAX_MARKS)
        return vd_error_set(err, VD_E_PROTOCOL,
                            "the answer cannot be read: it has more elements than any needs");
    xmlParserCtxt *parser = parser_new(&has_dtd);
    if (!parser)
        return vd_error_set(err, VD_E_NO_MEMORY, "reading an answer: out of memory");
    /* Never XML_PARSE_HUGE: the limits of depth and text length it lifts are wanted. Always UTF-8,
     * as servers write it: in another encoding the marks would look otherwise. */
    xmlDoc *doc = sym_xmlCtxtReadMemory(parser, bytes, (int)size, NULL, "UTF-8",
                                        XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_NOERROR |
                                            XML_PARSE_NOWARNING | XML_PARSE_COMPACT);
    if (has_dtd)
        r = vd_error_set(err, VD_E_PROTOCOL,
                         "the answer cannot be read: it has a document type declaration, which is "
                         "refused");
    else if (!doc || !sym_xmlDocGetRootElement(doc))
        r = not_well_formed(parser, err);
    if (r < 0)
        vd_xml_free(doc);
    else
        *ret = doc;
    sym_xmlFreeParserCtxt(parser);
    return r;
}

void vd_xml_free(xmlDoc *doc)
{
    if (doc)
        sym_xmlFreeDoc(doc);
}

const xmlNode *vd_xml_root(const xmlDoc *doc)
{
    return sym_xmlDocGetRootElement(doc);
}

bool vd_xml_is(const xmlNode *node, const char *name)
{
    return node && node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

const xmlNode *vd_xml_first(const xmlNode *parent)
{
    const xmlNode *node = parent ? parent->children : NULL;
    while (node && node->type != XML_ELEMENT_NODE)
        node = node->next;
    return node;
}

const xmlNode *vd_xml_child(const xmlNode *parent, const char *name)
{
    const xmlNode *node = parent ? parent->children : NULL;
    while (node && !vd_xml_is(node, name))
        node = node->next;
    return node;
}

const xmlNode *vd_xml_next(const xmlNode *node)
{
    const xmlNode *next = node->next;
    while (next && !vd_xml_is(next, (const char *)node->name))
        next = next->next;
    return next;
}

const xmlNode *vd_xml_at(const xmlNode *node, const char *path)
{
    char name[64];
    while (node && *path) {
        size_t length = strcspn(path, "/");
        if (length >= sizeof name)
            return NULL;
        memcpy(name, path, length);
        name[length] = '\0';
        node = vd_xml_child(node, name);
        path += length + (path[length] == '/');
    }
    return node;
}

/* Without comments, CDATA and entities in the tree, text is one node. */
const char *vd_xml_text(const xmlNode *node)
{
    if (!node)
        return NULL;
    const xmlNode *text = node->children;
    return text && text->type == XML_TEXT_NODE && text->content ? (const char *)text->content : "";
}

const char *vd_xml_child_text(const xmlNode *parent, const char *name)
{
    return vd_xml_text(vd_xml_child(parent, name));
}

static const char *attribute(const xmlNode *node, const char *space)
{
    for (const xmlAttr *attr = node ? node->properties : NULL; attr; attr = attr->next) {
        bool here =
            space ? attr->ns && strcmp((const char *)attr->ns->href, space) == 0 : !attr->ns;
        if (here && strcmp((const char *)attr->name, "type") == 0 && attr->children &&
            attr->children->content)
            return (const char *)attr->children->content;
    }
    return "";
}

const char *vd_xml_type(const xmlNode *node)
{
    const char *type = attribute(node, XSI);
    const char *colon = strrchr(type, ':');
    return colon ? colon + 1 : type;
}

const char *vd_xml_ref_type(const xmlNode *node)
{
    return attribute(node, NULL);
}

/* Decimal digits and nothing else, but blanks around them. */
static bool digits(const char *text, uint64_t *ret)
{
    static const char blanks[] = " \t\r\n";
    const char *start = text + strspn(text, blanks);
    char *end;
    if (*start < '0' || *start > '9')
        return false;
    errno = 0;
    unsigned long long value = strtoull(start, &end, 10);
    if (errno || end[strspn(end, blanks)] != '\0')
        return false;
    *ret = value;
    return true;
}

/* vSphere's numbers are signed: the upper half of an unsigned one is never meant. */
bool vd_xml_u64(const xmlNode *node, uint64_t *ret)
{
    uint64_t value;
    if (!node || !digits(vd_xml_text(node), &value) || value > INT64_MAX)
        return false;
    *ret = value;
    return true;
}

bool vd_xml_i32(const xmlNode *node, int32_t *ret)
{
    const char *text = vd_xml_text(node);
    uint64_t value;
    if (!text)
        return false;
    text += strspn(text, " \t\r\n");
    bool negative = *text == '-';
    if (!digits(text + negative, &value) || value > INT32_MAX)
        return false;
    *ret = negative ? -(int32_t)value : (int32_t)value;
    return true;
}

bool vd_xml_true(const xmlNode *node)
{
    const char *text = vd_xml_text(node);
    if (!text)
        return false;
    text += strspn(text, " \t\r\n");
    return strncmp(text, "true", 4) == 0 || *text == '1';
}

void vd_xml_wipe(const xmlNode *node)
{
    xmlNode *text = node ? node->children : NULL;
    if (text && text->type == XML_TEXT_NODE && text->content &&
        !(node->doc->dict && sym_xmlDictOwns(node->doc->dict, text->content)))
        explicit_bzero(text->content, strlen((const char *)text->content));
}
