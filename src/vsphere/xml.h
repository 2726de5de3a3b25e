/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XML both ways. Reading: libxml2's tree of a document that has no DTD, at most VD_XML_MAX_MARKS
 * tags and attributes, and libxml2's own limits of depth (256) and text length (10 MB). Names are
 * matched without their prefix. Writing: text that grows element by element, with escaping.
 */
#ifndef VD_VSPHERE_XML_H
#define VD_VSPHERE_XML_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* An element has two tags and takes, with its text, 250 bytes of memory: 256 MiB at most. */
#define VD_XML_MAX_MARKS (1u << 21)

/* VD_E_PROTOCOL where it is not well-formed, has a DTD or is too large. */
VD_MUST_CHECK int vd_xml_parse(const char *bytes, size_t size, xmlDoc **ret, struct vd_error *err);
void vd_xml_free(xmlDoc *doc);
VD_DEFINE_CLEANUP(xmlDoc *, vd_xml_free)
const xmlNode *vd_xml_root(const xmlDoc *doc);

/* All of these take NULL for an element that is not there, and answer as if it were empty. */
bool vd_xml_is(const xmlNode *node, const char *name);
const xmlNode *vd_xml_first(const xmlNode *parent); /* element, whatever its name */
const xmlNode *vd_xml_child(const xmlNode *parent, const char *name);
/* The next sibling of the same name. */
const xmlNode *vd_xml_next(const xmlNode *node);
/* "info/error/fault". */
const xmlNode *vd_xml_at(const xmlNode *node, const char *path);
/* NULL where there is no element, "" where it has no text. Lives as long as the document. */
const char *vd_xml_text(const xmlNode *node);
/* The text of a child; NULL where there is none. */
const char *vd_xml_child_text(const xmlNode *parent, const char *name);
/* xsi:type without its prefix, or "". */
const char *vd_xml_type(const xmlNode *node);
/* The type of a managed object reference (an attribute without a namespace), or "". */
const char *vd_xml_ref_type(const xmlNode *node);
/* False where there is no such number; *ret is then not written. */
VD_MUST_CHECK bool vd_xml_u64(const xmlNode *node, uint64_t *ret);
VD_MUST_CHECK bool vd_xml_i32(const xmlNode *node, int32_t *ret);
bool vd_xml_true(const xmlNode *node);
/* Overwrites the element's text in the tree. */
void vd_xml_wipe(const xmlNode *node);

/* What went wrong while writing is kept in `result`, once, and the rest is not written. */
struct vd_xml_writer {
    struct vd_buf buf;
    int result; /* 0, VD_E_NO_MEMORY, VD_E_TOO_BIG, VD_E_INVALID_UTF8, VD_E_INVALID_ARG */
};

void vd_xml_raw(struct vd_xml_writer *writer, const char *text);
void vd_xml_begin(struct vd_xml_writer *writer, const char *name);
/* With an xsi:type. */
void vd_xml_begin_typed(struct vd_xml_writer *writer, const char *name, const char *type);
void vd_xml_end(struct vd_xml_writer *writer, const char *name);
/* NULL text writes nothing. */
void vd_xml_leaf(struct vd_xml_writer *writer, const char *name, const char *text);
void vd_xml_leaf_bool(struct vd_xml_writer *writer, const char *name, bool value);
void vd_xml_leaf_i64(struct vd_xml_writer *writer, const char *name, int64_t value);
/* A managed object reference; NULL writes nothing. */
void vd_xml_ref(struct vd_xml_writer *writer, const char *name, const char *type, const char *moid);

#endif
