/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes in a stream, and what is tolerated, by producer:
 *
 *     header, descriptor, padding to overHead, { grains, GT marker, GT }..., GD marker, GD,
 *     FOOTER marker, footer, EOS                          (VMware exports, VirtualBox, vmdktool)
 *
 * qemu-img: tables in front, no markers, zeros up to a grain's end for EOS or nothing at all, and a
 * short last grain. vmdk-convert: tables in front, EOS. xen-orchestra: zeros before the tables that
 * look like EOS, markers with val 0, and a footer unlike the header in rgdOffset and overHead.
 * HTTP exports: PROGRESS markers anywhere.
 *
 * So EOS ends a stream only when there is other evidence that it is whole: its directory or footer
 * was seen, or as many grains came as the tables in front point at.
 */
#include "vmdk/stream-reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/grain-record.h"
#include "vmdk/kdmv-header.h"
#include "vmdk/stream-footer.h"
#include "vmdk/stream-front.h"
#include "vmdk/stream-marker.h"

#define BUFFER_BYTES        (128u << 10)
#define RECORD_HEADER_BYTES 12u
/* Table entries are u32, so nothing of a real stream lies behind this sector. */
#define MAX_SECTORS UINT32_MAX
/* More metadata after a marker than this is nonsense, except for a directory of the right size. */
#define MAX_SKIP_SECTORS 65536u

enum step { STEP_GRAIN, STEP_AGAIN, STEP_END }; /* what reading a record came to */

struct vd_stream_reader {
    struct vd_stream_source source;
    const struct vd_log *log;
    struct vd_kdmv_header header;
    struct vd_descriptor *descriptor; /* NULL when there is none */
    uint64_t capacity_sectors;
    struct vd_stream_front front;
    struct vd_record_scratch scratch;
    uint8_t *grain;
    uint8_t *buffer; /* BUFFER_BYTES, of which [buffer_start, buffer_end) are not used yet */
    size_t buffer_start;
    size_t buffer_end;
    uint64_t position_bytes; /* of the next byte to use */
    uint8_t sector[VD_SECTOR_BYTES];
    bool sector_pending; /* `sector` was looked at and is the next record's */
    uint64_t num_grains; /* delivered */
    bool eos_seen;
    bool directory_seen;
    bool footer_seen;
    bool ended;
    int failure; /* what every call answers once one failed */
};

/* --- bytes --- */

static int fill_buffer(struct vd_stream_reader *r, struct vd_error *err)
{
    size_t done = 0;
    int result = r->source.read(r->source.data, r->buffer, BUFFER_BYTES, &done, err);

    if (result < 0)
        return result;
    assert(done <= BUFFER_BYTES);
    r->buffer_start = 0;
    r->buffer_end = done;
    return 0;
}

/* Short only at the end of the stream. */
static int read_bytes(struct vd_stream_reader *r, uint8_t *bytes, size_t length, size_t *ret_done,
                      struct vd_error *err)
{
    size_t done = 0;

    while (done < length) {
        size_t n = VD_MIN(length - done, r->buffer_end - r->buffer_start);
        if (n == 0) {
            int result = fill_buffer(r, err);
            if (result < 0)
                return result;
            if (r->buffer_end == 0)
                break;
            continue;
        }
        memcpy(bytes + done, r->buffer + r->buffer_start, n);
        r->buffer_start += n;
        r->position_bytes += n;
        done += n;
    }
    *ret_done = done;
    return 0;
}

/* 1 and the sector, 0 at the end of the stream. A part of a sector is none. */
static int read_sector(struct vd_stream_reader *r, struct vd_error *err)
{
    size_t done = 0;
    int result;

    if (r->sector_pending) {
        r->sector_pending = false;
        return 1;
    }
    result = read_bytes(r, r->sector, VD_SECTOR_BYTES, &done, err);
    return result < 0 ? result : done == VD_SECTOR_BYTES;
}

/* Number of the sector last read. */
static uint64_t this_sector(const struct vd_stream_reader *r)
{
    return r->position_bytes / VD_SECTOR_BYTES - 1;
}

static int cut_off(const struct vd_stream_reader *r, const char *inside, struct vd_error *err)
{
    return vd_error_set(err, VD_E_TRUNCATED,
                        "cannot read the stream '%s' to its end: it stops at byte %" PRIu64
                        ", inside %s",
                        r->source.name, r->position_bytes, inside);
}

/* --- grains --- */

static int check_lba(const struct vd_stream_reader *r, uint64_t lba, struct vd_error *err)
{
    uint64_t end = vd_kdmv_mapped_sectors(&r->header);

    if (lba % r->header.grain_sectors == 0 && lba < end)
        return 0;
    return vd_error_set(
        err, VD_E_GRAIN_RECORD,
        "cannot read the stream '%s': the grain record at byte %" PRIu64 " is for sector %" PRIu64
        ", expected a multiple of %" PRIu64 " below %" PRIu64,
        r->source.name, this_sector(r) * VD_SECTOR_BYTES, lba, r->header.grain_sectors, end);
}

/* The whole record in the scratch, its first sector being read already. */
static int read_record(struct vd_stream_reader *r, uint32_t size_bytes, struct vd_error *err)
{
    size_t length = RECORD_HEADER_BYTES + (size_t)size_bytes;
    size_t padded = (length + VD_SECTOR_BYTES - 1) / VD_SECTOR_BYTES * VD_SECTOR_BYTES;
    size_t done = 0;
    int result = vd_record_scratch_reserve(&r->scratch, padded, err);

    if (result < 0)
        return result;
    memcpy(r->scratch.bytes, r->sector, VD_SECTOR_BYTES);
    result =
        read_bytes(r, r->scratch.bytes + VD_SECTOR_BYTES, padded - VD_SECTOR_BYTES, &done, err);
    if (result < 0)
        return result;
    /* The last record's padding may be missing. */
    return VD_SECTOR_BYTES + done >= length ? 0 : cut_off(r, "a compressed grain", err);
}

static int take_grain(struct vd_stream_reader *r, const struct vd_stream_marker *marker,
                      struct vd_error *err)
{
    uint64_t real_end = VD_MIN(r->capacity_sectors, r->header.capacity_sectors);
    struct vd_grain_place place = {
        .path = r->source.name,
        .offset_bytes = this_sector(r) * VD_SECTOR_BYTES,
        .lba_sectors = marker->value,
        .grain_bytes = (size_t)vd_sectors_to_bytes(r->header.grain_sectors),
    };
    uint64_t needed = real_end > marker->value ? real_end - marker->value : 0;
    int result;

    place.needed_bytes = (size_t)vd_sectors_to_bytes(VD_MIN(needed, r->header.grain_sectors));
    if ((result = check_lba(r, marker->value, err)) < 0 ||
        (result = vd_grain_size_check(&place, marker->size_bytes, err)) < 0 ||
        (result = read_record(r, marker->size_bytes, err)) < 0)
        return result;
    result = vd_grain_unpack(&place, &r->scratch, r->scratch.bytes + RECORD_HEADER_BYTES,
                             marker->size_bytes, r->grain, err);
    if (result < 0)
        return result;
    r->num_grains++;
    return marker->value < r->capacity_sectors ? STEP_GRAIN : STEP_AGAIN;
}

/* --- metadata --- */

/* Nothing is missing if the stream ends here. */
static bool is_whole(const struct vd_stream_reader *r)
{
    uint64_t promised;

    if (r->footer_seen || r->directory_seen)
        return true;
    if (vd_stream_front_promise(&r->front, &promised))
        return r->num_grains >= promised;
    return r->eos_seen && r->header.gd_offset_sectors < r->header.overhead_sectors;
}

static uint64_t directory_sectors(const struct vd_stream_reader *r)
{
    return vd_bytes_to_sectors_up(vd_kdmv_num_tables(&r->header) * sizeof(uint32_t));
}

static uint64_t tables_sectors(const struct vd_stream_reader *r)
{
    return vd_kdmv_num_tables(&r->header) *
           vd_bytes_to_sectors_up(r->header.table_entries * sizeof(uint32_t));
}

static int bad_marker(const struct vd_stream_reader *r, const struct vd_stream_marker *marker,
                      uint64_t max, struct vd_error *err)
{
    return vd_error_set(
        err, VD_E_STREAM_MARKER,
        "cannot read the stream '%s': the marker of type %" PRIu32 " at byte %" PRIu64
        " claims %" PRIu64 " sectors of metadata, expected at most %" PRIu64,
        r->source.name, marker->type, this_sector(r) * VD_SECTOR_BYTES, marker->value, max);
}

/* Metadata whose length its marker gives. */
static int skip_sized(struct vd_stream_reader *r, const struct vd_stream_marker *marker,
                      uint64_t max, struct vd_error *err)
{
    uint64_t max_sectors = VD_MAX(max, MAX_SKIP_SECTORS);

    if (marker->value > max_sectors)
        return bad_marker(r, marker, max_sectors, err);
    for (uint64_t i = 0; i < marker->value; i++) {
        int result = read_sector(r, err);
        if (result <= 0)
            return result < 0 ? result : cut_off(r, "metadata", err);
    }
    return STEP_AGAIN;
}

static bool is_metadata_marker(const uint8_t *sector)
{
    struct vd_stream_marker marker = vd_stream_marker_decode(sector);
    return marker.size_bytes == 0 && marker.type >= VD_MARKER_GT &&
           marker.type <= VD_MARKER_PROGRESS &&
           vd_bytes_all_zero(sector + VD_MARKER_BYTES, VD_SECTOR_BYTES - VD_MARKER_BYTES);
}

/* Tables point backwards; compressed data does not look like that. */
static bool points_backwards(const uint8_t *sector, uint64_t here)
{
    for (size_t at = 0; at < VD_SECTOR_BYTES; at += sizeof(uint32_t)) {
        if (vd_le32_decode(sector + at) >= here)
            return false;
    }
    return true;
}

/* Metadata behind a marker that says 0: up to the next marker, `max` sectors at most. No table can
 * look like a marker, since no grain and no table lies in sectors 1 to 4. */
static int skip_unsized(struct vd_stream_reader *r, uint64_t max, struct vd_error *err)
{
    for (uint64_t i = 0; i < max; i++) {
        int result = read_sector(r, err);
        if (result <= 0)
            return result < 0 ? result : cut_off(r, "metadata", err);
        if (is_metadata_marker(r->sector)) {
            r->sector_pending = true;
            break;
        }
        if (!points_backwards(r->sector, this_sector(r)))
            return vd_error_set(err, VD_E_STREAM_MARKER,
                                "cannot read the stream '%s': byte %" PRIu64
                                " follows a marker of tables without a length, expected entries "
                                "that point at earlier sectors",
                                r->source.name, this_sector(r) * VD_SECTOR_BYTES);
    }
    return STEP_AGAIN;
}

static int take_tables(struct vd_stream_reader *r, const struct vd_stream_marker *marker,
                       struct vd_error *err)
{
    bool directory = marker->type == VD_MARKER_GD;
    uint64_t expected = directory ? directory_sectors(r) : tables_sectors(r);
    int result = marker->value == 0 ? skip_unsized(r, expected, err)
                                    : skip_sized(r, marker, directory ? expected + 1 : 0, err);

    if (result >= 0 && directory)
        r->directory_seen = true;
    return result;
}

static int take_footer(struct vd_stream_reader *r, struct vd_error *err)
{
    struct vd_kdmv_header footer;
    int result = read_sector(r, err);

    if (result < 0)
        return result;
    if (result == 0)
        return is_whole(r) ? STEP_END : cut_off(r, "the footer", err);
    result = vd_stream_footer_decode(r->sector, &r->header, r->source.name, &footer, err);
    if (result < 0)
        return result;
    r->footer_seen = true;
    return STEP_AGAIN;
}

static int take_metadata(struct vd_stream_reader *r, const struct vd_stream_marker *marker,
                         struct vd_error *err)
{
    switch (marker->type) {
    case VD_MARKER_GT:
    case VD_MARKER_GD:
        return take_tables(r, marker, err);
    case VD_MARKER_FOOTER:
        return take_footer(r, err);
    case VD_MARKER_PROGRESS:
        return skip_sized(r, marker, 0, err);
    default:
        vd_log(r->log, VD_LOG_INFO,
               "'%s': passing over an unknown marker of type %" PRIu32 " at byte %" PRIu64,
               r->source.name, marker->type, this_sector(r) * VD_SECTOR_BYTES);
        return skip_sized(r, marker, 0, err);
    }
}

/* --- the end --- */

static int refuse_end(const struct vd_stream_reader *r, struct vd_error *err)
{
    uint64_t promised;

    if (vd_stream_front_promise(&r->front, &promised))
        return vd_error_set(err, VD_E_TRUNCATED,
                            "cannot read the stream '%s' to its end: it stops at byte %" PRIu64
                            " after %" PRIu64 " grains, expected %" PRIu64
                            " as its tables point at",
                            r->source.name, r->position_bytes, r->num_grains, promised);
    return vd_error_set(err, VD_E_TRUNCATED,
                        "cannot read the stream '%s' to its end: it stops at byte %" PRIu64
                        " after %" PRIu64 " grains, expected a grain directory or a footer first",
                        r->source.name, r->position_bytes, r->num_grains);
}

/* One record: a step, or an error. */
static int read_step(struct vd_stream_reader *r, uint64_t *ret_lba, struct vd_error *err)
{
    struct vd_stream_marker marker;
    int result = read_sector(r, err);

    if (result < 0)
        return result;
    if (result == 0 || this_sector(r) >= MAX_SECTORS)
        return is_whole(r) ? STEP_END : refuse_end(r, err);
    marker = vd_stream_marker_decode(r->sector);
    *ret_lba = marker.value;
    if (marker.size_bytes != 0)
        return take_grain(r, &marker, err);
    if (marker.type != VD_MARKER_EOS)
        return take_metadata(r, &marker, err);
    r->eos_seen = true;
    return is_whole(r) ? STEP_END : STEP_AGAIN;
}

int vd_stream_reader_next(struct vd_stream_reader *reader, uint64_t *ret_lba_sectors,
                          const uint8_t **ret_bytes, size_t *ret_length, struct vd_error *err)
{
    uint64_t lba = 0;
    int step = STEP_AGAIN;

    if (reader->ended)
        return 0;
    if (reader->failure < 0)
        return vd_error_set(err, reader->failure, "the stream '%s' failed before",
                            reader->source.name);
    while (step == STEP_AGAIN)
        step = read_step(reader, &lba, err);
    if (step < 0)
        reader->failure = step;
    if (step == STEP_END)
        reader->ended = true;
    if (step != STEP_GRAIN)
        return step < 0 ? step : 0;
    *ret_lba_sectors = lba;
    *ret_bytes = reader->grain;
    *ret_length = (size_t)vd_sectors_to_bytes(
        VD_MIN(reader->header.grain_sectors, reader->capacity_sectors - lba));
    return 1;
}

/* --- opening --- */

static int read_header(struct vd_stream_reader *r, struct vd_error *err)
{
    int result = read_sector(r, err);

    if (result <= 0)
        return result < 0 ? result : cut_off(r, "its header", err);
    result = vd_kdmv_header_decode(r->sector, r->source.name, &r->header, err);
    if (result < 0)
        return result;
    if (!(r->header.flags & VD_KDMV_MARKERS))
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "cannot read '%s' from front to back: its sparse header has flags "
                            "0x%" PRIx32 ", expected a stream (0x%x)",
                            r->source.name, r->header.flags,
                            (unsigned)(VD_KDMV_COMPRESSED | VD_KDMV_MARKERS));
    return 0;
}

static int check_front(const struct vd_stream_reader *r, struct vd_error *err)
{
    const struct vd_kdmv_header *header = &r->header;
    uint64_t max_descriptor = VD_DESCRIPTOR_MAX_BYTES / VD_SECTOR_BYTES;

    if (header->overhead_sectors == 0 || header->overhead_sectors > MAX_SECTORS)
        return vd_error_set(err, VD_E_KDMV_OFFSET,
                            "cannot read the stream '%s': its sparse header (byte 64) has %" PRIu64
                            " sectors before the first grain, expected 1 to %" PRIu32,
                            r->source.name, header->overhead_sectors, MAX_SECTORS);
    if (header->descriptor_offset_sectors != 0 &&
        (header->descriptor_sectors == 0 || header->descriptor_sectors > max_descriptor ||
         !vd_range_inside(header->descriptor_offset_sectors, header->descriptor_sectors,
                          header->overhead_sectors)))
        return vd_error_set(err, VD_E_KDMV_DESCRIPTOR,
                            "cannot read the stream '%s': its sparse header (byte 28) places the "
                            "embedded descriptor at sector %" PRIu64 ", %" PRIu64
                            " sectors long, expected 1 to %" PRIu64
                            " sectors before the first grain at sector %" PRIu64,
                            r->source.name, header->descriptor_offset_sectors,
                            header->descriptor_sectors, max_descriptor, header->overhead_sectors);
    return 0;
}

/* Everything before the first grain: the descriptor goes to `text`, tables are followed. */
static int read_front(struct vd_stream_reader *r, struct vd_buf *text, struct vd_error *err)
{
    uint64_t first = r->header.descriptor_offset_sectors;
    uint64_t end = first == 0 ? 0 : first + r->header.descriptor_sectors;

    for (uint64_t sector = 1; sector < r->header.overhead_sectors; sector++) {
        int result = read_sector(r, err);
        if (result <= 0)
            return result < 0 ? result : cut_off(r, "the metadata before its first grain", err);
        if (sector >= first && sector < end &&
            (result = vd_buf_append(text, r->sector, VD_SECTOR_BYTES)) < 0)
            return vd_error_set(err, result, "no room for the descriptor of '%s'", r->source.name);
        vd_stream_front_feed(&r->front, sector, r->sector);
    }
    return 0;
}

static int use_descriptor(struct vd_stream_reader *r, const struct vd_buf *text,
                          struct vd_error *err)
{
    int result;

    r->capacity_sectors = r->header.capacity_sectors;
    if (*vd_buf_text(text) == '\0')
        return 0;
    result =
        vd_descriptor_parse(vd_buf_text(text), text->length, r->source.name, &r->descriptor, err);
    if (result < 0)
        return result;
    r->capacity_sectors = r->descriptor->capacity_sectors;
    if (r->capacity_sectors > vd_kdmv_mapped_sectors(&r->header))
        return vd_error_set(err, VD_E_KDMV_CAPACITY,
                            "cannot read the stream '%s': its sparse header (byte 12) has a "
                            "capacity of %" PRIu64 " sectors, expected %" PRIu64
                            " as in its descriptor",
                            r->source.name, r->header.capacity_sectors, r->capacity_sectors);
    return 0;
}

static int reader_start(struct vd_stream_reader *r, struct vd_error *err)
{
    struct vd_buf VD_CLEANUP(vd_buf_done) text = VD_BUF_INIT(VD_DESCRIPTOR_MAX_BYTES);
    int result;

    if ((result = read_header(r, err)) < 0 || (result = check_front(r, err)) < 0)
        return result;
    vd_stream_front_init(&r->front, &r->header);
    r->grain = malloc((size_t)vd_sectors_to_bytes(r->header.grain_sectors));
    if (!r->grain)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a grain of '%s'",
                            r->source.name);
    if ((result = read_front(r, &text, err)) < 0)
        return result;
    return use_descriptor(r, &text, err);
}

int vd_stream_reader_open(const struct vd_stream_source *source, const struct vd_log *log,
                          struct vd_stream_reader **ret, struct vd_error *err)
{
    struct vd_stream_reader VD_CLEANUP(vd_stream_reader_free_cleanup) *reader =
        calloc(1, sizeof *reader);
    int result;

    if (reader)
        reader->buffer = malloc(BUFFER_BYTES);
    if (!reader || !reader->buffer)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for the stream '%s'", source->name);
    reader->source = *source;
    reader->log = log;
    if ((result = reader_start(reader, err)) < 0)
        return result;
    *ret = VD_TAKE_PTR(reader);
    return 0;
}

const struct vd_descriptor *vd_stream_reader_descriptor(const struct vd_stream_reader *reader)
{
    return reader->descriptor;
}

uint64_t vd_stream_reader_capacity(const struct vd_stream_reader *reader)
{
    return reader->capacity_sectors;
}

void vd_stream_reader_free(struct vd_stream_reader *reader)
{
    if (!reader)
        return;
    vd_stream_front_done(&reader->front);
    vd_record_scratch_done(&reader->scratch);
    vd_descriptor_free(reader->descriptor);
    free(reader->grain);
    free(reader->buffer);
    free(reader);
}
