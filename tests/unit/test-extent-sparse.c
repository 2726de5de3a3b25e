/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/units.h"
#include "open-kdmv.h"
#include "tests/harness.h"
#include "vmdk/extent.h"
#include "vmdk/grain-record.h"

/* --- refusals --- */

static void open_refused(const struct kdmv_image *image, int code, const char *part)
{
    OPENED o;
    struct vd_error err = VD_ERROR_INIT;

    opened_file(&o, image, 0);
    check_code_err(opened_extent(&o, image->header.capacity_sectors, &err), code, &err);
    check_str_has(err.text, "'s.vmdk'");
    check_str_has(err.text, part);
}

static void lookup_refused(struct opened *o, uint64_t sector, int code, const char *part)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_lookup run;

    check_code_err(vd_extent_lookup(o->extent, sector, 1, &run, &err), code, &err);
    check_str_has(err.text, "'s.vmdk'");
    check_str_has(err.text, part);
}

/* --- contents --- */

enum { ABSENT, ZERO, DATA }; /* a grain of the model */

struct model {
    uint64_t capacity_sectors;
    uint64_t grain_sectors;
    uint8_t *grains; /* kind by grain */
    uint64_t num_grains;
};

static void model_new(struct model *model, const struct kdmv_image *image)
{
    model->capacity_sectors = image->header.capacity_sectors;
    model->grain_sectors = image->header.grain_sectors;
    model->num_grains = vd_div_up(model->capacity_sectors, model->grain_sectors);
    model->grains = calloc(model->num_grains + 1, 1);
    check(model->grains != NULL);
}

static void check_data(struct opened *o, const struct model *model, const struct vd_lookup *run,
                       uint64_t sector)
{
    size_t grain_bytes = model->grain_sectors * VD_SECTOR_BYTES;
    uint8_t VD_FREE *want = malloc(grain_bytes);
    uint8_t got[VD_SECTOR_BYTES];

    check(want != NULL);
    check_u64_eq(run->stored_sectors, run->length_sectors);
    for (uint64_t i = 0; i < run->length_sectors; i++) {
        uint64_t within = (sector + i) % model->grain_sectors;
        if (i == 0 || within == 0)
            kdmv_fill((sector + i) / model->grain_sectors, want, grain_bytes);
        check_code(
            vd_block_read(o->block, run->offset_bytes + i * VD_SECTOR_BYTES, got, sizeof got, NULL),
            VD_OK);
        check_mem_eq(got, want + within * VD_SECTOR_BYTES, sizeof got);
    }
}

/* Walks the extent by lookups of at most `max` sectors: every run agrees with the model. */
static void check_model(struct opened *o, const struct model *model, uint64_t max, bool data)
{
    static const enum vd_lookup_kind kinds[] = {VD_LOOKUP_ABSENT, VD_LOOKUP_ZERO, VD_LOOKUP_DATA};

    for (uint64_t sector = 0; sector < model->capacity_sectors;) {
        uint64_t left = VD_MIN(max, model->capacity_sectors - sector);
        struct vd_lookup run = look(o, sector, left);
        uint64_t end = sector + run.length_sectors;
        for (uint64_t grain = sector / model->grain_sectors;
             grain <= (end - 1) / model->grain_sectors; grain++)
            check_int_eq(run.kind, kinds[model->grains[grain]]);
        if (data && run.kind == VD_LOOKUP_DATA)
            check_data(o, model, &run, sector);
        sector = end;
    }
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Stretches of absent, zero and stored grains. */
static void fill_at_random(struct kdmv_image *image, struct model *model, uint32_t seed)
{
    for (uint64_t grain = 0; grain < model->num_grains;) {
        uint64_t length = 1 + next_random(&seed) % 9;
        uint8_t kind = (uint8_t)(next_random(&seed) % 3);
        for (; length > 0 && grain < model->num_grains; length--, grain++) {
            model->grains[grain] = kind;
            if (kind == DATA)
                (void)kdmv_add_grain(image, grain);
            if (kind == ZERO)
                kdmv_set_gte(image, false, grain, 1);
        }
    }
}

static void check_shape(const struct kdmv_shape *shape, uint32_t seed)
{
    KDMV_IMAGE image;
    OPENED o;
    struct model model;

    kdmv_plain(&image, shape);
    model_new(&model, &image);
    fill_at_random(&image, &model, seed);
    open_image(&o, &image);
    check_model(&o, &model, UINT64_MAX, true);
    check_model(&o, &model, 7, false);
    check_model(&o, &model, shape->grain_sectors + 1, false);
    free(model.grains);
}

VD_TEST(odd_capacities)
{
    const uint64_t capacities[] = {1, 127, 128, 129, 255, 256, 20483};

    for (size_t i = 0; i < VD_ARRAY_SIZE(capacities); i++) {
        struct kdmv_shape shape = {.capacity_sectors = capacities[i], .grain_sectors = 128};
        check_shape(&shape, (uint32_t)i);
        shape.single = true;
        check_shape(&shape, (uint32_t)i + 100);
    }
}

/* Tables and directories that end before, at and behind pages of the cache. */
VD_TEST(grain_sizes_and_table_lengths)
{
    const uint64_t grain_sizes[] = {1, 2, 8, 16};
    const uint32_t lengths[] = {128, 256, 512, 4096};

    for (size_t i = 0; i < VD_ARRAY_SIZE(grain_sizes); i++) {
        for (size_t j = 0; j < VD_ARRAY_SIZE(lengths); j++) {
            uint64_t span = grain_sizes[i] * lengths[j];
            struct kdmv_shape shape = {.grain_sectors = grain_sizes[i],
                                       .table_entries = lengths[j],
                                       .descriptor_sectors = 20};
            for (uint64_t extra = 0; extra < 3; extra++) {
                shape.capacity_sectors = span - 1 + extra; /* one table, exactly, and one more */
                check_shape(&shape, (uint32_t)(i * 100 + j * 10 + extra));
            }
            shape.capacity_sectors = VD_MIN(span * 5 / 2, 20000);
            check_shape(&shape, (uint32_t)(i * 7 + j));
        }
    }
}

VD_TEST(empty_disk_is_one_run)
{
    KDMV_IMAGE image;
    OPENED o;
    struct kdmv_shape shape = {.capacity_sectors = 20971520};

    kdmv_plain(&image, &shape);
    open_image(&o, &image);
    check_run(&o, 0, 20971520, VD_LOOKUP_ABSENT, 20971520);
    check_run(&o, 12345678, 1000000, VD_LOOKUP_ABSENT, 1000000);
    check_run(&o, 20971519, 1, VD_LOOKUP_ABSENT, 1);
    check_u64_eq(o.extent->facts.num_tables, 320);
    check_u64_eq(o.extent->facts.overhead_sectors, 2688);
    check_str_eq(o.extent->facts.format, "KDMV");
    check(o.extent->facts.redundant_tables);
}

VD_TEST(empty_capacity)
{
    KDMV_IMAGE image;
    OPENED o;
    struct kdmv_shape shape = {.capacity_sectors = 0, .descriptor_sectors = 20};

    kdmv_plain(&image, &shape);
    open_image(&o, &image);
    check_u64_eq(o.extent->facts.num_tables, 0);
}

/* Every grain, one behind the other, over several tables: one run. */
VD_TEST(contiguous_grains_are_one_run)
{
    KDMV_IMAGE image;
    OPENED o;
    struct kdmv_shape shape = {
        .capacity_sectors = 8 * 128 * 3 + 5, .grain_sectors = 8, .table_entries = 128};
    struct model model;

    kdmv_plain(&image, &shape);
    model_new(&model, &image);
    for (uint64_t grain = 0; grain < model.num_grains; grain++) {
        (void)kdmv_add_grain(&image, grain);
        model.grains[grain] = DATA;
    }
    open_image(&o, &image);
    check_run(&o, 0, shape.capacity_sectors, VD_LOOKUP_DATA, shape.capacity_sectors);
    check_run(&o, 3, 1025, VD_LOOKUP_DATA, 1025);
    check_model(&o, &model, UINT64_MAX, true);
    free(model.grains);
}

VD_TEST(grains_in_reverse_order_are_not_merged)
{
    KDMV_IMAGE image;
    OPENED o;
    struct kdmv_shape shape = {.capacity_sectors = 128 * 4};

    kdmv_plain(&image, &shape);
    for (uint64_t grain = 4; grain-- > 0;)
        (void)kdmv_add_grain(&image, grain);
    open_image(&o, &image);
    check_run(&o, 0, 512, VD_LOOKUP_DATA, 128);
    check_run(&o, 130, 382, VD_LOOKUP_DATA, 126);
}

VD_TEST(zero_grains_in_any_version)
{
    for (uint32_t version = 1; version <= 3; version++) {
        KDMV_IMAGE image;
        OPENED o;
        struct kdmv_shape shape = {.capacity_sectors = 128 * 600};
        kdmv_plain(&image, &shape);
        image.header.version = version;
        kdmv_put_header(&image);
        for (uint64_t grain = 510; grain < 515; grain++)
            kdmv_set_gte(&image, false, grain, 1);
        open_image(&o, &image);
        check_run(&o, 0, 128 * 600, VD_LOOKUP_ABSENT, 128 * 510);
        check_run(&o, 128 * 510 + 5, 128 * 80, VD_LOOKUP_ZERO, 128 * 5 - 5);
        check_run(&o, 128 * 515, 128 * 85, VD_LOOKUP_ABSENT, 128 * 85);
    }
}

VD_TEST(missing_tables_are_absent)
{
    KDMV_IMAGE image;
    OPENED o;
    struct kdmv_shape shape = {.capacity_sectors = 65536 * 9};

    kdmv_plain(&image, &shape);
    (void)kdmv_add_grain(&image, 512 * 5 + 3);
    for (uint64_t table = 0; table < 9; table++) {
        if (table != 5)
            kdmv_set_gde(&image, false, table, 0);
    }
    open_image(&o, &image);
    check_run(&o, 0, 65536 * 9, VD_LOOKUP_ABSENT, 65536 * 5 + 3 * 128);
    check_run(&o, 65536 * 2 + 100, 65536, VD_LOOKUP_ABSENT, 65536);
    check_run(&o, 65536 * 5 + 3 * 128, 1000, VD_LOOKUP_DATA, 128);
    check_run(&o, 65536 * 5 + 4 * 128, 65536 * 4 - 512, VD_LOOKUP_ABSENT, 65536 * 4 - 512);
    check_int_eq(o.warnings, 0);
}

/* --- redundant tables --- */

static void two_tables(struct kdmv_image *image, bool single)
{
    struct kdmv_shape shape = {.capacity_sectors = 65536 * 2, .single = single};

    kdmv_plain(image, &shape);
    (void)kdmv_add_grain(image, 0);
    (void)kdmv_add_grain(image, 600);
}

VD_TEST(redundant_directory_when_the_first_is_outside_the_file)
{
    const uint64_t bad[] = {0, 1 << 20, UINT64_MAX / 512, UINT64_MAX - 1};

    for (size_t i = 0; i < VD_ARRAY_SIZE(bad); i++) {
        KDMV_IMAGE image;
        OPENED o;
        two_tables(&image, false);
        image.header.gd_offset_sectors = bad[i];
        kdmv_put_header(&image);
        open_image(&o, &image);
        check_int_eq(o.warnings, 1);
        check_run(&o, 0, 65536 * 2, VD_LOOKUP_DATA, 128);
        check_run(&o, 128 * 600, 128, VD_LOOKUP_DATA, 128);
    }
}

VD_TEST(no_directory_inside_the_file)
{
    KDMV_IMAGE image, one;

    two_tables(&image, false);
    image.header.gd_offset_sectors = image.length / 512;
    image.header.rgd_offset_sectors = image.length / 512;
    kdmv_put_header(&image);
    open_refused(&image, VD_E_KDMV_OFFSET, "its grain directory of 2 entries");
    two_tables(&one, true);
    one.header.rgd_offset_sectors = one.header.gd_offset_sectors; /* without the flag: nothing */
    one.header.gd_offset_sectors = 0;
    kdmv_put_header(&one);
    open_refused(&one, VD_E_KDMV_OFFSET, "sector 0 (byte 56");
}

VD_TEST(redundant_entry_when_the_first_is_outside_the_file)
{
    KDMV_IMAGE image;
    OPENED o;
    const uint32_t bad[] = {UINT32_MAX, 0};

    two_tables(&image, false);
    kdmv_set_gde(&image, false, 0, UINT32_MAX);
    kdmv_set_gde(&image, false, 1, (uint32_t)(image.length / 512 - 3)); /* its tail is missing */
    open_image(&o, &image);
    check_run(&o, 0, 65536 * 2, VD_LOOKUP_DATA, 128);
    check_run(&o, 128, 65536, VD_LOOKUP_ABSENT, 65536);
    check_run(&o, 128 * 600, 128, VD_LOOKUP_DATA, 128);
    check_int_eq(o.warnings, 1); /* once, not per lookup */
    for (size_t i = 0; i < VD_ARRAY_SIZE(bad); i++) {
        OPENED broken;
        kdmv_set_gde(&image, true, 1, bad[i]);
        open_image(&broken, &image);
        check_run(&broken, 0, 65536 * 2, VD_LOOKUP_DATA, 128);
        lookup_refused(&broken, 65536, VD_E_GDE, "cannot read grain table 1");
        /* and a run that reaches the damage ends before it */
        check_run(&broken, 128, 65536 * 2 - 128, VD_LOOKUP_ABSENT, 65536 - 128);
    }
}

VD_TEST(no_redundant_entry)
{
    KDMV_IMAGE image;
    OPENED o;

    two_tables(&image, true);
    kdmv_set_gde(&image, false, 1, 0x7fffffff);
    open_image(&o, &image);
    lookup_refused(&o, 65536, VD_E_GDE, "is sector 2147483647, expected 0 or a table inside");
    check_run(&o, 0, 1, VD_LOOKUP_DATA, 1);
}

/* --- grains and the end of the file --- */

VD_TEST(grain_at_the_end_of_the_file)
{
    KDMV_IMAGE image;
    OPENED o;

    two_tables(&image, false);
    kdmv_set_gte(&image, false, 1, (uint32_t)(image.length / 512));
    kdmv_set_gte(&image, false, 2, UINT32_MAX);
    open_image(&o, &image);
    check_run(&o, 0, 65536, VD_LOOKUP_DATA, 128);
    lookup_refused(&o, 128, VD_E_GTE, "its entry 1 of grain table 0 points at sector");
    lookup_refused(&o, 2 * 128 + 5, VD_E_GTE, "cannot read sector 261");
}

VD_TEST(file_cut_off_inside_a_grain)
{
    KDMV_IMAGE image;
    OPENED o;

    two_tables(&image, false);
    image.length -= 28 * 512 + 100; /* of grain 600, 99 sectors and a bit are left */
    open_image(&o, &image);
    check_run(&o, 600 * 128, 128, VD_LOOKUP_DATA, 99);
    check_run(&o, 600 * 128 + 98, 30, VD_LOOKUP_DATA, 1);
    lookup_refused(&o, 600 * 128 + 99, VD_E_GTE, "inside the file of");
}

VD_TEST(last_grain_need_not_be_whole)
{
    KDMV_IMAGE image;
    OPENED o;
    struct kdmv_shape shape = {.capacity_sectors = 128 + 3};

    kdmv_plain(&image, &shape);
    (void)kdmv_add_grain(&image, 1);
    image.length -= 125 * 512;
    open_image(&o, &image);
    check_run(&o, 128, 3, VD_LOOKUP_DATA, 3);
    check_u64_eq(look(&o, 128, 3).stored_sectors, 3);
}

/* The extent line is longer than the header says, within the last grain: past the header's capacity
 * nothing is missing. */
VD_TEST(zeros_past_the_capacity_of_the_header)
{
    KDMV_IMAGE image;
    OPENED o;
    struct kdmv_shape shape = {.capacity_sectors = 128 + 3};
    struct vd_lookup run;

    kdmv_plain(&image, &shape);
    (void)kdmv_add_grain(&image, 1);
    image.length -= 125 * 512;
    opened_file(&o, &image, 0);
    check_code(opened_extent(&o, 140, NULL), VD_OK);
    check_int_eq(o.warnings, 1);
    run = look(&o, 129, 11);
    check_int_eq(run.kind, VD_LOOKUP_DATA);
    check_u64_eq(run.length_sectors, 11);
    check_u64_eq(run.stored_sectors, 2);
    check_run(&o, 131, 9, VD_LOOKUP_ZERO, 9);
}

VD_TEST(capacity_of_line_and_header)
{
    KDMV_IMAGE image;
    OPENED o, smaller;
    struct kdmv_shape shape = {.capacity_sectors = 1000};
    struct vd_error err = VD_ERROR_INIT;

    kdmv_plain(&image, &shape);
    opened_file(&o, &image, 0);
    check_code_err(opened_extent(&o, 1025, &err), VD_E_KDMV_CAPACITY, &err);
    check_str_has(err.text, "capacity of 1000 sectors, expected 1025");
    opened_file(&smaller, &image, 0);
    check_code(opened_extent(&smaller, 990, NULL), VD_OK);
    check_u64_eq(smaller.extent->capacity_sectors, 990);
    check_u64_eq(smaller.extent->facts.header_capacity_sectors, 1000);
    check_int_eq(smaller.warnings, 0);
}

VD_TEST(extent_line_with_an_offset)
{
    KDMV_IMAGE image;
    OPENED o;
    struct kdmv_shape shape = {.capacity_sectors = 1000};
    struct vd_extent_line line = {.sectors = 1000, .has_offset = true, .offset_sectors = 8};
    struct vd_extent_params params = {.line = &line};

    kdmv_plain(&image, &shape);
    opened_file(&o, &image, 0);
    params.block = o.block;
    params.cache = o.cache;
    check_code(vd_extent_sparse_open(&params, &o.extent, NULL), VD_E_DESC_EXTENT);
    line.offset_sectors = 0;
    check_code(vd_extent_sparse_open(&params, &o.extent, NULL), VD_OK);
}

/* --- large disks --- */

VD_TEST(grain_beyond_4_gib_of_the_file)
{
    KDMV_IMAGE image;
    OPENED o;
    struct kdmv_shape shape = {.capacity_sectors = 128 * 3};
    struct vd_lookup run;

    kdmv_plain(&image, &shape);
    kdmv_set_gte(&image, false, 1, UINT32_MAX - 255);
    opened_file(&o, &image, (uint64_t)UINT32_MAX * 512);
    check_code(opened_extent(&o, 128 * 3, NULL), VD_OK);
    run = look(&o, 128 + 7, 10);
    check_int_eq(run.kind, VD_LOOKUP_DATA);
    check_u64_eq(run.offset_bytes, ((uint64_t)UINT32_MAX - 255 + 7) * 512);
}

#define HUGE_SECTORS (UINT64_C(62) * VD_TIB / 512)

/* A hosted disk of 62 TiB, as qemu-img lays it out: 2,031,616 tables, all there, all empty. Only
 * header and directory are written; the tables lie in a hole of the file. */
static void huge_disk(const char *path)
{
    uint64_t tables = HUGE_SECTORS / 65536;
    uint64_t gd = 21, first = gd + tables * 4 / 512;
    uint8_t VD_FREE *directory = malloc(tables * 4);
    uint8_t sector[512];
    struct vd_kdmv_header header = {.version = 1,
                                    .flags = VD_KDMV_NEWLINES,
                                    .capacity_sectors = HUGE_SECTORS,
                                    .grain_sectors = 128,
                                    .table_entries = 512,
                                    .gd_offset_sectors = gd,
                                    .overhead_sectors = (first + tables * 4 + 127) / 128 * 128};
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

    check(fd >= 0 && directory != NULL);
    for (uint64_t i = 0; i < tables; i++)
        vd_le32_encode(directory + i * 4, (uint32_t)(first + i * 4));
    vd_kdmv_header_encode(&header, sector);
    check_int_eq(pwrite(fd, sector, sizeof sector, 0), sizeof sector);
    check_int_eq(pwrite(fd, directory, tables * 4, (off_t)(gd * 512)), (int64_t)(tables * 4));
    check_int_eq(ftruncate(fd, (off_t)((header.overhead_sectors + 128) * 512)), 0);
    vd_le32_encode(sector, (uint32_t)header.overhead_sectors); /* one grain, in the middle */
    check_int_eq(pwrite(fd, sector, 4, (off_t)((first + 1000000 * 4) * 512)), 4);
    close(fd);
}

VD_TEST(huge_disk_opens_and_maps_without_reading_its_tables)
{
    OPENED o = {0};
    const char *path = test_path("huge.vmdk");
    struct vd_block *block = NULL;
    uint64_t place = UINT64_C(65536) * 1000000;

    huge_disk(path);
    check_code(vd_fs_memory_new(&o.files, NULL), VD_OK);
    check_code(vd_fs_fault_new(vd_fs_host(), &o.fault, NULL), VD_OK);
    check_code(vd_fs_open(vd_fs_fault_fs(o.fault), path, 0, &block, NULL), VD_OK);
    opened_block(&o, block);
    vd_fs_fault_arm(o.fault, VD_FAULT_READ, 0, 0, false);
    check_code(opened_extent(&o, HUGE_SECTORS, NULL), VD_OK);
    check_u64_eq(vd_fs_fault_calls(o.fault), 1);
    check_run(&o, 0, HUGE_SECTORS, VD_LOOKUP_ABSENT, place);
    check_run(&o, place, HUGE_SECTORS - place, VD_LOOKUP_DATA, 128);
    check_run(&o, place + 128, HUGE_SECTORS - place - 128, VD_LOOKUP_ABSENT,
              HUGE_SECTORS - place - 128);
    /* Of the directory a page here and there and the rest in 125 pieces of 64 KiB; of the tables,
     * the page that holds the grain's. */
    check(vd_fs_fault_calls(o.fault) < 140);
    check(vd_table_cache_bytes(o.cache) <= 1 << 20);
}

/* --- compressed extents --- */

static void check_stream_grain(struct opened *o, const struct kdmv_stream_options *options,
                               struct vd_record_scratch *scratch, uint64_t grain)
{
    uint64_t left = VD_MIN(options->capacity_sectors - grain * 128, 128);
    struct vd_lookup run = look(o, grain * 128 + left / 2, left - left / 2);
    uint8_t VD_FREE *want = malloc(65536);
    uint8_t VD_FREE *got = malloc(65536);

    check(want && got);
    kdmv_stream_fill(options, grain, want, 65536);
    check_int_eq(run.kind, VD_LOOKUP_COMPRESSED);
    check_u64_eq(run.grain_start_sectors, grain * 128);
    check_u64_eq(run.length_sectors, left - left / 2);
    check_code(vd_grain_record_read(o->extent, run.offset_bytes, grain * 128, left * 512, scratch,
                                    got, NULL),
               VD_OK);
    check_mem_eq(got, want, left * 512);
}

static void check_stream(const struct kdmv_stream_options *options)
{
    KDMV_IMAGE image;
    OPENED o;
    struct vd_record_scratch VD_CLEANUP(vd_record_scratch_done) scratch = {0};
    uint64_t stored = 0, end = options->capacity_sectors;

    kdmv_stream(&image, options);
    opened_file(&o, &image, 0);
    check_code(opened_extent(&o, end, NULL), VD_OK);
    check(o.extent->facts.compressed && o.extent->facts.markers);
    for (size_t i = 0; i < options->num_grains; i++)
        check_stream_grain(&o, options, &scratch, options->grains[i]);
    for (uint64_t sector = 0; sector < end;) {
        struct vd_lookup run = look(&o, sector, end - sector);
        stored += run.kind == VD_LOOKUP_COMPRESSED;
        sector += run.length_sectors;
    }
    check_u64_eq(stored, options->num_grains);
    check_int_eq(o.warnings, 0);
}

VD_TEST(streams_of_all_writers)
{
    static const uint64_t grains[] = {0, 1, 2, 511, 512, 1600, 3, 2000};
    const uint64_t capacities[] = {128 * 2001, 128 * 2000 + 1, 128 * 2000 + 127};

    for (int style = KDMV_VMWARE; style <= KDMV_VMDKTOOL; style++) {
        for (size_t i = 0; i < VD_ARRAY_SIZE(capacities); i++) {
            struct kdmv_stream_options options = {.style = (enum kdmv_style)style,
                                                  .capacity_sectors = capacities[i],
                                                  .grains = grains,
                                                  .num_grains = VD_ARRAY_SIZE(grains)};
            check_stream(&options);
            options.incompressible = true;
            options.progress = true;
            check_stream(&options);
            options.num_grains = 0;
            check_stream(&options);
        }
    }
}

static void small_stream(struct kdmv_image *image, enum kdmv_style style)
{
    static const uint64_t grains[] = {0, 3};
    struct kdmv_stream_options options = {.style = style,
                                          .capacity_sectors = 128 * 8,
                                          .grains = grains,
                                          .num_grains = VD_ARRAY_SIZE(grains)};

    kdmv_stream(image, &options);
}

VD_TEST(stream_without_its_end)
{
    KDMV_IMAGE image;

    small_stream(&image, KDMV_VMWARE);
    image.length -= 2 * 512;
    open_refused(&image, VD_E_STREAM_FOOTER, "hold none");
}

VD_TEST(directory_entry_at_the_marker)
{
    KDMV_IMAGE image;
    OPENED o;
    uint64_t footer;

    small_stream(&image, KDMV_VMWARE);
    footer = image.length - 1024;
    image.header.gd_offset_sectors = vd_le64_decode(image.bytes + footer + 56);
    kdmv_set_gde(&image, false, 0, kdmv_gde(&image, false, 0) - 1);
    open_image(&o, &image);
    check_run(&o, 0, 128, VD_LOOKUP_COMPRESSED, 128);
    check_run(&o, 128, 1024 - 128, VD_LOOKUP_ABSENT, 256);
    check_run(&o, 384, 128, VD_LOOKUP_COMPRESSED, 128);
}

VD_TEST(record_at_the_end_of_the_file)
{
    KDMV_IMAGE image;
    OPENED o;

    small_stream(&image, KDMV_QEMU);
    kdmv_set_gte(&image, false, 1, (uint32_t)(image.length / 512));
    kdmv_set_gte(&image, false, 2, 1);
    open_image(&o, &image);
    lookup_refused(&o, 129, VD_E_GTE, "entry 1 of grain table 0");
    check_run(&o, 256, 128, VD_LOOKUP_ZERO, 128);
}

VD_TEST(compressed_without_markers)
{
    KDMV_IMAGE image;
    OPENED o;

    small_stream(&image, KDMV_QEMU);
    image.header.flags &= ~(uint32_t)VD_KDMV_MARKERS;
    kdmv_put_header(&image);
    open_image(&o, &image);
    check_int_eq(o.extent->record_form, VD_RECORD_SIZE_ONLY);
    check_run(&o, 5, 1000, VD_LOOKUP_COMPRESSED, 123);
}

/* --- hostile and failing --- */

VD_TEST(each_failing_read_is_told)
{
    KDMV_IMAGE image;
    struct kdmv_shape shape = {.capacity_sectors = 65536 * 2};

    kdmv_plain(&image, &shape);
    (void)kdmv_add_grain(&image, 600);
    for (uint64_t nth = 1;; nth++) {
        OPENED o;
        struct vd_error err = VD_ERROR_INIT;
        struct vd_lookup run;
        int r;
        opened_file(&o, &image, 0);
        vd_fs_fault_arm(o.fault, VD_FAULT_READ | VD_FAULT_SIZE, nth, EIO, false);
        if ((r = opened_extent(&o, shape.capacity_sectors, &err)) >= 0)
            r = vd_extent_lookup(o.extent, 600 * 128, 128, &run, &err);
        if (!vd_fs_fault_fired(o.fault)) {
            check_code(r, VD_OK);
            check(nth > 3);
            break;
        }
        check_code_err(r, VD_E_IO, &err);
        check_str_has(err.text, "'s.vmdk'");
    }
}

/* A run ends where the tables cannot be read; the rest is told when asked for. */
VD_TEST(failing_read_further_on)
{
    KDMV_IMAGE image;
    OPENED o;
    struct kdmv_shape shape = {.capacity_sectors = 65536 * 100};
    struct vd_lookup run;

    kdmv_plain(&image, &shape);
    open_image(&o, &image);
    vd_fs_fault_arm(o.fault, VD_FAULT_READ, 4, EIO, false);
    run = look(&o, 0, shape.capacity_sectors);
    check_int_eq(run.kind, VD_LOOKUP_ABSENT);
    check(run.length_sectors >= 65536 && run.length_sectors < shape.capacity_sectors);
    check_run(&o, 0, shape.capacity_sectors, VD_LOOKUP_ABSENT, shape.capacity_sectors);
}

static void check_tiles(struct opened *o)
{
    uint64_t capacity = o->extent->capacity_sectors;
    uint64_t sector = 0;

    for (int i = 0; i < 1000 && sector < capacity; i++) {
        struct vd_lookup run;
        int r = vd_extent_lookup(o->extent, sector, capacity - sector, &run, NULL);
        sector += r < 0 ? 1 : run.length_sectors;
    }
}

/* Noise in the tables: answers or refusals, all legal (the dispatcher asserts it). */
VD_TEST(noise_in_the_tables)
{
    uint32_t seed = 5;

    for (int round = 0; round < 300; round++) {
        KDMV_IMAGE image;
        OPENED o;
        two_tables(&image, round % 2);
        for (int i = 0; i < 40; i++) {
            size_t at = 512 + next_random(&seed) % (image.header.overhead_sectors * 512 - 512);
            image.bytes[at] = (uint8_t)next_random(&seed);
        }
        open_image(&o, &image);
        check_tiles(&o);
    }
}

/* --- samples --- */

/* Compares two extents, data grains inflated. */
static void read_grain(struct vd_extent *extent, uint64_t sector, struct vd_record_scratch *scratch,
                       uint8_t *bytes)
{
    struct vd_lookup run;

    memset(bytes, 0, 65536);
    check_code(vd_extent_lookup(extent, sector, 128, &run, NULL), VD_OK);
    check_u64_eq(run.length_sectors, 128);
    if (run.kind == VD_LOOKUP_DATA)
        check_code(vd_block_read(extent->block, run.offset_bytes, bytes, 65536, NULL), VD_OK);
    if (run.kind == VD_LOOKUP_COMPRESSED)
        check_code(
            vd_grain_record_read(extent, run.offset_bytes, sector, 65536, scratch, bytes, NULL),
            VD_OK);
}

static void open_sample(struct opened *o, const char *path, uint64_t sectors)
{
    struct vd_block *block = NULL;

    *o = (struct opened){0};
    if (vd_fs_open(vd_fs_host(), path, 0, &block, NULL) < 0)
        test_skip("%s is not here", path);
    opened_block(o, block);
    check_code(opened_extent(o, sectors, NULL), VD_OK);
    check_int_eq(o->warnings, 0);
}

VD_TEST(samples_of_one_disk_agree)
{
    OPENED plain, stream = {0};
    struct vd_record_scratch VD_CLEANUP(vd_record_scratch_done) scratch = {0};
    uint64_t differing = 0;

    open_sample(&plain, "../shared/samples/ws10-monolithicSparse.vmdk", 20971520);
    open_sample(&stream, "../shared/samples/vmware-streamOptimized.vmdk", 20971520);
    uint8_t VD_FREE *a = malloc(65536);
    uint8_t VD_FREE *b = malloc(65536);
    check(a && b);
    for (uint64_t sector = 0; sector < 20971520; sector += 128) {
        struct vd_lookup x = look(&plain, sector, 128), y = look(&stream, sector, 128);
        if (x.kind == VD_LOOKUP_ABSENT && y.kind == VD_LOOKUP_ABSENT)
            continue;
        read_grain(plain.extent, sector, &scratch, a);
        read_grain(stream.extent, sector, &scratch, b);
        differing += memcmp(a, b, 65536) != 0;
    }
    check_u64_eq(differing, 0);
}
