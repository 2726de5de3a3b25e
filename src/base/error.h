/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors are values with a story: a code from one table, the errno behind it, and one sentence.
 * Not thread-local: a vd_error belongs to whoever declared it. Callers that do not care pass NULL.
 */
#ifndef VD_BASE_ERROR_H
#define VD_BASE_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error-codes.h"

enum vd_error_index {
    VD_ERROR_INDEX_OK_,
#define X(name, parent, err, vix, text) VD_ERROR_INDEX_##name##_,
    VD_ERROR_CODES(X)
#undef X
        VD_ERROR_INDEX_END_
};

/* VD_OK is 0; every other code is negative. */
enum vd_error_code {
    VD_OK = 0,
#define X(name, parent, err, vix, text) VD_E_##name = -VD_ERROR_INDEX_##name##_,
    VD_ERROR_CODES(X)
#undef X
};

/* Long enough for two paths of ordinary length and a reason; longer ones are cut in the middle of
 * the sentence's tail, never overrun. */
#define VD_ERROR_TEXT_BYTES 1024

struct vd_error {
    int code;      /* VD_E_*, 0 while nothing went wrong */
    int sys_errno; /* the system's own number, 0 where none was involved */
    char text[VD_ERROR_TEXT_BYTES];
};

#define VD_ERROR_INIT \
    {                 \
        0, 0, ""      \
    }

/* Records `code` with a sentence (no newline, no final full stop) unless `err` already tells one:
 * the first, deepest story wins. Returns `code`, so that `return vd_error_set(...)` reads well. */
int vd_error_set(struct vd_error *err, int code, const char *fmt, ...) VD_PRINTF(3, 4);

/* As vd_error_set with the code that belongs to `sys_errno`, and ": <reason>" appended; the reason
 * alone where the text is empty. */
int vd_error_set_errno(struct vd_error *err, int sys_errno, const char *fmt, ...) VD_PRINTF(3, 4);

/* Puts "<text>: " before the sentence recorded, to say on whose behalf it failed. Keeps the code.
 */
void vd_error_prefix(struct vd_error *err, const char *fmt, ...) VD_PRINTF(2, 3);

/* Replaces the code of a recorded error (a missing file that is a parent becomes PARENT_MISSING).
 */
int vd_error_recode(struct vd_error *err, int code);

void vd_error_clear(struct vd_error *err);

/* True when `code` is `class_code` or descends from it. */
bool vd_error_is(int code, int class_code);

/* The three surfaces of a code. Unknown codes answer as VD_E_FAIL. */
int vd_error_errno(int code);
uint32_t vd_error_vix(int code);
const char *vd_error_text(int code);
const char *vd_error_name(int code); /* "NOT_FOUND" */

/* The VD_E_* code for an errno of the operating system. */
int vd_error_from_errno(int sys_errno);

/* The sentence of `err`, or the table's text for `code` where it has none. Never NULL. */
const char *vd_error_message(const struct vd_error *err, int code);

#endif
