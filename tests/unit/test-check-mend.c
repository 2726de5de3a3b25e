/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that do not open any more, and are put right from what is left of them: what is found, what
 * is read then, and that neither a failing call nor a power cut on the way makes it worse. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "block/fault.h"
#include "block/power-cut.h"
#include "build-kdmv.h"
#include "check-disk.h"

enum { SECTORS = 12 * 128 + 40, FEW = 100, SEEDS = 6 };
enum { MANY = 600 * 128 + 40 }; /* more than a table's */

#define FILES VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *

static void stream_of(struct kdmv_image *image, enum kdmv_style style, uint64_t sectors,
                      const uint64_t *grains, size_t num_grains)
{
    kdmv_stream(image, &(struct kdmv_stream_options){
                           .style = style,
                           .capacity_sectors = sectors,
                           .grains = grains,
                           .num_grains = num_grains,
                       });
}

/* The last grain reaches past the end of the disk. */
static const uint64_t some[] = {1, 2, 9, 12};

static void stream(struct kdmv_image *image)
{
    stream_of(image, KDMV_VMWARE, SECTORS, some, VD_ARRAY_SIZE(some));
}

static void large_stream(struct kdmv_image *image)
{
    static const uint64_t grains[] = {1, 511, 512, 600};
    stream_of(image, KDMV_VMWARE, MANY, grains, VD_ARRAY_SIZE(grains));
}

static const char text[] = "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\n"
                           "createType=\"monolithicSparse\"\nRW 100 SPARSE \"disk.vmdk\"\n"
                           "ddb.comment = \"kept\"\nddb.adapterType = \"ide\"\n";

static void put_text(struct kdmv_image *image, const char *descriptor)
{
    memset(image->bytes + VD_SECTOR_BYTES, 0, 20u * VD_SECTOR_BYTES);
    memcpy(image->bytes + VD_SECTOR_BYTES, descriptor, strlen(descriptor));
}

static void sparse(struct kdmv_image *image)
{
    kdmv_plain(image, &(struct kdmv_shape){
                          .capacity_sectors = FEW, .grain_sectors = 8, .descriptor_sectors = 20});
    put_text(image, text);
    (void)kdmv_add_grain(image, 1);
    (void)kdmv_add_grain(image, 5);
}

static uint8_t *footer_of(const struct kdmv_image *image)
{
    return image->bytes + image->length - 2u * VD_SECTOR_BYTES;
}

/* --- what is done with each --- */

struct mend {
    void (*build)(struct kdmv_image *image);
    void (*damage)(struct kdmv_image *image);
    enum check_mode mode;
    const char *found;
    const char *repaired;
    uint64_t sectors;
    uint64_t lost_from; /* sectors from here on are not had back */
};

static struct vd_fs_memory *damaged(const struct mend *mend, uint8_t **ret_whole)
{
    KDMV_IMAGE image;
    struct vd_fs_memory *files = NULL;
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    mend->build(&image);
    check_code(vd_fs_memory_add(files, "disk.vmdk", image.bytes, image.length, NULL), VD_OK);
    *ret_whole = check_disk_content(vd_fs_memory_fs(files), mend->sectors);
    check(**ret_whole == 1);
    mend->damage(&image);
    check_code(vd_fs_memory_add(files, "disk.vmdk", image.bytes, image.length, NULL), VD_OK);
    return files;
}

/* All that is not lost is read as from the whole disk, and no other data. */
static void check_content(const struct mend *mend, const struct vd_fs *fs, const uint8_t *whole)
{
    static const uint8_t zeros[513] = {1};
    VD_FREE uint8_t *now = check_disk_content(fs, mend->sectors);
    for (uint64_t i = 0; i < mend->sectors; i++)
        check_mem_eq(now + i * 513, i < mend->lost_from ? whole + i * 513 : zeros, 513);
}

/* Whatever happened before: a repair that is let run ends well. */
static void check_ends_well(const struct mend *mend, const struct vd_fs *fs, const uint8_t *whole)
{
    struct vd_buf findings = VD_BUF_INIT(CHECK_TEXT_BYTES);
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(check_disk_run(fs, mend->mode, &findings, &result, &err), VD_OK, &err);
    check(result.clean);
    check_code_err(check_disk_run(fs, CHECK_ALONE, &findings, &result, &err), VD_OK, &err);
    check(result.faults == 0);
    check_content(mend, fs, whole);
    vd_buf_done(&findings);
}

static void check_found(const struct mend *mend)
{
    VD_FREE uint8_t *whole = NULL;
    FILES files = damaged(mend, &whole);
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    size_t length, again, kept;
    VD_FREE uint8_t *before = check_disk_bytes(fs, "disk.vmdk", &length);
    struct vd_check_result result = check_disk_finds(fs, CHECK_ALONE, mend->found);
    check(!result.clean);
    VD_FREE uint8_t *untouched = check_disk_bytes(fs, "disk.vmdk", &again);
    check_u64_eq(again, length);
    check_mem_eq(untouched, before, length);
    result = check_disk_finds(fs, mend->mode, mend->repaired);
    check(result.clean && result.repaired > 0);
    check_ends_well(mend, fs, whole);
    VD_FREE uint8_t *after = check_disk_bytes(fs, "disk.vmdk", &again);
    if (again >= length && memcmp(after, before, length) == 0)
        return; /* nothing was replaced */
    VD_FREE uint8_t *backup = check_disk_bytes(fs, "disk.vmdk.vdisk-repair-backup", &kept);
    check(backup != NULL && kept > 0);
}

/* false when no call failed. */
static bool fail_once(const struct mend *mend, uint64_t nth, bool persistent)
{
    VD_FREE uint8_t *whole = NULL;
    FILES files = damaged(mend, &whole);
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    struct vd_buf findings = VD_BUF_INIT(CHECK_TEXT_BYTES);
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_fs_fault_new(vd_fs_memory_fs(files), &fault, NULL), VD_OK);
    vd_fs_fault_arm(fault, VD_FAULT_ANY, nth, EIO, persistent);
    int r = check_disk_run(vd_fs_fault_fs(fault), mend->mode, &findings, &result, &err);
    bool fired = vd_fs_fault_fired(fault);
    check(r >= 0 || err.text[0] != '\0');
    check_ends_well(mend, vd_fs_memory_fs(files), whole);
    vd_buf_done(&findings);
    return fired;
}

static void fail_each(const struct mend *mend)
{
    uint64_t calls = 0;
    for (int persistent = 0; persistent < 2; persistent++) {
        uint64_t nth = 1;
        while (fail_once(mend, nth, persistent != 0))
            nth++;
        calls += nth - 1;
    }
    check(calls > 0);
    printf("# %llu calls failed one by one\n", (unsigned long long)calls);
}

static void cut_everywhere(const struct mend *mend)
{
    VD_CLEANUP(vd_fs_trace_free_cleanup) struct vd_fs_trace *trace = NULL;
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *cut = NULL;
    VD_FREE uint8_t *whole = NULL;
    FILES files = damaged(mend, &whole);
    size_t count = 0;
    check_code(vd_fs_trace_new(vd_fs_memory_fs(files), &trace, NULL), VD_OK);
    (void)check_disk_finds(vd_fs_trace_fs(trace), mend->mode, mend->repaired);
    check_code(vd_power_cut_new(trace, &cut, NULL), VD_OK);
    for (size_t at = 0; at <= vd_power_cut_last(cut); at++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++, count++) {
            struct vd_fs_memory *state = NULL;
            check_code(vd_power_cut_build(cut, at, seed, &state, NULL), VD_OK);
            check_ends_well(mend, vd_fs_memory_fs(state), whole);
            vd_fs_memory_free(state);
        }
    }
    printf("# %zu cuts\n", count);
}

static void try(const struct mend *mend)
{
    check_found(mend);
    fail_each(mend);
    cut_everywhere(mend);
}

/* --- the footer --- */

#define FOOTER "fault footer-invalid repairable\n", "fault footer-invalid repaired\n"

static void lose_end(struct kdmv_image *image)
{
    image->length -= 3u * VD_SECTOR_BYTES;
}

VD_TEST(a_lost_footer_comes_from_the_header)
{
    try(&(struct mend){stream, lose_end, CHECK_REPAIR, FOOTER, SECTORS, SECTORS});
}

static void lose_part_of_the_end(struct kdmv_image *image)
{
    image->length -= VD_SECTOR_BYTES + 100u;
}

static void spoil_footer(struct kdmv_image *image)
{
    footer_of(image)[20] = 9; /* the grain size */
}

static void spoil_footer_directory(struct kdmv_image *image)
{
    vd_le64_encode(footer_of(image) + 56, UINT64_MAX);
}

VD_TEST(a_damaged_footer_comes_from_the_header)
{
    check_found(
        &(struct mend){stream, lose_part_of_the_end, CHECK_REPAIR, FOOTER, SECTORS, SECTORS});
    check_found(
        &(struct mend){stream, spoil_footer_directory, CHECK_REPAIR, FOOTER, SECTORS, SECTORS});
    try(&(struct mend){stream, spoil_footer, CHECK_REPAIR, FOOTER, SECTORS, SECTORS});
}

static void spoil_end_mark(struct kdmv_image *image)
{
    image->bytes[image->length - 7] = 1;
}

VD_TEST(a_lost_end_mark_is_written)
{
    try(&(struct mend){stream, spoil_end_mark, CHECK_REPAIR, "fault eos-missing repairable\n",
                       "fault eos-missing repaired\n", SECTORS, SECTORS});
}

static void refuses(const struct mend *mend)
{
    VD_FREE uint8_t *whole = NULL;
    FILES files = damaged(mend, &whole);
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    size_t length, again;
    VD_FREE char *names = NULL;
    VD_FREE uint8_t *before = check_disk_bytes(fs, "disk.vmdk", &length);
    struct vd_check_result result = check_disk_finds(fs, mend->mode, mend->found);
    check(!result.clean && result.repaired == 0);
    VD_FREE uint8_t *after = check_disk_bytes(fs, "disk.vmdk", &again);
    check_u64_eq(again, length);
    check_mem_eq(after, before, length);
    check_code(vd_fs_memory_list(files, &names, NULL), VD_OK);
    check_str_eq(names, "disk.vmdk\n");
}

static void lose_end_and_a_record(struct kdmv_image *image)
{
    lose_end(image);
    image->bytes[image->header.overhead_sectors * VD_SECTOR_BYTES + 40] ^= 0xff;
}

/* The record was one when the tables were written, and is none now. */
VD_TEST(a_footer_is_not_made_for_a_stream_that_lost_a_grain)
{
    refuses(&(struct mend){stream, lose_end_and_a_record, CHECK_REPAIR, "fault footer-invalid\n",
                           NULL, SECTORS, 0});
}

static void stream_of_xen(struct kdmv_image *image)
{
    stream_of(image, KDMV_XEN_ORCHESTRA, SECTORS, some, VD_ARRAY_SIZE(some));
}

/* Its footer alone knew where the second directory is. */
VD_TEST(a_footer_with_a_second_directory_is_not_made_up)
{
    refuses(&(struct mend){stream_of_xen, lose_end, CHECK_SALVAGE, "fault footer-invalid\n", NULL,
                           SECTORS, 0});
}

/* --- the header --- */

#define HEADER "fault header-invalid repairable\n", "fault header-invalid repaired\n"

static void lose_header(struct kdmv_image *image)
{
    memset(image->bytes, 0xff, VD_SECTOR_BYTES);
}

VD_TEST(a_lost_header_comes_from_the_footer)
{
    try(&(struct mend){stream, lose_header, CHECK_REPAIR, HEADER, SECTORS, SECTORS});
}

static void spoil_capacity(struct kdmv_image *image)
{
    image->header.capacity_sectors = UINT64_C(1) << 40;
    kdmv_put_header(image);
}

static void spoil_grain_size(struct kdmv_image *image)
{
    image->header.grain_sectors = 64;
    kdmv_put_header(image);
}

static void spoil_version(struct kdmv_image *image)
{
    image->bytes[4] = 9;
}

VD_TEST(a_damaged_header_comes_from_the_footer)
{
    check_found(&(struct mend){stream, spoil_capacity, CHECK_REPAIR, HEADER, SECTORS, SECTORS});
    check_found(&(struct mend){stream, spoil_version, CHECK_REPAIR, HEADER, SECTORS, SECTORS});
    try(&(struct mend){stream, spoil_grain_size, CHECK_REPAIR, HEADER, SECTORS, SECTORS});
}

static void lose_header_and_a_table(struct kdmv_image *image)
{
    for (size_t at = 0; at < image->length; at += VD_SECTOR_BYTES) {
        if (vd_le32_decode(image->bytes + at) == 4 && vd_le32_decode(image->bytes + at + 12) == 1)
            memset(image->bytes + at + VD_SECTOR_BYTES, 0, 4u * VD_SECTOR_BYTES);
    }
    lose_header(image);
}

VD_TEST(a_header_is_not_made_for_a_stream_that_lost_a_table)
{
    refuses(&(struct mend){stream, lose_header_and_a_table, CHECK_REPAIR, "fault disk-unreadable\n",
                           NULL, SECTORS, 0});
}

/* --- a stream cut off --- */

#define CUT_OFF "fault footer-invalid\n", "fault footer-invalid repaired\n"

/* In the middle of the record of the last grain. */
static void break_off(struct kdmv_image *image)
{
    uint64_t last = image->header.capacity_sectors / 128 * 128;
    for (size_t at = 0; at < image->length; at += VD_SECTOR_BYTES) {
        if (vd_le64_decode(image->bytes + at) == last && vd_le32_decode(image->bytes + at + 8) != 0)
            image->length = at + 700;
    }
}

VD_TEST(a_stream_cut_off_gets_tables_for_what_it_has)
{
    try(&(struct mend){stream, break_off, CHECK_SALVAGE, CUT_OFF, SECTORS, 12u * 128});
    check_found(&(struct mend){large_stream, break_off, CHECK_SALVAGE, CUT_OFF, MANY, 600u * 128});
}

VD_TEST(a_stream_cut_off_is_left_alone_without_consent)
{
    refuses(&(struct mend){stream, break_off, CHECK_REPAIR, "fault footer-invalid\n", NULL, SECTORS,
                           0});
}

static void break_off_before_any_grain(struct kdmv_image *image)
{
    image->length = (size_t)image->header.overhead_sectors * VD_SECTOR_BYTES + 100;
}

VD_TEST(a_stream_without_a_grain_is_not_salvaged)
{
    refuses(&(struct mend){stream, break_off_before_any_grain, CHECK_SALVAGE,
                           "fault footer-invalid\n", NULL, SECTORS, 0});
}

static void break_off_after_a_second_version(struct kdmv_image *image)
{
    uint8_t grain[128 * VD_SECTOR_BYTES] = {1};
    break_off(image);
    image->length -= 700;
    (void)kdmv_record(image, 128, grain, sizeof grain);
}

VD_TEST(two_versions_of_a_grain_are_not_chosen_between)
{
    refuses(&(struct mend){stream, break_off_after_a_second_version, CHECK_SALVAGE,
                           "fault footer-invalid\n", NULL, SECTORS, 0});
}

/* --- the descriptor inside --- */

#define TEXT "fault descriptor-invalid repairable\n", "fault descriptor-invalid repaired\n"

static void spoil_extent_line(struct kdmv_image *image)
{
    memcpy(strstr((char *)image->bytes + VD_SECTOR_BYTES, "RW 100") + 3, "\x01\x02\x03", 3);
}

VD_TEST(a_damaged_extent_line_comes_from_the_header)
{
    try(&(struct mend){sparse, spoil_extent_line, CHECK_REPAIR, TEXT, FEW, FEW});
}

static void spoil_other_lines(struct kdmv_image *image)
{
    char *at = (char *)image->bytes + VD_SECTOR_BYTES;
    memcpy(at, "\xff\xff\xff\xff", 4);
    memcpy(strstr(at, "version="), "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
    memcpy(strstr(at, "createType="), "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0b\x0c", 11);
    memcpy(strstr(at, "ddb.adapterType"), "\x01\x02\x03", 3);
}

VD_TEST(lines_that_are_whole_are_kept)
{
    const struct mend mend = {sparse, spoil_other_lines, CHECK_REPAIR, TEXT, FEW, FEW};
    VD_FREE uint8_t *whole = NULL;
    FILES files = damaged(&mend, &whole);
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    size_t length;
    check_found(&mend);
    (void)check_disk_finds(fs, CHECK_REPAIR, mend.repaired);
    VD_FREE uint8_t *bytes = check_disk_bytes(fs, "disk.vmdk", &length);
    const char *mended = (const char *)bytes + VD_SECTOR_BYTES;
    check_str_has(mended, "version=1\n");
    check_str_has(mended, "CID=00000001\nparentCID=ffffffff\n");
    check_str_has(mended, "createType=\"monolithicSparse\"\n");
    check_str_has(mended, "RW 100 SPARSE \"disk.vmdk\"\n");
    check_str_has(mended, "ddb.comment = \"kept\"\n");
    check(strstr(mended, "adapterType") == NULL);
}

static void lose_parent_line(struct kdmv_image *image)
{
    spoil_extent_line(image);
    memcpy(strstr((char *)image->bytes + VD_SECTOR_BYTES, "parentCID"), "\x01\x02", 2);
}

static void lose_hint(struct kdmv_image *image)
{
    spoil_extent_line(image);
    memcpy(strstr((char *)image->bytes + VD_SECTOR_BYTES, "ffffffff"), "00000007", 8);
}

static void lose_uuid_of_parent(struct kdmv_image *image)
{
    put_text(image, "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\n"
                    "createType=\"monolithicSparse\"\nRW 1\x01 SPARSE \"disk.vmdk\"\n"
                    "ddb.uuid.image=\"1\"\nddb.uuid.\x01=\"2\"\n");
}

/* What the disk is a child of decides what it reads as. */
VD_TEST(a_descriptor_that_lost_its_parent_is_not_made_up)
{
    const char *found = "fault disk-unreadable\n";
    refuses(&(struct mend){sparse, lose_parent_line, CHECK_SALVAGE, found, NULL, FEW, 0});
    refuses(&(struct mend){sparse, lose_hint, CHECK_SALVAGE, found, NULL, FEW, 0});
    refuses(&(struct mend){sparse, lose_uuid_of_parent, CHECK_SALVAGE, found, NULL, FEW, 0});
}

/* --- entries that lead nowhere --- */

static void lose_grain(struct kdmv_image *image)
{
    kdmv_set_gte(image, false, 5, UINT32_MAX);
    kdmv_set_gte(image, true, 5, UINT32_MAX - 1);
}

VD_TEST(an_entry_that_leads_nowhere_is_given_up_with_consent)
{
    const struct mend mend = {sparse,
                              lose_grain,
                              CHECK_SALVAGE,
                              "fault gte-invalid\nleak leaked-tail\n",
                              "fault gte-invalid repaired\nleak leaked-tail\n",
                              FEW,
                              40};
    VD_FREE uint8_t *whole = NULL;
    FILES files = damaged(&mend, &whole);
    size_t before, after;
    try(&mend);
    VD_FREE uint8_t *old = check_disk_bytes(vd_fs_memory_fs(files), "disk.vmdk", &before);
    (void)check_disk_finds(vd_fs_memory_fs(files), CHECK_SALVAGE, mend.repaired);
    VD_FREE uint8_t *now = check_disk_bytes(vd_fs_memory_fs(files), "disk.vmdk", &after);
    /* The grain that is not referred to may be what is missed. */
    check_u64_eq(after, before);
    check_mem_eq(now + after - 4096, old + before - 4096, 4096);
}
