/* SPDX-License-Identifier: Apache-2.0 */
#include "build-kdmv.h"

#include <assert.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"

#define SECTOR VD_SECTOR_BYTES

/* --- pieces --- */

void kdmv_append(struct kdmv_image *image, const void *bytes, size_t length)
{
    if (image->length + length > image->allocated) {
        image->allocated = (image->length + length) * 2;
        image->bytes = realloc(image->bytes, image->allocated);
        assert(image->bytes);
    }
    if (bytes)
        memcpy(image->bytes + image->length, bytes, length);
    else
        memset(image->bytes + image->length, 0, length);
    image->length += length;
}

void kdmv_pad(struct kdmv_image *image, size_t alignment)
{
    size_t over = image->length % alignment;

    if (over)
        kdmv_append(image, NULL, alignment - over);
}

void kdmv_free(struct kdmv_image *image)
{
    free(image->bytes);
    image->bytes = NULL;
}

static uint32_t here(const struct kdmv_image *image)
{
    assert(image->length % SECTOR == 0);
    return (uint32_t)(image->length / SECTOR);
}

void kdmv_marker(struct kdmv_image *image, uint64_t value, uint32_t type)
{
    uint8_t sector[SECTOR] = {0};

    vd_le64_encode(sector, value);
    vd_le32_encode(sector + 12, type);
    kdmv_append(image, sector, sizeof sector);
}

size_t kdmv_append_zlib(struct kdmv_image *image, const void *data, size_t length)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(1);
    size_t bound = libdeflate_zlib_compress_bound(compressor, length);
    size_t start = image->length;
    size_t done;

    kdmv_append(image, NULL, bound);
    done = libdeflate_zlib_compress(compressor, data, length, image->bytes + start, bound);
    assert(done > 0);
    libdeflate_free_compressor(compressor);
    memset(image->bytes + start + done, 0, bound - done);
    image->length = start + done;
    return done;
}

uint32_t kdmv_record(struct kdmv_image *image, uint64_t lba, const void *data, size_t length)
{
    uint32_t sector = here(image);
    size_t start = image->length;
    uint8_t header[12] = {0};

    vd_le64_encode(header, lba);
    kdmv_append(image, header, sizeof header);
    length = kdmv_append_zlib(image, data, length);
    vd_le32_encode(image->bytes + start + 8, (uint32_t)length);
    kdmv_pad(image, SECTOR);
    return sector;
}

void kdmv_put_header(struct kdmv_image *image)
{
    vd_kdmv_header_encode(&image->header, image->bytes);
}

/* --- contents --- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ (x >> 32);
}

static void fill_random(uint64_t grain, uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(mix(grain * 1000003 + i / 8 + 1) >> (i % 8 * 8));
}

void kdmv_fill(uint64_t grain, uint8_t *bytes, size_t length)
{
    fill_random(grain, bytes, length);
    for (size_t i = 0; i < length; i++) {
        if (i / 256 % 2)
            bytes[i] = (uint8_t)(grain + i / 512);
    }
}

void kdmv_stream_fill(const struct kdmv_stream_options *options, uint64_t grain, uint8_t *bytes,
                      size_t length)
{
    if (options->incompressible)
        fill_random(grain, bytes, length);
    else
        kdmv_fill(grain, bytes, length);
}

/* --- tables --- */

static uint64_t num_tables(const struct vd_kdmv_header *header)
{
    uint64_t grains =
        (header->capacity_sectors + header->grain_sectors - 1) / header->grain_sectors;
    return (grains + header->table_entries - 1) / header->table_entries;
}

static uint64_t directory_sectors(const struct vd_kdmv_header *header)
{
    return (num_tables(header) * 4 + SECTOR - 1) / SECTOR;
}

static uint64_t table_sectors(const struct vd_kdmv_header *header)
{
    return (uint64_t)header->table_entries * 4 / SECTOR;
}

static uint8_t *directory_entry(const struct kdmv_image *image, bool redundant, uint64_t table)
{
    const struct vd_kdmv_header *header = &image->header;
    uint64_t start = redundant ? header->rgd_offset_sectors : header->gd_offset_sectors;
    return image->bytes + start * SECTOR + table * 4;
}

uint32_t kdmv_gde(const struct kdmv_image *image, bool redundant, uint64_t table)
{
    return vd_le32_decode(directory_entry(image, redundant, table));
}

void kdmv_set_gde(struct kdmv_image *image, bool redundant, uint64_t table, uint32_t value)
{
    vd_le32_encode(directory_entry(image, redundant, table), value);
}

static uint8_t *table_entry(const struct kdmv_image *image, bool redundant, uint64_t grain)
{
    uint32_t entries = image->header.table_entries;
    uint32_t table = kdmv_gde(image, redundant, grain / entries);
    return image->bytes + (uint64_t)table * SECTOR + grain % entries * 4;
}

uint32_t kdmv_gte(const struct kdmv_image *image, bool redundant, uint64_t grain)
{
    return vd_le32_decode(table_entry(image, redundant, grain));
}

void kdmv_set_gte(struct kdmv_image *image, bool redundant, uint64_t grain, uint32_t value)
{
    vd_le32_encode(table_entry(image, redundant, grain), value);
}

/* Directory and empty tables at the end of the image; gives the directory's sector. */
static uint64_t append_tables(struct kdmv_image *image)
{
    const struct vd_kdmv_header *header = &image->header;
    uint64_t start = here(image);
    uint64_t first = start + directory_sectors(header);
    uint64_t tables = num_tables(header);

    kdmv_append(image, NULL, (directory_sectors(header) + tables * table_sectors(header)) * SECTOR);
    for (uint64_t i = 0; i < tables; i++)
        vd_le32_encode(image->bytes + start * SECTOR + i * 4,
                       (uint32_t)(first + i * table_sectors(header)));
    return start;
}

/* --- plain extents --- */

void kdmv_plain(struct kdmv_image *image, const struct kdmv_shape *shape)
{
    *image = (struct kdmv_image){0};
    image->header = (struct vd_kdmv_header){
        .version = 1,
        .flags = VD_KDMV_NEWLINES | (shape->single ? 0 : VD_KDMV_REDUNDANT),
        .capacity_sectors = shape->capacity_sectors,
        .grain_sectors = shape->grain_sectors ? shape->grain_sectors : 128,
        .table_entries = shape->table_entries ? shape->table_entries : 512,
        .descriptor_offset_sectors = shape->descriptor_sectors ? 1 : 0,
        .descriptor_sectors = shape->descriptor_sectors,
    };
    kdmv_append(image, NULL, (1 + shape->descriptor_sectors) * SECTOR);
    if (!shape->single)
        image->header.rgd_offset_sectors = append_tables(image);
    image->header.gd_offset_sectors = append_tables(image);
    kdmv_pad(image, image->header.grain_sectors * SECTOR);
    image->header.overhead_sectors = here(image);
    kdmv_put_header(image);
}

uint32_t kdmv_add_grain(struct kdmv_image *image, uint64_t grain)
{
    size_t length = image->header.grain_sectors * SECTOR;
    uint32_t sector;

    kdmv_pad(image, length);
    sector = here(image);
    kdmv_append(image, NULL, length);
    kdmv_fill(grain, image->bytes + image->length - length, length);
    kdmv_set_gte(image, false, grain, sector);
    if (image->header.flags & VD_KDMV_REDUNDANT)
        kdmv_set_gte(image, true, grain, sector);
    return sector;
}

/* --- streams --- */

struct stream {
    struct kdmv_image *image;
    const struct kdmv_stream_options *options;
    uint32_t *places; /* by grain; 0 = absent */
    uint32_t *tables; /* by table; 0 = absent */
    uint64_t num_grains;
};

static bool tables_in_front(enum kdmv_style style)
{
    return style == KDMV_QEMU || style == KDMV_OPEN_VMDK;
}

static void stream_header(struct stream *s)
{
    const struct kdmv_stream_options *options = s->options;
    bool copies = options->style == KDMV_QEMU || options->style == KDMV_XEN_ORCHESTRA;

    s->image->header = (struct vd_kdmv_header){
        .version = 3,
        .flags = VD_KDMV_NEWLINES | VD_KDMV_COMPRESSED | VD_KDMV_MARKERS |
                 (copies ? VD_KDMV_REDUNDANT : 0),
        .capacity_sectors = options->header_capacity_sectors ? options->header_capacity_sectors
                                                             : options->capacity_sectors,
        .grain_sectors = 128,
        .descriptor_offset_sectors = 1,
        .descriptor_sectors = 4,
        .table_entries = 512,
        .gd_offset_sectors = VD_KDMV_GD_IN_FOOTER,
        .compression = VD_KDMV_COMPRESSION_DEFLATE,
    };
}

static void stream_front(struct stream *s)
{
    struct kdmv_image *image = s->image;
    char text[2048] = "";

    snprintf(text, sizeof text,
             "# Disk DescriptorFile\nversion=1\nCID=01234567\nparentCID=ffffffff\n"
             "createType=\"streamOptimized\"\n\n# Extent description\n"
             "RDONLY %llu SPARSE \"generated-stream.vmdk\"\n",
             (unsigned long long)s->options->capacity_sectors);
    kdmv_append(image, NULL, SECTOR);
    kdmv_append(image, s->options->descriptor ? s->options->descriptor : text,
                s->options->descriptor ? strlen(s->options->descriptor) : strlen(text));
    kdmv_pad(image, 5 * SECTOR);
    if (s->options->style == KDMV_QEMU)
        image->header.rgd_offset_sectors = append_tables(image);
    if (tables_in_front(s->options->style))
        image->header.gd_offset_sectors = append_tables(image);
    if (s->options->style != KDMV_OPEN_VMDK)
        kdmv_pad(image, 128 * SECTOR);
    image->header.overhead_sectors = here(image);
}

static void stream_grain(struct stream *s, uint64_t grain)
{
    uint8_t *data = malloc(128 * SECTOR);
    uint64_t left = s->options->capacity_sectors - grain * 128;
    size_t length = 128 * SECTOR;

    assert(data);
    if (s->options->progress) {
        kdmv_marker(s->image, 0, 4);
        kdmv_marker(s->image, 1, 77);
        kdmv_marker(s->image, 0, 0);
        s->image->bytes[s->image->length - 1] = 0xee; /* what the unknown one skips */
    }
    kdmv_stream_fill(s->options, grain, data, length);
    if (tables_in_front(s->options->style) && left < 128)
        length = left * SECTOR;
    s->places[grain] = kdmv_record(s->image, grain * 128, data, length);
    free(data);
}

static void append_table(struct stream *s, uint64_t table)
{
    uint8_t bytes[2048];

    for (size_t i = 0; i < 512; i++) {
        uint64_t grain = table * 512 + i;
        vd_le32_encode(bytes + i * 4, grain < s->num_grains ? s->places[grain] : 0);
    }
    s->tables[table] = here(s->image);
    kdmv_append(s->image, bytes, sizeof bytes);
}

static bool table_is_empty(const struct stream *s, uint64_t table)
{
    for (uint64_t grain = table * 512; grain < (table + 1) * 512 && grain < s->num_grains;
         grain++) {
        if (s->places[grain])
            return false;
    }
    return true;
}

static uint64_t append_directory(struct stream *s)
{
    uint64_t start = here(s->image);

    for (uint64_t i = 0; i < num_tables(&s->image->header); i++) {
        uint8_t entry[4];
        vd_le32_encode(entry, s->tables[i]);
        kdmv_append(s->image, entry, sizeof entry);
    }
    kdmv_pad(s->image, SECTOR);
    return start;
}

static void tables_behind(struct stream *s, struct vd_kdmv_header *footer)
{
    for (uint64_t i = 0; i < num_tables(footer); i++) {
        if (table_is_empty(s, i))
            continue;
        kdmv_marker(s->image, 4, 1);
        append_table(s, i);
    }
    kdmv_marker(s->image, directory_sectors(footer), 2);
    footer->gd_offset_sectors = append_directory(s);
}

static void tables_xen(struct stream *s, struct vd_kdmv_header *footer)
{
    kdmv_append(s->image, NULL, 3 * SECTOR);
    for (int copy = 0; copy < 2; copy++) {
        kdmv_marker(s->image, 0, 1);
        for (uint64_t i = 0; i < num_tables(footer); i++)
            append_table(s, i);
        kdmv_marker(s->image, 0, 2);
        *(copy ? &footer->gd_offset_sectors : &footer->rgd_offset_sectors) = append_directory(s);
    }
    footer->overhead_sectors = here(s->image);
}

static void stream_end(struct stream *s)
{
    struct vd_kdmv_header footer = s->image->header;
    uint8_t bytes[SECTOR];

    if (s->options->style == KDMV_XEN_ORCHESTRA)
        tables_xen(s, &footer);
    else
        tables_behind(s, &footer);
    if (s->options->style == KDMV_VMDKTOOL)
        s->image->header.gd_offset_sectors = footer.gd_offset_sectors;
    if (!s->options->no_footer) {
        kdmv_marker(s->image, 1, 3);
        vd_kdmv_header_encode(&footer, bytes);
        kdmv_append(s->image, bytes, sizeof bytes);
    }
}

static void enter_front_tables(struct stream *s)
{
    for (uint64_t grain = 0; grain < s->num_grains; grain++) {
        if (s->places[grain] == 0)
            continue;
        kdmv_set_gte(s->image, false, grain, s->places[grain]);
        if (s->options->style == KDMV_QEMU)
            kdmv_set_gte(s->image, true, grain, s->places[grain]);
    }
}

void kdmv_stream(struct kdmv_image *image, const struct kdmv_stream_options *options)
{
    struct stream s = {.image = image, .options = options};

    *image = (struct kdmv_image){0};
    stream_header(&s);
    s.num_grains = (image->header.capacity_sectors + 127) / 128;
    s.places = calloc(s.num_grains + 1, sizeof *s.places);
    s.tables = calloc(num_tables(&image->header) + 1, sizeof *s.tables);
    assert(s.places && s.tables);
    stream_front(&s);
    for (size_t i = 0; i < options->num_grains; i++)
        stream_grain(&s, options->grains[i]);
    if (tables_in_front(options->style))
        enter_front_tables(&s);
    else
        stream_end(&s);
    if (options->style == KDMV_QEMU)
        kdmv_pad(image, 128 * SECTOR);
    else if (!options->no_eos)
        kdmv_marker(image, 0, 0);
    kdmv_put_header(image);
    free(s.places);
    free(s.tables);
}
