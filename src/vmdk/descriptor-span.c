/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "vmdk/ascii.h"
#include "vmdk/descriptor-int.h"

struct vd_span vd_span_trim(struct vd_span span)
{
    while (span.length > 0 && vd_ascii_is_blank(span.at[0]))
        span.at++, span.length--;
    while (span.length > 0 && vd_ascii_is_blank(span.at[span.length - 1]))
        span.length--;
    return span;
}

struct vd_span vd_span_word(struct vd_span *rest)
{
    struct vd_span word = vd_span_trim(*rest);
    size_t length = 0;
    while (length < word.length && !vd_ascii_is_blank(word.at[length]))
        length++;
    rest->at = word.at + length;
    rest->length = word.length - length;
    word.length = length;
    return word;
}

char *vd_span_dup(struct vd_span span)
{
    char *text = malloc(span.length + 1);
    if (text != NULL) {
        memcpy(text, span.at, span.length);
        text[span.length] = '\0';
    }
    return text;
}

bool vd_span_equal(const struct vd_span *span, const char *word)
{
    size_t length = 0;
    while (word[length] != '\0')
        length++;
    return span->length == length && vd_ascii_equal_n(span->at, word, length);
}

bool vd_span_u64(const struct vd_span *span, uint64_t *ret)
{
    uint64_t value = 0;
    if (span->length == 0)
        return false;
    for (size_t i = 0; i < span->length; i++) {
        if (!vd_ascii_is_digit(span->at[i]) || !vd_mul_u64(value, 10, &value) ||
            !vd_add_u64(value, (uint64_t)(span->at[i] - '0'), &value))
            return false;
    }
    *ret = value;
    return true;
}
