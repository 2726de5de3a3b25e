/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/link.h"

#include "base/bytes.h"
#include "memory-disks.h"

struct opened {
    struct vd_table_cache *cache;
    struct vd_link *link;
    struct kept_log log;
};

static void opened_done(struct opened *opened)
{
    vd_link_free(opened->link);
    vd_table_cache_free(opened->cache);
}
#define AUTO_OPENED VD_CLEANUP(opened_done) struct opened

static int try_open(struct opened *opened, struct vd_fs_memory *files, const char *path,
                    unsigned flags, struct vd_error *err)
{
    kept_log_init(&opened->log);
    struct vd_vmdk_options options = {
        .fs = vd_fs_memory_fs(files), .log = &opened->log.log, .flags = flags};
    check_code(vd_table_cache_new(1 << 20, &opened->cache, NULL), VD_OK);
    return vd_link_open(path, &options, opened->cache, &opened->link, err);
}

static void open_link(struct opened *opened, struct vd_fs_memory *files, const char *path)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(try_open(opened, files, path, 0, &err), VD_OK, &err);
}

static void check_refused(struct vd_fs_memory *files, const char *path, int code, const char *part)
{
    struct vd_error err = VD_ERROR_INIT;
    AUTO_OPENED opened = {0};
    check_code_err(try_open(&opened, files, path, 0, &err), code, &err);
    check_str_has(err.text, part);
    check(opened.link == NULL);
}

/* The header of a hosted sparse extent without a table: GD at the end, all unallocated. */
static void add_kdmv(struct vd_fs_memory *files, const char *path, uint64_t capacity_sectors,
                     const char *descriptor)
{
    static uint8_t bytes[64 * 512];
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "KDMV", 4);
    vd_le32_encode(bytes + 4, 1);
    vd_le32_encode(bytes + 8, 1);
    vd_le64_encode(bytes + 12, capacity_sectors);
    vd_le64_encode(bytes + 20, 128);
    vd_le64_encode(bytes + 28, descriptor != NULL);
    vd_le64_encode(bytes + 36, descriptor != NULL ? 20 : 0);
    vd_le32_encode(bytes + 44, 512);
    vd_le64_encode(bytes + 56, 30);
    vd_le64_encode(bytes + 64, 64);
    memcpy(bytes + 73, "\n \r\n", 4);
    if (descriptor != NULL)
        memcpy(bytes + 512, descriptor, strlen(descriptor));
    check_code(vd_fs_memory_add(files, path, bytes, sizeof bytes, NULL), VD_OK);
}

VD_TEST(extents_tile_the_link)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk",
             HEAD "RW 10 FLAT \"a\" 2\nNOACCESS 0 ZERO\nRW 5 ZERO\nRDONLY 7 VMFS \"b\"\n");
    add_data(files, "a", 12, 'a');
    add_data(files, "b", 9, 'b');
    AUTO_OPENED opened = {0};
    open_link(&opened, files, "d.vmdk");
    const struct vd_link *link = opened.link;
    check_u64_eq(link->capacity_sectors, 22);
    check_u64_eq(link->num_extents, 3);
    check_u64_eq(link->extents[1].start_sectors, 10);
    check_u64_eq(link->extents[2].start_sectors, 15);
    check_u64_eq(link->extents[2].line, 3);
    check_str_eq(link->extents[0].path, "a");
    check(link->extents[1].block == NULL && link->extents[1].path == NULL);
    check(!link->embedded);
    static const size_t places[][2] = {{0, 0}, {9, 0}, {10, 1}, {14, 1}, {15, 2}, {21, 2}};
    for (size_t i = 0; i < VD_ARRAY_SIZE(places); i++)
        check_u64_eq(vd_link_extent_at(link, places[i][0]), places[i][1]);
}

VD_TEST(an_empty_disk_has_no_extents)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", HEAD "RW 0 FLAT \"gone\" 0\n");
    AUTO_OPENED opened = {0};
    open_link(&opened, files, "d.vmdk");
    check_u64_eq(opened.link->num_extents, 0);
    check_u64_eq(opened.link->capacity_sectors, 0);
}

VD_TEST(an_embedded_descriptor_means_its_own_file)
{
    AUTO_FILES files = new_files();
    add_kdmv(files, "renamed.vmdk", 1000, HEAD "RDONLY 1000 SPARSE \"generated-stream.vmdk\"\n");
    add_text(files, "generated-stream.vmdk", "something else");
    AUTO_OPENED opened = {0};
    open_link(&opened, files, "renamed.vmdk");
    check(opened.link->embedded);
    check(opened.link->container == NULL);
    check_u64_eq(opened.link->num_extents, 1);
    check_str_eq(opened.link->extents[0].path, "renamed.vmdk");
    check_str_eq(opened.link->extents[0].extent->facts.format, "KDMV");
}

VD_TEST(a_header_of_no_sectors_leaves_it_to_the_descriptor)
{
    AUTO_FILES files = new_files();
    add_kdmv(files, "d.vmdk", 0, HEAD "RW 4 FLAT \"a\" 0\n");
    add_data(files, "a", 4, 'a');
    AUTO_OPENED opened = {0};
    open_link(&opened, files, "d.vmdk");
    check(!opened.link->embedded);
    check_str_eq(opened.link->extents[0].path, "a");
}

VD_TEST(embedded_descriptors_of_several_extents)
{
    AUTO_FILES files = new_files();
    add_kdmv(files, "d.vmdk", 1000, HEAD "RW 500 SPARSE \"a\"\nRW 500 SPARSE \"b\"\n");
    check_refused(files, "d.vmdk", VD_E_DESC_EXTENT, "2 extents, expected 1");
}

VD_TEST(the_file_itself_says_which_sparse_format_it_is)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", HEAD "RW 1000 VMFSSPARSE \"x-delta.vmdk\"\n");
    add_kdmv(files, "x-delta.vmdk", 1000, NULL);
    AUTO_OPENED opened = {0};
    open_link(&opened, files, "d.vmdk");
    check_str_eq(opened.link->extents[0].extent->facts.format, "KDMV");
    check_str_has(opened.log.text, "calls it VMFSSPARSE");
}

VD_TEST(sparse_extents_that_are_something_else)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", HEAD "RW 1000 SPARSE \"x\"\n");
    add_data(files, "x", 10, 'x');
    check_refused(files, "d.vmdk", VD_E_DAMAGED, "expected a hosted sparse extent (KDMV)");
    add_text(files, "x", "");
    check_refused(files, "d.vmdk", VD_E_DAMAGED, "'x' is raw data");
    add_text(files, "x", "kdmv....");
    check_refused(files, "d.vmdk", VD_E_INCOMPLETE, "unfinished");
}

VD_TEST(capacities_of_line_and_header)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", HEAD "RW 1001 SPARSE \"x\"\n");
    add_kdmv(files, "x", 1000, NULL);
    check_refused(files, "d.vmdk", VD_E_DAMAGED, "has 1000 sectors");
    add_kdmv(files, "x", 1024, NULL);
    AUTO_OPENED opened = {0};
    open_link(&opened, files, "d.vmdk");
    check_u64_eq(opened.link->extents[0].extent->capacity_sectors, 1001);
}

VD_TEST(one_file_for_two_ranges)
{
    AUTO_FILES files = new_files();
    add_data(files, "a", 20, 'a');
    add_text(files, "d.vmdk", HEAD "RW 5 FLAT \"a\" 5\nRW 5 FLAT \"a\" 0\nRW 9 FLAT \"a\" 10\n");
    AUTO_OPENED opened = {0};
    open_link(&opened, files, "d.vmdk");
    add_text(files, "d.vmdk", HEAD "RW 9 FLAT \"a\" 0\nRW 1 ZERO\nRW 5 FLAT \"./a\" 8\n");
    check_refused(files, "d.vmdk", VD_E_DESC_EXTENT, "extents 1 and 3 use the same part of 'a'");
    add_text(files, "d.vmdk", HEAD "RW 15 FLAT \"a\" 0\nRW 1 FLAT \"a\" 2\nRW 1 FLAT \"a\" 12\n");
    check_refused(files, "d.vmdk", VD_E_DESC_EXTENT, "the same part");
    add_kdmv(files, "x", 1000, NULL);
    add_text(files, "d.vmdk", HEAD "RW 1000 SPARSE \"x\"\nRW 1 FLAT \"x\" 50\n");
    check_refused(files, "d.vmdk", VD_E_DESC_EXTENT, "the same part");
}

VD_TEST(a_descriptor_that_names_itself)
{
    AUTO_FILES files = new_files();
    char text[1024] = HEAD "RW 1 FLAT \"d.vmdk\" 0\n";
    memset(text + strlen(text), '\n', 600);
    add_text(files, "d.vmdk", text);
    check_refused(files, "d.vmdk", VD_E_DESC_EXTENT, "extent 1 names the descriptor itself");
    add_kdmv(files, "k.vmdk", 0, HEAD "RW 1000 SPARSE \"k.vmdk\"\n");
    check_refused(files, "k.vmdk", VD_E_KDMV_CAPACITY, "k.vmdk");
}

VD_TEST(short_flat_files)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", HEAD "RW 10 FLAT \"a\" 0\n");
    add_data(files, "a", 5, 'a');
    check_refused(files, "d.vmdk", VD_E_TRUNCATED, "'a'");
    struct vd_error err = VD_ERROR_INIT;
    AUTO_OPENED opened = {0};
    check_code_err(try_open(&opened, files, "d.vmdk", VD_VMDK_FILL_SHORT, &err), VD_OK, &err);
    check_str_has(opened.log.text, "zeros");
}

VD_TEST(extents_only_the_host_can_read)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", HEAD "RW 10 VMFSRDM \"x-rdm.vmdk\"\n");
    check_refused(files, "d.vmdk", VD_E_DESC_EXTENT_TYPE, "raw device map");
    add_text(files, "d.vmdk", HEAD "RW 10 VSANSPARSE \"vsan://1\"\n");
    check_refused(files, "d.vmdk", VD_E_DESC_EXTENT_TYPE, "vSAN");
    add_text(files, "d.vmdk", HEAD "RW 10 VMFS \"vsan://1\"\n");
    check_refused(files, "d.vmdk", VD_E_DESC_EXTENT_TYPE, "vSAN");
}

VD_TEST(data_extents_name_their_descriptor)
{
    AUTO_FILES files = new_files();
    add_text(files, "v/d.vmdk", HEAD "RW 10 FLAT \"d-flat.vmdk\" 0\n");
    add_data(files, "v/d-flat.vmdk", 10, 'x');
    check_refused(files, "v/d-flat.vmdk", VD_E_DATA_EXTENT, "the disk 'v/d.vmdk'");
    add_text(files, "v/d.vmdk", HEAD "RW 10 SPARSE \"d-s001.vmdk\"\n");
    add_kdmv(files, "v/d-s001.vmdk", 10, NULL);
    check_refused(files, "v/d-s001.vmdk", VD_E_DATA_EXTENT, "the disk 'v/d.vmdk'");
    add_text(files, "v/d-000001.vmdk", HEAD "RW 10 SPARSE \"d-000001-S00a.vmdk\"\n");
    add_kdmv(files, "v/d-000001-S00a.vmdk", 10, "");
    check_refused(files, "v/d-000001-S00a.vmdk", VD_E_DATA_EXTENT, "the disk 'v/d-000001.vmdk'");
    add_text(files, "v/d.vmdk", HEAD "RW 10 SESPARSE \"d-sesparse.vmdk\"\n");
    check_code(vd_fs_memory_add(files, "v/d-sesparse.vmdk", "\xbe\xba\xfe\xca\0\0\0\0", 8, NULL),
               VD_OK);
    check_refused(files, "v/d-sesparse.vmdk", VD_E_DATA_EXTENT, "the disk 'v/d.vmdk'");
}

VD_TEST(data_extents_without_a_descriptor)
{
    AUTO_FILES files = new_files();
    add_kdmv(files, "d-s001.vmdk", 10, NULL);
    check_refused(files, "d-s001.vmdk", VD_E_DATA_EXTENT, "without its descriptor");
    add_text(files, "d.vmdk", HEAD "RW 10 SPARSE \"other-s001.vmdk\"\n");
    check_refused(files, "d-s001.vmdk", VD_E_DATA_EXTENT, "without its descriptor");
    add_text(files, "x-delta.vmdk", "COWD");
    check_refused(files, "x-delta.vmdk", VD_E_DATA_EXTENT, "COWD");
    add_data(files, "d-flat.vmdk", 1, 'x');
    check_refused(files, "d-flat.vmdk", VD_E_NOT_A_DISK, "no virtual disk");
}

VD_TEST(what_is_no_disk)
{
    AUTO_FILES files = new_files();
    add_text(files, "empty", "");
    check_refused(files, "empty", VD_E_NOT_A_DISK, "is empty");
    check_refused(files, "gone", VD_E_NOT_FOUND, "cannot open 'gone'");
    add_text(files, "x.vmdk", "\xa2\x72\x19\xf6");
    check_refused(files, "x.vmdk", VD_E_CHANGE_TRACKING, "not a disk");
    add_text(files, "d.vmdk", HEAD "changeTrackPath=\"d-ctk.vmdk\"\nRW 1 ZERO\n");
    add_text(files, "d-ctk.vmdk", "\xa2\x72\x19\xf6");
    check_refused(files, "d-ctk.vmdk", VD_E_CHANGE_TRACKING, "of the disk 'd.vmdk'");
    add_text(files, "x.vmdk", "kdmv");
    check_refused(files, "x.vmdk", VD_E_INCOMPLETE, "interrupted");
    add_text(files, "x.vmdk", "DRIVETYPE ide\n");
    check_refused(files, "x.vmdk", VD_E_NOT_SUPPORTED, "VMware 2 or 3");
    check_code(vd_fs_memory_add(files, "x.vmdk",
                                "COWD\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28, NULL),
               VD_OK);
    check_refused(files, "x.vmdk", VD_E_NOT_SUPPORTED, "hosted copy-on-write");
    add_text(files, "x.vmdk", "KDMV");
    check_refused(files, "x.vmdk", VD_E_TRUNCATED, "x.vmdk");
}

VD_TEST(names_in_an_encoding_nobody_knows)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", HEAD "encoding=\"klingon\"\nRW 2 FLAT \"\xe4\" 0\n");
    check_refused(files, "d.vmdk", VD_E_DESC_ENCODING, "encoding");
    add_data(files, "\xe4", 2, 'x');
    AUTO_OPENED opened = {0};
    open_link(&opened, files, "d.vmdk");
    check_str_eq(opened.link->extents[0].path, "\xe4");
}

VD_TEST(five_thousand_extents)
{
    AUTO_FILES files = new_files();
    struct vd_buf text = VD_BUF_INIT(1 << 20);
    check_code(vd_buf_printf(&text, HEAD), VD_OK);
    for (int i = 1; i <= 5000; i++) {
        char name[30];
        (void)snprintf(name, sizeof name, "d-f%03d.vmdk", i);
        check_code(vd_buf_printf(&text, "RW 1 FLAT \"%s\" 0\n", name), VD_OK);
        add_data(files, name, 1, (char)i);
    }
    add_text(files, "d.vmdk", vd_buf_text(&text));
    vd_buf_done(&text);
    AUTO_OPENED opened = {0};
    open_link(&opened, files, "d.vmdk");
    check_u64_eq(opened.link->num_extents, 5000);
    check_u64_eq(vd_link_extent_at(opened.link, 4999), 4999);
    char byte;
    check_code(vd_block_read(opened.link->extents[4321].block, 0, &byte, 1, NULL), VD_OK);
    check_int_eq(byte, (char)4322);
}
