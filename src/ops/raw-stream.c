/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/raw-stream.h"

#include <string.h>

#include "base/units.h"
#include "ops/pipeline.h"

/* Fills the buffer unless the stream ends first. */
static int read_full(const struct vd_stream_source *source, uint8_t *buffer, size_t *ret_done,
                     struct vd_error *err)
{
    size_t done = 0;

    while (done < VD_STEP_BYTES) {
        size_t n;
        int r = source->read(source->data, buffer + done, VD_STEP_BYTES - done, &n, err);

        if (r < 0)
            return r;
        if (n == 0)
            break;
        done += n;
    }
    *ret_done = done;
    return VD_OK;
}

static int check_size(const struct vd_raw_stream *raw, bool ended, struct vd_error *err)
{
    if (raw->size_bytes == 0)
        return VD_OK;
    if (raw->done_bytes > raw->size_bytes)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "'%s' goes on after byte %ju, which was to be all", raw->source->name,
                            (uintmax_t)raw->size_bytes);
    if (ended && raw->done_bytes < raw->size_bytes)
        return vd_error_set(err, VD_E_TRUNCATED, "'%s' ends at byte %ju, expected %ju bytes",
                            raw->source->name, (uintmax_t)raw->done_bytes,
                            (uintmax_t)raw->size_bytes);
    return VD_OK;
}

int vd_raw_stream_next(struct vd_raw_stream *raw, uint8_t *buffer, size_t *ret_length,
                       struct vd_error *err)
{
    size_t length = 0;
    size_t padded;
    int r = read_full(raw->source, buffer, &length, err);

    if (r < 0)
        return r;
    raw->done_bytes += length;
    r = check_size(raw, length < VD_STEP_BYTES, err);
    if (r < 0)
        return r;
    padded = (length + VD_SECTOR_BYTES - 1) / VD_SECTOR_BYTES * VD_SECTOR_BYTES;
    memset(buffer + length, 0, padded - length);
    *ret_length = padded;
    return VD_OK;
}
