/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/stream-footer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/fault.h"
#include "block/memory.h"
#include "build-kdmv.h"
#include "tests/harness.h"

static const uint64_t some_grains[] = {0, 1, 5};

static void vmware_stream(struct kdmv_image *image)
{
    struct kdmv_stream_options options = {.style = KDMV_VMWARE,
                                          .capacity_sectors = 128 * 8,
                                          .grains = some_grains,
                                          .num_grains = VD_ARRAY_SIZE(some_grains)};
    kdmv_stream(image, &options);
}

static int find_in(const void *bytes, size_t length, const struct vd_kdmv_header *header,
                   struct vd_kdmv_header *footer, struct vd_error *err)
{
    struct vd_block VD_CLEANUP(vd_block_free_cleanup) *block = NULL;

    check_code(vd_block_memory_new(bytes, length, &block, NULL), VD_OK);
    return vd_stream_footer_find(block, header, footer, err);
}

static int find(const struct kdmv_image *image, struct vd_kdmv_header *footer, struct vd_error *err)
{
    return find_in(image->bytes, image->length, &image->header, footer, err);
}

VD_TEST(at_its_proper_place)
{
    KDMV_IMAGE image;
    struct vd_kdmv_header footer = {0};

    vmware_stream(&image);
    check_code(find(&image, &footer, NULL), VD_OK);
    check_u64_eq(footer.gd_offset_sectors, image.length / VD_SECTOR_BYTES - 4);
    check_u64_eq(footer.capacity_sectors, 128 * 8);
}

VD_TEST(one_read_finds_a_proper_one)
{
    KDMV_IMAGE image;
    struct vd_fs_memory *files = NULL;
    struct vd_fs_fault *fault = NULL;
    struct vd_block *block = NULL;
    struct vd_kdmv_header footer;

    vmware_stream(&image);
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    check_code(vd_fs_memory_add(files, "s", image.bytes, image.length, NULL), VD_OK);
    check_code(vd_fs_fault_new(vd_fs_memory_fs(files), &fault, NULL), VD_OK);
    check_code(vd_fs_open(vd_fs_fault_fs(fault), "s", 0, &block, NULL), VD_OK);
    vd_fs_fault_arm(fault, VD_FAULT_READ, 0, 0, false);
    check_code(vd_stream_footer_find(block, &image.header, &footer, NULL), VD_OK);
    check_u64_eq(vd_fs_fault_calls(fault), 1);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        struct vd_error err = VD_ERROR_INIT;
        vd_fs_fault_arm(fault, VD_FAULT_READ | VD_FAULT_SIZE, nth, EIO, true);
        check_code_err(vd_stream_footer_find(block, &image.header, &footer, &err), VD_E_IO, &err);
    }
    vd_block_free(block);
    vd_fs_fault_free(fault);
    vd_fs_memory_free(files);
}

/* Any length of rubbish, whole sectors or not, up to the limit of the search. */
VD_TEST(bytes_behind_the_end)
{
    const size_t tails[] = {
        1, 511, 512, 513, 1024, 65000, 65536, 66048, 130048, 500000, VD_FOOTER_SEARCH_BYTES - 1536};

    for (size_t i = 0; i < VD_ARRAY_SIZE(tails); i++) {
        KDMV_IMAGE image;
        struct vd_kdmv_header footer = {0};
        uint64_t place;
        vmware_stream(&image);
        place = image.length / VD_SECTOR_BYTES - 4;
        kdmv_append(&image, NULL, tails[i]);
        memset(image.bytes + image.length - tails[i], (int)(i % 2) * 0xa5, tails[i]);
        check_code(find(&image, &footer, NULL), VD_OK);
        check_u64_eq(footer.gd_offset_sectors, place);
    }
}

VD_TEST(search_has_an_end)
{
    KDMV_IMAGE image;
    struct vd_kdmv_header footer;
    struct vd_error err = VD_ERROR_INIT;

    vmware_stream(&image);
    kdmv_append(&image, NULL, VD_FOOTER_SEARCH_BYTES);
    check_code_err(find(&image, &footer, &err), VD_E_STREAM_FOOTER, &err);
    check_str_has(err.text, "the last 1024 KiB");
}

VD_TEST(cut_off)
{
    KDMV_IMAGE image;
    struct vd_kdmv_header footer;
    struct vd_error err = VD_ERROR_INIT;

    vmware_stream(&image);
    image.length -= 2 * VD_SECTOR_BYTES;
    check_code_err(find(&image, &footer, &err), VD_E_STREAM_FOOTER, &err);
    check_str_has(err.text, "probably missing");
    for (size_t length = 0; length < 5 * VD_SECTOR_BYTES; length += 256)
        check_code(find_in(image.bytes, length, &image.header, &footer, NULL), VD_E_STREAM_FOOTER);
}

VD_TEST(without_eos)
{
    KDMV_IMAGE image;
    struct vd_kdmv_header footer;

    vmware_stream(&image);
    image.length -= VD_SECTOR_BYTES;
    check_code(find(&image, &footer, NULL), VD_OK);
}

VD_TEST(without_marker_only_at_the_proper_place)
{
    KDMV_IMAGE image;
    struct vd_kdmv_header footer;

    vmware_stream(&image);
    memset(image.bytes + image.length - 3 * VD_SECTOR_BYTES, 0, VD_SECTOR_BYTES);
    check_code(find(&image, &footer, NULL), VD_OK);
    kdmv_append(&image, NULL, VD_SECTOR_BYTES);
    check_code(find(&image, &footer, NULL), VD_E_STREAM_FOOTER);
}

/* Every field that must equal the header's. */
VD_TEST(unlike_the_header)
{
    const struct {
        size_t at;
        uint8_t value;
        const char *part;
    } cases[] = {{4, 2, "version 2, expected 3"},
                 {8, 5, "flags 196613, expected 196609"},
                 {12, 9, "capacity 1033, expected 1024"},
                 {20, 64, "grain size 64, expected 128"},
                 {45, 4, "grain table length 1024, expected 512"},
                 {77, 0, "not a copy of its header"}};

    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        KDMV_IMAGE image;
        struct vd_kdmv_header footer;
        struct vd_error err = VD_ERROR_INIT;
        uint8_t *bytes;
        vmware_stream(&image);
        bytes = image.bytes + image.length - 2 * VD_SECTOR_BYTES;
        bytes[cases[i].at] = cases[i].value;
        check_code_err(find(&image, &footer, &err), VD_E_STREAM_FOOTER, &err);
        check_str_has(err.text, cases[i].part);
    }
}

VD_TEST(footer_without_a_directory)
{
    KDMV_IMAGE image;
    struct vd_kdmv_header footer;
    struct vd_error err = VD_ERROR_INIT;

    vmware_stream(&image);
    vd_le64_encode(image.bytes + image.length - 2 * VD_SECTOR_BYTES + 56, VD_KDMV_GD_IN_FOOTER);
    check_code_err(find(&image, &footer, &err), VD_E_STREAM_FOOTER, &err);
    check_str_has(err.text, "no grain directory offset");
}

VD_TEST(other_overhead_and_redundant_directory_are_fine)
{
    KDMV_IMAGE image;
    struct vd_kdmv_header footer = {0};
    struct kdmv_stream_options options = {.style = KDMV_XEN_ORCHESTRA,
                                          .capacity_sectors = 128 * 8,
                                          .grains = some_grains,
                                          .num_grains = VD_ARRAY_SIZE(some_grains)};

    kdmv_stream(&image, &options);
    check_code(find(&image, &footer, NULL), VD_OK);
    check(footer.rgd_offset_sectors != 0);
    check(footer.overhead_sectors > image.header.overhead_sectors);
}
