/* SPDX-License-Identifier: Apache-2.0 */
/* COWD, SESparse, streams, flat files and descriptors: each finding once, and what a repair makes
 * of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "build-cowd.h"
#include "build-kdmv.h"
#include "build-sesparse.h"
#include "check-disk.h"

static struct vd_fs_memory *files_new(void)
{
    struct vd_fs_memory *files = NULL;
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    return files;
}

#define FILES VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *

static void add(struct vd_fs_memory *files, const char *name, const void *bytes, size_t length)
{
    check_code(vd_fs_memory_add(files, name, bytes, length, NULL), VD_OK);
}

/* --- COWD --- */

enum { COWD_SECTORS = 4096 + 100 };

static void cowd_build(struct build_cowd *cowd)
{
    uint8_t sector[VD_SECTOR_BYTES];
    build_cowd_init(cowd, COWD_SECTORS, 1);
    for (unsigned i = 0; i < 3; i++) {
        memset(sector, 'a' + (int)i, sizeof sector);
        build_cowd_data(cowd, i * 2050, sector);
    }
    build_cowd_zero(cowd, 7);
}

/* Finds, repairs, finds. The image is freed. */
static void cowd_try(struct build_cowd *cowd, const char *found, const char *repaired,
                     const char *after)
{
    FILES files = files_new();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    check_disk_descriptor(files, COWD_SECTORS, "VMFSSPARSE", NULL);
    add(files, "extent", cowd->image.bytes, cowd->image.length);
    build_cowd_done(cowd);
    VD_FREE uint8_t *before = check_disk_content(fs, COWD_SECTORS);
    struct vd_check_result first = check_disk_finds(fs, false, found);
    struct vd_check_result second = check_disk_finds(fs, true, repaired);
    check_u64_eq(second.faults, first.faults);
    (void)check_disk_finds(fs, false, after);
    (void)check_disk_finds(fs, true, after);
    VD_FREE uint8_t *content = check_disk_content(fs, COWD_SECTORS);
    check_mem_eq(content, before, (size_t)COWD_SECTORS * 513);
}

VD_TEST(a_healthy_cowd_has_no_findings)
{
    struct build_cowd cowd;
    cowd_build(&cowd);
    cowd_try(&cowd, "", "", "");
}

VD_TEST(cowd_bad_entries_are_told)
{
    struct build_cowd cowd;
    const char *found = "fault gte-invalid\nleak leaked-grains\n";
    cowd_build(&cowd);
    build_image_u32(&cowd.image, build_cowd_gte(&cowd, 0), 1000000);
    cowd_try(&cowd, found, found, found);
    cowd_build(&cowd);
    found = "fault gte-crosslinked\n";
    build_image_u32(&cowd.image, build_cowd_gte(&cowd, 9),
                    build_image_get_u32(&cowd.image, build_cowd_gte(&cowd, 0)));
    cowd_try(&cowd, found, found, found);
    cowd_build(&cowd);
    found = "fault gte-invalid\n";
    build_image_u32(&cowd.image, build_cowd_gte(&cowd, 9), 3);
    cowd_try(&cowd, found, found, found);
}

VD_TEST(cowd_bad_tables_are_told)
{
    struct build_cowd cowd;
    const char *found = "fault gde-invalid\nleak leaked-tail\n";
    cowd_build(&cowd);
    build_image_u32(&cowd.image, build_cowd_gde(1), 1000000);
    cowd_try(&cowd, found, found, found);
    cowd_build(&cowd);
    found = "fault gde-crosslinked\nleak leaked-tail\n";
    build_image_u32(&cowd.image, build_cowd_gde(1),
                    build_image_get_u32(&cowd.image, build_cowd_gde(0)));
    cowd_try(&cowd, found, found, found);
}

VD_TEST(cowd_free_sector_is_put_right)
{
    struct build_cowd cowd;
    cowd_build(&cowd);
    build_image_u32(&cowd.image, COWD_AT_FREE, 6);
    cowd_try(&cowd, "fault free-sector repairable\n", "fault free-sector repaired\n", "");
    cowd_build(&cowd);
    build_image_u32(&cowd.image, COWD_AT_FREE, 6);
    build_image_u32(&cowd.image, COWD_AT_UNCLEAN, 1);
    cowd_try(&cowd, "leak free-sector repairable\ninfo unclean repairable\n",
             "leak free-sector repaired\ninfo unclean repaired\n", "");
    cowd_build(&cowd);
    (void)build_cowd_allocate(&cowd, 20);
    cowd_try(&cowd, "leak leaked-tail repairable\n", "leak leaked-tail repaired\n", "");
}

VD_TEST(cowd_leaks_and_entries_past_the_end)
{
    struct build_cowd cowd;
    cowd_build(&cowd);
    build_image_u32(&cowd.image, build_cowd_gte(&cowd, 0), 0);
    cowd_try(&cowd, "leak leaked-grains\n", "leak leaked-grains\n", "leak leaked-grains\n");
    cowd_build(&cowd);
    build_image_u32(&cowd.image, build_cowd_gte(&cowd, 4100) + 4000, 50);
    cowd_try(&cowd, "leak entry-beyond repairable\n", "leak entry-beyond repaired\n", "");
}

/* The file is a multiple of 4 KiB from the beginning, and what is added comes behind that. */
VD_TEST(a_cowd_may_have_a_gap_behind_its_directory)
{
    uint8_t sector[VD_SECTOR_BYTES] = "x";
    for (uint32_t used = 0; used < 2; used++) {
        for (uint32_t gap = 1; gap <= 4; gap++) {
            struct build_cowd cowd;
            build_cowd_init(&cowd, COWD_SECTORS, 1);
            uint32_t start = cowd.free_sector;
            check_u64_eq(start, 5);
            build_image_extend(&cowd.image, (size_t)(start + 3) * VD_SECTOR_BYTES);
            cowd.free_sector = start + gap;
            if (used)
                build_cowd_data(&cowd, 17, sector);
            else
                build_image_u32(&cowd.image, COWD_AT_FREE, start + gap - 1);
            const char *found = !used || gap == 3 ? "" : "leak leaked-grains\n";
            cowd_try(&cowd, found, found, found);
        }
    }
}

static void cowd_header_finds(uint64_t at, uint32_t value, const char *found)
{
    struct build_cowd cowd;
    FILES files = files_new();
    cowd_build(&cowd);
    build_image_u32(&cowd.image, at, value);
    check_disk_descriptor(files, COWD_SECTORS, "VMFSSPARSE", NULL);
    add(files, "extent", cowd.image.bytes, cowd.image.length);
    build_cowd_done(&cowd);
    struct vd_check_result result = check_disk_finds(vd_fs_memory_fs(files), true, found);
    check(!result.clean && result.repaired == 0);
}

VD_TEST(cowd_headers_are_judged)
{
    cowd_header_finds(COWD_AT_GRAIN, 3, "fault header-invalid\n");
    cowd_header_finds(COWD_AT_TABLES, 5, "fault header-invalid\n");
    cowd_header_finds(COWD_AT_DIRECTORY, 1000000, "fault gd-outside\n");
}

/* --- SESparse --- */

enum { SE_SECTORS = 1003 };

static void se_build(struct build_sesparse *se)
{
    uint8_t grain[SESPARSE_GRAIN_SECTORS * VD_SECTOR_BYTES];
    build_sesparse_init(se, SE_SECTORS, 1);
    for (unsigned i = 0; i < 3; i++) {
        memset(grain, 'a' + (int)i, sizeof grain);
        build_sesparse_data(se, i * 50, grain);
    }
    build_sesparse_zero(se, 7, 1);
    build_sesparse_zero(se, 8, 2);
}

static void se_finds(struct build_sesparse *se, const char *found)
{
    FILES files = files_new();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    size_t length = 0;
    check_disk_descriptor(files, SE_SECTORS, "SESPARSE", NULL);
    add(files, "extent", se->image.bytes, se->image.length);
    (void)check_disk_finds(fs, true, found); /* nothing is ever repaired */
    VD_FREE uint8_t *bytes = check_disk_bytes(fs, "extent", &length);
    check_u64_eq(length, se->image.length);
    check_mem_eq(bytes, se->image.bytes, length);
    build_sesparse_done(se);
}

VD_TEST(a_healthy_sesparse_has_no_findings)
{
    struct build_sesparse se;
    se_build(&se);
    se_finds(&se, "");
}

static void se_entry(uint64_t grain, uint64_t entry, const char *found)
{
    struct build_sesparse se;
    se_build(&se);
    build_image_u64(&se.image, build_sesparse_gte(&se, grain), entry);
    se_finds(&se, found);
}

VD_TEST(sesparse_entries_are_judged)
{
    se_entry(9, UINT64_C(4) << 60, "fault gte-invalid\n");
    se_entry(9, 5, "fault gte-invalid\n");
    se_entry(9, build_sesparse_slot_entry(100000), "fault gte-invalid\n");
    se_entry(9, build_sesparse_slot_entry(1), "fault gte-crosslinked\n");
    se_entry(50, 0, "leak leaked-grains\n");
    se_entry(127, UINT64_C(2) << 60, "leak entry-beyond\n");
}

static void se_directory(uint64_t table, uint64_t entry, const char *found)
{
    struct build_sesparse se;
    se_build(&se);
    build_image_u64(&se.image, build_sesparse_gde(&se, table), entry);
    se_finds(&se, found);
}

VD_TEST(sesparse_tables_are_judged)
{
    se_directory(1, UINT64_C(1) << 60 | 77, "fault gde-invalid\n");
    se_directory(1, 1, "fault gde-invalid\n");
    se_directory(1, UINT64_C(1) << 60, "fault gde-crosslinked\n");
}

VD_TEST(sesparse_headers_are_judged)
{
    struct build_sesparse se;
    se_build(&se);
    build_image_u64(&se.image, SESPARSE_AT_REPLAY, 1);
    se_finds(&se, "fault journal-dirty\n");
    se_build(&se);
    build_image_u64(&se.image, VD_SECTOR_BYTES, 1);
    se_finds(&se, "fault header-invalid\n");
    se_build(&se);
    build_image_u64(&se.image, SESPARSE_AT_GRAIN, 7);
    se_finds(&se, "fault header-invalid\n");
    se_build(&se);
    build_image_u64(&se.image, build_sesparse_area_at(AREA_DIRECTORY), 1 << 20);
    se_finds(&se, "fault gd-outside\n");
}

/* --- streams --- */

static const uint64_t stream_grains[] = {0, 1, 2, 9};

static void stream_build(struct kdmv_image *image, enum kdmv_style style)
{
    kdmv_stream(image, &(struct kdmv_stream_options){
                           .style = style,
                           .capacity_sectors = 1280,
                           .grains = stream_grains,
                           .num_grains = VD_ARRAY_SIZE(stream_grains),
                       });
}

static void stream_finds(const struct kdmv_image *image, const char *found)
{
    FILES files = files_new();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    size_t length = 0;
    add(files, "disk.vmdk", image->bytes, image->length);
    (void)check_disk_finds(fs, true, found);
    VD_FREE uint8_t *bytes = check_disk_bytes(fs, "disk.vmdk", &length);
    check_u64_eq(length, image->length);
    check_mem_eq(bytes, image->bytes, length);
}

VD_TEST(healthy_streams_have_no_faults)
{
    for (int style = KDMV_VMWARE; style <= KDMV_VMDKTOOL; style++) {
        KDMV_IMAGE image;
        FILES files = files_new();
        struct vd_buf findings = VD_BUF_INIT(CHECK_TEXT_BYTES);
        struct vd_check_result result;
        stream_build(&image, (enum kdmv_style)style);
        add(files, "disk.vmdk", image.bytes, image.length);
        check_code(check_disk_run(vd_fs_memory_fs(files), false, &findings, &result, NULL), VD_OK);
        check(result.clean);
        check_u64_eq(result.allocated_grains, VD_ARRAY_SIZE(stream_grains));
        vd_buf_done(&findings);
    }
}

/* Where the record of the first grain begins. */
static size_t first_record(const struct kdmv_image *image)
{
    return (size_t)image->header.overhead_sectors * VD_SECTOR_BYTES;
}

VD_TEST(records_are_unpacked)
{
    KDMV_IMAGE image;
    stream_build(&image, KDMV_VMWARE);
    image.bytes[first_record(&image) + 30] ^= 0xff; /* in the compressed data */
    stream_finds(&image, "fault record-invalid\n");
    image.bytes[first_record(&image) + 30] ^= 0xff;
    image.bytes[first_record(&image)] = 1; /* its place in the disk */
    stream_finds(&image, "fault record-invalid\n");
}

VD_TEST(what_follows_a_record_is_looked_at)
{
    KDMV_IMAGE image;
    stream_build(&image, KDMV_VMWARE);
    size_t at = first_record(&image);
    size_t end =
        at + 12 + image.bytes[at + 8] + image.bytes[at + 9] * 256u + image.bytes[at + 10] * 65536u;
    check(end % VD_SECTOR_BYTES != 0);
    image.bytes[end] = 1;
    stream_finds(&image, "info record-padding\n");
}

VD_TEST(the_end_of_a_stream_is_looked_at)
{
    KDMV_IMAGE image;
    stream_build(&image, KDMV_VMWARE);
    image.bytes[image.length - 3 * VD_SECTOR_BYTES + 12] = 9;
    stream_finds(&image, "info marker-missing\n");
    image.bytes[image.length - 3 * VD_SECTOR_BYTES + 12] = 3;
    kdmv_append(&image, NULL, VD_SECTOR_BYTES);
    stream_finds(&image, "info trailing-bytes\n");
    image.length -= 6u * VD_SECTOR_BYTES;
    stream_finds(&image, "fault footer-invalid\n"); /* and no directory */
}

VD_TEST(tables_without_markers_are_told)
{
    KDMV_IMAGE image;
    stream_build(&image, KDMV_VMWARE);
    for (size_t at = 0; at < image.length; at += VD_SECTOR_BYTES) {
        if (vd_le32_decode(image.bytes + at) == 4 && vd_le32_decode(image.bytes + at + 12) == 1)
            image.bytes[at + 12] = 9;
    }
    stream_finds(&image, "info marker-missing\n");
}

/* --- flat files and descriptors --- */

VD_TEST(a_short_flat_file_is_told)
{
    FILES files = files_new();
    uint8_t bytes[1024] = {0};
    check_disk_descriptor(files, 3, "FLAT", NULL);
    add(files, "extent", bytes, sizeof bytes);
    (void)check_disk_finds(vd_fs_memory_fs(files), true, "fault flat-short\n");
    check_disk_descriptor(files, 2, "FLAT", NULL);
    (void)check_disk_finds(vd_fs_memory_fs(files), true, "");
}

static void text_finds(const char *text, const char *found)
{
    FILES files = files_new();
    uint8_t bytes[1024] = {0};
    add(files, "disk.vmdk", text, strlen(text));
    add(files, "extent", bytes, sizeof bytes);
    add(files, "../extent", bytes, sizeof bytes);
    (void)check_disk_finds(vd_fs_memory_fs(files), true, found);
}

#define HEAD  "# Disk DescriptorFile\nversion=1\n"
#define LINES "createType=\"monolithicFlat\"\nRW 2 FLAT \"extent\" 0\n"

VD_TEST(descriptors_are_judged)
{
    text_finds(HEAD "CID=1\nparentCID=ffffffff\n" LINES, "");
    text_finds(HEAD "parentCID=ffffffff\n" LINES, "fault cid-missing\n");
    text_finds(HEAD "CID=ffffffff\nparentCID=ffffffff\n" LINES, "fault cid-none\n");
    text_finds(HEAD "CID=1\nCID=2\nparentCID=ffffffff\n" LINES, "fault key-duplicate\n");
    text_finds(HEAD "CID=1\nparentCID=ffffffff\nparentFileNameHint=\"p.vmdk\"\n" LINES,
               "info parent-hint\n");
    text_finds(HEAD "CID=1\nparentCID=ffffffff\ncreateType=\"strange\"\nRW 2 FLAT \"extent\" 0\n",
               "info create-type\n");
    text_finds(HEAD "CID=1\nparentCID=ffffffff\n" LINES
                    "ddb.longContentID = \"00000000000000000000000000000002\"\n",
               "info long-content-id\n");
    text_finds(HEAD "CID=1\nparentCID=ffffffff\n" LINES
                    "ddb.geometry.cylinders = \"100\"\nddb.geometry.heads = \"16\"\n"
                    "ddb.geometry.sectors = \"63\"\n",
               "info geometry\n");
    text_finds("# Disk DescriptorFile\nversion=4\nCID=1\nparentCID=ffffffff\n" LINES,
               "info descriptor-version\n");
    text_finds(HEAD "CID=1\nparentCID=ffffffff\nRW two FLAT \"extent\" 0\n",
               "fault disk-unreadable\n");
}

VD_TEST(files_of_a_link_are_judged)
{
    text_finds(HEAD "CID=1\nparentCID=ffffffff\ncreateType=\"custom\"\nRW 2 FLAT \"other\" 0\n",
               "fault extent-missing\n");
    text_finds(HEAD "CID=1\nparentCID=ffffffff\ncreateType=\"custom\"\nRW 2 FLAT \"extent\" 0\nRW "
                    "1 FLAT \"extent\" 1\n",
               "fault extent-shared\n");
    text_finds(HEAD "CID=1\nparentCID=ffffffff\ncreateType=\"custom\"\nRW 2 SPARSE \"extent\"\n",
               "fault extent-kind\n");
    text_finds(HEAD "CID=1\nparentCID=ffffffff\ncreateType=\"custom\"\nRW 2 VMFSRDM \"extent\"\n",
               "info extent-remote\n");
    text_finds(HEAD "CID=1\nparentCID=ffffffff\ncreateType=\"custom\"\nRW 2 FLAT \"../extent\" 0\n",
               "fault extent-outside\n");
    text_finds(HEAD "CID=1\nparentCID=ffffffff\ncreateType=\"custom\"\nRW 2 VMFS \"vsan://1\"\n",
               "fault extent-unusable\n");
}

VD_TEST(lines_of_a_missing_change_tracking_file_are_dropped)
{
    static const char text[] = "# Disk DescriptorFile\nversion=3\nCID=00000001\n"
                               "parentCID=ffffffff\n" LINES "changeTrackPath=\"c.vmdk\"\n";
    FILES files = files_new();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    uint8_t bytes[1024] = {0};
    size_t length;
    add(files, "disk.vmdk", text, strlen(text));
    add(files, "extent", bytes, sizeof bytes);
    (void)check_disk_finds(fs, false, "fault change-track-missing repairable\n");
    (void)check_disk_finds(fs, true, "fault change-track-missing repaired\n");
    (void)check_disk_finds(fs, true, "");
    VD_FREE uint8_t *backup = check_disk_bytes(fs, "disk.vmdk.vdisk-repair-backup", &length);
    check_u64_eq(length, strlen(text));
    check_mem_eq(backup, text, length);
}

/* A sparse disk whose descriptor, in an area of `sectors`, names a file that is not there. */
static void tracked_inside(struct kdmv_image *image, uint64_t sectors, const char *more)
{
    struct vd_buf text = VD_BUF_INIT(CHECK_TEXT_BYTES);
    kdmv_plain(image, &(struct kdmv_shape){.capacity_sectors = 100,
                                           .grain_sectors = 8,
                                           .descriptor_sectors = sectors});
    check_code(vd_buf_printf(&text,
                             "# Disk DescriptorFile\nversion=3\nCID=00000001\nparentCID=ffffffff\n"
                             "createType=\"monolithicSparse\"\nRW 100 SPARSE \"disk.vmdk\"\n"
                             "changeTrackPath=\"c.vmdk\"\n%s",
                             more),
               VD_OK);
    check(text.length <= sectors * VD_SECTOR_BYTES);
    memcpy(image->bytes + VD_SECTOR_BYTES, text.data, text.length);
    vd_buf_done(&text);
}

VD_TEST(lines_inside_a_disk_are_dropped_too)
{
    KDMV_IMAGE image;
    FILES files = files_new();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    size_t length;
    tracked_inside(&image, 20, "ddb.comment = \"kept\"\n");
    add(files, "disk.vmdk", image.bytes, image.length);
    (void)check_disk_finds(fs, false, "fault change-track-missing repairable\n");
    (void)check_disk_finds(fs, true, "fault change-track-missing repaired\n");
    (void)check_disk_finds(fs, true, "");
    VD_FREE uint8_t *bytes = check_disk_bytes(fs, "disk.vmdk", &length);
    check_u64_eq(length, image.length);
    check_str_has((char *)bytes + VD_SECTOR_BYTES, "version=1\n");
    check_str_has((char *)bytes + VD_SECTOR_BYTES, "ddb.comment = \"kept\"\n");
    VD_FREE uint8_t *backup = check_disk_bytes(fs, "disk.vmdk.vdisk-repair-backup", &length);
    check_mem_eq(backup, image.bytes + VD_SECTOR_BYTES, length);
}

/* Carried as text by a program that turns LF into CR LF; there is no way back. */
VD_TEST(a_disk_carried_as_text_is_told)
{
    KDMV_IMAGE image;
    tracked_inside(&image, 20, "");
    memcpy(image.bytes + 73, "\x0d\x0a\x20\x0d", 4);
    stream_finds(&image, "fault text-mode\n");
}

VD_TEST(lines_inside_a_disk_stay_where_there_is_no_room)
{
    static const char more[] =
        "ddb.comment = "
        "\"0123456789012345678901234567890123456789012345678901234567890123"
        "0123456789012345678901234567890123456789012345678901234567890123"
        "0123456789012345678901234567890123456789012345678901234567890123"
        "0123456789012345678901234567890123456789012345678901234567890123"
        "0123456789012345678901234567890123456789012345678901234567890123"
        "0123456789012345678901234567890123456789012345678901234567890123"
        "0123456789012345678901234567890123456789012345678901234567890123\"\n";
    KDMV_IMAGE image;
    tracked_inside(&image, 2, more);
    stream_finds(&image, "fault change-track-missing\n");
}

/* --- chains --- */

static void chain_finds(const char *child, const char *parent, const char *found)
{
    FILES files = files_new();
    uint8_t bytes[1024] = {0};
    add(files, "disk.vmdk", child, strlen(child));
    add(files, "p.vmdk", parent, strlen(parent));
    add(files, "extent", bytes, sizeof bytes);
    add(files, "extent2", bytes, sizeof bytes);
    (void)check_disk_finds(vd_fs_memory_fs(files), true, found);
}

#define CHILD  HEAD "CID=1\nparentCID=00000002\nparentFileNameHint=\"p.vmdk\"\n" LINES
#define PARENT "createType=\"monolithicFlat\"\nRW 2 FLAT \"extent2\" 0\n"

VD_TEST(chains_are_judged)
{
    chain_finds(CHILD, HEAD "CID=00000002\nparentCID=ffffffff\n" PARENT, "");
    chain_finds(CHILD, HEAD "CID=00000003\nparentCID=ffffffff\n" PARENT, "fault cid-mismatch\n");
    chain_finds(CHILD,
                HEAD "CID=00000002\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n"
                     "RW 1 FLAT \"extent2\" 0\n",
                "fault capacity-mismatch\n");
    chain_finds(CHILD,
                HEAD "CID=00000002\nparentCID=00000001\nparentFileNameHint=\"disk.vmdk\"\n" PARENT,
                "fault chain-loop\n");
    chain_finds(HEAD "CID=1\nparentCID=00000002\nparentFileNameHint=\"q.vmdk\"\n" LINES, HEAD,
                "fault parent-missing\n");
    chain_finds(CHILD, "no disk", "fault parent-unusable\n");
}

/* Each the child of the next, one more than a chain may have. */
VD_TEST(a_chain_too_long_is_told)
{
    FILES files = files_new();
    const uint8_t bytes[1024] = {0};
    for (unsigned i = 0; i <= VD_VMDK_MAX_LINKS; i++) {
        struct vd_buf text = VD_BUF_INIT(CHECK_TEXT_BYTES);
        char name[32] = "disk.vmdk";
        if (i > 0)
            (void)snprintf(name, sizeof name, "%u.vmdk", i);
        check_code(vd_buf_printf(&text,
                                 HEAD "CID=%x\nparentCID=%08x\nparentFileNameHint=\"%u.vmdk\"\n"
                                      "createType=\"monolithicFlat\"\nRW 2 FLAT \"flat%u\" 0\n",
                                 i, i + 1, i + 1, i),
                   VD_OK);
        add(files, name, text.data, text.length);
        (void)snprintf(name, sizeof name, "flat%u", i);
        add(files, name, bytes, sizeof bytes);
        vd_buf_done(&text);
    }
    (void)check_disk_finds(vd_fs_memory_fs(files), true, "fault chain-too-long\n");
}

VD_TEST(a_parent_not_asked_for_is_noted)
{
    FILES files = files_new();
    uint8_t bytes[1024] = {0};
    struct vd_buf findings = VD_BUF_INIT(CHECK_TEXT_BYTES);
    add(files, "disk.vmdk", CHILD, strlen(CHILD));
    add(files, "extent", bytes, sizeof bytes);
    const struct vd_check_options options = {
        .open = {.fs = vd_fs_memory_fs(files), .flags = VD_VMDK_SINGLE_LINK},
        .finding = check_disk_note,
        .data = &findings,
    };
    struct vd_check_result result;
    check_code(vd_vmdk_check("disk.vmdk", &options, &result, NULL), VD_OK);
    check_str_eq(vd_buf_text(&findings), "info parent-unchecked\n");
    vd_buf_done(&findings);
}

/* --- what is no disk --- */

static void refuses(const char *bytes, size_t length, int code)
{
    FILES files = files_new();
    struct vd_buf findings = VD_BUF_INIT(CHECK_TEXT_BYTES);
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    add(files, bytes != NULL ? "disk.vmdk" : "other", bytes != NULL ? bytes : "", length);
    check_code_err(check_disk_run(vd_fs_memory_fs(files), true, &findings, &result, &err), code,
                   &err);
    check(err.text[0] != '\0');
    check_str_eq(vd_buf_text(&findings), "");
    vd_buf_done(&findings);
}

VD_TEST(what_is_no_disk_is_an_error)
{
    refuses(NULL, 0, VD_E_NOT_FOUND);
    refuses("hello", 5, VD_E_NOT_A_DISK);
}

VD_TEST(an_embedded_descriptor_is_followed_by_zeros)
{
    static const char text[] = HEAD "CID=1\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\n"
                                    "RW 100 SPARSE \"disk.vmdk\"\n";
    KDMV_IMAGE image;
    kdmv_plain(&image, &(struct kdmv_shape){
                           .capacity_sectors = 100, .grain_sectors = 8, .descriptor_sectors = 2});
    memcpy(image.bytes + VD_SECTOR_BYTES, text, strlen(text));
    stream_finds(&image, "");
    image.bytes[2 * VD_SECTOR_BYTES + 9] = 'x';
    stream_finds(&image, "info descriptor-padding\n");
}
