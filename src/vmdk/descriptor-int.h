/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by descriptor*.c. */
#ifndef VD_VMDK_DESCRIPTOR_INT_H
#define VD_VMDK_DESCRIPTOR_INT_H

#include "vmdk/descriptor.h"

/* A piece of the text being parsed; not NUL-terminated. */
struct vd_span {
    const char *at;
    size_t length;
};

/* Words of the extent line; false when there is no such word. */
bool vd_extent_access_parse(const struct vd_span *word, enum vd_extent_access *ret);
bool vd_extent_type_parse(const struct vd_span *word, enum vd_extent_type *ret);

/* Splits blanks off both ends. */
struct vd_span vd_span_trim(struct vd_span span);
/* Cuts the first word off `rest`; empty at the end. */
struct vd_span vd_span_word(struct vd_span *rest);
/* malloc'd C string; NULL = out of memory. Reads the span alone, which need not end in a NUL. */
VD_MUST_CHECK char *vd_span_dup(struct vd_span span);
bool vd_span_equal(const struct vd_span *span, const char *word); /* without case */
/* Digits only, at most 64 bits. */
bool vd_span_u64(const struct vd_span *span, uint64_t *ret);

/* One extent line, whose access word was recognised. `where` and `line` are for messages. On
 * failure nothing in *ret is owned. */
VD_MUST_CHECK int vd_extent_line_parse(struct vd_span text, const char *where, unsigned line,
                                       struct vd_extent_line *ret, struct vd_error *err);
void vd_extent_line_done(struct vd_extent_line *line);

/* Fills the typed fields from the lines gathered, and turns names into UTF-8. */
VD_MUST_CHECK int vd_descriptor_interpret(struct vd_descriptor *descriptor, const char *where,
                                          struct vd_error *err);

const char *vd_entries_find(const struct vd_descriptor_entries *entries, const char *key);
void vd_entries_done(struct vd_descriptor_entries *entries);

#endif
