/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one caller of struct vd_block_ops. Implementations tell the reason, this file tells the
 * story: what was tried, where and on which file. It collects the reason in an error of its own,
 * because the caller's may already hold an older story, or be absent.
 *
 * What is tried again: a short read goes on where it stopped, until the end of the file; calls that
 * a signal interrupted are repeated where they are made, in file.c. Nothing else is: a read that
 * failed on a bad sector takes long enough once.
 */
#include "block/block.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/units.h"

#define MAX_OFFSET ((uint64_t)INT64_MAX) /* off_t */

/* A file that is open has the right name and type, so that these can only come from the I/O. */
static int io_code(int code)
{
    switch (code) {
    case VD_E_FAIL:
    case VD_E_INVALID_ARG:
    case VD_E_FILE_TYPE:
    case VD_E_NOT_FOUND:
        return VD_E_IO;
    default:
        return code;
    }
}

static int fail_range(const struct vd_block *block, const char *verb, uint64_t offset,
                      uint64_t length, const struct vd_error *cause, struct vd_error *err)
{
    int code = io_code(cause->code);
    if (err && err->code == 0) {
        (void)vd_error_set(err, code,
                           "cannot %s %" PRIu64 " bytes at offset %" PRIu64 " of '%s': %s", verb,
                           length, offset, block->path, vd_error_message(cause, code));
        err->sys_errno = cause->sys_errno;
    }
    return code;
}

static int fail_whole(const char *path, const char *what, const struct vd_error *cause,
                      struct vd_error *err)
{
    int code = io_code(cause->code);
    if (err && err->code == 0) {
        (void)vd_error_set(err, code, "cannot %s '%s': %s", what, path,
                           vd_error_message(cause, code));
        err->sys_errno = cause->sys_errno;
    }
    return code;
}

/* An implementation that fails without a reason still has its code told. */
static int settle(struct vd_error *cause, int ret)
{
    if (ret < 0)
        cause->code = ret;
    return ret;
}

int vd_block_read_some(struct vd_block *block, uint64_t offset_bytes, void *buffer, size_t length,
                       size_t *ret_done, struct vd_error *err)
{
    /* No file reaches further, so the range is cut, which is how every read past the end goes. */
    size_t wanted = length;
    if (offset_bytes >= MAX_OFFSET)
        wanted = 0;
    else if (wanted > MAX_OFFSET - offset_bytes)
        wanted = (size_t)(MAX_OFFSET - offset_bytes);

    size_t total = 0;
    while (total < wanted) {
        struct vd_error cause;
        vd_error_clear(&cause);
        size_t done = 0;
        int ret = block->ops->read(block, offset_bytes + total, (char *)buffer + total,
                                   wanted - total, &done, &cause);
        if (settle(&cause, ret) < 0)
            return fail_range(block, "read", offset_bytes, length, &cause, err);
        assert(done <= wanted - total);
        if (done == 0)
            break;
        total += done;
    }
    *ret_done = total;
    return VD_OK;
}

int vd_block_read(struct vd_block *block, uint64_t offset_bytes, void *buffer, size_t length,
                  struct vd_error *err)
{
    size_t done = 0;
    int ret = vd_block_read_some(block, offset_bytes, buffer, length, &done, err);
    if (ret < 0 || done == length)
        return ret;

    struct vd_error cause;
    vd_error_clear(&cause);
    uint64_t end;
    if (vd_block_size(block, &end, &cause) < 0)
        return fail_range(block, "read", offset_bytes, length, &cause, err);
    return vd_error_set(err, VD_E_TRUNCATED,
                        "cannot read %zu bytes at offset %" PRIu64
                        " of '%s': the file ends at offset %" PRIu64,
                        length, offset_bytes, block->path, end);
}

/* Everything that changes the file begins here. */
static int check_writable(const struct vd_block *block, const char *verb, struct vd_error *err)
{
    if (block->capabilities & VD_BLOCK_WRITABLE)
        return VD_OK;
    return vd_error_set(err, VD_E_READ_ONLY, "cannot %s '%s': it was opened for reading only", verb,
                        block->path);
}

static int check_range(const struct vd_block *block, const char *verb, uint64_t offset,
                       uint64_t length, struct vd_error *err)
{
    if (offset <= MAX_OFFSET && length <= MAX_OFFSET - offset)
        return VD_OK;
    return vd_error_set(err, VD_E_TOO_BIG,
                        "cannot %s %" PRIu64 " bytes at offset %" PRIu64
                        " of '%s': no file is that large",
                        verb, length, offset, block->path);
}

int vd_block_write(struct vd_block *block, uint64_t offset_bytes, const void *buffer, size_t length,
                   struct vd_error *err)
{
    int ret = check_writable(block, "write to", err);
    if (ret < 0 || length == 0)
        return ret;
    ret = check_range(block, "write", offset_bytes, length, err);
    if (ret < 0)
        return ret;

    struct vd_error cause;
    vd_error_clear(&cause);
    ret = block->ops->write(block, offset_bytes, buffer, length, &cause);
    if (settle(&cause, ret) < 0)
        return fail_range(block, "write", offset_bytes, length, &cause, err);
    return VD_OK;
}

int vd_block_flush(struct vd_block *block, struct vd_error *err)
{
    if (!(block->capabilities & VD_BLOCK_WRITABLE))
        return VD_OK;

    struct vd_error cause;
    vd_error_clear(&cause);
    if (settle(&cause, block->ops->flush(block, &cause)) < 0)
        return fail_whole(block->path, "flush", &cause, err);
    return VD_OK;
}

int vd_block_size(struct vd_block *block, uint64_t *ret_bytes, struct vd_error *err)
{
    struct vd_error cause;
    vd_error_clear(&cause);
    if (settle(&cause, block->ops->size(block, ret_bytes, &cause)) < 0)
        return fail_whole(block->path, "tell the size of", &cause, err);
    assert(*ret_bytes <= MAX_OFFSET);
    return VD_OK;
}

int vd_block_resize(struct vd_block *block, uint64_t size_bytes, struct vd_error *err)
{
    int ret = check_writable(block, "resize", err);
    if (ret < 0)
        return ret;
    if (size_bytes > MAX_OFFSET)
        return vd_error_set(err, VD_E_TOO_BIG,
                            "cannot resize '%s' to %" PRIu64 " bytes: no file is that large",
                            block->path, size_bytes);

    struct vd_error cause;
    vd_error_clear(&cause);
    if (settle(&cause, block->ops->resize(block, size_bytes, &cause)) < 0)
        return fail_whole(block->path, "resize", &cause, err);
    return VD_OK;
}

/* What the fallback writes from; never written to itself, so it costs no space in the program. */
static _Alignas(4096) unsigned char zeros[VD_MIB];

/* No system takes a second for this, so halving ends here. */
#define LEAST_PIECE_BYTES (UINT64_C(1) << 20)

/* Allocating and punching are one thing here: make a range zero, in the system's way or by writing.
 */
struct zeroing {
    struct vd_block *block;
    const char *verb;
    uint64_t piece_bytes; /* at most, for one call of `op` */
    int (*op)(struct vd_block *self, uint64_t offset_bytes, uint64_t length, struct vd_error *err);
    const struct vd_progress *progress;
};

/* Zeroes the beginning of the range and tells how much of it: nothing where a signal came, after
 * which less is asked for, so that a call comes to its end between two of them. */
static int zero_piece(struct zeroing *self, uint64_t offset, uint64_t length, uint64_t *ret_done,
                      struct vd_error *cause)
{
    struct vd_block *block = self->block;
    if (self->op) {
        uint64_t piece = VD_MIN(length, self->piece_bytes);
        int ret = settle(cause, self->op(block, offset, piece, cause));
        bool interrupted = ret < 0 && cause->sys_errno == EINTR;
        *ret_done = interrupted ? 0 : piece;
        if (interrupted) {
            self->piece_bytes = VD_MAX(self->piece_bytes / 2, LEAST_PIECE_BYTES);
            vd_error_clear(cause);
            return VD_OK;
        }
        if (ret != VD_E_NOT_SUPPORTED)
            return ret;
        self->op = NULL; /* and it will not learn it on the way */
        vd_error_clear(cause);
    }
    size_t piece = (size_t)VD_MIN(length, sizeof zeros);
    *ret_done = piece;
    return settle(cause, block->ops->write(block, offset, zeros, piece, cause));
}

static int zero_range(struct zeroing *self, uint64_t offset, uint64_t length, struct vd_error *err)
{
    uint64_t done = 0;
    while (done < length) {
        if (!vd_progress_report(self->progress, done, length))
            return vd_error_set(err, VD_E_CANCELLED,
                                "cannot %s %" PRIu64 " bytes at offset %" PRIu64
                                " of '%s': cancelled after %" PRIu64 " bytes",
                                self->verb, length, offset, self->block->path, done);
        struct vd_error cause;
        vd_error_clear(&cause);
        uint64_t piece;
        if (zero_piece(self, offset + done, length - done, &piece, &cause) < 0)
            return fail_range(self->block, self->verb, offset, length, &cause, err);
        done += piece;
    }
    (void)vd_progress_report(self->progress, length, length); /* too late to stop */
    return VD_OK;
}

int vd_block_allocate(struct vd_block *block, uint64_t offset_bytes, uint64_t length,
                      const struct vd_progress *progress, struct vd_error *err)
{
    int ret = check_writable(block, "allocate space in", err);
    if (ret < 0)
        return ret;
    ret = check_range(block, "allocate", offset_bytes, length, err);
    if (ret < 0)
        return ret;
    struct zeroing zeroing = {block, "allocate", VD_BLOCK_PIECE_BYTES, block->ops->allocate,
                              progress};
    return zero_range(&zeroing, offset_bytes, length, err);
}

int vd_block_punch(struct vd_block *block, uint64_t offset_bytes, uint64_t length,
                   struct vd_error *err)
{
    int ret = check_writable(block, "punch a hole into", err);
    if (ret < 0)
        return ret;
    uint64_t size;
    ret = vd_block_size(block, &size, err);
    if (ret < 0 || offset_bytes >= size)
        return ret;
    struct zeroing zeroing = {block, "punch", VD_BLOCK_PIECE_BYTES, block->ops->punch, NULL};
    return zero_range(&zeroing, offset_bytes, VD_MIN(length, size - offset_bytes), err);
}

int vd_block_next_data(struct vd_block *block, uint64_t offset_bytes, uint64_t *ret_start,
                       uint64_t *ret_end, struct vd_error *err)
{
    uint64_t size;
    int ret = vd_block_size(block, &size, err);
    if (ret < 0)
        return ret;

    uint64_t start = size;
    uint64_t end = size;
    if (offset_bytes < size && !block->ops->next_data) {
        start = offset_bytes;
    } else if (offset_bytes < size) {
        struct vd_error cause;
        vd_error_clear(&cause);
        ret = block->ops->next_data(block, offset_bytes, &start, &end, &cause);
        if (settle(&cause, ret) < 0)
            return fail_whole(block->path, "look for data in", &cause, err);
        assert(start <= end && (start == end || start >= offset_bytes));
    }
    *ret_start = start;
    *ret_end = end;
    return VD_OK;
}

int vd_block_allocated(struct vd_block *block, uint64_t *ret_bytes, struct vd_error *err)
{
    if (!block->ops->allocated)
        return vd_block_size(block, ret_bytes, err);

    struct vd_error cause;
    vd_error_clear(&cause);
    if (settle(&cause, block->ops->allocated(block, ret_bytes, &cause)) < 0)
        return fail_whole(block->path, "tell the storage used by", &cause, err);
    return VD_OK;
}

const char *vd_block_path(const struct vd_block *block)
{
    return block->path;
}

int vd_block_close(struct vd_block *block, struct vd_error *err)
{
    if (!block)
        return VD_OK;

    VD_FREE char *path = block->path;
    struct vd_error cause;
    vd_error_clear(&cause);
    if (settle(&cause, block->ops->close(block, &cause)) < 0)
        return fail_whole(path, "close", &cause, err);
    return VD_OK;
}

void vd_block_free(struct vd_block *block)
{
    (void)vd_block_close(block, NULL); /* nothing was written, so nothing can be lost */
}
