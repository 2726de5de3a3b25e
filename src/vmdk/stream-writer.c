/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is written is what every known reader accepts:
 *
 *   version 3                           ESXi: "sparse VMDK version too old" otherwise
 *   gdOffset -1, footer, EOS, no more   qemu and 7-Zip look at fixed distances from the end
 *   a marker right before each table    7-Zip, and whoever reads a pipe
 *   grains ascending and all full       VirtualBox, 7-Zip, photon-controller; the last one is
 * padded overHead of one grain               grains lie behind it footer equal to header 7-Zip; but
 * for gdOffset zlib streams, not raw deflate       all, whatever the Virtual Disk Format 5.0 says
 *   room of 20 sectors for text         VirtualBox adds lines to the descriptor in place
 *   RDONLY, "generated-stream.vmdk"     VMware's own words for a stream without a name
 */
#include "vmdk/stream-writer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/path.h"
#include "base/units.h"
#include "codec/deflate.h"
#include "vmdk/create.h"
#include "vmdk/descriptor-new.h"
#include "vmdk/kdmv-header.h"
#include "vmdk/stream-marker.h"
#include "vmdk/stream-pack.h"

#define GRAIN_SECTORS      128u
#define GRAIN_BYTES        (GRAIN_SECTORS * VD_SECTOR_BYTES)
#define TABLE_ENTRIES      512u
#define TABLE_BYTES        (TABLE_ENTRIES * 4u)
#define TABLE_SECTORS      (TABLE_BYTES / VD_SECTOR_BYTES)
#define REGION_SECTORS     ((uint64_t)GRAIN_SECTORS * TABLE_ENTRIES)
#define DESCRIPTOR_SECTORS 20u
#define OVERHEAD_SECTORS   GRAIN_SECTORS
#define NO_NAME            "generated-stream.vmdk"
/* Records are gathered to this, so that a pipe is not fed in crumbs. */
#define OUT_BYTES (256u << 10)

struct vd_stream_writer {
    struct vd_stream_sink sink;
    char *name; /* the sink's */
    struct vd_kdmv_header header;
    struct vd_packer *packer;
    uint8_t *out; /* OUT_BYTES, of which `pending` are not written yet */
    size_t pending;
    uint64_t position_bytes; /* of what comes next, pending bytes counted */
    uint32_t *directory;     /* sector of each region's table; 0: it has none */
    uint64_t num_tables;
    uint8_t table[TABLE_BYTES]; /* of the region under way */
    uint64_t region;
    bool table_used;
    uint64_t next_sector; /* writes begin here or later */
    uint8_t *tail;        /* a short last grain, padded; NULL before */
    bool finished;
    int failure; /* what every call answers once one failed */
};

/* --- bytes --- */

static int flush_out(struct vd_stream_writer *w, struct vd_error *err)
{
    size_t length = w->pending;
    w->pending = 0;
    return length == 0 ? 0 : w->sink.write(w->sink.data, w->out, length, err);
}

static int put(struct vd_stream_writer *w, const void *bytes, size_t length, struct vd_error *err)
{
    assert(length <= OUT_BYTES);
    if (length > OUT_BYTES - w->pending) {
        int r = flush_out(w, err);
        if (r < 0)
            return r;
    }
    memcpy(w->out + w->pending, bytes, length);
    w->pending += length;
    w->position_bytes += length;
    return 0;
}

static int put_marker(struct vd_stream_writer *w, uint64_t sectors, enum vd_marker_type type,
                      struct vd_error *err)
{
    uint8_t bytes[VD_SECTOR_BYTES] = {0};
    struct vd_stream_marker marker = {.value = sectors, .type = type};
    vd_stream_marker_encode(&marker, bytes);
    return put(w, bytes, sizeof bytes, err);
}

static int put_header(struct vd_stream_writer *w, uint64_t directory_sector, struct vd_error *err)
{
    uint8_t bytes[VD_KDMV_HEADER_BYTES];
    struct vd_kdmv_header header = w->header;
    header.gd_offset_sectors = directory_sector;
    vd_kdmv_header_encode(&header, bytes);
    return put(w, bytes, sizeof bytes, err);
}

/* The sector of what comes next, which a table is going to point at. */
static int place(const struct vd_stream_writer *w, uint32_t *ret, struct vd_error *err)
{
    uint64_t sector = w->position_bytes / VD_SECTOR_BYTES;
    if (sector > UINT32_MAX)
        return vd_error_set(err, VD_E_TOO_BIG,
                            "writing '%s': the compressed data goes past 2 TiB, and the tables of "
                            "the format count sectors in 32 bits",
                            w->name);
    *ret = (uint32_t)sector;
    return 0;
}

/* --- grains and tables --- */

static int put_table(struct vd_stream_writer *w, struct vd_error *err)
{
    if (!w->table_used)
        return 0;
    int r = put_marker(w, TABLE_SECTORS, VD_MARKER_GT, err);
    if (r >= 0)
        r = place(w, &w->directory[w->region], err);
    if (r >= 0)
        r = put(w, w->table, TABLE_BYTES, err);
    memset(w->table, 0, TABLE_BYTES);
    w->table_used = false;
    return r;
}

static int put_record(struct vd_stream_writer *w, const struct vd_packed *packed,
                      struct vd_error *err)
{
    if (packed->record_bytes == 0)
        return 0;
    uint64_t region = packed->lba_sectors / REGION_SECTORS;
    int r = region == w->region ? 0 : put_table(w, err);
    uint32_t sector = 0;
    if (r >= 0)
        r = place(w, &sector, err);
    if (r < 0)
        return r;
    w->region = region;
    w->table_used = true;
    vd_le32_encode(w->table + packed->lba_sectors % REGION_SECTORS / GRAIN_SECTORS * 4, sector);
    return put(w, packed->record, packed->record_bytes, err);
}

static int put_oldest(struct vd_stream_writer *w, struct vd_error *err)
{
    struct vd_packed packed;
    int r = vd_packer_take(w->packer, &packed, err);
    return r < 0 ? r : put_record(w, &packed, err);
}

/* The bytes of the grain at `start`: the caller's, but for a short last grain. */
static int whole_grain(struct vd_stream_writer *w, const uint8_t *bytes, uint64_t left_sectors,
                       const uint8_t **ret, struct vd_error *err)
{
    *ret = bytes;
    if (left_sectors >= GRAIN_SECTORS)
        return 0;
    free(w->tail);
    w->tail = calloc(1, GRAIN_BYTES);
    if (w->tail == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "writing '%s': out of memory", w->name);
    memcpy(w->tail, bytes, vd_sectors_to_bytes(left_sectors));
    *ret = w->tail;
    return 0;
}

static int put_grains(struct vd_stream_writer *w, uint64_t start, uint64_t count,
                      const uint8_t *bytes, struct vd_error *err)
{
    const uint8_t *grain;
    int r = 0;
    for (uint64_t at = 0; r >= 0 && at < count; at += GRAIN_SECTORS) {
        if (vd_packer_is_full(w->packer))
            r = put_oldest(w, err);
        if (r >= 0)
            r = whole_grain(w, bytes + vd_sectors_to_bytes(at), count - at, &grain, err);
        if (r >= 0)
            vd_packer_put(w->packer, start + at, grain);
    }
    /* Also after a failure: the bytes are the caller's again when this returns. */
    while (!vd_packer_is_empty(w->packer)) {
        struct vd_packed dropped;
        int done = r >= 0 ? put_oldest(w, err) : vd_packer_take(w->packer, &dropped, NULL);
        if (r >= 0)
            r = done;
    }
    return r;
}

static int check_range(const struct vd_stream_writer *w, uint64_t start, uint64_t count,
                       struct vd_error *err)
{
    uint64_t capacity = w->header.capacity_sectors;
    if (!vd_range_inside(start, count, capacity))
        return vd_error_set(err, VD_E_OUT_OF_RANGE,
                            "writing '%s': %" PRIu64 " sectors at %" PRIu64
                            ", the disk has %" PRIu64,
                            w->name, count, start, capacity);
    if (start % GRAIN_SECTORS != 0 || (count % GRAIN_SECTORS != 0 && start + count != capacity))
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "writing '%s': %" PRIu64 " sectors at %" PRIu64
                            ", expected whole grains of %u",
                            w->name, count, start, GRAIN_SECTORS);
    return 0;
}

static int check_write(const struct vd_stream_writer *w, uint64_t start, uint64_t count,
                       struct vd_error *err)
{
    int r = check_range(w, start, count, err);
    if (r < 0)
        return r;
    if (start < w->next_sector)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "writing '%s': sector %" PRIu64 " after sector %" PRIu64
                            ", a stream is written in ascending order",
                            w->name, start, w->next_sector);
    return 0;
}

static int check_usable(const struct vd_stream_writer *w, struct vd_error *err)
{
    if (w->failure < 0)
        return vd_error_set(err, w->failure, "writing '%s' failed before", w->name);
    if (w->finished)
        return vd_error_set(err, VD_E_INVALID_ARG, "writing '%s': the stream is finished", w->name);
    return 0;
}

int vd_stream_writer_write(struct vd_stream_writer *writer, uint64_t start_sectors,
                           uint64_t count_sectors, const void *bytes, struct vd_error *err)
{
    int r = check_usable(writer, err);
    if (r >= 0)
        r = check_write(writer, start_sectors, count_sectors, err);
    if (r < 0 || count_sectors == 0)
        return r;
    r = put_grains(writer, start_sectors, count_sectors, bytes, err);
    writer->next_sector = start_sectors + count_sectors;
    if (r < 0)
        writer->failure = r;
    return r;
}

/* --- in two halves --- */

static int pack_short(const struct vd_stream_writer *w, uint64_t start, const uint8_t *bytes,
                      uint64_t sectors, uint8_t *out, size_t *ret, struct vd_error *err)
{
    VD_FREE uint8_t *grain = calloc(1, GRAIN_BYTES);
    if (grain == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "writing '%s': out of memory", w->name);
    memcpy(grain, bytes, vd_sectors_to_bytes(sectors));
    return vd_packer_pack(w->packer, start, grain, out, ret, err);
}

int vd_stream_writer_pack(const struct vd_stream_writer *writer, uint64_t start_sectors,
                          uint64_t count_sectors, const void *bytes, void *out, size_t *ret_length,
                          struct vd_error *err)
{
    const uint8_t *in = bytes;
    uint8_t *to = out;
    int r = check_range(writer, start_sectors, count_sectors, err);
    for (uint64_t at = 0; r >= 0 && at < count_sectors; at += GRAIN_SECTORS) {
        const uint8_t *grain = in + vd_sectors_to_bytes(at);
        size_t length = 0;
        if (count_sectors - at >= GRAIN_SECTORS)
            r = vd_packer_pack(writer->packer, start_sectors + at, grain, to, &length, err);
        else
            r = pack_short(writer, start_sectors + at, grain, count_sectors - at, to, &length, err);
        to += length;
    }
    if (r >= 0)
        *ret_length = (size_t)(to - (uint8_t *)out);
    return r;
}

static int put_records(struct vd_stream_writer *w, const uint8_t *records, size_t length,
                       struct vd_error *err)
{
    int r = 0;
    for (size_t at = 0; r >= 0 && at < length;) {
        struct vd_stream_marker header = vd_stream_marker_decode(records + at);
        uint64_t used = VD_RECORD_HEADER_BYTES + (uint64_t)header.size_bytes;
        struct vd_packed packed = {header.value, records + at,
                                   vd_bytes_to_sectors_up(used) * VD_SECTOR_BYTES};
        assert(packed.record_bytes <= length - at); /* they are our own */
        r = put_record(w, &packed, err);
        at += packed.record_bytes;
    }
    return r;
}

int vd_stream_writer_put(struct vd_stream_writer *writer, uint64_t start_sectors,
                         uint64_t count_sectors, const void *packed, size_t length,
                         struct vd_error *err)
{
    int r = check_usable(writer, err);
    if (r >= 0)
        r = check_write(writer, start_sectors, count_sectors, err);
    if (r < 0)
        return r;
    r = put_records(writer, packed, length, err);
    writer->next_sector = start_sectors + count_sectors;
    if (r < 0)
        writer->failure = r;
    return r;
}

/* --- the end --- */

static int put_directory(struct vd_stream_writer *w, uint32_t *ret_sector, struct vd_error *err)
{
    uint64_t sectors = vd_bytes_to_sectors_up(w->num_tables * 4);
    int r = put_marker(w, sectors, VD_MARKER_GD, err);
    if (r >= 0)
        r = place(w, ret_sector, err);
    for (uint64_t at = 0; r >= 0 && at < sectors; at++) {
        uint8_t bytes[VD_SECTOR_BYTES] = {0};
        uint64_t first = at * VD_SECTOR_BYTES / 4;
        uint64_t count = VD_MIN(w->num_tables - first, (uint64_t)VD_SECTOR_BYTES / 4);
        for (uint64_t i = 0; i < count; i++)
            vd_le32_encode(bytes + i * 4, w->directory[first + i]);
        r = put(w, bytes, sizeof bytes, err);
    }
    return r;
}

static int put_end(struct vd_stream_writer *w, struct vd_error *err)
{
    uint32_t directory = 0;
    int r = put_table(w, err);
    if (r >= 0)
        r = put_directory(w, &directory, err);
    if (r >= 0)
        r = put_marker(w, 1, VD_MARKER_FOOTER, err);
    if (r >= 0)
        r = put_header(w, directory, err);
    if (r >= 0)
        r = put_marker(w, 0, VD_MARKER_EOS, err);
    return r < 0 ? r : flush_out(w, err);
}

int vd_stream_writer_finish(struct vd_stream_writer *writer, struct vd_error *err)
{
    int r = check_usable(writer, err);
    if (r < 0)
        return r;
    r = put_end(writer, err);
    writer->failure = r < 0 ? r : 0;
    writer->finished = true;
    return r;
}

/* --- the beginning --- */

/* The name that stands inside matters only to readers that look for a file of that name. */
static const char *inner_name(const char *sink_name)
{
    const char *name = vd_path_name(sink_name);
    bool usable = vd_path_has_suffix(name, ".vmdk") && strpbrk(name, "\"\r\n") == NULL;
    return usable ? name : NO_NAME;
}

static int make_text(const struct vd_stream_sink *sink,
                     const struct vd_stream_writer_params *params, struct vd_buf *text,
                     struct vd_error *err)
{
    struct vd_descriptor_recipe recipe = {
        .create_type = "streamOptimized",
        .capacity_sectors = params->capacity_sectors,
        .hw_version = params->hw_version,
        .geometry = params->geometry,
        .bios_geometry = params->bios_geometry,
        .ddb = params->ddb,
    };
    VD_CLEANUP(vd_descriptor_free_cleanup) struct vd_descriptor *descriptor = NULL;
    int r = vd_adapter_parse(params->adapter, &recipe.adapter, err);
    if (r >= 0)
        r = vd_descriptor_new(&recipe, &descriptor, err);
    if (r >= 0)
        r = vd_descriptor_add_extent(descriptor, VD_EXTENT_SPARSE, params->capacity_sectors,
                                     inner_name(sink->name), err);
    if (r < 0)
        return r;
    descriptor->extents[0].access = VD_ACCESS_RDONLY;
    return vd_descriptor_to_text(descriptor, text, err);
}

static int put_front(struct vd_stream_writer *w, const struct vd_stream_writer_params *params,
                     struct vd_error *err)
{
    static const uint8_t zeros[(OVERHEAD_SECTORS - 1) * VD_SECTOR_BYTES];
    /* One byte less than the area, so that a NUL ends the text. */
    struct vd_buf text = VD_BUF_INIT(DESCRIPTOR_SECTORS * VD_SECTOR_BYTES - 1);
    int r = make_text(&w->sink, params, &text, err);
    if (r >= 0)
        r = put_header(w, VD_KDMV_GD_IN_FOOTER, err);
    if (r >= 0)
        r = put(w, text.data, text.length, err);
    if (r >= 0)
        r = put(w, zeros, sizeof zeros - text.length, err);
    vd_buf_done(&text);
    return r;
}

static void fill_header(struct vd_stream_writer *w, uint64_t capacity_sectors)
{
    w->header = (struct vd_kdmv_header){
        .version = 3,
        .flags = VD_KDMV_NEWLINES | VD_KDMV_COMPRESSED | VD_KDMV_MARKERS,
        .capacity_sectors = capacity_sectors,
        .grain_sectors = GRAIN_SECTORS,
        .descriptor_offset_sectors = 1,
        .descriptor_sectors = DESCRIPTOR_SECTORS,
        .table_entries = TABLE_ENTRIES,
        .overhead_sectors = OVERHEAD_SECTORS,
        .compression = VD_KDMV_COMPRESSION_DEFLATE,
    };
    w->num_tables = vd_kdmv_num_tables(&w->header);
}

static int check_capacity(const struct vd_stream_sink *sink, uint64_t sectors, struct vd_error *err)
{
    if (sectors > 0 && sectors <= VD_CREATE_MAX_SECTORS)
        return 0;
    return vd_error_set(err, sectors == 0 ? VD_E_INVALID_ARG : VD_E_TOO_BIG,
                        "writing '%s': a capacity of %" PRIu64 " sectors was asked for, expected 1 "
                        "to %" PRIu64 " (62 TiB)",
                        sink->name, sectors, VD_CREATE_MAX_SECTORS);
}

static int start(struct vd_stream_writer *w, const struct vd_stream_writer_params *params,
                 struct vd_error *err)
{
    int level = params->level != 0 ? params->level : VD_DEFLATE_DEFAULT_LEVEL;
    fill_header(w, params->capacity_sectors);
    w->out = malloc(OUT_BYTES);
    w->directory = calloc(w->num_tables, sizeof *w->directory);
    if (w->out == NULL || w->directory == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "writing '%s': out of memory", w->name);
    int r = vd_packer_new(params->workers, level, GRAIN_BYTES, &w->packer, err);
    return r < 0 ? r : put_front(w, params, err);
}

int vd_stream_writer_open(const struct vd_stream_sink *sink,
                          const struct vd_stream_writer_params *params,
                          struct vd_stream_writer **ret, struct vd_error *err)
{
    int r = check_capacity(sink, params->capacity_sectors, err);
    if (r < 0)
        return r;
    VD_FREE char *name = strdup(sink->name);
    struct vd_stream_writer *writer = name != NULL ? calloc(1, sizeof *writer) : NULL;
    if (writer == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "writing '%s': out of memory", sink->name);
    writer->sink = *sink;
    writer->name = VD_TAKE_PTR(name);
    writer->sink.name = writer->name;
    r = start(writer, params, err);
    if (r < 0)
        vd_stream_writer_free(writer);
    else
        *ret = writer;
    return r;
}

uint64_t vd_stream_writer_bytes(const struct vd_stream_writer *writer)
{
    return writer->position_bytes;
}

void vd_stream_writer_free(struct vd_stream_writer *writer)
{
    if (writer == NULL)
        return;
    vd_packer_free(writer->packer);
    free(writer->name);
    free(writer->out);
    free(writer->directory);
    free(writer->tail);
    free(writer);
}
