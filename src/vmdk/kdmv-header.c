/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/kdmv-header.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/units.h"

enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_FLAGS = 8,
    AT_CAPACITY = 12,
    AT_GRAIN = 20,
    AT_DESCRIPTOR_OFFSET = 28,
    AT_DESCRIPTOR_SIZE = 36,
    AT_TABLE_ENTRIES = 44,
    AT_RGD = 48,
    AT_GD = 56,
    AT_OVERHEAD = 64,
    AT_UNCLEAN = 72,
    AT_NEWLINES = 73,
    AT_COMPRESSION = 77,
};

static const uint8_t newlines[4] = {0x0a, 0x20, 0x0d, 0x0a};

static int check_magic(const uint8_t *bytes, const char *path, struct vd_error *err)
{
    uint32_t magic = vd_le32_decode(bytes + AT_MAGIC);

    if (magic == VD_KDMV_MAGIC)
        return 0;
    if (magic == VD_KDMV_MAGIC_UNDONE)
        return vd_error_set(err, VD_E_INCOMPLETE,
                            "cannot open '%s': it begins with \"kdmv\", the mark of a conversion "
                            "that was interrupted before its end",
                            path);
    return vd_error_set(err, VD_E_NOT_A_DISK,
                        "cannot open '%s' as a hosted sparse extent: it begins with 0x%08" PRIx32
                        ", expected 0x%08x (\"KDMV\")",
                        path, magic, VD_KDMV_MAGIC);
}

static int check_version(const struct vd_kdmv_header *header, const char *path,
                         struct vd_error *err)
{
    if (header->version >= 1 && header->version <= VD_KDMV_MAX_VERSION)
        return 0;
    return vd_error_set(err, VD_E_VERSION,
                        "cannot open '%s': its sparse header (byte 4) has version %" PRIu32
                        ", expected 1 to %u",
                        path, header->version, VD_KDMV_MAX_VERSION);
}

static int check_flags(const struct vd_kdmv_header *header, const char *path, struct vd_error *err)
{
    uint32_t known = VD_KDMV_COMPRESSED | VD_KDMV_MARKERS;
    uint32_t unknown = header->flags & VD_KDMV_INCOMPATIBLE_FLAGS & ~known;

    if (unknown)
        return vd_error_set(err, VD_E_KDMV_FLAGS,
                            "cannot open '%s': its sparse header (byte 8) has flags 0x%" PRIx32
                            ", of which 0x%" PRIx32 " are features not known here",
                            path, header->flags, unknown);
    if ((header->flags & VD_KDMV_MARKERS) && !(header->flags & VD_KDMV_COMPRESSED))
        return vd_error_set(err, VD_E_KDMV_MARKERS,
                            "cannot open '%s': its sparse header (byte 8) has flags 0x%" PRIx32
                            ", markers without compression, expected both or none",
                            path, header->flags);
    return 0;
}

static int check_grain_size(const struct vd_kdmv_header *header, const char *path,
                            struct vd_error *err)
{
    bool compressed = header->flags & VD_KDMV_COMPRESSED;
    uint32_t max = compressed ? VD_KDMV_MAX_COMPRESSED_GRAIN_SECTORS : VD_KDMV_MAX_GRAIN_SECTORS;

    if (vd_is_power_of_two(header->grain_sectors) && header->grain_sectors <= max)
        return 0;
    return vd_error_set(err, VD_E_KDMV_GRAIN_SIZE,
                        "cannot open '%s': its sparse header (byte 20) has a grain size of %" PRIu64
                        " sectors, expected a power of two from 1 to %" PRIu32,
                        path, header->grain_sectors, max);
}

/* Before the table length is judged: a directory that is absurd whatever the tables' length shows
 * that the whole header is noise, which says more than the first odd field does. */
static int check_capacity(const struct vd_kdmv_header *header, const char *path,
                          struct vd_error *err)
{
    uint64_t longest = header->grain_sectors * VD_KDMV_MAX_TABLE_ENTRIES;
    uint64_t least = vd_div_up(header->capacity_sectors, longest);

    if (least > VD_KDMV_MAX_TABLES)
        return vd_error_set(err, VD_E_GD_TOO_LARGE,
                            "cannot open '%s': its sparse header (byte 12) has a capacity of "
                            "%" PRIu64 " sectors, which needs a grain directory of at least "
                            "%" PRIu64 " entries, expected at most %" PRIu64,
                            path, header->capacity_sectors, least, VD_KDMV_MAX_TABLES);
    if (header->capacity_sectors > VD_MAX_SECTORS)
        return vd_error_set(err, VD_E_KDMV_CAPACITY,
                            "cannot open '%s': its sparse header (byte 12) has a capacity of "
                            "%" PRIu64 " sectors, expected at most %" PRIu64,
                            path, header->capacity_sectors, VD_MAX_SECTORS);
    return 0;
}

static int check_tables(const struct vd_kdmv_header *header, const char *path, struct vd_error *err)
{
    uint32_t entries = header->table_entries;

    if (!vd_is_power_of_two(entries) || entries < VD_KDMV_MIN_TABLE_ENTRIES ||
        entries > VD_KDMV_MAX_TABLE_ENTRIES)
        return vd_error_set(err, VD_E_KDMV_TABLE_SIZE,
                            "cannot open '%s': its sparse header (byte 44) has grain tables of "
                            "%" PRIu32 " entries, expected a power of two from %u to %u",
                            path, entries, VD_KDMV_MIN_TABLE_ENTRIES, VD_KDMV_MAX_TABLE_ENTRIES);
    if (vd_kdmv_num_tables(header) > VD_KDMV_MAX_TABLES)
        return vd_error_set(err, VD_E_GD_TOO_LARGE,
                            "cannot open '%s': its capacity of %" PRIu64 " sectors (byte 12 of the "
                            "sparse header) needs a grain directory of %" PRIu64
                            " entries, expected at most %" PRIu64,
                            path, header->capacity_sectors, vd_kdmv_num_tables(header),
                            VD_KDMV_MAX_TABLES);
    return 0;
}

static int check_newlines(const struct vd_kdmv_header *header, const uint8_t *bytes,
                          const char *path, struct vd_error *err)
{
    const uint8_t *found = bytes + AT_NEWLINES;

    if (!(header->flags & VD_KDMV_NEWLINES) || memcmp(found, newlines, sizeof newlines) == 0)
        return 0;
    return vd_error_set(err, VD_E_TEXT_MODE,
                        "cannot open '%s': it went through a text-mode transfer that changed its "
                        "line ends; byte 73 of its sparse header has %02x %02x %02x %02x, "
                        "expected 0a 20 0d 0a",
                        path, found[0], found[1], found[2], found[3]);
}

static int check_compression(const struct vd_kdmv_header *header, const char *path,
                             struct vd_error *err)
{
    uint16_t expected =
        header->flags & VD_KDMV_COMPRESSED ? VD_KDMV_COMPRESSION_DEFLATE : VD_KDMV_COMPRESSION_NONE;

    if (header->compression == expected)
        return 0;
    return vd_error_set(err, VD_E_KDMV_COMPRESSION,
                        "cannot open '%s': its sparse header (byte 77) has compression algorithm "
                        "%u, expected %u with flags 0x%" PRIx32,
                        path, header->compression, expected, header->flags);
}

static void decode_fields(const uint8_t *bytes, struct vd_kdmv_header *ret)
{
    *ret = (struct vd_kdmv_header){
        .version = vd_le32_decode(bytes + AT_VERSION),
        .flags = vd_le32_decode(bytes + AT_FLAGS),
        .capacity_sectors = vd_le64_decode(bytes + AT_CAPACITY),
        .grain_sectors = vd_le64_decode(bytes + AT_GRAIN),
        .descriptor_offset_sectors = vd_le64_decode(bytes + AT_DESCRIPTOR_OFFSET),
        .descriptor_sectors = vd_le64_decode(bytes + AT_DESCRIPTOR_SIZE),
        .table_entries = vd_le32_decode(bytes + AT_TABLE_ENTRIES),
        .rgd_offset_sectors = vd_le64_decode(bytes + AT_RGD),
        .gd_offset_sectors = vd_le64_decode(bytes + AT_GD),
        .overhead_sectors = vd_le64_decode(bytes + AT_OVERHEAD),
        .unclean_shutdown = bytes[AT_UNCLEAN] != 0,
        .compression = vd_le16_decode(bytes + AT_COMPRESSION),
    };
}

int vd_kdmv_header_decode(const uint8_t *bytes, const char *path, struct vd_kdmv_header *ret,
                          struct vd_error *err)
{
    struct vd_kdmv_header header;
    int r = check_magic(bytes, path, err);

    if (r < 0)
        return r;
    decode_fields(bytes, &header);
    if ((r = check_version(&header, path, err)) < 0 || (r = check_flags(&header, path, err)) < 0 ||
        (r = check_grain_size(&header, path, err)) < 0 ||
        (r = check_capacity(&header, path, err)) < 0 ||
        (r = check_tables(&header, path, err)) < 0 ||
        (r = check_newlines(&header, bytes, path, err)) < 0 ||
        (r = check_compression(&header, path, err)) < 0)
        return r;
    *ret = header;
    return 0;
}

void vd_kdmv_header_encode(const struct vd_kdmv_header *header, uint8_t *bytes)
{
    memset(bytes, 0, VD_KDMV_HEADER_BYTES);
    vd_le32_encode(bytes + AT_MAGIC, VD_KDMV_MAGIC);
    vd_le32_encode(bytes + AT_VERSION, header->version);
    vd_le32_encode(bytes + AT_FLAGS, header->flags);
    vd_le64_encode(bytes + AT_CAPACITY, header->capacity_sectors);
    vd_le64_encode(bytes + AT_GRAIN, header->grain_sectors);
    vd_le64_encode(bytes + AT_DESCRIPTOR_OFFSET, header->descriptor_offset_sectors);
    vd_le64_encode(bytes + AT_DESCRIPTOR_SIZE, header->descriptor_sectors);
    vd_le32_encode(bytes + AT_TABLE_ENTRIES, header->table_entries);
    vd_le64_encode(bytes + AT_RGD, header->rgd_offset_sectors);
    vd_le64_encode(bytes + AT_GD, header->gd_offset_sectors);
    vd_le64_encode(bytes + AT_OVERHEAD, header->overhead_sectors);
    bytes[AT_UNCLEAN] = header->unclean_shutdown;
    memcpy(bytes + AT_NEWLINES, newlines, sizeof newlines);
    vd_le16_encode(bytes + AT_COMPRESSION, header->compression);
}

static int check_descriptor_place(const struct vd_kdmv_header *header, uint64_t file_bytes,
                                  const char *path, struct vd_error *err)
{
    uint64_t offset = header->descriptor_offset_sectors;
    uint64_t length = header->descriptor_sectors;
    uint64_t file_sectors = file_bytes / VD_SECTOR_BYTES;

    if (offset == 0)
        return 0;
    if (length == 0)
        return vd_error_set(err, VD_E_KDMV_DESCRIPTOR,
                            "cannot open '%s': its sparse header (byte 36) has an embedded "
                            "descriptor of 0 sectors at sector %" PRIu64 ", expected at least 1",
                            path, offset);
    if (!vd_range_inside(offset, length, file_sectors))
        return vd_error_set(err, VD_E_KDMV_DESCRIPTOR,
                            "cannot open '%s': its sparse header (byte 28) places the embedded "
                            "descriptor at sector %" PRIu64 ", %" PRIu64
                            " sectors long, expected inside the file of %" PRIu64 " sectors",
                            path, offset, length, file_sectors);
    return 0;
}

int vd_kdmv_header_take(struct vd_block *block, const uint8_t *bytes, struct vd_kdmv_header *ret,
                        struct vd_error *err)
{
    struct vd_kdmv_header header;
    uint64_t file_bytes;
    const char *path = vd_block_path(block);
    int r;

    if ((r = vd_block_size(block, &file_bytes, err)) < 0 ||
        (r = vd_kdmv_header_decode(bytes, path, &header, err)) < 0 ||
        (r = check_descriptor_place(&header, file_bytes, path, err)) < 0)
        return r;
    *ret = header;
    return 0;
}

int vd_kdmv_header_read(struct vd_block *block, struct vd_kdmv_header *ret, struct vd_error *err)
{
    uint8_t bytes[VD_KDMV_HEADER_BYTES];
    int r = vd_block_read(block, 0, bytes, sizeof bytes, err);

    return r < 0 ? r : vd_kdmv_header_take(block, bytes, ret, err);
}

uint64_t vd_kdmv_table_span_sectors(const struct vd_kdmv_header *header)
{
    return header->grain_sectors * header->table_entries;
}

uint64_t vd_kdmv_num_tables(const struct vd_kdmv_header *header)
{
    return vd_div_up(header->capacity_sectors, vd_kdmv_table_span_sectors(header));
}

uint64_t vd_kdmv_mapped_sectors(const struct vd_kdmv_header *header)
{
    return vd_div_up(header->capacity_sectors, header->grain_sectors) * header->grain_sectors;
}
