/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/target-int.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

#include "base/bytes.h"

static ssize_t write_once(const struct vd_target *target, const uint8_t *bytes, size_t length,
                          uint64_t offset_bytes)
{
    if (target->kind == TARGET_IN_ORDER)
        return write(target->fd, bytes, length);
    length = VD_MIN(length, (size_t)VD_WRITE_CALL_BYTES);
    return pwrite(target->fd, bytes, length, (off_t)offset_bytes);
}

static int write_all(struct vd_target *target, uint64_t offset_bytes, const uint8_t *bytes,
                     size_t length, struct vd_error *err)
{
    while (length > 0) {
        ssize_t n = write_once(target, bytes, length, offset_bytes);

        if (n == 0)
            errno = ENOSPC; /* a device that takes nothing more */
        if (n <= 0 && errno != EINTR)
            return vd_error_set_errno(err, errno, "cannot write to '%s' at byte %ju", target->path,
                                      (uintmax_t)offset_bytes);
        n = VD_MAX(n, 0);
        if (n > 0 && target->kind != TARGET_IN_ORDER)
            vd_write_out_wrote(&target->write_out, target->fd, offset_bytes, (uint64_t)n);
        bytes += n;
        length -= (size_t)n;
        offset_bytes += (size_t)n;
        /* A signal ends a blocked write early, with or without bytes written. */
        if (length > 0 && vd_target_should_stop(target))
            return vd_error_set(err, VD_E_CANCELLED, "stopped while writing to '%s' at byte %ju",
                                target->path, (uintmax_t)offset_bytes);
    }
    return VD_OK;
}

/* Length of the piece of a block that begins at `offset_bytes`. */
static size_t block_piece(uint64_t offset_bytes, size_t left)
{
    size_t to_boundary = VD_TARGET_BLOCK_BYTES - offset_bytes % VD_TARGET_BLOCK_BYTES;

    return VD_MIN(to_boundary, left);
}

/* How much from `bytes` on is, block by block, all zero (or not, as `zero` asks). */
static size_t stretch(uint64_t offset_bytes, const uint8_t *bytes, size_t length, bool zero)
{
    size_t done = 0;

    while (done < length) {
        size_t piece = block_piece(offset_bytes + done, length - done);

        if (vd_bytes_all_zero(bytes + done, piece) != zero)
            break;
        done += piece;
    }
    return done;
}

/* Into a new file, which reads as zeros wherever nothing was written. */
static int write_around_zeros(struct vd_target *target, uint64_t offset_bytes, const uint8_t *bytes,
                              size_t length, struct vd_error *err)
{
    size_t done = 0;

    while (done < length) {
        size_t data;
        int r;

        done += stretch(offset_bytes + done, bytes + done, length - done, true);
        data = stretch(offset_bytes + done, bytes + done, length - done, false);
        r = write_all(target, offset_bytes + done, bytes + done, data, err);
        if (r < 0)
            return r;
        done += data;
    }
    return VD_OK;
}

int vd_target_write(struct vd_target *target, uint64_t offset_bytes, const void *buffer,
                    size_t length, struct vd_error *err)
{
    int r;

    switch (target->kind) {
    case TARGET_FILE:
        return write_around_zeros(target, offset_bytes, buffer, length, err);
    case TARGET_DEVICE:
        return write_all(target, offset_bytes, buffer, length, err);
    case TARGET_IN_ORDER:
        assert(offset_bytes == target->position_bytes);
        r = write_all(target, offset_bytes, buffer, length, err);
        target->position_bytes += length;
        return r;
    }
    return VD_E_FAIL;
}

static int write_zeros(struct vd_target *target, uint64_t offset_bytes, uint64_t length_bytes,
                       struct vd_error *err)
{
    while (length_bytes > 0) {
        size_t piece = (size_t)VD_MIN(length_bytes, (uint64_t)TARGET_ZEROS_BYTES);
        int r = vd_target_write(target, offset_bytes, target->zeros, piece, err);

        if (r < 0)
            return r;
        offset_bytes += piece;
        length_bytes -= piece;
    }
    return VD_OK;
}

int vd_target_zero(struct vd_target *target, uint64_t offset_bytes, uint64_t length_bytes,
                   struct vd_error *err)
{
    if (target->kind == TARGET_FILE || length_bytes == 0)
        return VD_OK;
    if (target->kind == TARGET_DEVICE &&
        fallocate(target->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)offset_bytes,
                  (off_t)length_bytes) == 0)
        return VD_OK;
    return write_zeros(target, offset_bytes, length_bytes, err);
}
