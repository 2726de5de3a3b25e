/* SPDX-License-Identifier: Apache-2.0 */
/* Character sets of descriptors: localized Workstations wrote windows-1252, GBK, Big5, Shift_JIS
 * and others. Inside the library every name is UTF-8. */
#ifndef VD_VMDK_ENCODING_H
#define VD_VMDK_ENCODING_H

#include <stdbool.h>

#include "base/error.h"

/* `encoding` as a descriptor names it; NULL is UTF-8. Text that is ASCII only is the same in all of
 * them. For UTF-8 the bytes are kept whatever they are: a file name is bytes. VD_E_DESC_ENCODING
 * when the encoding is not known or the text does not fit it; results are malloc'd. */
VD_MUST_CHECK int vd_encoding_to_utf8(const char *encoding, const char *text, char **ret,
                                      struct vd_error *err);
VD_MUST_CHECK int vd_encoding_from_utf8(const char *encoding, const char *text, char **ret,
                                        struct vd_error *err);

#endif
