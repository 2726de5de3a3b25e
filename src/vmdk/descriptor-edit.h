/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing single lines of a descriptor's text, so that all else (comments, order, blanks, what we
 * do not understand) stays as its writer left it, and so that a value of the same length leaves
 * every other byte in its place. For new descriptors see vd_descriptor_to_text.
 *
 * A key is compared without case; where it stands several times, all its lines change.
 */
#ifndef VD_VMDK_DESCRIPTOR_EDIT_H
#define VD_VMDK_DESCRIPTOR_EDIT_H

#include "base/buf.h"

/* `key`=value of the header: without quotes, but between those that are there. A line that is
 * missing is added behind the version. */
VD_MUST_CHECK int vd_descriptor_edit_header(struct vd_buf *text, const char *key, const char *value,
                                            struct vd_error *err);
/* ddb.`key` = "value"; added at the end where it is missing, removed where `value` is NULL. The
 * value comes in the text's own encoding. VD_E_INVALID_ARG for a key or value that no line can
 * hold. */
VD_MUST_CHECK int vd_descriptor_edit_ddb(struct vd_buf *text, const char *key, const char *value,
                                         struct vd_error *err);
/* Removes the lines of a header key, and comments of just `comment` (NULL: none). */
void vd_descriptor_edit_remove(struct vd_buf *text, const char *key, const char *comment);

#endif
