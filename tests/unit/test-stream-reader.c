/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/stream-reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/units.h"
#include "build-kdmv.h"
#include "tests/harness.h"

#define GRAIN_BYTES 65536u

/* Bytes that come in pieces, and may fail. */
struct pipe_like {
    const uint8_t *bytes;
    size_t length;
    size_t done;
    size_t piece;   /* 0 = as much as asked */
    size_t fail_at; /* 0 = never */
};

static int pipe_read(void *data, void *buffer, size_t length, size_t *ret_done,
                     struct vd_error *err)
{
    struct pipe_like *pipe = data;
    size_t n = VD_MIN(length, pipe->length - pipe->done);

    if (pipe->piece)
        n = VD_MIN(n, pipe->piece);
    if (pipe->fail_at && pipe->done + n > pipe->fail_at)
        return vd_error_set(err, VD_E_IO, "cannot read the pipe");
    memcpy(buffer, pipe->bytes + pipe->done, n);
    pipe->done += n;
    *ret_done = n;
    return 0;
}

struct reading {
    struct kdmv_image image;
    struct pipe_like pipe;
    struct vd_stream_source source;
    struct vd_stream_reader *reader;
};

static void reading_free(struct reading *reading)
{
    vd_stream_reader_free(reading->reader);
    kdmv_free(&reading->image);
}
#define READING __attribute__((cleanup(reading_free))) struct reading

static int reading_open(struct reading *reading, struct vd_error *err)
{
    reading->pipe.bytes = reading->image.bytes;
    reading->pipe.length = reading->image.length;
    reading->source = (struct vd_stream_source){pipe_read, &reading->pipe, "-"};
    return vd_stream_reader_open(&reading->source, NULL, &reading->reader, err);
}

static int next_grain(struct reading *reading, uint64_t *lba, const uint8_t **bytes, size_t *length,
                      struct vd_error *err)
{
    return vd_stream_reader_next(reading->reader, lba, bytes, length, err);
}

static void check_grain(struct reading *reading, const struct kdmv_stream_options *options,
                        uint64_t grain)
{
    uint64_t left = options->capacity_sectors - grain * 128;
    size_t want_bytes = (size_t)VD_MIN(left, 128) * VD_SECTOR_BYTES;
    uint8_t VD_FREE *want = malloc(GRAIN_BYTES);
    struct vd_error err = VD_ERROR_INIT;
    const uint8_t *bytes = NULL;
    size_t length = 0;
    uint64_t lba = 0;

    check(want != NULL);
    check_code_err(next_grain(reading, &lba, &bytes, &length, &err), VD_OK, &err);
    check_u64_eq(lba, grain * 128);
    check_u64_eq(length, want_bytes);
    kdmv_stream_fill(options, grain, want, GRAIN_BYTES);
    check_mem_eq(bytes, want, want_bytes);
}

static void check_end(struct reading *reading)
{
    struct vd_error err = VD_ERROR_INIT;
    const uint8_t *bytes = NULL;
    size_t length = 0;
    uint64_t lba = 0;

    for (int again = 0; again < 2; again++) {
        int r = next_grain(reading, &lba, &bytes, &length, &err);
        check_code_err(r, VD_OK, &err);
        check_int_eq(r, 0);
    }
}

/* After the good grains: `code`, and the same one again. */
static void check_broken(struct reading *reading, int code, const char *part)
{
    struct vd_error err = VD_ERROR_INIT;
    const uint8_t *bytes = NULL;
    size_t length = 0;
    uint64_t lba = 0;
    int r;

    do
        r = next_grain(reading, &lba, &bytes, &length, &err);
    while (r > 0);
    check(r < 0);
    check_code_err(r, code, &err);
    check_str_has(err.text, part);
    check_code(next_grain(reading, &lba, &bytes, &length, NULL), code);
}

static void check_stream(const struct kdmv_stream_options *options, size_t piece)
{
    READING reading = {0};
    struct vd_error err = VD_ERROR_INIT;

    kdmv_stream(&reading.image, options);
    reading.pipe.piece = piece;
    check_code_err(reading_open(&reading, &err), VD_OK, &err);
    check_u64_eq(vd_stream_reader_capacity(reading.reader), options->capacity_sectors);
    for (size_t i = 0; i < options->num_grains; i++)
        check_grain(&reading, options, options->grains[i]);
    check_end(&reading);
}

static const uint64_t many_grains[] = {0, 1, 2, 511, 512, 1600, 3, 2000};

static struct kdmv_stream_options many(enum kdmv_style style)
{
    return (struct kdmv_stream_options){.style = style,
                                        .capacity_sectors = 128 * 2000 + 77,
                                        .grains = many_grains,
                                        .num_grains = VD_ARRAY_SIZE(many_grains)};
}

VD_TEST(streams_of_all_writers)
{
    for (int style = KDMV_VMWARE; style <= KDMV_VMDKTOOL; style++) {
        struct kdmv_stream_options options = many((enum kdmv_style)style);
        check_stream(&options, 0);
        check_stream(&options, 999);
        options.incompressible = true;
        check_stream(&options, 4096);
        options.progress = true;
        check_stream(&options, 65537);
        options.num_grains = 0;
        check_stream(&options, 0);
    }
}

VD_TEST(odd_capacities)
{
    const uint64_t capacities[] = {1, 127, 128, 129, 65536, 65537, 65536 * 3 - 1};

    for (int style = KDMV_VMWARE; style <= KDMV_VMDKTOOL; style++) {
        for (size_t i = 0; i < VD_ARRAY_SIZE(capacities); i++) {
            uint64_t last = (capacities[i] - 1) / 128;
            struct kdmv_stream_options options = {.style = (enum kdmv_style)style,
                                                  .capacity_sectors = capacities[i],
                                                  .grains = &last,
                                                  .num_grains = 1};
            check_stream(&options, 0);
        }
    }
}

VD_TEST(byte_by_byte)
{
    struct kdmv_stream_options options = many(KDMV_VMWARE);

    options.num_grains = 1;
    check_stream(&options, 1);
}

VD_TEST(descriptor_is_there)
{
    READING reading = {0};
    struct kdmv_stream_options options = many(KDMV_VMWARE);

    kdmv_stream(&reading.image, &options);
    check_code(reading_open(&reading, NULL), VD_OK);
    check_str_eq(vd_stream_reader_descriptor(reading.reader)->create_type, "streamOptimized");
}

VD_TEST(no_descriptor)
{
    READING reading = {0}, zeros = {0};
    struct kdmv_stream_options options = many(KDMV_VMWARE);

    kdmv_stream(&reading.image, &options);
    reading.image.header.descriptor_offset_sectors = 0;
    kdmv_put_header(&reading.image);
    check_code(reading_open(&reading, NULL), VD_OK);
    check(vd_stream_reader_descriptor(reading.reader) == NULL);
    check_u64_eq(vd_stream_reader_capacity(reading.reader), options.capacity_sectors);
    options.descriptor = "";
    kdmv_stream(&zeros.image, &options);
    check_code(reading_open(&zeros, NULL), VD_OK);
    check(vd_stream_reader_descriptor(zeros.reader) == NULL);
}

/* VirtualBox rounds the header's capacity up to a grain; the extent line is exact. */
VD_TEST(capacity_of_the_extent_line_counts)
{
    struct kdmv_stream_options options = many(KDMV_VMWARE);

    options.header_capacity_sectors = 128 * 2001;
    check_stream(&options, 0);
}

VD_TEST(capacity_larger_than_the_headers)
{
    READING reading = {0};
    struct kdmv_stream_options options = many(KDMV_VMWARE);
    struct vd_error err = VD_ERROR_INIT;

    options.capacity_sectors = 128 * 2001;
    options.header_capacity_sectors = 128 * 2000;
    options.num_grains = 1;
    kdmv_stream(&reading.image, &options);
    check_code_err(reading_open(&reading, &err), VD_E_KDMV_CAPACITY, &err);
    check_str_has(err.text, "256000 sectors, expected 256128");
}

/* A plain extent, and things that are no extents. */
VD_TEST(not_a_stream)
{
    READING plain = {0}, text = {0}, empty = {0};
    struct kdmv_shape shape = {.capacity_sectors = 1000};
    struct vd_error err = VD_ERROR_INIT;

    kdmv_plain(&plain.image, &shape);
    check_code_err(reading_open(&plain, &err), VD_E_NOT_SUPPORTED, &err);
    check_str_has(err.text, "flags 0x3, expected a stream");
    kdmv_append(&text.image, "# Disk DescriptorFile", 21);
    kdmv_pad(&text.image, 512);
    check_code(reading_open(&text, NULL), VD_E_NOT_A_DISK);
    kdmv_append(&empty.image, "KDMV", 4);
    check_code(reading_open(&empty, NULL), VD_E_TRUNCATED);
}

VD_TEST(impossible_front)
{
    struct kdmv_stream_options options = many(KDMV_VMWARE);
    const struct {
        size_t at;
        uint64_t value;
        int code;
    } cases[] = {{64, 0, VD_E_KDMV_OFFSET},        {64, UINT64_C(1) << 32, VD_E_KDMV_OFFSET},
                 {64, 4, VD_E_KDMV_DESCRIPTOR},    {28, UINT64_MAX, VD_E_KDMV_DESCRIPTOR},
                 {36, 0, VD_E_KDMV_DESCRIPTOR},    {36, UINT64_MAX, VD_E_KDMV_DESCRIPTOR},
                 {36, 9000, VD_E_KDMV_DESCRIPTOR}, {64, 1 << 20, VD_E_TRUNCATED}};

    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        READING reading = {0};
        kdmv_stream(&reading.image, &options);
        vd_le64_encode(reading.image.bytes + cases[i].at, cases[i].value);
        check_code(reading_open(&reading, NULL), cases[i].code);
    }
}

/* --- ends --- */

/* Cut at every sector: every complete grain comes, then the sentence; never "whole" before the
 * evidence is complete. */
static void check_cuts(enum kdmv_style style, uint64_t evidence_sector, uint64_t last_grain_sector)
{
    struct kdmv_stream_options options = many(style);
    struct kdmv_image whole;

    kdmv_stream(&whole, &options);
    for (uint64_t cut = whole.header.overhead_sectors; cut < whole.length / 512; cut++) {
        READING reading = {.image = whole};
        const uint8_t *bytes;
        size_t length, grains = 0;
        uint64_t lba;
        int r;
        reading.image.length = cut * 512;
        check_code(reading_open(&reading, NULL), VD_OK);
        while ((r = next_grain(&reading, &lba, &bytes, &length, NULL)) > 0)
            grains++;
        check_code(r, cut >= evidence_sector ? VD_OK : VD_E_TRUNCATED);
        check(grains == options.num_grains || cut < last_grain_sector);
        reading.image.bytes = NULL; /* shared */
    }
    kdmv_free(&whole);
}

static uint64_t end_sector(enum kdmv_style style)
{
    struct kdmv_stream_options options = many(style);
    struct kdmv_image image;
    uint64_t sectors;

    kdmv_stream(&image, &options);
    sectors = image.length / 512;
    kdmv_free(&image);
    return sectors;
}

VD_TEST(cut_before_the_directory)
{
    uint64_t end = end_sector(KDMV_VMWARE);

    /* directory, FOOTER, footer, EOS; a table and its marker before them */
    check_cuts(KDMV_VMWARE, end - 3, end - 5 - 2 * 5);
}

/* Between the end of the last grain and the padding's end there is no difference. */
VD_TEST(cut_where_only_tables_in_front_tell)
{
    struct kdmv_stream_options options = many(KDMV_OPEN_VMDK);
    struct kdmv_image image;
    uint64_t grains_end;

    kdmv_stream(&image, &options);
    grains_end = image.length / 512 - 1;
    kdmv_free(&image);
    check_cuts(KDMV_OPEN_VMDK, grains_end, grains_end);
}

VD_TEST(cut_says_how_many_grains_are_missing)
{
    READING reading = {0};
    struct kdmv_stream_options options = many(KDMV_QEMU);

    kdmv_stream(&reading.image, &options);
    reading.image.length = kdmv_gte(&reading.image, false, 2000) * UINT64_C(512);
    check_code(reading_open(&reading, NULL), VD_OK);
    check_broken(&reading, VD_E_TRUNCATED, "after 7 grains, expected 8");
}

VD_TEST(cut_inside_a_grain)
{
    READING reading = {0};
    struct kdmv_stream_options options = many(KDMV_QEMU);

    kdmv_stream(&reading.image, &options);
    reading.image.length = kdmv_gte(&reading.image, false, 2000) * UINT64_C(512) + 600;
    check_code(reading_open(&reading, NULL), VD_OK);
    check_broken(&reading, VD_E_TRUNCATED, "inside a compressed grain");
}

VD_TEST(padding_of_the_last_record_may_be_missing)
{
    READING reading = {0};
    uint64_t grain = 0;
    struct kdmv_stream_options options = {
        .style = KDMV_OPEN_VMDK, .capacity_sectors = 128, .grains = &grain, .num_grains = 1};
    uint64_t place;

    kdmv_stream(&reading.image, &options);
    place = kdmv_gte(&reading.image, false, 0) * UINT64_C(512);
    reading.image.length = place + 12 + vd_le32_decode(reading.image.bytes + place + 8);
    check(reading.image.length % 512 != 0);
    check_code(reading_open(&reading, NULL), VD_OK);
    check_grain(&reading, &options, 0);
    check_end(&reading);
}

static size_t record_of(const struct kdmv_image *image, uint64_t grain)
{
    size_t at = image->header.overhead_sectors * 512;

    while (vd_le64_decode(image->bytes + at) != grain * 128)
        at += 512;
    return at;
}

/* A file that was made at its full size and is not filled yet looks like EOS. */
VD_TEST(zeros_where_grains_are_missing)
{
    READING reading = {0};
    struct kdmv_stream_options options = many(KDMV_VMWARE);
    size_t at;

    kdmv_stream(&reading.image, &options);
    at = record_of(&reading.image, 1600);
    memset(reading.image.bytes + at, 0, reading.image.length - at);
    check_code(reading_open(&reading, NULL), VD_OK);
    check_broken(&reading, VD_E_TRUNCATED, "after 5 grains, expected a grain directory");
}

VD_TEST(no_end_at_all)
{
    READING reading = {0};
    struct kdmv_stream_options options = many(KDMV_VMWARE);

    options.num_grains = 0;
    kdmv_stream(&reading.image, &options);
    reading.image.length = reading.image.header.overhead_sectors * 512;
    check_code(reading_open(&reading, NULL), VD_OK);
    check_broken(&reading, VD_E_TRUNCATED, "expected a grain directory or a footer first");
}

VD_TEST(missing_footer_or_eos)
{
    struct kdmv_stream_options options = many(KDMV_VMWARE);

    options.no_footer = true;
    check_stream(&options, 0);
    options.no_eos = true;
    check_stream(&options, 0);
    options.no_footer = false;
    check_stream(&options, 0);
}

VD_TEST(bytes_behind_the_end_do_not_matter)
{
    READING reading = {0};
    struct kdmv_stream_options options = many(KDMV_VMWARE);

    kdmv_stream(&reading.image, &options);
    kdmv_append(&reading.image, NULL, 5000);
    memset(reading.image.bytes + reading.image.length - 5000, 0xee, 5000);
    check_code(reading_open(&reading, NULL), VD_OK);
    for (size_t i = 0; i < options.num_grains; i++)
        check_grain(&reading, &options, options.grains[i]);
    check_end(&reading);
}

/* --- bad records --- */

/* A stream of one grain whose record or what follows it is changed before reading. */
static uint8_t *one_grain(struct reading *reading)
{
    static const uint64_t grain = 2;
    struct kdmv_stream_options options = {
        .style = KDMV_VMWARE, .capacity_sectors = 128 * 4, .grains = &grain, .num_grains = 1};

    kdmv_stream(&reading->image, &options);
    return reading->image.bytes + reading->image.header.overhead_sectors * 512;
}

VD_TEST(impossible_lbas)
{
    const uint64_t lbas[] = {1, 127, 129, 128 * 4, UINT64_C(1) << 40, UINT64_MAX - 127, UINT64_MAX};

    for (size_t i = 0; i < VD_ARRAY_SIZE(lbas); i++) {
        READING reading = {0};
        vd_le64_encode(one_grain(&reading), lbas[i]);
        check_code(reading_open(&reading, NULL), VD_OK);
        check_broken(&reading, VD_E_GRAIN_RECORD, "expected a multiple of 128 below 512");
    }
}

VD_TEST(impossible_sizes)
{
    const uint32_t sizes[] = {3 * GRAIN_BYTES + 1, 0x7fffffff, UINT32_MAX};

    for (size_t i = 0; i < VD_ARRAY_SIZE(sizes); i++) {
        READING reading = {0};
        vd_le32_encode(one_grain(&reading) + 8, sizes[i]);
        check_code(reading_open(&reading, NULL), VD_OK);
        check_broken(&reading, VD_E_GRAIN_RECORD, "expected 1 to 196608");
    }
}

VD_TEST(damaged_data)
{
    READING reading = {0};

    one_grain(&reading)[700] ^= 1;
    check_code(reading_open(&reading, NULL), VD_OK);
    check_broken(&reading, VD_E_GRAIN_INFLATE, "record at byte 65536");
}

VD_TEST(short_grain_in_the_middle)
{
    READING reading = {0};
    uint8_t data[512] = {1};
    uint64_t at;

    (void)one_grain(&reading);
    at = reading.image.header.overhead_sectors * 512;
    reading.image.length = at;
    (void)kdmv_record(&reading.image, 128, data, sizeof data);
    check_code(reading_open(&reading, NULL), VD_OK);
    check_broken(&reading, VD_E_GRAIN_INFLATE, "inflates to 512 bytes, expected 65536");
}

VD_TEST(absurd_markers)
{
    const struct {
        uint64_t value;
        uint32_t type;
    } cases[] = {{65537, 1}, {65537, 2}, {65537, 4}, {65537, 99}, {UINT64_MAX, 1}};

    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        READING reading = {0};
        uint8_t *record = one_grain(&reading);
        memset(record, 0, 512);
        vd_le64_encode(record, cases[i].value);
        vd_le32_encode(record + 12, cases[i].type);
        check_code(reading_open(&reading, NULL), VD_OK);
        check_broken(&reading, VD_E_STREAM_MARKER, "expected at most 65536");
    }
}

VD_TEST(grains_behind_a_marker_without_a_length)
{
    READING reading = {0};

    (void)one_grain(&reading);
    kdmv_append(&reading.image, NULL, 512);
    memmove(reading.image.bytes + 129 * 512, reading.image.bytes + 128 * 512,
            reading.image.length - 129 * 512);
    memset(reading.image.bytes + 128 * 512, 0, 512);
    reading.image.bytes[128 * 512 + 12] = 1;
    check_code(reading_open(&reading, NULL), VD_OK);
    check_broken(&reading, VD_E_STREAM_MARKER, "expected entries that point at earlier sectors");
}

VD_TEST(footer_of_another_disk)
{
    READING reading = {0};

    (void)one_grain(&reading);
    reading.image.bytes[reading.image.length - 1024 + 12] ^= 1;
    check_code(reading_open(&reading, NULL), VD_OK);
    check_broken(&reading, VD_E_STREAM_FOOTER, "capacity 513, expected 512");
}

VD_TEST(failing_source)
{
    struct kdmv_stream_options options = many(KDMV_VMWARE);
    const size_t places[] = {1, 600, 40000, 70000, 200000};

    for (size_t i = 0; i < VD_ARRAY_SIZE(places); i++) {
        READING reading = {0};
        struct vd_error err = VD_ERROR_INIT;
        kdmv_stream(&reading.image, &options);
        reading.pipe.piece = 100;
        reading.pipe.fail_at = places[i];
        if (reading_open(&reading, &err) >= 0)
            check_broken(&reading, VD_E_IO, "cannot read the pipe");
        else
            check_code_err(err.code, VD_E_IO, &err);
    }
}

/* Found by fuzzing: entries were read from a directory that had not come. */
VD_TEST(directory_in_the_sector_of_the_header)
{
    READING reading = {0};
    struct kdmv_stream_options options = many(KDMV_QEMU);

    kdmv_stream(&reading.image, &options);
    vd_le64_encode(reading.image.bytes + 56, 0);
    check_code(reading_open(&reading, NULL), VD_OK);
    for (size_t i = 0; i < options.num_grains; i++)
        check_grain(&reading, &options, options.grains[i]);
    check_end(&reading); /* by its padding */
}

/* Noise anywhere behind the header: an end or a refusal, in bounded time. */
VD_TEST(noise)
{
    uint32_t seed = 3;

    for (int round = 0; round < 400; round++) {
        READING reading = {0};
        static const uint64_t grains[] = {0, 2};
        struct kdmv_stream_options options = {.style = (enum kdmv_style)(round % 5),
                                              .capacity_sectors = 128 * 4,
                                              .grains = grains,
                                              .num_grains = 2};
        const uint8_t *bytes;
        size_t length;
        uint64_t lba;
        kdmv_stream(&reading.image, &options);
        for (int i = 0; i < 8; i++) {
            seed = seed * 1664525u + 1013904223u;
            reading.image.bytes[(seed >> 4) % reading.image.length] = (uint8_t)(seed >> 24);
        }
        if (reading_open(&reading, NULL) < 0)
            continue;
        for (int i = 0; i < 1000; i++) {
            if (next_grain(&reading, &lba, &bytes, &length, NULL) <= 0)
                break;
            check(i < 999);
        }
    }
}

/* --- samples --- */

static int fd_read(void *data, void *buffer, size_t length, size_t *ret_done, struct vd_error *err)
{
    ssize_t n = read(*(int *)data, buffer, length);

    if (n < 0)
        return vd_error_set(err, VD_E_IO, "cannot read");
    *ret_done = (size_t)n;
    return 0;
}

static size_t count_grains(const char *path)
{
    int VD_CLOSE fd = open(path, O_RDONLY | O_CLOEXEC);
    struct vd_stream_source source = {fd_read, &fd, path};
    struct vd_error err = VD_ERROR_INIT;
    const uint8_t *bytes = NULL;
    size_t length = 0, grains = 0;
    uint64_t lba = 0, last = 0;
    int r;

    if (fd < 0)
        test_skip("%s is not here", path);
    struct vd_stream_reader VD_CLEANUP(vd_stream_reader_free_cleanup) *reader = NULL;
    check_code_err(vd_stream_reader_open(&source, NULL, &reader, &err), VD_OK, &err);
    while ((r = vd_stream_reader_next(reader, &lba, &bytes, &length, &err)) > 0) {
        check(grains == 0 || lba > last);
        last = lba;
        grains++;
    }
    check_code_err(r, VD_OK, &err);
    return grains;
}

VD_TEST(samples)
{
    check_u64_eq(count_grains("../shared/samples/vmware-streamOptimized.vmdk"), 2);
    check_u64_eq(count_grains("../shared/samples/esxi-export-version3.vmdk"), 151);
    check_u64_eq(count_grains("../shared/samples/virtualbox-t2.vmdk"), 0);
}

VD_TEST(free_takes_null)
{
    vd_stream_reader_free(NULL);
}
