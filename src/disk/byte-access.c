/* SPDX-License-Identifier: Apache-2.0 */
/* A request is cut into a part of a first sector, whole sectors, and a part of a last one, any of
 * which may be missing. */
#include "disk/byte-access.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/units.h"

/* What is left of a request. */
struct rest {
    uint64_t offset_bytes;
    uint64_t length_bytes;
};

/* Its next piece: either whole sectors, or a part of one. */
struct piece {
    uint64_t sector;
    uint64_t count; /* of whole sectors; 0: a part of one */
    size_t within;  /* the part: where in the sector, */
    size_t length;  /* and how long */
};

void vd_byte_access_init(struct vd_byte_access *access, struct vd_disk *disk)
{
    access->disk = disk;
    vd_range_lock_init(&access->writing);
}

void vd_byte_access_done(struct vd_byte_access *access)
{
    vd_range_lock_done(&access->writing);
}

uint64_t vd_byte_access_size(const struct vd_byte_access *access)
{
    return vd_sectors_to_bytes(vd_disk_capacity(access->disk));
}

static int check_range(const struct vd_byte_access *access, const char *verb,
                       const struct rest *rest, struct vd_error *err)
{
    uint64_t size = vd_byte_access_size(access);

    if (vd_range_inside(rest->offset_bytes, rest->length_bytes, size))
        return VD_OK;
    return vd_error_set(
        err, VD_E_OUT_OF_RANGE,
        "cannot %s %" PRIu64 " bytes at byte %" PRIu64 " of '%s': the disk has %" PRIu64 " bytes",
        verb, rest->length_bytes, rest->offset_bytes, vd_disk_path(access->disk), size);
}

static struct piece piece_next(const struct rest *rest)
{
    struct piece piece = {.sector = rest->offset_bytes / VD_SECTOR_BYTES,
                          .within = (size_t)(rest->offset_bytes % VD_SECTOR_BYTES)};

    if (piece.within == 0)
        piece.count = rest->length_bytes / VD_SECTOR_BYTES;
    if (piece.count > 0)
        piece.length = (size_t)vd_sectors_to_bytes(piece.count);
    else
        piece.length = (size_t)VD_MIN(rest->length_bytes, VD_SECTOR_BYTES - piece.within);
    return piece;
}

static void rest_advance(struct rest *rest, const struct piece *piece)
{
    rest->offset_bytes += piece->length;
    rest->length_bytes -= piece->length;
}

static int piece_read(struct vd_disk *disk, const struct piece *piece, uint8_t *out,
                      struct vd_error *err)
{
    uint8_t sector[VD_SECTOR_BYTES];
    int r;

    if (piece->count > 0)
        return vd_disk_read(disk, piece->sector, piece->count, out, err);
    r = vd_disk_read(disk, piece->sector, 1, sector, err);
    if (r == VD_OK)
        memcpy(out, sector + piece->within, piece->length);
    return r;
}

int vd_byte_access_read(struct vd_byte_access *access, uint64_t offset_bytes, uint64_t length_bytes,
                        void *buffer, struct vd_error *err)
{
    struct rest rest = {offset_bytes, length_bytes};
    uint8_t *out = buffer;
    int r = check_range(access, "read", &rest, err);

    while (r == VD_OK && rest.length_bytes > 0) {
        struct piece piece = piece_next(&rest);

        r = piece_read(access->disk, &piece, out, err);
        out += piece.length;
        rest_advance(&rest, &piece);
    }
    return r;
}

/* `bytes` NULL: zeros. */
static int part_change(struct vd_disk *disk, const struct piece *piece, const uint8_t *bytes,
                       struct vd_error *err)
{
    uint8_t sector[VD_SECTOR_BYTES];
    int r = vd_disk_read(disk, piece->sector, 1, sector, err);

    if (r < 0)
        return r;
    if (bytes)
        memcpy(sector + piece->within, bytes, piece->length);
    else
        memset(sector + piece->within, 0, piece->length);
    return vd_disk_write(disk, piece->sector, 1, sector, err);
}

static int piece_write(struct vd_disk *disk, const struct piece *piece, const uint8_t *bytes,
                       struct vd_error *err)
{
    if (piece->count == 0)
        return part_change(disk, piece, bytes, err);
    return bytes ? vd_disk_write(disk, piece->sector, piece->count, bytes, err)
                 : vd_disk_zero(disk, piece->sector, piece->count, err);
}

static int write_locked(struct vd_byte_access *access, struct rest rest, const uint8_t *bytes,
                        struct vd_error *err)
{
    int r = VD_OK;

    while (r == VD_OK && rest.length_bytes > 0) {
        struct piece piece = piece_next(&rest);

        r = piece_write(access->disk, &piece, bytes, err);
        bytes = bytes ? bytes + piece.length : NULL;
        rest_advance(&rest, &piece);
    }
    return r;
}

static int write_range(struct vd_byte_access *access, struct rest rest, const uint8_t *bytes,
                       struct vd_error *err)
{
    struct vd_sector_range range = {.start_sectors = rest.offset_bytes / VD_SECTOR_BYTES};
    int r = check_range(access, bytes ? "write" : "write zeros for", &rest, err);

    if (r < 0 || rest.length_bytes == 0)
        return r;
    range.end_sectors = vd_bytes_to_sectors_up(rest.offset_bytes + rest.length_bytes);
    vd_range_lock_take(&access->writing, &range);
    r = write_locked(access, rest, bytes, err);
    vd_range_lock_release(&access->writing, &range);
    return r;
}

int vd_byte_access_write(struct vd_byte_access *access, uint64_t offset_bytes,
                         uint64_t length_bytes, const void *buffer, struct vd_error *err)
{
    assert(buffer || length_bytes == 0);
    return write_range(access, (struct rest){offset_bytes, length_bytes}, buffer, err);
}

int vd_byte_access_zero(struct vd_byte_access *access, uint64_t offset_bytes, uint64_t length_bytes,
                        struct vd_error *err)
{
    return write_range(access, (struct rest){offset_bytes, length_bytes}, NULL, err);
}
