/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "build-extent.h"

struct warnings {
    unsigned count;
    char last[256];
};

static void VD_PRINTF(3, 0)
    warning_keep(void *data, enum vd_log_level level, const char *fmt, va_list args)
{
    struct warnings *warnings = data;
    if (level != VD_LOG_WARNING)
        return;
    warnings->count++;
    (void)vsnprintf(warnings->last, sizeof warnings->last, fmt, args); /* cut is fine */
}

/* Opens a flat extent over `bytes` bytes of a file, allowed to be short. */
static void open_short(struct build_extent *opened, size_t bytes, const struct vd_extent_line *line,
                       struct warnings *warnings)
{
    struct vd_log log = {.emit = warning_keep, .data = warnings};
    struct build_image image = {0};
    build_image_extend(&image, VD_MAX(bytes, 1));
    check_code(vd_block_memory_new(image.bytes, bytes, &opened->block, NULL), VD_OK);
    build_image_done(&image);
    struct vd_extent_params params = {
        .block = opened->block,
        .line = line,
        .log = &log,
        .fill_short = true,
    };
    check_code(vd_extent_flat_open(&params, &opened->extent, NULL), VD_OK);
}

static void open_flat(struct build_extent *opened, size_t bytes, const struct vd_extent_line *line)
{
    struct build_image image = {0};
    build_image_extend(&image, bytes);
    check_code(build_extent_open(opened, vd_extent_flat_open, &image, line, NULL), VD_OK);
    build_image_done(&image);
}

VD_TEST(one_run_from_an_offset)
{
    struct build_extent opened = {0};
    struct vd_extent_line line = {.sectors = 100, .offset_sectors = 7};
    open_flat(&opened, 107 * 512, &line);
    check_lookup(build_extent_lookup(&opened, 0, 100), VD_LOOKUP_DATA, 100, 7 * 512);
    check_lookup(build_extent_lookup(&opened, 99, 1), VD_LOOKUP_DATA, 1, 106 * 512);
    check_u64_eq(build_extent_lookup(&opened, 3, 5).stored_sectors, 5);
    check_str_eq(opened.extent->facts.format, "flat");
    check_u64_eq(opened.extent->grain_sectors, 0);
    build_extent_done(&opened);
}

VD_TEST(a_longer_file_is_ignored_past_the_extent)
{
    struct build_extent opened = {0};
    struct vd_extent_line line = {.sectors = 10};
    open_flat(&opened, 100 * 512 + 3, &line);
    check_lookup(build_extent_lookup(&opened, 0, 10), VD_LOOKUP_DATA, 10, 0);
    build_extent_done(&opened);
}

VD_TEST(a_short_file_is_refused_with_both_sizes)
{
    struct build_image image = {0};
    build_image_extend(&image, 99 * 512);
    build_extent_refused(vd_extent_flat_open, &image, 100, VD_E_TRUNCATED, "50688");
    build_extent_refused(vd_extent_flat_open, &image, 100, VD_E_TRUNCATED, "needs 51200");
    build_image_done(&image);
}

VD_TEST(a_file_one_byte_short_is_refused)
{
    struct build_image image = {0};
    build_image_extend(&image, 100 * 512 - 1);
    build_extent_refused(vd_extent_flat_open, &image, 100, VD_E_TRUNCATED, "51199 bytes");
    build_image_done(&image);
}

VD_TEST(a_short_file_may_be_filled_with_zeros)
{
    struct build_extent opened = {0};
    struct warnings warnings = {0};
    struct vd_extent_line line = {.sectors = 100, .offset_sectors = 2};
    open_short(&opened, 12 * 512 + 100, &line, &warnings);
    check_int_eq(warnings.count, 1);
    check_str_has(warnings.last, "6244 bytes");
    /* the eleventh sector is there in part: the mover clips it to the file */
    check_lookup(build_extent_lookup(&opened, 0, 100), VD_LOOKUP_DATA, 11, 2 * 512);
    check_lookup(build_extent_lookup(&opened, 11, 89), VD_LOOKUP_ZERO, 89, 0);
    check_lookup(build_extent_lookup(&opened, 99, 1), VD_LOOKUP_ZERO, 1, 0);
    build_extent_done(&opened);
}

VD_TEST(a_file_that_ends_before_the_offset_is_all_zeros)
{
    struct build_extent opened = {0};
    struct warnings warnings = {0};
    struct vd_extent_line line = {.sectors = 100, .offset_sectors = 20};
    open_short(&opened, 12 * 512, &line, &warnings);
    check_lookup(build_extent_lookup(&opened, 0, 100), VD_LOOKUP_ZERO, 100, 0);
    build_extent_done(&opened);
}

VD_TEST(an_empty_file_may_be_filled_too)
{
    struct build_extent opened = {0};
    struct warnings warnings = {0};
    struct vd_extent_line line = {.sectors = 100};
    open_short(&opened, 0, &line, &warnings);
    check_int_eq(warnings.count, 1);
    check_lookup(build_extent_lookup(&opened, 0, 100), VD_LOOKUP_ZERO, 100, 0);
    build_extent_done(&opened);
}

VD_TEST(no_warning_when_nothing_is_missing)
{
    struct build_extent opened = {0};
    struct warnings warnings = {0};
    struct vd_extent_line line = {.sectors = 4};
    open_short(&opened, 4 * 512, &line, &warnings);
    check_int_eq(warnings.count, 0);
    build_extent_done(&opened);
}

static void range_refused(uint64_t offset_sectors, uint64_t sectors)
{
    struct build_extent opened = {0};
    struct build_image image = {0};
    struct vd_extent_line line = {.sectors = sectors, .offset_sectors = offset_sectors};
    struct vd_error err = VD_ERROR_INIT;
    build_image_extend(&image, 512);
    check_code(build_extent_open(&opened, vd_extent_flat_open, &image, &line, &err),
               VD_E_DESC_EXTENT);
    check_str_has(err.text, "expected an end within");
    build_extent_done(&opened);
    build_image_done(&image);
}

VD_TEST(an_end_past_every_file_is_refused)
{
    range_refused(VD_MAX_SECTORS + 1, 1);
    range_refused(UINT64_MAX, 1);
    range_refused(VD_MAX_SECTORS, 1);
    range_refused(1, UINT64_MAX);
    range_refused(0, VD_MAX_SECTORS + 1);
}
