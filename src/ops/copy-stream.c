/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/copy.h"

#include <string.h>

#include "base/units.h"
#include "ops/copy-int.h"
#include "ops/pipeline.h"

struct stream_copy {
    struct vd_target *target;
    const struct vd_progress *progress;
    uint64_t reached_bytes; /* everything below was written, as data or as zeros */
    uint64_t capacity_bytes;
};

/* Grains may come in any order: what lies between the highest place reached and a later grain is
 * zeroed at once, and overwritten if its grain comes after all. */
static int zero_up_to(struct stream_copy *copy, uint64_t end_bytes, struct vd_error *err)
{
    while (copy->reached_bytes < end_bytes) {
        uint64_t left = end_bytes - copy->reached_bytes;
        uint64_t piece =
            vd_target_has_holes(copy->target) ? left : VD_MIN(left, VD_COPY_ZERO_BYTES);
        int r = vd_target_zero(copy->target, copy->reached_bytes, piece, err);

        if (r < 0)
            return r;
        copy->reached_bytes += piece;
        r = vd_copy_report(copy->progress, copy->reached_bytes, copy->capacity_bytes, err);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

static int put_grain(struct stream_copy *copy, uint64_t lba_sectors, const uint8_t *bytes,
                     size_t length, struct vd_error *err)
{
    uint64_t offset_bytes = vd_sectors_to_bytes(lba_sectors);
    int r;

    if (offset_bytes < copy->reached_bytes && vd_target_in_order(copy->target))
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "the stream holds the grain of sector %ju after later ones, so it can "
                            "be copied to a file but not to a pipe",
                            (uintmax_t)lba_sectors);
    r = zero_up_to(copy, offset_bytes, err);
    if (r == VD_OK)
        r = vd_target_write(copy->target, offset_bytes, bytes, length, err);
    if (r < 0)
        return r;
    copy->reached_bytes = VD_MAX(copy->reached_bytes, offset_bytes + length);
    return vd_copy_report(copy->progress, copy->reached_bytes, copy->capacity_bytes, err);
}

int vd_copy_check_whole(const struct vd_descriptor *descriptor, struct vd_error *err)
{
    if (!descriptor || descriptor->parent_cid == VD_CID_NONE || descriptor->native_snapshot)
        return VD_OK;
    return vd_error_set(err, VD_E_PARTIAL_CHAIN,
                        "the stream is a child of '%s', and a parent cannot be read from a pipe",
                        descriptor->parent_hint ? descriptor->parent_hint : "an unnamed parent");
}

int vd_copy_stream(struct vd_stream_reader *reader, struct vd_target *target,
                   const struct vd_progress *progress, struct vd_error *err)
{
    struct stream_copy copy = {
        .target = target,
        .progress = progress,
        .capacity_bytes = vd_sectors_to_bytes(vd_stream_reader_capacity(reader)),
    };
    int r = vd_copy_check_whole(vd_stream_reader_descriptor(reader), err);

    if (r == VD_OK)
        r = vd_target_set_size(target, copy.capacity_bytes, err);
    while (r == VD_OK) {
        uint64_t lba_sectors;
        const uint8_t *bytes;
        size_t length;

        r = vd_stream_reader_next(reader, &lba_sectors, &bytes, &length, err);
        if (r == 0)
            return zero_up_to(&copy, copy.capacity_bytes, err);
        if (r > 0)
            r = put_grain(&copy, lba_sectors, bytes, length, err);
    }
    return r;
}

int vd_copy_raw_stream(struct vd_raw_stream *raw, struct vd_target *target,
                       const struct vd_progress *progress, struct vd_error *err)
{
    VD_FREE uint8_t *buffer = malloc(VD_STEP_BYTES);
    uint64_t done_bytes = 0;

    if (!buffer)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for the copy buffer");
    for (;;) {
        size_t length;
        int r = vd_raw_stream_next(raw, buffer, &length, err);

        if (r == VD_OK && length == 0)
            return vd_target_set_size(target, done_bytes, err);
        if (r == VD_OK)
            r = vd_target_write(target, done_bytes, buffer, length, err);
        done_bytes += length;
        if (r == VD_OK)
            r = vd_copy_report(progress, raw->done_bytes, raw->size_bytes, err);
        if (r < 0)
            return r;
    }
}
