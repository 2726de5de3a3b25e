/* SPDX-License-Identifier: Apache-2.0 */
/* Hosted sparse extents damaged entry by entry: what is found, what is repaired, and that nothing
 * readable changes. */
#include <stdlib.h>
#include <string.h>

#include "check-kdmv.h"

/* Damage, and what is made of it. */
struct damage {
    void (*inflict)(struct kdmv_image *image);
    const char *found;    /* by a check */
    const char *repaired; /* by a check that repairs */
    const char *after;    /* by a check afterwards */
};

static void try(const struct damage *damage, uint64_t changed)
{
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    damage->inflict(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    VD_FREE uint8_t *before = check_disk_content(fs, CAPACITY);
    size_t length, again_length;

    struct vd_check_result found = check_disk_finds(fs, false, damage->found);
    VD_FREE uint8_t *untouched = check_disk_bytes(fs, "extent", &length);
    check_u64_eq(length, image.length);
    check_mem_eq(untouched, image.bytes, length); /* a check alone writes nothing */
    struct vd_check_result repaired = check_disk_finds(fs, true, damage->repaired);
    check_u64_eq(repaired.faults, found.faults);
    struct vd_check_result after = check_disk_finds(fs, false, damage->after);
    check(after.faults <= found.faults && after.clean == repaired.clean);
    VD_FREE uint8_t *content = check_disk_content(fs, CAPACITY);
    check_kdmv_same(before, content, changed);

    VD_FREE uint8_t *once = check_disk_bytes(fs, "extent", &length);
    (void)check_disk_finds(fs, true, damage->after); /* nothing more to do */
    VD_FREE uint8_t *twice = check_disk_bytes(fs, "extent", &again_length);
    check_u64_eq(again_length, length);
    check_mem_eq(twice, once, length);
}

static void no_damage(struct kdmv_image *image)
{
    (void)image;
}

VD_TEST(a_healthy_disk_has_no_findings)
{
    try(&(struct damage){no_damage, "", "", ""}, UINT64_MAX);
}

VD_TEST(grains_in_use_are_counted)
{
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    struct vd_check_result result = check_disk_finds(vd_fs_memory_fs(files), false, "");
    check_u64_eq(result.allocated_grains, VD_ARRAY_SIZE(stored));
    check_u64_eq(result.leaked_bytes, 0);
    check(result.clean);
}

/* --- where the copies differ --- */

static void rgt_lacks(struct kdmv_image *image)
{
    kdmv_set_gte(image, true, 5, 0);
}

VD_TEST(what_the_redundant_table_lacks_is_copied)
{
    try(&(struct damage){rgt_lacks, "leak rgt-behind repairable\n", "leak rgt-behind repaired\n",
                         ""},
        UINT64_MAX);
}

static void gt_lacks(struct kdmv_image *image)
{
    kdmv_set_gte(image, false, 5, 0);
}

/* Its data was durable before the redundant table was written. */
VD_TEST(an_allocation_cut_short_is_completed)
{
    try(&(struct damage){gt_lacks, "leak gt-behind repairable\n", "leak gt-behind repaired\n", ""},
        5);
}

VD_TEST(a_completed_allocation_reads_as_written)
{
    uint8_t wanted[GRAIN * VD_SECTOR_BYTES];
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    gt_lacks(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    (void)check_disk_finds(fs, true, "leak gt-behind repaired\n");
    VD_FREE uint8_t *content = check_disk_content(fs, CAPACITY);
    kdmv_fill(5, wanted, sizeof wanted);
    for (size_t i = 0; i < GRAIN; i++)
        check_mem_eq(content + (5 * GRAIN + i) * 513 + 1, wanted + i * VD_SECTOR_BYTES,
                     VD_SECTOR_BYTES);
}

static void gt_invalid(struct kdmv_image *image)
{
    kdmv_set_gte(image, false, 200, check_kdmv_end(image));
}

VD_TEST(a_bad_entry_comes_from_the_redundant_table)
{
    try(&(struct damage){gt_invalid, "fault gte-invalid repairable\n",
                         "fault gte-invalid repaired\n", ""},
        200);
}

static void gt_in_metadata(struct kdmv_image *image)
{
    kdmv_set_gte(image, false, 200, 3);
}

VD_TEST(an_entry_into_the_metadata_is_bad)
{
    try(&(struct damage){gt_in_metadata, "fault gte-invalid repairable\n",
                         "fault gte-invalid repaired\n", ""},
        200);
}

static void rgt_invalid(struct kdmv_image *image)
{
    kdmv_set_gte(image, true, 200, UINT32_MAX);
}

VD_TEST(a_bad_redundant_entry_comes_from_the_primary_table)
{
    try(&(struct damage){rgt_invalid, "fault rgte-invalid repairable\n",
                         "fault rgte-invalid repaired\n", ""},
        UINT64_MAX);
}

static void rgt_stale(struct kdmv_image *image)
{
    kdmv_set_gte(image, true, 7, kdmv_gte(image, false, 5));
}

VD_TEST(a_redundant_entry_of_another_grain_is_dropped)
{
    try(&(struct damage){rgt_stale, "fault rgte-invalid repairable\n",
                         "fault rgte-invalid repaired\n", ""},
        UINT64_MAX);
}

static void both_invalid(struct kdmv_image *image)
{
    check_kdmv_set(image, 200, check_kdmv_end(image));
}

/* The grain itself is not referred to any more, but may be what is missed. */
VD_TEST(a_lost_grain_is_not_made_up)
{
    const char *found = "fault gte-invalid\nleak leaked-grains\n";
    try(&(struct damage){both_invalid, found, found, found}, UINT64_MAX);
}

static void two_versions(struct kdmv_image *image)
{
    uint32_t first = kdmv_gte(image, false, 5);
    (void)kdmv_add_grain(image, 5);
    image->bytes[image->length - 1] ^= 1;
    kdmv_set_gte(image, false, 5, first);
}

VD_TEST(two_versions_are_not_chosen_between)
{
    const char *found = "fault gt-differs\nleak leaked-grains\n";
    try(&(struct damage){two_versions, found, found, found}, UINT64_MAX);
}

static void two_copies(struct kdmv_image *image)
{
    uint32_t first = kdmv_gte(image, false, 5);
    (void)kdmv_add_grain(image, 5);
    kdmv_set_gte(image, false, 5, first);
}

VD_TEST(two_equal_versions_are_one)
{
    const char *after = "leak leaked-tail repairable\n";
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    two_copies(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    (void)check_disk_finds(fs, true, "leak rgt-behind repaired\nleak leaked-grains\n");
    (void)check_disk_finds(fs, false, after); /* the second one is let go a step later */
}

static void zero_flagged(struct kdmv_image *image)
{
    image->header.version = 2;
    image->header.flags |= VD_KDMV_ZEROED;
    kdmv_put_header(image);
}

static void crosslink(struct kdmv_image *image)
{
    check_kdmv_set(image, 6, kdmv_gte(image, false, 5));
}

VD_TEST(both_owners_of_a_grain_are_told)
{
    const char *found = "fault gte-crosslinked\nfault gte-crosslinked\n";
    try(&(struct damage){crosslink, found, found, found}, UINT64_MAX);
}

/* Grains 20 to 29 lie side by side, and an entry of the next table points into their midst. */
static void crosslink_into_a_run(struct kdmv_image *image)
{
    for (uint64_t grain = 20; grain < 30; grain++)
        (void)kdmv_add_grain(image, grain);
    check_kdmv_set(image, ENTRIES + 7, kdmv_gte(image, false, 25));
}

VD_TEST(a_grain_in_the_midst_of_a_run_is_told)
{
    const char *found = "fault gte-crosslinked\nfault gte-crosslinked\n";
    try(&(struct damage){crosslink_into_a_run, found, found, found}, UINT64_MAX);
}

/* The other way round: the run comes when one of its grains is taken. */
static void crosslink_before_a_run(struct kdmv_image *image)
{
    for (uint64_t grain = ENTRIES + 20; grain < ENTRIES + 30; grain++)
        (void)kdmv_add_grain(image, grain);
    check_kdmv_set(image, 7, kdmv_gte(image, false, ENTRIES + 25));
}

VD_TEST(a_run_over_a_grain_in_use_is_told)
{
    const char *found = "fault gte-crosslinked\nfault gte-crosslinked\n";
    try(&(struct damage){crosslink_before_a_run, found, found, found}, UINT64_MAX);
}

/* What a table in which nothing needs to be told holds beside grains. */
static void zeros_in_full_tables(struct kdmv_image *image)
{
    zero_flagged(image);
    check_kdmv_set(image, 40, 1);
    check_kdmv_set(image, ENTRIES + 40, 1);
}

VD_TEST(flagged_zeros_beside_grains_are_no_finding)
{
    try(&(struct damage){zeros_in_full_tables, "", "", ""}, UINT64_MAX);
}

static void overlap_by_half(struct kdmv_image *image)
{
    check_kdmv_set(image, 6, kdmv_gte(image, false, 5) + GRAIN / 2);
}

VD_TEST(grains_that_overlap_in_part_are_told)
{
    const char *found = "fault gte-crosslinked\n"
                        "fault gte-crosslinked\ninfo gte-misaligned\n"
                        "fault gte-crosslinked\n";
    try(&(struct damage){overlap_by_half, found, found, found}, UINT64_MAX);
}

/* --- zero grains --- */

static void zero_healthy(struct kdmv_image *image)
{
    zero_flagged(image);
    check_kdmv_set(image, 9, 1);
}

VD_TEST(zero_grains_are_no_finding_where_announced)
{
    try(&(struct damage){zero_healthy, "", "", ""}, UINT64_MAX);
}

static void zero_unflagged(struct kdmv_image *image)
{
    check_kdmv_set(image, 9, 1);
}

VD_TEST(zero_grains_not_announced_are_a_fault)
{
    const char *found = "fault gte-zero-unflagged\n";
    try(&(struct damage){zero_unflagged, found, found, found}, UINT64_MAX);
}

static void zeroing_cut_short(struct kdmv_image *image)
{
    zero_flagged(image);
    kdmv_set_gte(image, true, 5, 1);
}

VD_TEST(zeroing_cut_short_is_undone)
{
    try(&(struct damage){zeroing_cut_short, "leak rgt-behind repairable\n",
                         "leak rgt-behind repaired\n", ""},
        UINT64_MAX);
}

static void zero_cut_short(struct kdmv_image *image)
{
    zero_flagged(image);
    kdmv_set_gte(image, true, 9, 1);
}

VD_TEST(a_zero_grain_cut_short_is_completed)
{
    try(&(struct damage){zero_cut_short, "leak gt-behind repairable\n", "leak gt-behind repaired\n",
                         ""},
        9);
}

/* --- space --- */

static void leak_inside(struct kdmv_image *image)
{
    check_kdmv_set(image, 1, 0);
}

VD_TEST(a_grain_of_nobody_is_a_leak)
{
    try(&(struct damage){leak_inside, "leak leaked-grains\n", "leak leaked-grains\n",
                         "leak leaked-grains\n"},
        UINT64_MAX);
}

static void leak_tail(struct kdmv_image *image)
{
    kdmv_append(image, NULL, 3 * GRAIN * VD_SECTOR_BYTES);
}

VD_TEST(a_tail_of_nobody_is_cut_off)
{
    KDMV_IMAGE image;
    size_t length;
    try(&(struct damage){leak_tail, "leak leaked-tail repairable\n", "leak leaked-tail repaired\n",
                         ""},
        UINT64_MAX);
    check_kdmv_build(&image);
    size_t wanted = image.length;
    leak_tail(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    struct vd_check_result result =
        check_disk_finds(vd_fs_memory_fs(files), true, "leak leaked-tail repaired\n");
    check_u64_eq(result.leaked_bytes, 3 * GRAIN * VD_SECTOR_BYTES);
    VD_FREE uint8_t *bytes = check_disk_bytes(vd_fs_memory_fs(files), "extent", &length);
    check_u64_eq(length, wanted);
    check_mem_eq(bytes, image.bytes, length);
}

static void beyond(struct kdmv_image *image)
{
    uint32_t at = kdmv_gte(image, false, 0);
    check_kdmv_set(image, BEYOND, at);
}

VD_TEST(entries_past_the_capacity_are_cleared)
{
    try(&(struct damage){beyond, "leak entry-beyond repairable\nleak entry-beyond repairable\n",
                         "leak entry-beyond repaired\nleak entry-beyond repaired\n", ""},
        UINT64_MAX);
}

static void truncated(struct kdmv_image *image)
{
    image->length -= (size_t)GRAIN * VD_SECTOR_BYTES;
}

VD_TEST(a_file_cut_off_is_not_repaired)
{
    const char *found = "fault gte-invalid\n";
    try(&(struct damage){truncated, found, found, found}, UINT64_MAX);
}

static void short_last_grain(struct kdmv_image *image)
{
    image->length -= 4u * VD_SECTOR_BYTES; /* 20 sectors past whole tables: half a grain */
}

VD_TEST(the_last_grain_may_be_short)
{
    try(&(struct damage){short_last_grain, "", "", ""}, UINT64_MAX);
}

static void unclean(struct kdmv_image *image)
{
    image->header.unclean_shutdown = true;
    kdmv_put_header(image);
}

VD_TEST(the_mark_of_an_unclean_end_is_cleared)
{
    try(&(struct damage){unclean, "info unclean repairable\n", "info unclean repaired\n", ""},
        UINT64_MAX);
}

static void unclean_and_lost(struct kdmv_image *image)
{
    unclean(image);
    both_invalid(image);
}

VD_TEST(the_mark_stays_while_faults_do)
{
    const char *found = "fault gte-invalid\nleak leaked-grains\ninfo unclean\n";
    try(&(struct damage){unclean_and_lost, found, found, found}, UINT64_MAX);
}

/* --- directories --- */

static void gde_outside(struct kdmv_image *image)
{
    kdmv_set_gde(image, false, 1, UINT32_MAX);
}

VD_TEST(a_directory_entry_is_recomputed)
{
    try(&(struct damage){gde_outside, "fault gde-invalid repairable\n",
                         "fault gde-invalid repaired\n", ""},
        UINT64_MAX);
}

static void rgde_outside(struct kdmv_image *image)
{
    kdmv_set_gde(image, true, 1, UINT32_MAX);
}

VD_TEST(a_redundant_directory_entry_is_recomputed)
{
    try(&(struct damage){rgde_outside, "fault rgde-invalid repairable\n",
                         "fault rgde-invalid repaired\n", ""},
        UINT64_MAX);
}

/* A disk of one table, whose only entry is damaged; without the damage the tables are in no usual
 * order where `moved`. */
static void try_one_table(bool redundant, bool moved, const char *repaired, const char *after)
{
    KDMV_IMAGE image;
    uint64_t sectors = (uint64_t)ENTRIES * GRAIN - 4;
    kdmv_plain(&image, &(struct kdmv_shape){.capacity_sectors = sectors,
                                            .grain_sectors = GRAIN,
                                            .table_entries = ENTRIES});
    (void)kdmv_add_grain(&image, 3);
    kdmv_set_gde(&image, redundant, 0, UINT32_MAX);
    image.header.overhead_sectors += moved ? GRAIN : 0;
    kdmv_put_header(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    check_disk_descriptor(files, sectors, "SPARSE", NULL);
    check_code(vd_fs_memory_add(files, "extent", image.bytes, image.length, NULL), VD_OK);
    (void)check_disk_finds(vd_fs_memory_fs(files), true, repaired);
    (void)check_disk_finds(vd_fs_memory_fs(files), false, after);
}

VD_TEST(the_only_entry_of_a_directory_is_recomputed)
{
    try_one_table(false, false, "fault gde-invalid repaired\n", "");
    try_one_table(true, false, "fault rgde-invalid repaired\n", "");
}

VD_TEST(the_only_entry_is_not_made_up_in_an_unusual_layout)
{
    const char *found = "fault rgde-invalid\nfault gte-invalid\n";
    try_one_table(true, true, found, found);
}

static void gde_zero(struct kdmv_image *image)
{
    kdmv_set_gde(image, false, 2, 0);
    kdmv_set_gde(image, true, 2, 0);
}

/* Grain 383 is in that table; its entry is in both places where the table was, so that an empty one
 * cannot be put there. */
VD_TEST(a_missing_table_is_not_made_up)
{
    const char *found = "fault gde-invalid\nfault rgde-invalid\nleak leaked-grains\n";
    try(&(struct damage){gde_zero, found, found, found}, UINT64_MAX);
}

static void gde_twice(struct kdmv_image *image)
{
    kdmv_set_gde(image, false, 1, kdmv_gde(image, false, 2));
}

VD_TEST(a_table_in_two_places_goes_back)
{
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    gde_twice(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    (void)check_disk_finds(fs, true, "fault gde-invalid repaired\n");
    (void)check_disk_finds(fs, false, "");
}

static void gde_and_rgt_differ(struct kdmv_image *image)
{
    kdmv_set_gte(image, true, 200, 0);
    gde_outside(image);
}

VD_TEST(a_table_that_knows_more_is_not_overwritten)
{
    const char *found = "fault gde-invalid\nleak leaked-grains\n";
    try(&(struct damage){gde_and_rgt_differ, found, found, found}, UINT64_MAX);
}

static void gd_outside(struct kdmv_image *image)
{
    image->header.gd_offset_sectors = 1 << 20;
    kdmv_put_header(image);
}

VD_TEST(a_directory_outside_the_file_is_told)
{
    const char *found = "fault gd-outside\n";
    try(&(struct damage){gd_outside, found, found, found}, UINT64_MAX);
}

static void rgd_outside(struct kdmv_image *image)
{
    image->header.rgd_offset_sectors = 1 << 20;
    kdmv_put_header(image);
}

VD_TEST(a_redundant_directory_outside_the_file_is_told)
{
    const char *found = "fault rgd-outside\n";
    try(&(struct damage){rgd_outside, found, found, found}, UINT64_MAX);
}

static void areas_overlap(struct kdmv_image *image)
{
    image->header.rgd_offset_sectors = image->header.gd_offset_sectors;
    kdmv_put_header(image);
}

VD_TEST(metadata_that_overlaps_is_told)
{
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    areas_overlap(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    const char *found = "fault metadata-overlap\nfault rgde-invalid\nfault rgde-invalid\n"
                        "fault rgde-invalid\nfault rgde-invalid\n";
    struct vd_check_result result = check_disk_finds(vd_fs_memory_fs(files), true, found);
    check(!result.clean && result.repaired == 0);
}

/* --- header --- */

static void odd_flags(struct kdmv_image *image)
{
    image->header.flags |= 0x100;
    kdmv_put_header(image);
}

VD_TEST(unknown_flags_are_told)
{
    const char *found = "info unknown-flags\n";
    try(&(struct damage){odd_flags, found, found, found}, UINT64_MAX);
}

VD_TEST(a_file_that_ends_before_its_first_grain)
{
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    image.header.overhead_sectors = image.length / VD_SECTOR_BYTES + GRAIN;
    kdmv_put_header(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    (void)check_disk_finds(vd_fs_memory_fs(files), false, "fault file-short\n");
}

static void expect_header(struct kdmv_image *image, size_t at, uint8_t value, const char *found)
{
    image->bytes[at] = value;
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(image);
    struct vd_check_result result = check_disk_finds(vd_fs_memory_fs(files), true, found);
    check(!result.clean);
}

VD_TEST(a_bad_header_is_told)
{
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    expect_header(&image, 20, 9, "fault header-invalid\n"); /* grain size */
    image.bytes[20] = GRAIN;
    expect_header(&image, 73, 0, "fault header-invalid\n"); /* newlines */
    image.bytes[73] = 0x0a;
    expect_header(&image, 0, 'X', "fault extent-kind\n");
}

VD_TEST(a_capacity_unlike_the_descriptors_is_told)
{
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    image.header.capacity_sectors = CAPACITY - 2 * GRAIN;
    check_kdmv_set(&image, 386, 0);
    image.length -= (size_t)GRAIN * VD_SECTOR_BYTES;
    kdmv_put_header(&image);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    (void)check_disk_finds(vd_fs_memory_fs(files), false, "fault extent-size\n");
}

/* --- a file full of faults --- */

VD_TEST(a_kind_of_finding_is_told_so_often_and_then_counted)
{
    KDMV_IMAGE image;
    check_kdmv_build(&image);
    for (uint64_t grain = 0; grain < 2 * ENTRIES; grain++)
        check_kdmv_set(&image, grain, UINT32_MAX - (uint32_t)grain);
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = check_kdmv_files(&image);
    struct vd_buf findings = VD_BUF_INIT(CHECK_TEXT_BYTES);
    struct vd_check_result result;
    check_code(check_disk_run(vd_fs_memory_fs(files), false, &findings, &result, NULL), VD_OK);
    check_u64_eq(result.faults, 2 * ENTRIES);
    size_t lines = 0;
    for (size_t i = 0; i < findings.length; i++)
        lines += findings.data[i] == '\n';
    check_u64_eq(lines, 100 + 1 + 1); /* one for the rest, one for the leak */
    vd_buf_done(&findings);
}
