/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/stream-writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "build-image.h"
#include "memory-disks.h"
#include "vmdk/create.h"
#include "vmdk/kdmv-header.h"
#include "vmdk/stream-reader.h"
#include "vmdk/vmdk.h"

#define GRAIN  128u
#define REGION 65536u

/* --- a sink in memory, which can fail --- */

struct kept {
    struct build_image image;
    unsigned writes;
    unsigned fail_at; /* 0: never */
};

static void kept_done(struct kept *kept)
{
    build_image_done(&kept->image);
}
#define KEPT VD_CLEANUP(kept_done) struct kept

static int keep(void *data, const void *bytes, size_t length, struct vd_error *err)
{
    struct kept *kept = data;
    if (++kept->writes == kept->fail_at)
        return vd_error_set_errno(err, ENOSPC, "cannot write to the sink");
    check(length > 0);
    build_image_put(&kept->image, kept->image.length, bytes, length);
    return 0;
}

static struct vd_stream_writer *open_writer(struct kept *kept,
                                            const struct vd_stream_writer_params *params)
{
    struct vd_stream_sink sink = {keep, kept, "/some/where/disk.vmdk"};
    struct vd_stream_writer *writer = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_stream_writer_open(&sink, params, &writer, &err), VD_OK, &err);
    return writer;
}
#define AUTO_WRITER VD_CLEANUP(vd_stream_writer_free_cleanup) struct vd_stream_writer *

/* --- contents --- */

enum content { CONTENT_ZEROS, CONTENT_TEXT, CONTENT_NOISE };

/* Some grains zero, some compressible, some not; `density` of 16 are not zero. */
static enum content content_of(uint64_t grain, unsigned density)
{
    uint64_t state = (grain + 1) * UINT64_C(0x9e3779b97f4a7c15);
    (void)build_random(&state);
    if (build_random(&state) % 16 >= density)
        return CONTENT_ZEROS;
    return build_random(&state) % 2 ? CONTENT_TEXT : CONTENT_NOISE;
}

static void fill_grain(uint64_t grain, unsigned density, uint8_t *bytes, size_t length)
{
    uint64_t state = grain * 2 + 1;
    enum content content = content_of(grain, density);
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = content == CONTENT_NOISE ? build_random(&state) : grain + i / 1000;
        vd_le64_encode(bytes + i, content == CONTENT_ZEROS ? 0 : word + 1);
    }
}

/* The whole disk, in writes of `per_write` grains. */
static int write_disk(struct vd_stream_writer *writer, uint64_t capacity, unsigned density,
                      unsigned per_write, struct vd_error *err)
{
    uint64_t most = (uint64_t)per_write * GRAIN;
    VD_FREE uint8_t *bytes = malloc(vd_sectors_to_bytes(most));
    check(bytes != NULL);
    for (uint64_t at = 0; at < capacity; at += most) {
        uint64_t count = VD_MIN(most, capacity - at);
        for (uint64_t i = 0; i < count; i += GRAIN)
            fill_grain((at + i) / GRAIN, density, bytes + vd_sectors_to_bytes(i),
                       vd_sectors_to_bytes(VD_MIN(count - i, (uint64_t)GRAIN)));
        int r = vd_stream_writer_write(writer, at, count, bytes, err);
        if (r < 0)
            return r;
    }
    return vd_stream_writer_finish(writer, err);
}

static void make_stream(struct kept *kept, uint64_t capacity, unsigned density,
                        struct vd_workers *workers, int level)
{
    struct vd_stream_writer_params params = {
        .capacity_sectors = capacity, .workers = workers, .level = level};
    struct vd_error err = VD_ERROR_INIT;
    AUTO_WRITER writer = open_writer(kept, &params);
    check_code_err(write_disk(writer, capacity, density, workers ? 37 : 3, &err), VD_OK, &err);
    check_u64_eq(vd_stream_writer_bytes(writer), kept->image.length);
}

/* --- what was written, record by record --- */

struct walk {
    const uint8_t *bytes;
    size_t length;
    size_t at;
    uint64_t next_lba;
    uint32_t gtes[512]; /* of the region under way */
    uint32_t gdes[1024];
    uint64_t region;
    bool grains_in_region;
};

static void check_padding(const struct walk *walk, size_t from, size_t to)
{
    check(to <= walk->length && vd_bytes_all_zero(walk->bytes + from, to - from));
}

static void walk_grain(struct walk *walk, uint32_t size)
{
    uint64_t lba = vd_le64_decode(walk->bytes + walk->at);
    size_t end = walk->at + 12 + size;
    size_t padded = (end + 511) / 512 * 512;
    check(lba % GRAIN == 0 && lba >= walk->next_lba);
    check(size <= 65536 + 512 - 12);
    check(walk->bytes[walk->at + 12] == 0x78);
    check_padding(walk, end, padded);
    if (walk->grains_in_region)
        check_u64_eq(lba / REGION, walk->region);
    walk->region = lba / REGION;
    walk->grains_in_region = true;
    walk->gtes[lba % REGION / GRAIN] = (uint32_t)(walk->at / 512);
    walk->next_lba = lba + GRAIN;
    walk->at = padded;
}

static void walk_table(struct walk *walk)
{
    check(walk->grains_in_region);
    check_u64_eq(vd_le64_decode(walk->bytes + walk->at), 4);
    check_padding(walk, walk->at + 16, walk->at + 512);
    walk->at += 512;
    walk->gdes[walk->region] = (uint32_t)(walk->at / 512);
    for (size_t i = 0; i < 512; i++)
        check_u64_eq(vd_le32_decode(walk->bytes + walk->at + i * 4), walk->gtes[i]);
    walk->at += 2048;
    memset(walk->gtes, 0, sizeof walk->gtes);
    walk->grains_in_region = false;
}

static void walk_end(struct walk *walk, uint64_t capacity)
{
    uint64_t num_tables = vd_div_up(capacity, REGION);
    uint64_t sectors = vd_div_up(num_tables * 4, 512);
    uint8_t header[512];
    check(!walk->grains_in_region);
    check_u64_eq(vd_le64_decode(walk->bytes + walk->at), sectors);
    uint64_t directory = walk->at / 512 + 1;
    for (size_t i = 0; i < num_tables; i++)
        check_u64_eq(vd_le32_decode(walk->bytes + directory * 512 + i * 4), walk->gdes[i]);
    check_padding(walk, directory * 512 + num_tables * 4, (directory + sectors) * 512);
    walk->at = (directory + sectors) * 512;
    check_u64_eq(walk->length, walk->at + 3 * 512);
    check_u64_eq(vd_le64_decode(walk->bytes + walk->at), 1);
    check_u64_eq(vd_le32_decode(walk->bytes + walk->at + 12), 3);
    memcpy(header, walk->bytes, 512);
    check_u64_eq(vd_le64_decode(header + 56), UINT64_MAX);
    vd_le64_encode(header + 56, directory);
    check_mem_eq(walk->bytes + walk->at + 512, header, 512);
    check_padding(walk, walk->at + 1024, walk->at + 1536);
}

static void check_records(const struct kept *kept, uint64_t capacity)
{
    VD_FREE struct walk *walk = calloc(1, sizeof *walk);
    check(walk != NULL);
    walk->bytes = kept->image.bytes;
    walk->length = kept->image.length;
    check(capacity <= 1024 * (uint64_t)REGION && walk->length % 512 == 0);
    for (walk->at = GRAIN * 512;;) {
        check(walk->at + 2048 <= walk->length);
        uint32_t size = vd_le32_decode(walk->bytes + walk->at + 8);
        uint32_t type = vd_le32_decode(walk->bytes + walk->at + 12);
        if (size != 0)
            walk_grain(walk, size);
        else if (type == 1)
            walk_table(walk);
        else
            break;
    }
    check_u64_eq(vd_le32_decode(walk->bytes + walk->at + 12), 2);
    walk_end(walk, capacity);
}

/* --- readers --- */

struct feed {
    const struct build_image *image;
    size_t at;
};

static int feed_bytes(void *data, void *buffer, size_t length, size_t *ret_done,
                      struct vd_error *err)
{
    struct feed *feed = data;
    (void)err;
    *ret_done = VD_MIN(length, feed->image->length - feed->at);
    memcpy(buffer, feed->image->bytes + feed->at, *ret_done);
    feed->at += *ret_done;
    return 0;
}

static void check_forward(const struct kept *kept, uint64_t capacity, unsigned density)
{
    struct feed feed = {&kept->image, 0};
    struct vd_stream_source source = {feed_bytes, &feed, "stream"};
    VD_CLEANUP(vd_stream_reader_free_cleanup) struct vd_stream_reader *reader = NULL;
    struct vd_error err = VD_ERROR_INIT;
    uint8_t expected[GRAIN * 512];
    const uint8_t *bytes;
    uint64_t lba;
    size_t length;
    int r;
    uint64_t grain = 0;
    check_code_err(vd_stream_reader_open(&source, NULL, &reader, &err), VD_OK, &err);
    check_u64_eq(vd_stream_reader_capacity(reader), capacity);
    while ((r = vd_stream_reader_next(reader, &lba, &bytes, &length, &err)) > 0) {
        while (content_of(grain, density) == CONTENT_ZEROS)
            grain++;
        check_u64_eq(lba, grain * GRAIN);
        fill_grain(grain, density, expected, length);
        check_mem_eq(bytes, expected, length);
        grain++;
    }
    check_code_err(r, VD_OK, &err);
    for (; grain * GRAIN < capacity; grain++)
        check_int_eq(content_of(grain, density), CONTENT_ZEROS);
}

static void check_random_access(const struct kept *kept, uint64_t capacity, unsigned density)
{
    AUTO_FILES files = new_files();
    struct vd_vmdk_options options = {.fs = vd_fs_memory_fs(files), .flags = VD_VMDK_READ_ONLY};
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk_info info;
    uint8_t expected[GRAIN * 512];
    uint8_t bytes[GRAIN * 512];
    check_code(vd_fs_memory_add(files, "/s.vmdk", kept->image.bytes, kept->image.length, NULL),
               VD_OK);
    check_code_err(vd_vmdk_open("/s.vmdk", &options, &disk, &err), VD_OK, &err);
    vd_disk_info(disk, &info);
    check_int_eq(info.type, VD_DISK_STREAM_OPTIMIZED);
    check_u64_eq(info.capacity_sectors, capacity);
    for (uint64_t at = 0; at < capacity; at += GRAIN) {
        uint64_t count = VD_MIN(capacity - at, (uint64_t)GRAIN);
        fill_grain(at / GRAIN, density, expected, vd_sectors_to_bytes(count));
        check_code_err(vd_disk_read(disk, at, count, bytes, &err), VD_OK, &err);
        check_mem_eq(bytes, expected, vd_sectors_to_bytes(count));
    }
}

/* --- tests --- */

VD_TEST(round_trips_at_every_corner)
{
    static const uint64_t sizes[] = {1,      127,        128,        129,
                                     REGION, REGION - 1, REGION + 1, REGION * 2 + 128};
    for (size_t i = 0; i < VD_ARRAY_SIZE(sizes); i++) {
        for (unsigned density = 0; density <= 16; density += 8) {
            if (sizes[i] > REGION && density == 16)
                continue; /* time */
            KEPT kept = {0};
            make_stream(&kept, sizes[i], density, NULL, 1);
            check_records(&kept, sizes[i]);
            check_forward(&kept, sizes[i], density);
            check_random_access(&kept, sizes[i], density);
        }
    }
}

VD_TEST(workers_write_the_same_bytes)
{
    VD_CLEANUP(kept_done) struct kept alone = {0};
    make_stream(&alone, 5 * REGION + 17, 8, NULL, 6);
    for (unsigned threads = 1; threads <= 8; threads *= 2) {
        KEPT kept = {0};
        struct vd_workers *workers = NULL;
        check_code(vd_workers_new(threads, &workers, NULL), VD_OK);
        make_stream(&kept, 5 * REGION + 17, 8, workers, 6);
        vd_workers_free(workers);
        check_u64_eq(kept.image.length, alone.image.length);
        size_t front = GRAIN * 512; /* with a CID of its own */
        check_mem_eq(kept.image.bytes + front, alone.image.bytes + front,
                     kept.image.length - front);
    }
}

/* Packed by the caller, in steps of `per_put` grains. */
static void make_in_halves(struct kept *kept, uint64_t capacity, unsigned density, unsigned per_put)
{
    struct vd_stream_writer_params params = {.capacity_sectors = capacity, .level = 6};
    struct vd_error err = VD_ERROR_INIT;
    uint64_t most = (uint64_t)per_put * GRAIN;
    VD_FREE uint8_t *bytes = malloc(vd_sectors_to_bytes(most));
    VD_FREE uint8_t *packed = malloc(VD_STREAM_PACKED_BYTES(most));
    AUTO_WRITER writer = open_writer(kept, &params);
    check(bytes && packed);
    for (uint64_t at = 0; at < capacity; at += most) {
        uint64_t count = VD_MIN(most, capacity - at);
        size_t length = 0;
        for (uint64_t i = 0; i < count; i += GRAIN)
            fill_grain((at + i) / GRAIN, density, bytes + vd_sectors_to_bytes(i),
                       vd_sectors_to_bytes(VD_MIN(count - i, (uint64_t)GRAIN)));
        check_code_err(vd_stream_writer_pack(writer, at, count, bytes, packed, &length, &err),
                       VD_OK, &err);
        check(length <= VD_STREAM_PACKED_BYTES(count));
        check_code_err(vd_stream_writer_put(writer, at, count, packed, length, &err), VD_OK, &err);
    }
    check_code(vd_stream_writer_put(writer, 0, GRAIN, packed, 0, NULL), VD_E_INVALID_ARG);
    check_code(vd_stream_writer_finish(writer, NULL), VD_OK);
}

VD_TEST(two_halves_are_a_write)
{
    uint64_t capacity = 2 * REGION + 17;
    KEPT alone = {0};
    KEPT halves = {0};
    size_t front = GRAIN * 512; /* with a CID of its own */
    make_stream(&alone, capacity, 8, NULL, 6);
    make_in_halves(&halves, capacity, 8, 16);
    check_u64_eq(halves.image.length, alone.image.length);
    check_mem_eq(halves.image.bytes + front, alone.image.bytes + front,
                 halves.image.length - front);
}

VD_TEST(pack_takes_whole_grains_of_the_disk)
{
    KEPT kept = {0};
    struct vd_stream_writer_params params = {.capacity_sectors = 3 * GRAIN};
    VD_FREE uint8_t *bytes = calloc(4, GRAIN * 512);
    VD_FREE uint8_t *packed = malloc(VD_STREAM_PACKED_BYTES(4 * GRAIN));
    size_t length = 7;
    AUTO_WRITER writer = open_writer(&kept, &params);
    check(bytes && packed);
    check_code(vd_stream_writer_pack(writer, 0, 4 * GRAIN, bytes, packed, &length, NULL),
               VD_E_OUT_OF_RANGE);
    check_code(vd_stream_writer_pack(writer, 1, GRAIN, bytes, packed, &length, NULL),
               VD_E_INVALID_ARG);
    check_u64_eq(length, 7);
    check_code(vd_stream_writer_pack(writer, 0, 3 * GRAIN, bytes, packed, &length, NULL), VD_OK);
    check_u64_eq(length, 0); /* zeros are not stored */
}

VD_TEST(every_level_round_trips)
{
    for (int level = 0; level <= 12; level++) {
        KEPT kept = {0};
        make_stream(&kept, 20 * GRAIN + 5, 16, NULL, level);
        check_records(&kept, 20 * GRAIN + 5);
        check_forward(&kept, 20 * GRAIN + 5, 16);
    }
}

VD_TEST(front_is_what_importers_want)
{
    KEPT kept = {0};
    static const char *const ddb[] = {"uuid", "the source's own", "comment", "kept", NULL};
    struct vd_stream_writer_params params = {.capacity_sectors = 33554432,
                                             .adapter = "pvscsi",
                                             .hw_version = 19,
                                             .bios_geometry = {1, 2, 3},
                                             .ddb = ddb};
    struct vd_kdmv_header header;
    AUTO_WRITER writer = open_writer(&kept, &params);
    check_code(vd_stream_writer_finish(writer, NULL), VD_OK);
    check_code(vd_kdmv_header_decode(kept.image.bytes, "it", &header, NULL), VD_OK);
    check_u64_eq(header.version, 3);
    check_u64_eq(header.flags, 0x30001);
    check_u64_eq(header.capacity_sectors, 33554432);
    check_u64_eq(header.grain_sectors, 128);
    check_u64_eq(header.descriptor_offset_sectors, 1);
    check_u64_eq(header.descriptor_sectors, 20);
    check_u64_eq(header.table_entries, 512);
    check_u64_eq(header.rgd_offset_sectors, 0);
    check_u64_eq(header.gd_offset_sectors, UINT64_MAX);
    check_u64_eq(header.overhead_sectors, 128);
    check(!header.unclean_shutdown);
    const char *text = (const char *)kept.image.bytes + 512;
    check(strncmp(text, "# Disk DescriptorFile\nversion=1\n", 32) == 0);
    check_str_has(text, "\ncreateType=\"streamOptimized\"\n");
    check_str_has(text, "\nRDONLY 33554432 SPARSE \"disk.vmdk\"\n");
    check_str_has(text, "\nddb.adapterType = \"pvscsi\"\n");
    check_str_has(text, "\nddb.geometry.biosCylinders = \"1\"\n");
    check_str_has(text, "\nddb.geometry.cylinders = \"2088\"\n");
    check_str_has(text, "\nddb.comment = \"kept\"\n");
    check_str_has(text, "\nddb.uuid = \"the source's own\"\n");
    check_str_has(text, "\nddb.virtualHWVersion = \"19\"\n");
    check(vd_bytes_all_zero(text + strlen(text), 127 * 512 - strlen(text)));
    check_records(&kept, 33554432);
}

VD_TEST(a_sink_without_a_disks_name_gets_vmwares)
{
    static const char *const names[] = {"standard output", "a\"b.vmdk", ""};
    for (size_t i = 0; i < VD_ARRAY_SIZE(names); i++) {
        KEPT kept = {0};
        struct vd_stream_sink sink = {keep, &kept, names[i]};
        struct vd_stream_writer_params params = {.capacity_sectors = 1};
        AUTO_WRITER writer = NULL;
        check_code(vd_stream_writer_open(&sink, &params, &writer, NULL), VD_OK);
        check_code(vd_stream_writer_finish(writer, NULL), VD_OK);
        check_str_has((const char *)kept.image.bytes + 512,
                      "\nRDONLY 1 SPARSE \"generated-stream.vmdk\"\n");
    }
}

VD_TEST(gaps_are_zeros)
{
    KEPT kept = {0};
    struct vd_stream_writer_params params = {.capacity_sectors = 4 * REGION};
    uint8_t bytes[GRAIN * 512];
    memset(bytes, 'x', sizeof bytes);
    AUTO_WRITER writer = open_writer(&kept, &params);
    check_code(vd_stream_writer_write(writer, 5 * GRAIN, GRAIN, bytes, NULL), VD_OK);
    check_code(vd_stream_writer_write(writer, 9 * GRAIN, 0, bytes, NULL), VD_OK);
    check_code(vd_stream_writer_write(writer, 2 * REGION, GRAIN, bytes, NULL), VD_OK);
    check_code(vd_stream_writer_finish(writer, NULL), VD_OK);
    check_records(&kept, 4 * REGION);
}

static void check_refused(const struct vd_stream_writer_params *params, int code, const char *part)
{
    KEPT kept = {0};
    struct vd_stream_sink sink = {keep, &kept, "out.vmdk"};
    struct vd_stream_writer *writer = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_stream_writer_open(&sink, params, &writer, &err), code, &err);
    check_str_has(err.text, part);
    check_u64_eq(kept.writes, 0);
}

VD_TEST(senseless_parameters_are_refused)
{
    struct vd_stream_writer_params params = {0};
    check_refused(&params, VD_E_INVALID_ARG, "writing 'out.vmdk': a capacity of 0 sectors");
    params.capacity_sectors = VD_CREATE_MAX_SECTORS + 1;
    check_refused(&params, VD_E_TOO_BIG, "expected 1 to 133143986176 (62 TiB)");
    params.capacity_sectors = 100;
    params.level = 13;
    check_refused(&params, VD_E_INVALID_ARG, "compression level 13, expected 1 to 12");
    params.level = -1;
    check_refused(&params, VD_E_INVALID_ARG, "compression level -1");
    params.level = 0;
    params.adapter = "serial";
    check_refused(&params, VD_E_INVALID_ARG, "there is no adapter 'serial'");
    params.adapter = NULL;
    const char *const quoted[] = {"comment", "a \"quote\"", NULL};
    params.ddb = quoted;
    check_refused(&params, VD_E_NAME_INVALID, "cannot be written to a descriptor");
    VD_FREE char *comment = malloc(11000);
    check(comment != NULL);
    memset(comment, 'c', 10999);
    comment[10999] = '\0';
    const char *const longer[] = {"comment", comment, NULL};
    params.ddb = longer;
    check_refused(&params, VD_E_TOO_BIG, "the descriptor is longer than 10239 bytes");
}

VD_TEST(senseless_writes_are_refused_and_harm_nothing)
{
    KEPT kept = {0};
    struct vd_stream_writer_params params = {.capacity_sectors = 1000};
    struct vd_error err = VD_ERROR_INIT;
    VD_FREE uint8_t *bytes = calloc(1000, 512);
    check(bytes != NULL);
    memset(bytes, 7, 1000 * 512);
    AUTO_WRITER writer = open_writer(&kept, &params);
    check_code(vd_stream_writer_write(writer, 0, 1001, bytes, &err), VD_E_OUT_OF_RANGE);
    check_str_has(err.text, "1001 sectors at 0, the disk has 1000");
    check_code(vd_stream_writer_write(writer, UINT64_MAX, 128, bytes, NULL), VD_E_OUT_OF_RANGE);
    check_code(vd_stream_writer_write(writer, 64, 128, bytes, NULL), VD_E_INVALID_ARG);
    check_code(vd_stream_writer_write(writer, 0, 100, bytes, NULL), VD_E_INVALID_ARG);
    check_code(vd_stream_writer_write(writer, 128, 128, bytes, NULL), VD_OK);
    vd_error_clear(&err);
    check_code(vd_stream_writer_write(writer, 128, 128, bytes, &err), VD_E_INVALID_ARG);
    check_str_has(err.text, "sector 128 after sector 256, a stream is written in ascending order");
    check_code(vd_stream_writer_write(writer, 896, 104, bytes, NULL), VD_OK);
    check_code(vd_stream_writer_finish(writer, NULL), VD_OK);
    check_records(&kept, 1000);
    vd_error_clear(&err);
    check_code(vd_stream_writer_write(writer, 896, 104, bytes, &err), VD_E_INVALID_ARG);
    check_str_has(err.text, "the stream is finished");
    check_code(vd_stream_writer_finish(writer, NULL), VD_E_INVALID_ARG);
}

VD_TEST(a_failing_sink_is_told_once_and_stays_failed)
{
    struct vd_workers *workers = NULL;
    check_code(vd_workers_new(4, &workers, NULL), VD_OK);
    for (unsigned fail_at = 1;; fail_at++) {
        KEPT kept = {.fail_at = fail_at};
        struct vd_stream_writer_params params = {
            .capacity_sectors = REGION + 5, .workers = workers, .level = 1};
        struct vd_error err = VD_ERROR_INIT;
        AUTO_WRITER writer = open_writer(&kept, &params);
        int r = write_disk(writer, params.capacity_sectors, 4, 200, &err);
        if (kept.writes < fail_at) {
            check_code_err(r, VD_OK, &err);
            check(fail_at > 5);
            break;
        }
        check_code_err(r, VD_E_DISK_FULL, &err);
        check_str_has(err.text, "cannot write to the sink");
        uint8_t sector[512] = {0};
        vd_error_clear(&err);
        check_code(vd_stream_writer_write(writer, REGION, 5, sector, &err), VD_E_DISK_FULL);
        check_str_eq(err.text, "writing '/some/where/disk.vmdk' failed before");
        check_code(vd_stream_writer_finish(writer, NULL), VD_E_DISK_FULL);
        check_u64_eq(kept.writes, fail_at);
    }
    vd_workers_free(workers);
}

VD_TEST(an_unfinished_stream_is_told_from_a_whole_one)
{
    KEPT kept = {0};
    struct vd_stream_writer_params params = {.capacity_sectors = 100 * REGION};
    AUTO_WRITER writer = open_writer(&kept, &params);
    struct feed feed = {&kept.image, 0};
    struct vd_stream_source source = {feed_bytes, &feed, "stream"};
    VD_CLEANUP(vd_stream_reader_free_cleanup) struct vd_stream_reader *reader = NULL;
    VD_FREE uint8_t *noise = malloc(1 << 20);
    uint64_t state = 1;
    const uint8_t *bytes;
    uint64_t lba;
    size_t length;
    int r = 1;
    check(noise != NULL);
    build_random_sectors(&state, noise, 2048);
    check_code(vd_stream_writer_write(writer, 0, 2048, noise, NULL), VD_OK);
    check(kept.image.length > 0);
    check_code(vd_stream_reader_open(&source, NULL, &reader, NULL), VD_OK);
    while (r > 0)
        r = vd_stream_reader_next(reader, &lba, &bytes, &length, NULL);
    check_code(r, VD_E_TRUNCATED);
}
