/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes into sectors. A request is moved in pieces: whole sectors straight between the caller's
 * buffer and the provider, where the buffer suits it, and everything else through a bounce buffer
 * of our own. A write holds its sectors in the range lock from the first piece to the last, so that
 * nobody changes the rest of a sector between reading and writing it; reads need no lock, because
 * that rest is written as it was.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "vdisk/disk.h"
#include "vdisk/failure.h"

/* One of the two buffers is NULL. */
struct request {
    struct vdisk *disk;
    uint64_t at_bytes;  /* of the disk: what is left starts here */
    size_t left_bytes;  /* inside the disk */
    uint8_t *in;        /* a read's, at `at_bytes` */
    const uint8_t *out; /* a write's */
    uint8_t *bounce;    /* NULL until it is needed */
    struct vdisk_error *err;
};

/* What is moved next. */
struct piece {
    uint64_t start_sectors;
    uint64_t count_sectors;
    size_t skip_bytes; /* of its first sector, which the request does not cover */
    size_t bytes;      /* of the request */
};

static bool is_aligned(const struct request *request, size_t ahead_bytes)
{
    uintptr_t address = (uintptr_t)(request->in ? request->in : request->out) + ahead_bytes;
    return address % request->disk->limits.alignment_bytes == 0;
}

/* Whole sectors, in a buffer that the provider takes? */
static bool is_direct(const struct request *request)
{
    return request->at_bytes % VD_SECTOR_BYTES == 0 && request->left_bytes >= VD_SECTOR_BYTES &&
           is_aligned(request, 0);
}

static struct piece direct_piece(const struct request *request)
{
    uint64_t whole = request->left_bytes / VD_SECTOR_BYTES;
    uint64_t count = VD_MIN(whole, request->disk->limits.max_sectors);
    return (struct piece){
        .start_sectors = request->at_bytes / VD_SECTOR_BYTES,
        .count_sectors = count,
        .bytes = (size_t)(count * VD_SECTOR_BYTES),
    };
}

/* All of a small request at once; the first sector alone of a large one, when the rest can then go
 * directly. */
static struct piece bounce_piece(const struct request *request)
{
    size_t skip = (size_t)(request->at_bytes % VD_SECTOR_BYTES);
    uint64_t touched = vd_div_up((uint64_t)skip + request->left_bytes, VD_SECTOR_BYTES);
    uint64_t count = VD_MIN(touched, VD_NATIVE_BOUNCE_SECTORS);
    if (touched > VD_NATIVE_BOUNCE_SECTORS && is_aligned(request, VD_SECTOR_BYTES - skip))
        count = 1;
    size_t room = (size_t)(count * VD_SECTOR_BYTES) - skip;
    return (struct piece){
        .start_sectors = request->at_bytes / VD_SECTOR_BYTES,
        .count_sectors = count,
        .skip_bytes = skip,
        .bytes = VD_MIN(room, request->left_bytes),
    };
}

static int transfer(const struct request *request, const struct piece *piece, void *buffer)
{
    const struct vd_native_session *session = &request->disk->session;
    if (request->in)
        return session->provider->read(session->self, piece->start_sectors, piece->count_sectors,
                                       buffer, request->err);
    return session->provider->write(session->self, piece->start_sectors, piece->count_sectors,
                                    buffer, request->err);
}

static int direct_move(const struct request *request, const struct piece *piece)
{
    const struct vd_native_session *session = &request->disk->session;
    if (request->in)
        return transfer(request, piece, request->in);
    return session->provider->write(session->self, piece->start_sectors, piece->count_sectors,
                                    request->out, request->err);
}

/* One sector of the piece, into the start of the bounce buffer, which alone is aligned. */
static int fetch_sector(const struct request *request, const struct piece *piece, uint64_t index)
{
    const struct vd_native_session *session = &request->disk->session;
    return session->provider->read(session->self, piece->start_sectors + index, 1, request->bounce,
                                   request->err);
}

/* The sectors at both ends that are written in part, the last one first. */
static int fetch_ends(const struct request *request, const struct piece *piece)
{
    uint64_t last = piece->count_sectors - 1;
    bool head = piece->skip_bytes != 0;
    bool tail = (piece->skip_bytes + piece->bytes) % VD_SECTOR_BYTES != 0;
    bool same = head && tail && last == 0;
    int r = tail ? fetch_sector(request, piece, last) : 0;
    if (r < 0)
        return r;
    if (tail && last > 0)
        memcpy(request->bounce + last * VD_SECTOR_BYTES, request->bounce, VD_SECTOR_BYTES);
    return head && !same ? fetch_sector(request, piece, 0) : 0;
}

static int bounce_move(struct request *request, const struct piece *piece)
{
    void *memory = request->bounce;
    if (!memory && posix_memalign(&memory, VD_NATIVE_PAGE_BYTES,
                                  VD_NATIVE_BOUNCE_SECTORS * VD_SECTOR_BYTES) != 0)
        return vd_native_fail(request->err, VD_E_NO_MEMORY, "%s '%s': out of memory",
                              request->in ? "reading" : "writing", request->disk->name);
    request->bounce = memory;
    uint8_t *wanted = request->bounce + piece->skip_bytes;
    int r = request->in ? 0 : fetch_ends(request, piece);
    if (r < 0)
        return r;
    if (request->out)
        memcpy(wanted, request->out, piece->bytes);
    r = transfer(request, piece, request->bounce);
    if (r >= 0 && request->in)
        memcpy(request->in, wanted, piece->bytes);
    return r;
}

static void advance(struct request *request, size_t bytes)
{
    request->at_bytes += bytes;
    request->left_bytes -= bytes;
    if (request->in)
        request->in += bytes;
    else
        request->out += bytes;
}

static int move(struct request *request)
{
    int r = 0;
    while (r >= 0 && request->left_bytes > 0) {
        bool direct = is_direct(request);
        struct piece piece = direct ? direct_piece(request) : bounce_piece(request);
        r = direct ? direct_move(request, &piece) : bounce_move(request, &piece);
        if (r >= 0)
            advance(request, piece.bytes);
    }
    free(request->bounce);
    return r;
}

static int move_locked(struct request *request)
{
    struct vd_sector_range range = {
        .start_sectors = request->at_bytes / VD_SECTOR_BYTES,
        .end_sectors = vd_div_up(request->at_bytes + request->left_bytes, VD_SECTOR_BYTES),
    };
    vd_range_lock_take(&request->disk->writing, &range);
    int r = move(request);
    vd_range_lock_release(&request->disk->writing, &range);
    return r;
}

static int refuse_write(const struct request *request, size_t bytes)
{
    const struct vdisk *disk = request->disk;
    if (disk->read_only)
        return vd_native_fail(request->err, VD_E_READ_ONLY,
                              "writing '%s': it is open for reading only", disk->name);
    if (bytes > 0 && request->at_bytes >= disk->size_bytes) {
        (void)vd_native_fail(request->err, VD_E_OUT_OF_RANGE,
                             "writing '%s': at byte %" PRIu64 ", but the disk has %" PRIu64,
                             disk->name, request->at_bytes, disk->size_bytes);
        request->err->sys_errno = ENOSPC;
        return -ENOSPC;
    }
    return 0;
}

static int check(const struct request *request, size_t bytes)
{
    const char *doing = request->in ? "reading" : "writing";
    if (!request->in && !request->out && bytes > 0)
        return vd_native_fail(request->err, VD_E_INVALID_ARG,
                              "moving bytes of '%s': the buffer is "
                              "NULL",
                              request->disk->name);
    if (bytes > SSIZE_MAX)
        return vd_native_fail(request->err, VD_E_INVALID_ARG,
                              "%s '%s': %zu bytes are more than a result can tell", doing,
                              request->disk->name, bytes);
    return 0;
}

/* The range is cut at the end of the disk. */
static ssize_t run(struct request *request, size_t bytes, bool writes)
{
    int r = check(request, bytes);
    if (r >= 0 && writes)
        r = refuse_write(request, bytes);
    if (r < 0)
        return r;
    uint64_t size = request->disk->size_bytes;
    uint64_t room = request->at_bytes < size ? size - request->at_bytes : 0;
    size_t wanted = (size_t)VD_MIN(bytes, room);
    request->left_bytes = wanted;
    if (wanted == 0)
        return 0;
    r = writes ? move_locked(request) : move(request);
    return r < 0 ? r : (ssize_t)wanted;
}

static ssize_t read_at(struct vdisk *disk, void *buffer, size_t bytes, uint64_t offset,
                       struct vdisk_error *err)
{
    struct request request = {.disk = disk, .at_bytes = offset, .in = buffer, .err = err};
    return run(&request, bytes, false);
}

static ssize_t write_at(struct vdisk *disk, const void *buffer, size_t bytes, uint64_t offset,
                        struct vdisk_error *err)
{
    struct request request = {.disk = disk, .at_bytes = offset, .out = buffer, .err = err};
    return run(&request, bytes, true);
}

VD_NATIVE_EXPORT ssize_t vdisk_read_at(struct vdisk *disk, void *buffer, size_t bytes,
                                       uint64_t offset, struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    int r = vd_native_disk_check(disk, err);
    return r < 0 ? r : read_at(disk, buffer, bytes, offset, err);
}

VD_NATIVE_EXPORT ssize_t vdisk_write_at(struct vdisk *disk, const void *buffer, size_t bytes,
                                        uint64_t offset, struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    int r = vd_native_disk_check(disk, err);
    return r < 0 ? r : write_at(disk, buffer, bytes, offset, err);
}

VD_NATIVE_EXPORT ssize_t vdisk_read(struct vdisk *disk, void *buffer, size_t bytes,
                                    struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    int r = vd_native_disk_check(disk, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&disk->sequence);
    ssize_t done = read_at(disk, buffer, bytes, disk->offset_bytes, err);
    if (done > 0)
        disk->offset_bytes += (uint64_t)done;
    pthread_mutex_unlock(&disk->sequence);
    return done;
}

VD_NATIVE_EXPORT ssize_t vdisk_write(struct vdisk *disk, const void *buffer, size_t bytes,
                                     struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    int r = vd_native_disk_check(disk, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&disk->sequence);
    ssize_t done = write_at(disk, buffer, bytes, disk->offset_bytes, err);
    if (done > 0)
        disk->offset_bytes += (uint64_t)done;
    pthread_mutex_unlock(&disk->sequence);
    return done;
}

/* Capacities and offsets are below 2^63, so that bases are never negative. */
static int64_t seek_locked(struct vdisk *disk, int64_t offset, int whence, struct vdisk_error *err)
{
    int64_t base = 0;
    int64_t target;
    if (whence == SEEK_CUR)
        base = (int64_t)disk->offset_bytes;
    else if (whence == SEEK_END)
        base = (int64_t)disk->size_bytes;
    else if (whence != SEEK_SET)
        return vd_native_fail(err, VD_E_INVALID_ARG,
                              "seeking in '%s': whence is %d, expected SEEK_SET, SEEK_CUR or "
                              "SEEK_END",
                              disk->name, whence);
    if (__builtin_add_overflow(base, offset, &target) || target < 0)
        return vd_native_fail(err, VD_E_INVALID_ARG,
                              "seeking in '%s': %" PRId64 " bytes from byte %" PRId64
                              " is no place",
                              disk->name, offset, base);
    disk->offset_bytes = (uint64_t)target;
    return target;
}

VD_NATIVE_EXPORT int64_t vdisk_seek(struct vdisk *disk, int64_t offset, int whence,
                                    struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    int64_t r = vd_native_disk_check(disk, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&disk->sequence);
    r = seek_locked(disk, offset, whence, err);
    pthread_mutex_unlock(&disk->sequence);
    return r;
}
