/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ALLOCATION_BYTES 64u

/* Doubling keeps appending linear in all; the maximum caps what doubling would waste. `need` counts
 * the NUL and is at most max + 1. */
static size_t next_allocation(const struct vd_buf *buf, size_t need)
{
    size_t doubled = buf->allocated > SIZE_MAX / 2 ? SIZE_MAX : buf->allocated * 2;
    size_t wanted = VD_MAX(VD_MAX(doubled, need), FIRST_ALLOCATION_BYTES);
    size_t limit = buf->max == SIZE_MAX ? SIZE_MAX : buf->max + 1;
    return VD_MAX(VD_MIN(wanted, limit), need);
}

static void release(struct vd_buf *buf)
{
    if (buf->data && buf->secret)
        explicit_bzero(buf->data, buf->allocated);
    free(buf->data);
}

/* As realloc, which might leave a copy where the text was before. */
static char *resize(struct vd_buf *buf, size_t allocation)
{
    if (!buf->secret)
        return realloc(buf->data, allocation);
    char *data = malloc(allocation);
    if (!data)
        return NULL;
    if (buf->data)
        memcpy(data, buf->data, buf->length);
    release(buf);
    return data;
}

int vd_buf_reserve(struct vd_buf *buf, size_t length)
{
    assert(buf->length <= buf->max);
    if (length > buf->max - buf->length)
        return VD_E_TOO_BIG;

    size_t need;
    if (__builtin_add_overflow(buf->length + length, (size_t)1, &need))
        return VD_E_TOO_BIG;
    if (need <= buf->allocated)
        return VD_OK;

    size_t allocation = next_allocation(buf, need);
    char *data = resize(buf, allocation);
    if (!data)
        return VD_E_NO_MEMORY;
    /* The caller writes after us and may stop early: keep the text readable up to `length`. */
    data[buf->length] = '\0';
    buf->data = data;
    buf->allocated = allocation;
    return VD_OK;
}

int vd_buf_append(struct vd_buf *buf, const void *bytes, size_t length)
{
    int ret = vd_buf_reserve(buf, length);
    if (ret < 0)
        return ret;
    if (length > 0)
        memcpy(buf->data + buf->length, bytes, length);
    buf->length += length;
    buf->data[buf->length] = '\0';
    return VD_OK;
}

int vd_buf_printf(struct vd_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (length < 0)
        return VD_E_INVALID_ARG;

    int ret = vd_buf_reserve(buf, (size_t)length);
    if (ret < 0)
        return ret;

    va_start(args, fmt);
    (void)vsnprintf(buf->data + buf->length, (size_t)length + 1, fmt, args); /* measured above */
    va_end(args);
    buf->length += (size_t)length;
    return VD_OK;
}

const char *vd_buf_text(const struct vd_buf *buf)
{
    if (!buf->data)
        return "";
    /* After vd_buf_reserve the caller wrote and added to `length`; the room for the NUL is always
     * there, and the buffer itself is not const. */
    buf->data[buf->length] = '\0';
    return buf->data;
}

char *vd_buf_steal(struct vd_buf *buf)
{
    char *text = buf->data;
    if (!text)
        return calloc(1, 1);
    text[buf->length] = '\0';
    buf->data = NULL;
    buf->length = 0;
    buf->allocated = 0;
    return text;
}

void vd_buf_done(struct vd_buf *buf)
{
    release(buf);
    buf->data = NULL;
    buf->length = 0;
    buf->allocated = 0;
}
