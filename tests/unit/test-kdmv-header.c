/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/fs.h"
#include "block/memory.h"
#include "tests/harness.h"
#include "vmdk/kdmv-header.h"

/* A monolithicSparse disk of 20,483 sectors, as Virtual Disk Format 5.0 lays it out. */
static const uint8_t plain[80] = {
    0x4b, 0x44, 0x4d, 0x56, 0x01, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x03, 0x50, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00,
    0x15, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x20, 0x0d, 0x0a, 0x00, 0x00, 0x00};

static void plain_sector(uint8_t *sector)
{
    memset(sector, 0, VD_KDMV_HEADER_BYTES);
    memcpy(sector, plain, sizeof plain);
}

/* Decodes `sector`, which must be refused with `code` and a sentence that has `part`. */
static void refused(const uint8_t *sector, int code, const char *part)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_kdmv_header header;

    check_code_err(vd_kdmv_header_decode(sector, "a.vmdk", &header, &err), code, &err);
    check_str_has(err.text, "'a.vmdk'");
    check_str_has(err.text, part);
}

VD_TEST(known_bytes)
{
    uint8_t sector[512], again[512];
    struct vd_kdmv_header header;

    plain_sector(sector);
    check_code(vd_kdmv_header_decode(sector, "a.vmdk", &header, NULL), VD_OK);
    check_u64_eq(header.version, 1);
    check_u64_eq(header.flags, VD_KDMV_NEWLINES | VD_KDMV_REDUNDANT);
    check_u64_eq(header.capacity_sectors, 20483);
    check_u64_eq(header.grain_sectors, 128);
    check_u64_eq(header.descriptor_offset_sectors, 1);
    check_u64_eq(header.descriptor_sectors, 20);
    check_u64_eq(header.table_entries, 512);
    check_u64_eq(header.rgd_offset_sectors, 21);
    check_u64_eq(header.gd_offset_sectors, 26);
    check_u64_eq(header.overhead_sectors, 128);
    check(!header.unclean_shutdown);
    check_u64_eq(header.compression, VD_KDMV_COMPRESSION_NONE);
    vd_kdmv_header_encode(&header, again);
    check_mem_eq(again, sector, sizeof again);
}

VD_TEST(stream_header_survives_a_round_trip)
{
    uint8_t sector[512], again[512];
    struct vd_kdmv_header header;

    plain_sector(sector);
    vd_le32_encode(sector + 4, 3);
    vd_le32_encode(sector + 8, 0x30001);
    vd_le64_encode(sector + 56, VD_KDMV_GD_IN_FOOTER);
    sector[72] = 1;
    vd_le16_encode(sector + 77, 1);
    check_code(vd_kdmv_header_decode(sector, "a.vmdk", &header, NULL), VD_OK);
    check(header.unclean_shutdown);
    check_u64_eq(header.gd_offset_sectors, UINT64_MAX);
    vd_kdmv_header_encode(&header, again);
    check_mem_eq(again, sector, sizeof again);
}

VD_TEST(geometry)
{
    struct vd_kdmv_header header = {.grain_sectors = 128, .table_entries = 512};
    const uint64_t cases[][3] = {
        /* capacity, tables, mapped */
        {0, 0, 0},     {1, 1, 128},       {127, 1, 128},     {128, 1, 128},
        {129, 1, 256}, {65536, 1, 65536}, {65537, 2, 65664}, {20971520, 320, 20971520}};

    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        header.capacity_sectors = cases[i][0];
        check_u64_eq(vd_kdmv_num_tables(&header), cases[i][1]);
        check_u64_eq(vd_kdmv_mapped_sectors(&header), cases[i][2]);
    }
    check_u64_eq(vd_kdmv_table_span_sectors(&header), 65536);
}

VD_TEST(wrong_magic)
{
    uint8_t sector[512];

    plain_sector(sector);
    memcpy(sector, "COWD", 4);
    refused(sector, VD_E_NOT_A_DISK, "0x44574f43");
    memcpy(sector, "kdmv", 4);
    refused(sector, VD_E_INCOMPLETE, "interrupted");
}

VD_TEST(versions)
{
    uint8_t sector[512];
    struct vd_kdmv_header header;

    plain_sector(sector);
    for (uint32_t version = 1; version <= 3; version++) {
        vd_le32_encode(sector + 4, version);
        check_code(vd_kdmv_header_decode(sector, "a.vmdk", &header, NULL), VD_OK);
    }
    vd_le32_encode(sector + 4, 0);
    refused(sector, VD_E_VERSION, "version 0");
    vd_le32_encode(sector + 4, 4);
    refused(sector, VD_E_VERSION, "version 4");
}

VD_TEST(flags)
{
    uint8_t sector[512];
    struct vd_kdmv_header header;

    plain_sector(sector);
    vd_le32_encode(sector + 8, 0xfff3); /* unknown compatible ones are ignored */
    check_code(vd_kdmv_header_decode(sector, "a.vmdk", &header, NULL), VD_OK);
    vd_le32_encode(sector + 8, 0x40003);
    refused(sector, VD_E_KDMV_FLAGS, "0x40000");
    vd_le32_encode(sector + 8, 0x80000003);
    refused(sector, VD_E_KDMV_FLAGS, "0x80000000");
    vd_le32_encode(sector + 8, 0x20003);
    refused(sector, VD_E_KDMV_MARKERS, "markers without compression");
}

VD_TEST(compression)
{
    uint8_t sector[512];

    plain_sector(sector);
    vd_le16_encode(sector + 77, 1);
    refused(sector, VD_E_KDMV_COMPRESSION, "algorithm 1, expected 0");
    vd_le32_encode(sector + 8, 0x30003);
    vd_le16_encode(sector + 77, 0);
    refused(sector, VD_E_KDMV_COMPRESSION, "algorithm 0, expected 1");
    vd_le16_encode(sector + 77, 2);
    refused(sector, VD_E_KDMV_COMPRESSION, "algorithm 2, expected 1");
}

VD_TEST(grain_sizes)
{
    uint8_t sector[512];
    struct vd_kdmv_header header;
    const uint64_t good[] = {1, 2, 8, 16, 128, 2048, 4096, 0x200000};
    const uint64_t bad[] = {0, 3, 127, 129, 0x200001, 0x400000, UINT64_C(1) << 63, UINT64_MAX};

    plain_sector(sector);
    for (size_t i = 0; i < VD_ARRAY_SIZE(good); i++) {
        vd_le64_encode(sector + 20, good[i]);
        check_code(vd_kdmv_header_decode(sector, "a.vmdk", &header, NULL), VD_OK);
    }
    for (size_t i = 0; i < VD_ARRAY_SIZE(bad); i++) {
        vd_le64_encode(sector + 20, bad[i]);
        refused(sector, VD_E_KDMV_GRAIN_SIZE, "byte 20");
    }
    vd_le32_encode(sector + 8, 0x30003);
    vd_le16_encode(sector + 77, 1);
    vd_le64_encode(sector + 20, 2048);
    check_code(vd_kdmv_header_decode(sector, "a.vmdk", &header, NULL), VD_OK);
    vd_le64_encode(sector + 20, 4096);
    refused(sector, VD_E_KDMV_GRAIN_SIZE, "expected a power of two from 1 to 2048");
}

VD_TEST(table_lengths)
{
    uint8_t sector[512];
    struct vd_kdmv_header header;
    const uint32_t bad[] = {0, 1, 64, 127, 506, 513, 8192, UINT32_MAX};

    plain_sector(sector);
    for (uint32_t entries = 128; entries <= 4096; entries *= 2) {
        vd_le32_encode(sector + 44, entries);
        check_code(vd_kdmv_header_decode(sector, "a.vmdk", &header, NULL), VD_OK);
    }
    for (size_t i = 0; i < VD_ARRAY_SIZE(bad); i++) {
        vd_le32_encode(sector + 44, bad[i]);
        refused(sector, VD_E_KDMV_TABLE_SIZE, "byte 44");
    }
}

VD_TEST(capacities)
{
    uint8_t sector[512];
    struct vd_kdmv_header header;
    uint64_t most = VD_KDMV_MAX_TABLES * 65536;

    plain_sector(sector);
    vd_le64_encode(sector + 12, 0);
    check_code(vd_kdmv_header_decode(sector, "a.vmdk", &header, NULL), VD_OK);
    vd_le64_encode(sector + 12, most);
    check_code(vd_kdmv_header_decode(sector, "a.vmdk", &header, NULL), VD_OK);
    vd_le64_encode(sector + 12, most + 1);
    refused(sector, VD_E_GD_TOO_LARGE, "33554433 entries");
    vd_le64_encode(sector + 12, UINT64_MAX);
    refused(sector, VD_E_GD_TOO_LARGE, "byte 12");
    vd_le64_encode(sector + 20, 0x200000);
    vd_le64_encode(sector + 12, VD_MAX_SECTORS);
    check_code(vd_kdmv_header_decode(sector, "a.vmdk", &header, NULL), VD_OK);
    vd_le64_encode(sector + 12, VD_MAX_SECTORS + 1);
    refused(sector, VD_E_KDMV_CAPACITY, "18014398509481985");
}

VD_TEST(text_mode_transfer)
{
    uint8_t sector[512];
    struct vd_kdmv_header header;

    plain_sector(sector);
    memcpy(sector + 73, "\x0d\x0a\x20\x0d", 4);
    refused(sector, VD_E_TEXT_MODE, "text-mode transfer");
    memcpy(sector + 73, "\x0a\x20\x0a\x00", 4);
    refused(sector, VD_E_TEXT_MODE, "has 0a 20 0a 00, expected 0a 20 0d 0a");
    vd_le32_encode(sector + 8, 2); /* bytes not valid: not looked at */
    check_code(vd_kdmv_header_decode(sector, "a.vmdk", &header, NULL), VD_OK);
}

static int read_header_of(const uint8_t *bytes, size_t length, struct vd_kdmv_header *header,
                          struct vd_error *err)
{
    struct vd_block VD_CLEANUP(vd_block_free_cleanup) *block = NULL;

    check_code(vd_block_memory_new(bytes, length, &block, NULL), VD_OK);
    return vd_kdmv_header_read(block, header, err);
}

VD_TEST(descriptor_must_be_inside_the_file)
{
    uint8_t VD_FREE *file = calloc(1, 21 * 512);
    struct vd_kdmv_header header;
    struct vd_error err = VD_ERROR_INIT;

    check(file != NULL);
    plain_sector(file);
    check_code(read_header_of(file, 21 * 512, &header, NULL), VD_OK);
    check_code_err(read_header_of(file, 20 * 512, &header, &err), VD_E_KDMV_DESCRIPTOR, &err);
    check_str_has(err.text, "sector 1, 20 sectors long");
    vd_le64_encode(file + 28, UINT64_MAX);
    check_code(read_header_of(file, 21 * 512, &header, NULL), VD_E_KDMV_DESCRIPTOR);
    vd_le64_encode(file + 28, 1);
    vd_le64_encode(file + 36, UINT64_MAX);
    check_code(read_header_of(file, 21 * 512, &header, NULL), VD_E_KDMV_DESCRIPTOR);
    vd_le64_encode(file + 36, 0);
    check_code(read_header_of(file, 21 * 512, &header, NULL), VD_E_KDMV_DESCRIPTOR);
    vd_le64_encode(file + 28, 0);
    check_code(read_header_of(file, 21 * 512, &header, NULL), VD_OK);
}

VD_TEST(short_file)
{
    uint8_t sector[512];
    struct vd_kdmv_header header;
    struct vd_error err = VD_ERROR_INIT;

    plain_sector(sector);
    check_code_err(read_header_of(sector, 511, &header, &err), VD_E_TRUNCATED, &err);
    check_code(read_header_of(sector, 0, &header, NULL), VD_E_TRUNCATED);
}

/* Every byte of a good header set to every value: decoded or refused, never worse, and what is
 * decoded keeps its promises. */
VD_TEST(no_byte_breaks_it)
{
    uint8_t sector[512];
    struct vd_kdmv_header header;

    for (size_t at = 0; at < 80; at++) {
        for (int value = 0; value < 256; value++) {
            plain_sector(sector);
            sector[at] = (uint8_t)value;
            if (vd_kdmv_header_decode(sector, "a.vmdk", &header, NULL) < 0)
                continue;
            check(vd_kdmv_num_tables(&header) <= VD_KDMV_MAX_TABLES);
            check(vd_kdmv_mapped_sectors(&header) >= header.capacity_sectors);
        }
    }
}

VD_TEST(sample_with_a_fuzzed_header)
{
    const char *path = "../shared/samples/fuzzed-header.vmdk";
    struct vd_block VD_CLEANUP(vd_block_free_cleanup) *block = NULL;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_kdmv_header header;

    if (vd_fs_open(vd_fs_host(), path, 0, &block, NULL) < 0)
        test_skip("%s is not here", path);
    check_code_err(vd_kdmv_header_read(block, &header, &err), VD_E_GD_TOO_LARGE, &err);
    check_str_has(err.text, "grain directory");
}
