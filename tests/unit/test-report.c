/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/report.h"

#include "base/bytes.h"
#include "memory-disks.h"

static struct vd_report *report_with(struct vd_fs_memory *files, const char *path, unsigned flags)
{
    struct vd_vmdk_options options = {.fs = vd_fs_memory_fs(files), .flags = flags};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_report *report = NULL;
    check_code_err(vd_report_new(path, &options, true, &report, &err), VD_OK, &err);
    return report;
}

static struct vd_report *report_of(struct vd_fs_memory *files, const char *path)
{
    return report_with(files, path, 0);
}
#define AUTO VD_CLEANUP(vd_report_free_cleanup) struct vd_report *

#define BASE HEAD "CID=1\ncreateType=\"custom\"\n"

VD_TEST(a_whole_disk)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk",
             BASE "RW 4 FLAT \"a\" 0\nRW 6 ZERO\nRW 0 FLAT \"gone\" 0\n"
                  "RW 2 VMFS \"b\" 1\n");
    add_data(files, "a", 5, 'a');
    add_data(files, "b", 3, 'b');
    AUTO report = report_of(files, "d.vmdk");
    check(report->complete);
    check(report->problem == NULL);
    check_u64_eq(report->capacity_sectors, 12);
    check_u64_eq(report->allocated_bytes, 6 * 512);
    check_u64_eq(report->num_links, 1);
    const struct vd_report_link *link = &report->links[0];
    check_str_eq(link->path, "d.vmdk");
    check_str_eq(link->descriptor->create_type, "custom");
    check_u64_eq(link->num_extents, 4);
    check_str_eq(link->extents[0].path, "a");
    check(link->extents[0].opened);
    check_u64_eq(link->extents[0].file_bytes, 5 * 512);
    check_u64_eq(link->extents[0].data_bytes, 4 * 512);
    check_str_eq(link->extents[0].facts.format, "flat");
    check(link->extents[1].path == NULL && link->extents[1].opened);
    check_u64_eq(link->extents[1].data_bytes, 0);
    check(link->extents[2].path == NULL && link->extents[2].opened);
    check_u64_eq(link->extents[3].data_bytes, 2 * 512);
    check_u64_eq(link->extents[3].line->offset_sectors, 1);
}

VD_TEST(missing_extents_are_told_in_their_place)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk",
             BASE "RW 4 FLAT \"a\" 0\nRW 4 FLAT \"gone\" 0\nRW 4 SPARSE \"x\"\n"
                  "RW 4 VMFSRDM \"rdm\"\nRW 4 FLAT \"c\" 0\n");
    add_data(files, "a", 4, 'a');
    add_data(files, "x", 4, 'x');
    add_data(files, "c", 4, 'c');
    AUTO report = report_of(files, "d.vmdk");
    check(!report->complete);
    check_str_has(report->problem, "'gone'");
    const struct vd_report_extent *extents = report->links[0].extents;
    check(extents[0].problem == NULL);
    check_u64_eq(extents[0].data_bytes, 4 * 512);
    check(!extents[1].opened);
    check_str_has(extents[1].problem, "'gone' of 'd.vmdk' is not there");
    check_str_has(extents[2].problem, "expected a hosted sparse extent");
    check_str_has(extents[3].problem, "raw device map");
    check(extents[4].opened);
    check_str_eq(extents[4].path, "c");
    check_u64_eq(report->capacity_sectors, 20);
    check_u64_eq(report->allocated_bytes, 0);
}

VD_TEST(chains_are_followed_as_far_as_they_go)
{
    AUTO_FILES files = new_files();
    add_text(files, "c.vmdk",
             HEAD "CID=3\nparentCID=2\nparentFileNameHint=\"b.vmdk\"\n"
                  "RW 4 FLAT \"gone\" 0\n");
    add_text(files, "b.vmdk",
             HEAD "CID=2\nparentCID=1\nparentFileNameHint=\"a.vmdk\"\n"
                  "RW 4 FLAT \"b-flat\" 0\n");
    add_data(files, "b-flat", 4, 'b');
    AUTO report = report_of(files, "c.vmdk");
    check_u64_eq(report->num_links, 2);
    check_str_has(report->problem, "'gone'");
    check(report->links[0].problem == NULL);
    check_str_has(report->links[0].extents[0].problem, "'gone'");
    check_str_eq(report->links[1].path, "b.vmdk");
    check_str_has(report->links[1].problem, "the parent 'a.vmdk' of 'b.vmdk' is not there");
    check(report->links[1].extents[0].opened);
}

VD_TEST(whole_chains)
{
    AUTO_FILES files = new_files();
    add_text(files, "c.vmdk",
             HEAD "CID=2\nparentCID=1\nparentFileNameHint=\"b.vmdk\"\n"
                  "RW 2 FLAT \"f\" 0\nRW 2 ZERO\n");
    add_text(files, "b.vmdk", BASE "RW 4 FLAT \"g\" 0\n");
    add_data(files, "f", 2, 'f');
    add_data(files, "g", 4, 'g');
    AUTO report = report_of(files, "c.vmdk");
    check(report->complete);
    check_u64_eq(report->num_links, 2);
    check_u64_eq(report->allocated_bytes, 2 * 512);
    check_u64_eq(report->links[1].extents[0].data_bytes, 4 * 512);
}

VD_TEST(chain_trouble)
{
    AUTO_FILES files = new_files();
    add_text(files, "c.vmdk",
             HEAD "CID=2\nparentCID=9\nparentFileNameHint=\"b.vmdk\"\nRW 4 ZERO\n");
    add_text(files, "b.vmdk", BASE "RW 4 ZERO\n");
    AUTO stale = report_of(files, "c.vmdk");
    check_u64_eq(stale->num_links, 1);
    check_str_has(stale->links[0].problem, "00000009");
    AUTO forced = report_with(files, "c.vmdk", VD_VMDK_IGNORE_CID);
    check_u64_eq(forced->num_links, 2);
    check(forced->complete);
    AUTO single = report_with(files, "c.vmdk", VD_VMDK_SINGLE_LINK);
    check_u64_eq(single->num_links, 1);
    check(single->complete);

    add_text(files, "s.vmdk",
             HEAD "CID=2\nparentCID=2\nparentFileNameHint=\"s.vmdk\"\nRW 4 ZERO\n");
    AUTO circle = report_of(files, "s.vmdk");
    check_u64_eq(circle->num_links, 1);
    check_str_has(circle->problem, "circle");
}

VD_TEST(files_used_twice)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", BASE "RW 4 FLAT \"a\" 0\nRW 4 FLAT \"a\" 0\n");
    add_data(files, "a", 8, 'a');
    AUTO report = report_of(files, "d.vmdk");
    check(!report->complete);
    check_str_has(report->links[0].problem, "the same part");
}

VD_TEST(broken_tables)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", BASE "RW 8 VMFSSPARSE \"x\"\n");
    uint8_t bytes[38 * 512] = {0};
    static const uint32_t header[] = {0x44574f43, 1, 3, 8, 1, 4, 1, 38};
    memcpy(bytes, header, sizeof header);
    bytes[4 * 512] = 5;
    vd_le32_encode(bytes + 5 * 512, 37);
    vd_le32_encode(bytes + 5 * 512 + 8, 0x7fffffff);
    check_code(vd_fs_memory_add(files, "x", bytes, sizeof bytes, NULL), VD_OK);
    AUTO report = report_of(files, "d.vmdk");
    check(!report->complete);
    check(report->links[0].extents[0].opened);
    check_str_has(report->links[0].extents[0].problem, "'x'");
    check_u64_eq(report->links[0].extents[0].facts.header_capacity_sectors, 8);

    vd_le32_encode(bytes + 5 * 512 + 8, 0);
    check_code(vd_fs_memory_add(files, "x", bytes, sizeof bytes, NULL), VD_OK);
    AUTO mended = report_of(files, "d.vmdk");
    check(mended->complete);
    check_u64_eq(mended->allocated_bytes, 512);
    check_u64_eq(mended->links[0].extents[0].data_bytes, 512);
}

/* An ESX sparse extent of 8 sectors in grains of one, of which it holds two. */
static void add_two_grains(struct vd_fs_memory *files, const char *path, size_t first,
                           size_t second)
{
    uint8_t bytes[39 * 512] = {0};
    static const uint32_t header[] = {0x44574f43, 1, 3, 8, 1, 4, 1, 39};
    memcpy(bytes, header, sizeof header);
    bytes[4 * 512] = 5;
    vd_le32_encode(bytes + 5 * 512 + 4 * first, 37);
    vd_le32_encode(bytes + 5 * 512 + 4 * second, 38);
    check_code(vd_fs_memory_add(files, path, bytes, sizeof bytes, NULL), VD_OK);
}

/* What there is lies on both sides of the border of two windows. */
VD_TEST(hidden_data_is_held_but_not_seen)
{
    AUTO_FILES files = new_files();
    add_text(files, "c.vmdk",
             HEAD "CID=3\nparentCID=2\nparentFileNameHint=\"b.vmdk\"\n"
                  "RW 2097148 ZERO\nRW 8 VMFSSPARSE \"x\"\n");
    add_text(files, "b.vmdk",
             HEAD "CID=2\nparentCID=1\nparentFileNameHint=\"a.vmdk\"\n"
                  "RW 2097148 ZERO\nRW 8 VMFSSPARSE \"y\"\n");
    add_text(files, "a.vmdk",
             BASE "RW 2097148 ZERO\nRW 2 FLAT \"near\" 0\nRW 2097152 ZERO\nRW 4 FLAT \"far\" 0\n");
    add_two_grains(files, "x", 1, 6);
    add_two_grains(files, "y", 1, 5);
    add_data(files, "near", 2, 'n');
    add_data(files, "far", 4, 'f'); /* behind the end of the disk */
    AUTO report = report_of(files, "c.vmdk");
    check(report->complete);
    check_u64_eq(report->capacity_sectors, 2097156);
    check_u64_eq(report->links[0].extents[0].data_bytes, 0);
    check_u64_eq(report->links[0].extents[1].data_bytes, 2 * 512);
    check_u64_eq(report->links[1].extents[1].data_bytes, 2 * 512);
    check_u64_eq(report->links[2].extents[1].data_bytes, 2 * 512);
    check_u64_eq(report->links[2].extents[3].data_bytes, 4 * 512);
    check_u64_eq(report->allocated_bytes, (2 + 1 + 1) * 512); /* 1, 6 of x, 5 of y, 0 of near */
}

/* A window for each gigabyte of them would take hours. */
VD_TEST(a_few_lines_of_text_that_make_a_huge_disk_take_no_time)
{
    static const char *const children[] = {
        "RW 4 FLAT \"f\" 0\n",                                       /* all below is past its end */
        "RW 4 FLAT \"f\" 0\nRW 18014398509481980 ZERO\n",            /* held by it */
        "RW 4 FLAT \"f\" 0\nRW 18014398509481980 FLAT \"gone\" 0\n", /* nobody knows */
        "RW 18014398509481979 FLAT \"gone\" 0\nRW 5 FLAT \"f\" 0\n",
    };
    AUTO_FILES files = new_files();
    add_text(files, "a.vmdk", BASE "RW 18014398509481980 ZERO\nRW 4 FLAT \"g\" 0\n");
    add_data(files, "f", 5, 'f');
    add_data(files, "g", 4, 'g');
    for (size_t i = 0; i < sizeof children / sizeof children[0]; i++) {
        VD_FREE char *text = NULL;
        check(asprintf(&text, "%sCID=2\nparentCID=1\nparentFileNameHint=\"a.vmdk\"\n%s", HEAD,
                       children[i]) > 0);
        add_text(files, "c.vmdk", text);
        AUTO report = report_of(files, "c.vmdk");
        check_u64_eq(report->num_links, 2);
        check(report->complete == (i < 2));
        check_u64_eq(report->links[0].extents[i == 3].data_bytes, i == 3 ? 5 * 512 : 4 * 512);
        check_u64_eq(report->links[1].extents[1].data_bytes, 4 * 512);
        if (i < 2)
            check_u64_eq(report->allocated_bytes, 4 * 512);
    }
}

VD_TEST(without_counting)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", BASE "RW 4 FLAT \"a\" 0\n");
    add_data(files, "a", 4, 'a');
    struct vd_vmdk_options options = {.fs = vd_fs_memory_fs(files)};
    AUTO report = NULL;
    check_code(vd_report_new("d.vmdk", &options, false, &report, NULL), VD_OK);
    check(report->complete);
    check_u64_eq(report->allocated_bytes, 0);
    check_u64_eq(report->links[0].extents[0].data_bytes, 0);
}

VD_TEST(nothing_to_report)
{
    AUTO_FILES files = new_files();
    add_text(files, "x", "hello");
    struct vd_vmdk_options options = {.fs = vd_fs_memory_fs(files)};
    struct vd_report *report = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_report_new("x", &options, true, &report, &err), VD_E_NOT_A_DISK);
    check_str_has(err.text, "'x'");
    check_code(vd_report_new("gone", &options, true, &report, NULL), VD_E_NOT_FOUND);
    check_code(vd_report_new("/no/such/disk", NULL, true, &report, NULL), VD_E_NOT_FOUND);
}
