/* SPDX-License-Identifier: Apache-2.0 */
/* Streaming JSON writer: no tree, memory bounded by nesting. Output goes to a FILE the caller owns,
 * in pieces and the last of it in vd_json_finish, where write errors surface. Strings must be
 * UTF-8; bytes that are not are written as U+FFFD. Not thread-safe. */
#ifndef VD_BASE_JSON_H
#define VD_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

#define VD_JSON_MAX_DEPTH 16
/* Small enough for a struct that lives on the stack, many times the length of a member. */
#define VD_JSON_BUFFER_BYTES 4096u

struct vd_json {
    FILE *out;
    bool pretty; /* two-space indent, one member per line */
    int depth;
    bool has_member[VD_JSON_MAX_DEPTH + 1];
    int sys_errno; /* why the first lost write was lost */
    size_t used;
    char text[VD_JSON_BUFFER_BYTES]; /* not yet given to `out` */
};

void vd_json_init(struct vd_json *json, FILE *out, bool pretty);
/* `key` is NULL inside arrays and at the top. */
void vd_json_object(struct vd_json *json, const char *key);
void vd_json_array(struct vd_json *json, const char *key);
void vd_json_end(struct vd_json *json, char bracket);                          /* '}' or ']' */
void vd_json_string(struct vd_json *json, const char *key, const char *value); /* NULL -> null */
void vd_json_u64(struct vd_json *json, const char *key, uint64_t value);
void vd_json_bool(struct vd_json *json, const char *key, bool value);
void vd_json_null(struct vd_json *json, const char *key);
void vd_json_double(struct vd_json *json, const char *key, double value);
/* Ends with a newline, flushes; VD_E_IO with errno when any output was lost. */
VD_MUST_CHECK int vd_json_finish(struct vd_json *json, struct vd_error *err);

#endif
