/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/file-range.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"

int vd_file_range_init(struct vd_file_range *range, uint64_t start_bytes, uint64_t length_bytes,
                       struct vd_error *err)
{
    uint64_t end = UINT64_MAX;
    if (length_bytes == 0 ||
        (length_bytes != UINT64_MAX && !vd_add_u64(start_bytes, length_bytes, &end)))
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "a range of %" PRIu64 " bytes from %" PRIu64 " on is none",
                            length_bytes, start_bytes);
    *range = (struct vd_file_range){
        .next_bytes = start_bytes,
        .end_bytes = end,
        .file_bytes = UINT64_MAX,
        .answer_end_bytes = UINT64_MAX,
    };
    return VD_OK;
}

bool vd_file_range_header(const struct vd_file_range *range, char header[VD_FILE_RANGE_BYTES])
{
    if (range->next_bytes == 0 &&
        (range->end_bytes == UINT64_MAX || range->end_bytes == range->file_bytes))
        return false;
    if (range->end_bytes == UINT64_MAX)
        (void)snprintf(header, VD_FILE_RANGE_BYTES, "Range: bytes=%" PRIu64 "-", range->next_bytes);
    else
        (void)snprintf(header, VD_FILE_RANGE_BYTES, "Range: bytes=%" PRIu64 "-%" PRIu64,
                       range->next_bytes, range->end_bytes - 1);
    return true;
}

static const char *number(const char *text, uint64_t *ret)
{
    uint64_t value = 0;
    const char *start = text;
    for (; *text >= '0' && *text <= '9'; text++)
        if (!vd_mul_u64(value, 10, &value) || !vd_add_u64(value, (uint64_t)(*text - '0'), &value))
            return NULL;
    *ret = value;
    return text == start ? NULL : text;
}

/* "bytes 0-4/5"; the size may be a '*'. */
static bool content_range_parse(const char *text, uint64_t *start, uint64_t *last, uint64_t *size)
{
    static const char unit[] = "bytes ";
    if (!text || strncmp(text, unit, sizeof unit - 1) != 0)
        return false;
    text = number(text + sizeof unit - 1, start);
    if (!text || *text++ != '-')
        return false;
    text = number(text, last);
    if (!text || *text++ != '/')
        return false;
    *size = UINT64_MAX;
    if (strcmp(text, "*") == 0)
        return *start <= *last;
    text = number(text, size);
    return text && *text == '\0' && *start <= *last && *last < *size;
}

static int take_size(struct vd_file_range *range, uint64_t size, struct vd_error *err)
{
    if (size == UINT64_MAX)
        return VD_OK;
    if (range->file_bytes != UINT64_MAX && range->file_bytes != size)
        return vd_error_set(err, VD_E_BUSY,
                            "the file has %" PRIu64 " bytes now and had %" PRIu64
                            " before; it is being changed, so read it again",
                            size, range->file_bytes);
    range->file_bytes = size;
    range->end_bytes = VD_MIN(range->end_bytes, size);
    return VD_OK;
}

/* The whole file, from its first byte on: what was not asked for is not taken. */
static int begin_whole(struct vd_file_range *range, uint64_t content_bytes, struct vd_error *err)
{
    bool fits = range->next_bytes == 0 &&
                (range->end_bytes == UINT64_MAX || range->file_bytes == range->end_bytes ||
                 (content_bytes != UINT64_MAX && content_bytes <= range->end_bytes));
    if (!fits)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "the server sends the whole file, and only a part of it was asked "
                            "for");
    return take_size(range, content_bytes, err);
}

int vd_file_range_begin(struct vd_file_range *range, int status, const char *content_range,
                        uint64_t content_bytes, struct vd_error *err)
{
    uint64_t start, last, size;
    range->answer_end_bytes = UINT64_MAX;
    if (status == 200)
        return begin_whole(range, content_bytes, err);
    if (!content_range_parse(content_range, &start, &last, &size))
        return vd_error_set(err, VD_E_PROTOCOL,
                            "the server sends a part of the file and does not say which");
    if (start != range->next_bytes || last >= range->end_bytes)
        return vd_error_set(err, VD_E_PROTOCOL,
                            "the server sends the bytes from %" PRIu64 " to %" PRIu64
                            ", expected some from %" PRIu64 " on",
                            start, last, range->next_bytes);
    if (size == UINT64_MAX && range->end_bytes == UINT64_MAX)
        return vd_error_set(err, VD_E_PROTOCOL,
                            "the server sends the bytes from %" PRIu64 " to %" PRIu64
                            " and does not say of how many, so that the file's end is not known",
                            start, last);
    range->answer_end_bytes = last + 1; /* <= end_bytes, no overflow: last < end_bytes or size */
    return take_size(range, size, err);
}

bool vd_file_range_advance(struct vd_file_range *range, uint64_t bytes)
{
    if (bytes > VD_MIN(range->end_bytes, range->answer_end_bytes) - range->next_bytes)
        return false;
    range->next_bytes += bytes;
    return true;
}

uint64_t vd_file_range_left(const struct vd_file_range *range)
{
    return range->end_bytes == UINT64_MAX ? UINT64_MAX : range->end_bytes - range->next_bytes;
}
