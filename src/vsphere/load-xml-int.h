/* SPDX-License-Identifier: Apache-2.0 */
/* libxml2, loaded when it is first needed; base/library.h says how the sym_ names are used. */
#ifndef VD_VSPHERE_LOAD_XML_INT_H
#define VD_VSPHERE_LOAD_XML_INT_H

#include <libxml/parser.h>

#include "base/library.h"

/* clang-format off */
#define VD_LIBXML_FUNCTIONS(X)                                                                     \
    X(xmlCheckUTF8) X(xmlCtxtReadMemory) X(xmlDictOwns) X(xmlDocGetRootElement) X(xmlFreeDoc)      \
    X(xmlFreeParserCtxt) X(xmlInitParser) X(xmlNewParserCtxt) X(xmlStopParser)
/* clang-format on */
VD_LIBXML_FUNCTIONS(VD_LIBRARY_DECLARE)

/* Before any sym_xml; from any thread. Starts the parser too. What the first call answers, each
 * later one does. VD_E_NOT_SUPPORTED where the library is missing or too old. */
VD_MUST_CHECK int vd_xml_load(struct vd_error *err);

#endif
