/* SPDX-License-Identifier: Apache-2.0 */
/* A repair, and the power cut after each of its writes, with all that a machine may have done with
 * what was not flushed: what could be read can be read, and a second repair brings all to an end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "block/power-cut.h"
#include "build-cowd.h"
#include "build-kdmv.h"
#include "check-disk.h"

enum { GRAIN = 8, ENTRIES = 128, CAPACITY = 3 * ENTRIES * GRAIN + 20, SEEDS = 20, COWD = 5000 };

#define FILES VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *

/* One of everything that is repaired. */
static void build(struct kdmv_image *image)
{
    static const uint64_t stored[] = {0, 1, 5, 127, 128, 200, 300, 383, 386};
    kdmv_plain(image, &(struct kdmv_shape){.capacity_sectors = CAPACITY,
                                           .grain_sectors = GRAIN,
                                           .table_entries = ENTRIES});
    for (size_t i = 0; i < VD_ARRAY_SIZE(stored); i++)
        (void)kdmv_add_grain(image, stored[i]);
    kdmv_append(image, NULL, 5 * GRAIN * VD_SECTOR_BYTES);
    kdmv_set_gte(image, true, 1, 0);
    kdmv_set_gte(image, false, 5, 0);
    kdmv_set_gte(image, true, 127, UINT32_MAX);
    kdmv_set_gte(image, false, 0, UINT32_MAX);
    kdmv_set_gte(image, true, 387, 77);
    kdmv_set_gde(image, true, 1, UINT32_MAX);
    kdmv_set_gde(image, false, 2, UINT32_MAX);
    image->header.unclean_shutdown = true;
    kdmv_put_header(image);
}

/* What was readable reads the same, or as after the repair where that gave a grain back. */
static void compare(const uint8_t *before, const uint8_t *after, const uint8_t *now,
                    uint64_t sectors)
{
    for (uint64_t i = 0; i < sectors; i++) {
        const uint8_t *sector = now + i * 513;
        if (before[i * 513] == 0 || memcmp(sector, before + i * 513, 513) == 0)
            continue;
        check_mem_eq(sector, after + i * 513, 513);
    }
}

static void check_state(const struct vd_fs *fs, const uint8_t *before, const uint8_t *after,
                        uint64_t sectors)
{
    struct vd_buf findings = VD_BUF_INIT(CHECK_TEXT_BYTES);
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    VD_FREE uint8_t *now = check_disk_content(fs, sectors);
    compare(before, after, now, sectors);
    check_code_err(check_disk_run(fs, true, &findings, &result, &err), VD_OK, &err);
    check(result.clean);
    check_code_err(check_disk_run(fs, false, &findings, &result, &err), VD_OK, &err);
    check(result.faults == 0 && result.leaks == 0);
    VD_FREE uint8_t *mended = check_disk_content(fs, sectors);
    check_mem_eq(mended, after, (size_t)sectors * 513);
    vd_buf_done(&findings);
}

/* Repairs "disk.vmdk" of `files` and cuts the power everywhere. */
static void cut_everywhere(struct vd_fs_memory *files, uint64_t sectors)
{
    VD_CLEANUP(vd_fs_trace_free_cleanup) struct vd_fs_trace *trace = NULL;
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *cut = NULL;
    struct vd_buf findings = VD_BUF_INIT(CHECK_TEXT_BYTES);
    struct vd_check_result result;
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    VD_FREE uint8_t *before = check_disk_content(fs, sectors);
    check_code(vd_fs_trace_new(fs, &trace, NULL), VD_OK);
    check_code(check_disk_run(vd_fs_trace_fs(trace), true, &findings, &result, NULL), VD_OK);
    check(result.clean && result.repaired > 0);
    VD_FREE uint8_t *after = check_disk_content(fs, sectors);
    check_code(vd_power_cut_new(trace, &cut, NULL), VD_OK);
    size_t count = 0;
    for (size_t at = 0; at <= vd_power_cut_last(cut); at++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++, count++) {
            struct vd_fs_memory *state = NULL;
            check_code(vd_power_cut_build(cut, at, seed, &state, NULL), VD_OK);
            check_state(vd_fs_memory_fs(state), before, after, sectors);
            vd_fs_memory_free(state);
        }
    }
    printf("# %zu cuts\n", count);
    vd_buf_done(&findings);
}

VD_TEST(a_repair_survives_power_cuts)
{
    KDMV_IMAGE image;
    struct vd_fs_memory *made = NULL;
    build(&image);
    check_code(vd_fs_memory_new(&made, NULL), VD_OK);
    FILES files = made;
    check_disk_descriptor(files, CAPACITY, "SPARSE", NULL);
    check_code(vd_fs_memory_add(files, "extent", image.bytes, image.length, NULL), VD_OK);
    cut_everywhere(files, CAPACITY);
}

/* Of all tables the second alone names no grain. */
VD_TEST(a_repair_of_missing_tables_survives_power_cuts)
{
    static const uint64_t stored[] = {0, 5, 300, 386};
    KDMV_IMAGE image;
    struct vd_fs_memory *made = NULL;
    kdmv_plain(&image, &(struct kdmv_shape){.capacity_sectors = CAPACITY,
                                            .grain_sectors = GRAIN,
                                            .table_entries = ENTRIES});
    for (size_t i = 0; i < VD_ARRAY_SIZE(stored); i++)
        (void)kdmv_add_grain(&image, stored[i]);
    kdmv_set_gde(&image, false, 1, 0);
    kdmv_set_gde(&image, true, 1, 0);
    check_code(vd_fs_memory_new(&made, NULL), VD_OK);
    FILES files = made;
    check_disk_descriptor(files, CAPACITY, "SPARSE", NULL);
    check_code(vd_fs_memory_add(files, "extent", image.bytes, image.length, NULL), VD_OK);
    cut_everywhere(files, CAPACITY);
}

VD_TEST(a_repair_of_cowd_survives_power_cuts)
{
    struct build_cowd cowd;
    uint8_t sector[VD_SECTOR_BYTES];
    struct vd_fs_memory *made = NULL;
    build_cowd_init(&cowd, COWD, 1);
    for (unsigned i = 0; i < 4; i++) {
        memset(sector, 'a' + (int)i, sizeof sector);
        build_cowd_data(&cowd, i * 1500, sector);
    }
    build_image_u32(&cowd.image, build_cowd_gte(&cowd, 4500) + 8000, 50);
    build_image_u32(&cowd.image, COWD_AT_FREE, 7);
    build_image_u32(&cowd.image, COWD_AT_UNCLEAN, 1);
    check_code(vd_fs_memory_new(&made, NULL), VD_OK);
    FILES files = made;
    check_disk_descriptor(files, COWD, "VMFSSPARSE", NULL);
    check_code(vd_fs_memory_add(files, "extent", cowd.image.bytes, cowd.image.length, NULL), VD_OK);
    build_cowd_done(&cowd);
    cut_everywhere(files, COWD);
}

/* The text's two places and the header that points at one of them. */
VD_TEST(a_repair_of_a_descriptor_inside_survives_power_cuts)
{
    static const char text[] = "# Disk DescriptorFile\nversion=3\nCID=00000001\n"
                               "parentCID=ffffffff\ncreateType=\"monolithicSparse\"\n"
                               "changeTrackPath=\"c.vmdk\"\nRW 100 SPARSE \"disk.vmdk\"\n"
                               "ddb.comment = \"%0600d\"\n";
    KDMV_IMAGE image;
    struct vd_fs_memory *made = NULL;
    kdmv_plain(&image, &(struct kdmv_shape){
                           .capacity_sectors = 100, .grain_sectors = 8, .descriptor_sectors = 20});
    (void)snprintf((char *)image.bytes + VD_SECTOR_BYTES, 20u * VD_SECTOR_BYTES, text, 1);
    (void)kdmv_add_grain(&image, 5);
    check_code(vd_fs_memory_new(&made, NULL), VD_OK);
    FILES files = made;
    check_code(vd_fs_memory_add(files, "disk.vmdk", image.bytes, image.length, NULL), VD_OK);
    cut_everywhere(files, 100);
}
