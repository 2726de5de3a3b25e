/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/grain-record.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/stream-marker.h"

#define MARKER_HEADER_BYTES 12u
#define SIZE_HEADER_BYTES   4u
/* Grains of mostly zeros, the commonest of all that are stored, come with the first read. */
#define FIRST_READ_BYTES 4096u

void vd_record_scratch_done(struct vd_record_scratch *scratch)
{
    vd_inflate_free(scratch->inflate);
    free(scratch->bytes);
    *scratch = (struct vd_record_scratch){0};
}

int vd_record_scratch_reserve(struct vd_record_scratch *scratch, size_t length,
                              struct vd_error *err)
{
    uint8_t *bytes;

    if (length <= scratch->allocated)
        return 0;
    bytes = realloc(scratch->bytes, length);
    if (!bytes)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a compressed grain");
    scratch->bytes = bytes;
    scratch->allocated = length;
    return 0;
}

int vd_grain_size_check(const struct vd_grain_place *place, uint32_t size_bytes,
                        struct vd_error *err)
{
    uint64_t max = (uint64_t)place->grain_bytes * VD_RECORD_MAX_GRAINS;

    if (size_bytes > 0 && size_bytes <= max)
        return 0;
    return vd_error_set(err, VD_E_GRAIN_RECORD,
                        "cannot read the grain of sector %" PRIu64
                        " of '%s': its record at byte %" PRIu64 " claims %" PRIu32
                        " bytes of compressed data, expected 1 to %" PRIu64,
                        place->lba_sectors, place->path, place->offset_bytes, size_bytes, max);
}

int vd_grain_unpack(const struct vd_grain_place *place, struct vd_record_scratch *scratch,
                    const uint8_t *in, size_t in_bytes, uint8_t *grain, struct vd_error *err)
{
    size_t done;
    int r;

    assert(place->needed_bytes <= place->grain_bytes);
    if (!scratch->inflate && (r = vd_inflate_new(&scratch->inflate, err)) < 0)
        return r;
    r = vd_inflate_zlib(scratch->inflate, in, in_bytes, grain, place->grain_bytes, &done);
    if (r < 0)
        return vd_error_set(err, r,
                            "cannot read the grain of sector %" PRIu64
                            " of '%s': the %zu compressed bytes of its record at byte %" PRIu64
                            " are no zlib stream of at most %zu bytes",
                            place->lba_sectors, place->path, in_bytes, place->offset_bytes,
                            place->grain_bytes);
    if (done < place->needed_bytes)
        return vd_error_set(
            err, VD_E_GRAIN_INFLATE,
            "cannot read the grain of sector %" PRIu64 " of '%s': its record at byte %" PRIu64
            " inflates to %zu bytes, expected %zu",
            place->lba_sectors, place->path, place->offset_bytes, done, place->needed_bytes);
    memset(grain + done, 0, place->grain_bytes - done);
    return 0;
}

static size_t header_bytes(const struct vd_extent *extent)
{
    return extent->record_form == VD_RECORD_MARKER ? MARKER_HEADER_BYTES : SIZE_HEADER_BYTES;
}

/* The first bytes of the record in the scratch, how many, and the size its header gives. */
static int read_start(struct vd_extent *extent, const struct vd_grain_place *place,
                      struct vd_record_scratch *scratch, size_t *ret_have, uint32_t *ret_size,
                      struct vd_error *err)
{
    uint64_t left =
        extent->file_bytes > place->offset_bytes ? extent->file_bytes - place->offset_bytes : 0;
    size_t first = (size_t)VD_MIN(left, FIRST_READ_BYTES);
    size_t header = header_bytes(extent);
    int r;

    if (first < header)
        return vd_error_set(
            err, VD_E_GRAIN_RECORD,
            "cannot read the grain of sector %" PRIu64 " of '%s': its record at byte %" PRIu64
            " is cut off by the end of the file at byte %" PRIu64,
            place->lba_sectors, place->path, place->offset_bytes, extent->file_bytes);
    if ((r = vd_record_scratch_reserve(scratch, FIRST_READ_BYTES, err)) < 0 ||
        (r = vd_block_read(extent->block, place->offset_bytes, scratch->bytes, first, err)) < 0)
        return r;
    *ret_have = first;
    *ret_size = vd_le32_decode(scratch->bytes + header - sizeof *ret_size);
    return 0;
}

static int check_header(struct vd_extent *extent, const struct vd_grain_place *place,
                        const uint8_t *bytes, uint32_t size, struct vd_error *err)
{
    bool has_lba = extent->record_form == VD_RECORD_MARKER;
    uint64_t lba = has_lba ? vd_le64_decode(bytes) : place->lba_sectors;
    uint64_t room = extent->file_bytes - place->offset_bytes - header_bytes(extent);
    int r;

    if (lba != place->lba_sectors)
        return vd_error_set(err, VD_E_GRAIN_RECORD,
                            "cannot read the grain of sector %" PRIu64
                            " of '%s': its record at byte %" PRIu64
                            " says it is that of sector %" PRIu64,
                            place->lba_sectors, place->path, place->offset_bytes, lba);
    if ((r = vd_grain_size_check(place, size, err)) < 0)
        return r;
    if (size > room)
        return vd_error_set(err, VD_E_GRAIN_RECORD,
                            "cannot read the grain of sector %" PRIu64
                            " of '%s': its record at byte %" PRIu64 " claims %" PRIu32
                            " bytes of compressed data, but the file ends after %" PRIu64,
                            place->lba_sectors, place->path, place->offset_bytes, size, room);
    return 0;
}

int vd_grain_record_read(struct vd_extent *extent, uint64_t offset_bytes,
                         uint64_t expected_lba_sectors, size_t needed_bytes,
                         struct vd_record_scratch *scratch, uint8_t *grain, struct vd_error *err)
{
    struct vd_grain_place place = {
        .path = vd_block_path(extent->block),
        .offset_bytes = offset_bytes,
        .lba_sectors = expected_lba_sectors,
        .grain_bytes = (size_t)vd_sectors_to_bytes(extent->grain_sectors),
        .needed_bytes = needed_bytes,
    };
    size_t header = header_bytes(extent);
    size_t have = 0, total;
    uint32_t size = 0;
    int r;

    if ((r = read_start(extent, &place, scratch, &have, &size, err)) < 0 ||
        (r = check_header(extent, &place, scratch->bytes, size, err)) < 0)
        return r;
    total = header + size;
    if ((r = vd_record_scratch_reserve(scratch, total, err)) < 0)
        return r;
    if (total > have && (r = vd_block_read(extent->block, offset_bytes + have,
                                           scratch->bytes + have, total - have, err)) < 0)
        return r;
    return vd_grain_unpack(&place, scratch, scratch->bytes + header, size, grain, err);
}
