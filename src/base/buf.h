/* SPDX-License-Identifier: Apache-2.0 */
/* A growable byte buffer that is given its maximum at birth, so that no input can grow it without
 * bound. Always NUL-terminated one past its length, so text in it can be used as a C string. */
#ifndef VD_BASE_BUF_H
#define VD_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct vd_buf {
    char *data; /* NULL until first use */
    size_t length;
    size_t allocated;
    size_t max;
    bool secret; /* what leaves the buffer is overwritten */
};

#define VD_BUF_INIT(max_bytes)         \
    {                                  \
        NULL, 0, 0, (max_bytes), false \
    }
/* For passwords, tickets and the like: nothing of them stays behind in freed memory. */
#define VD_BUF_INIT_SECRET(max_bytes) \
    {                                 \
        NULL, 0, 0, (max_bytes), true \
    }

/* VD_E_TOO_BIG above the maximum, VD_E_NO_MEMORY. On failure the buffer is unchanged. */
VD_MUST_CHECK int vd_buf_append(struct vd_buf *buf, const void *bytes, size_t length);
VD_MUST_CHECK int vd_buf_printf(struct vd_buf *buf, const char *fmt, ...) VD_PRINTF(2, 3);
/* Room for `length` bytes more; the caller writes them and adds to `length`. */
VD_MUST_CHECK int vd_buf_reserve(struct vd_buf *buf, size_t length);
/* The text so far; "" when empty. Valid until the next change. */
const char *vd_buf_text(const struct vd_buf *buf);
/* Hands the text over as a malloc'd C string and leaves the buffer empty; NULL when out of memory.
 */
char *vd_buf_steal(struct vd_buf *buf);
void vd_buf_done(struct vd_buf *buf);

#endif
