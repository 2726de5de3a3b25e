/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/create.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "block/fault.h"
#include "block/power-cut.h"
#include "memory-disks.h"
#include "vmdk/create-int.h"
#include "vmdk/vmdk.h"

#define ONE_TABLE 65536u /* sectors of a hosted grain table */

static const enum vd_disk_type types[] = {
    VD_DISK_MONOLITHIC_SPARSE, VD_DISK_MONOLITHIC_FLAT, VD_DISK_SPLIT_SPARSE,
    VD_DISK_SPLIT_FLAT,        VD_DISK_VMFS_FLAT,       VD_DISK_VMFS_THIN,
    VD_DISK_VMFS_SPARSE,       VD_DISK_SE_SPARSE,       VD_DISK_STREAM_OPTIMIZED,
};

static int create_in(struct vd_fs_memory *files, const char *path, enum vd_disk_type type,
                     uint64_t sectors, struct vd_error *err)
{
    struct vd_vmdk_create_params params = {.type = type, .capacity_sectors = sectors};
    return vd_vmdk_create(path, &params, vd_fs_memory_fs(files), NULL, err);
}

static void create_with(struct vd_fs_memory *files, const char *path,
                        const struct vd_vmdk_create_params *params)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_vmdk_create(path, params, vd_fs_memory_fs(files), NULL, &err), VD_OK, &err);
}

static void check_refused(struct vd_fs_memory *files, const struct vd_vmdk_create_params *params,
                          int code, const char *part)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_vmdk_create("/new.vmdk", params, vd_fs_memory_fs(files), NULL, &err), code,
                   &err);
    check_str_has(err.text, "cannot create '/new.vmdk': ");
    check_str_has(err.text, part);
}

static void check_names(struct vd_fs_memory *files, const char *want)
{
    VD_FREE char *names = NULL;
    check_code(vd_fs_memory_list(files, &names, NULL), VD_OK);
    check_str_eq(names, want);
}

static struct vd_disk *open_in(struct vd_fs_memory *files, const char *path)
{
    struct vd_vmdk_options options = {.fs = vd_fs_memory_fs(files), .flags = VD_VMDK_READ_ONLY};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_disk *disk = NULL;
    check_code_err(vd_vmdk_open(path, &options, &disk, &err), VD_OK, &err);
    return disk;
}
#define AUTO_DISK VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *

static size_t read_file(struct vd_fs_memory *files, const char *path, uint64_t offset, void *bytes,
                        size_t length)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    size_t done = 0;
    check_code(vd_fs_open(vd_fs_memory_fs(files), path, 0, &block, NULL), VD_OK);
    check_code(vd_block_read_some(block, offset, bytes, length, &done, NULL), VD_OK);
    return done;
}

static uint64_t file_size(struct vd_fs_memory *files, const char *path)
{
    struct vd_fs_stat found = {0};
    check_code(vd_fs_stat(vd_fs_memory_fs(files), path, &found, NULL), VD_OK);
    return found.size_bytes;
}

/* The descriptor, with what is random turned into 'X'. */
static const char *masked_text(struct vd_fs_memory *files, const char *path, uint64_t offset)
{
    static const char *const keys[] = {"\nCID=", "longContentID = \"", "uuid = \"60 00 C2 9"};
    static char text[8192];
    size_t done = read_file(files, path, offset, text, sizeof text - 1);
    text[done] = '\0';
    for (size_t i = 0; i < VD_ARRAY_SIZE(keys); i++) {
        char *at = strstr(text, keys[i]);
        for (at = at ? at + strlen(keys[i]) : NULL; at && *at && *at != '"' && *at != '\n'; at++)
            *at = *at == ' ' || *at == '-' ? *at : 'X';
    }
    return text;
}

static void check_zeros(struct vd_disk *disk)
{
    uint64_t last = vd_disk_capacity(disk) - 1;
    uint8_t bytes[VD_SECTOR_BYTES];
    static const uint8_t zeros[VD_SECTOR_BYTES];
    memset(bytes, 1, sizeof bytes);
    check_code(vd_disk_read(disk, 0, 1, bytes, NULL), VD_OK);
    check_mem_eq(bytes, zeros, sizeof bytes);
    memset(bytes, 1, sizeof bytes);
    check_code(vd_disk_read(disk, last, 1, bytes, NULL), VD_OK);
    check_mem_eq(bytes, zeros, sizeof bytes);
    check_code(vd_disk_read(disk, last + 1, 1, bytes, NULL), VD_E_OUT_OF_RANGE);
}

VD_TEST(every_type_at_every_corner_opens_and_reads_zeros)
{
    static const uint64_t sizes[] = {
        1,    7,     8,     9,         127,   128,       129,   4096,
        4097, 32768, 65535, ONE_TABLE, 65664, 2000 * 16, 70001, 2u * 1024 * 1024};
    for (size_t i = 0; i < VD_ARRAY_SIZE(types); i++) {
        for (size_t k = 0; k < VD_ARRAY_SIZE(sizes); k++) {
            AUTO_FILES files = new_files();
            struct vd_error err = VD_ERROR_INIT;
            struct vd_disk_info info;
            check_code_err(create_in(files, "/d.vmdk", types[i], sizes[k], &err), VD_OK, &err);
            AUTO_DISK disk = open_in(files, "/d.vmdk");
            vd_disk_info(disk, &info);
            check_u64_eq(info.capacity_sectors, sizes[k]);
            check_int_eq(info.type, types[i]);
            check_int_eq(info.adapter, VD_ADAPTER_LSILOGIC);
            check(info.uuid != NULL && strlen(info.uuid) == 47);
            check(strncmp(info.uuid, "60 00 C2 9", 10) == 0);
            check_u64_eq(info.logical_sector_bytes, 512);
            check_zeros(disk);
        }
    }
}

VD_TEST(flat_descriptor_is_vmwares_template)
{
    AUTO_FILES files = new_files();
    check_code(create_in(files, "/a/disk.vmdk", VD_DISK_VMFS_THIN, 33554432, NULL), VD_OK);
    check_str_eq(masked_text(files, "/a/disk.vmdk", 0),
                 "# Disk DescriptorFile\n"
                 "version=1\n"
                 "encoding=\"UTF-8\"\n"
                 "CID=XXXXXXXX\n"
                 "parentCID=ffffffff\n"
                 "isNativeSnapshot=\"no\"\n"
                 "createType=\"vmfs\"\n"
                 "\n"
                 "# Extent description\n"
                 "RW 33554432 VMFS \"disk-flat.vmdk\"\n"
                 "\n"
                 "# The Disk Data Base \n"
                 "#DDB\n"
                 "\n"
                 "ddb.adapterType = \"lsilogic\"\n"
                 "ddb.geometry.cylinders = \"2088\"\n"
                 "ddb.geometry.heads = \"255\"\n"
                 "ddb.geometry.sectors = \"63\"\n"
                 "ddb.longContentID = \"XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\"\n"
                 "ddb.thinProvisioned = \"1\"\n"
                 "ddb.toolsVersion = \"2147483647\"\n"
                 "ddb.uuid = \"60 00 C2 9X XX XX XX XX-XX XX XX XX XX XX XX XX\"\n"
                 "ddb.virtualHWVersion = \"13\"\n");
    check_names(files, "/a/disk-flat.vmdk\n/a/disk.vmdk\n");
    check_u64_eq(file_size(files, "/a/disk-flat.vmdk"), UINT64_C(33554432) * 512);
}

VD_TEST(longContentID_ends_in_the_cid_and_two_disks_differ)
{
    AUTO_FILES files = new_files();
    char cids[2][9];
    for (int i = 0; i < 2; i++) {
        const char *path = i ? "/b.vmdk" : "/a.vmdk";
        char text[2048] = "";
        check_code(create_in(files, path, VD_DISK_VMFS_SPARSE, 100, NULL), VD_OK);
        text[read_file(files, path, 0, text, sizeof text - 1)] = '\0';
        const char *content = strstr(text, "longContentID = \"");
        check(content != NULL);
        memcpy(cids[i], strstr(text, "\nCID=") + 5, 8);
        cids[i][8] = '\0';
        check_mem_eq(content + 17 + 24, cids[i], 8);
        check(strcmp(cids[i], "ffffffff") != 0 && strcmp(cids[i], "fffffffe") != 0);
    }
    check(strcmp(cids[0], cids[1]) != 0);
}

VD_TEST(options_go_into_the_data_base)
{
    AUTO_FILES files = new_files();
    struct vd_vmdk_create_params params = {.type = VD_DISK_MONOLITHIC_FLAT,
                                           .capacity_sectors = 204800,
                                           .adapter = "IDE",
                                           .hw_version = 21,
                                           .logical_sector_bytes = 4096,
                                           .physical_sector_bytes = 4096};
    create_with(files, "/d.vmdk", &params);
    const char *text = masked_text(files, "/d.vmdk", 0);
    check_str_has(text, "\nRW 204800 FLAT \"d-flat.vmdk\" 0\n");
    check_str_has(text, "\nddb.adapterType = \"ide\"\n");
    check_str_has(text, "\nddb.geometry.cylinders = \"203\"\nddb.geometry.heads = \"16\"\n");
    check_str_has(text, "\nddb.logicalSectorSize = \"4096\"\n");
    check_str_has(text, "\nddb.physicalSectorSize = \"4096\"\n");
    check_str_has(text, "\nddb.virtualHWVersion = \"21\"\n");
    AUTO_DISK disk = open_in(files, "/d.vmdk");
    struct vd_disk_info info;
    vd_disk_info(disk, &info);
    check_int_eq(info.adapter, VD_ADAPTER_IDE);
    check_u64_eq(info.logical_sector_bytes, 4096);
}

/* Figures of a Workstation 10 disk of 10 GiB, of qemu-img's of 1 GiB, and of VMware's 10 MiB split
 * part. */
VD_TEST(hosted_layout_is_workstations)
{
    static const struct {
        uint64_t capacity, descriptor, rgd, gd, overhead;
    } seen[] = {
        {20971520, 20, 21, 1304, 2688},
        {2097152, 20, 21, 150, 384},
        {20483, 20, 21, 26, 128},
        {20480, 0, 1, 6, 128},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(seen); i++) {
        struct vd_kdmv_header header;
        vd_kdmv_layout(seen[i].capacity, 128, seen[i].descriptor, &header);
        check_u64_eq(header.rgd_offset_sectors, seen[i].rgd);
        check_u64_eq(header.gd_offset_sectors, seen[i].gd);
        check_u64_eq(header.overhead_sectors, seen[i].overhead);
    }
    struct vd_kdmv_header largest;
    vd_kdmv_layout(VD_CREATE_MAX_SECTORS, 8, 20, &largest);
    check(largest.overhead_sectors < UINT32_MAX);
}

static uint32_t u32_at(struct vd_fs_memory *files, const char *path, uint64_t offset)
{
    uint8_t bytes[4] = {0};
    check_u64_eq(read_file(files, path, offset, bytes, 4), 4);
    return (uint32_t)(bytes[0] | bytes[1] << 8 | bytes[2] << 16) | (uint32_t)bytes[3] << 24;
}

VD_TEST(hosted_directories_name_every_table_of_both_sets)
{
    AUTO_FILES files = new_files();
    check_code(create_in(files, "/d.vmdk", VD_DISK_MONOLITHIC_SPARSE, 20971520, NULL), VD_OK);
    check_u64_eq(file_size(files, "/d.vmdk"), 2688 * 512);
    for (uint32_t i = 0; i < 320; i++) {
        check_u64_eq(u32_at(files, "/d.vmdk", 21 * 512 + i * 4), 21 + 3 + i * 4);
        check_u64_eq(u32_at(files, "/d.vmdk", 1304 * 512 + i * 4), 1304 + 3 + i * 4);
    }
    check_u64_eq(u32_at(files, "/d.vmdk", 21 * 512 + 320 * 4), 0);
    check_str_has(masked_text(files, "/d.vmdk", 512), "\nRW 20971520 SPARSE \"d.vmdk\"\n");
    check_names(files, "/d.vmdk\n");
}

VD_TEST(split_disks_are_cut_where_vmware_cuts)
{
    AUTO_FILES files = new_files();
    check_code(create_in(files, "/d.vmdk", VD_DISK_SPLIT_SPARSE, 2 * 4192256u + 5, NULL), VD_OK);
    const char *text = masked_text(files, "/d.vmdk", 0);
    check_str_has(text, "createType=\"twoGbMaxExtentSparse\"\n");
    check_str_has(text, "\nRW 4192256 SPARSE \"d-s001.vmdk\"\nRW 4192256 SPARSE \"d-s002.vmdk\"\n"
                        "RW 5 SPARSE \"d-s003.vmdk\"\n");
    check_names(files, "/d-s001.vmdk\n/d-s002.vmdk\n/d-s003.vmdk\n/d.vmdk\n");
    AUTO_DISK disk = open_in(files, "/d.vmdk");
    check_u64_eq(vd_disk_capacity(disk), 2 * 4192256u + 5);
    check_zeros(disk);
}

VD_TEST(split_disks_go_on_beyond_999)
{
    AUTO_FILES files = new_files();
    struct vd_vmdk_create_params params = {.type = VD_DISK_SPLIT_SPARSE,
                                           .capacity_sectors = UINT64_C(1000) * 4192256 + 1,
                                           .grain_sectors = 2048};
    create_with(files, "/d.vmdk", &params);
    check_u64_eq(file_size(files, "/d-s999.vmdk"), file_size(files, "/d-s1000.vmdk"));
    AUTO_DISK disk = open_in(files, "/d.vmdk");
    check_u64_eq(vd_disk_capacity(disk), params.capacity_sectors);
    check_zeros(disk);
}

VD_TEST(zeroed_grains_are_version_2)
{
    AUTO_FILES files = new_files();
    struct vd_vmdk_create_params params = {
        .type = VD_DISK_MONOLITHIC_SPARSE, .capacity_sectors = 1000, .zeroed_grains = true};
    create_with(files, "/d.vmdk", &params);
    check_u64_eq(u32_at(files, "/d.vmdk", 4), 2);
    check_u64_eq(u32_at(files, "/d.vmdk", 8), 7);
    params.zeroed_grains = false;
    create_with(files, "/e.vmdk", &params);
    check_u64_eq(u32_at(files, "/e.vmdk", 4), 1);
    check_u64_eq(u32_at(files, "/e.vmdk", 8), 3);
}

VD_TEST(huge_disks_where_the_format_holds_them)
{
    AUTO_FILES files = new_files();
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(create_in(files, "/se.vmdk", VD_DISK_SE_SPARSE, VD_CREATE_MAX_SECTORS, &err),
                   VD_OK, &err);
    check_code_err(create_in(files, "/thin.vmdk", VD_DISK_VMFS_THIN, VD_CREATE_MAX_SECTORS, &err),
                   VD_OK, &err);
    check_code_err(create_in(files, "/cowd.vmdk", VD_DISK_VMFS_SPARSE, UINT32_MAX, &err), VD_OK,
                   &err);
    check_code_err(
        create_in(files, "/kdmv.vmdk", VD_DISK_MONOLITHIC_SPARSE, UINT64_C(3) << 32, &err), VD_OK,
        &err);
    static const char *const paths[] = {"/se.vmdk", "/thin.vmdk", "/cowd.vmdk", "/kdmv.vmdk"};
    for (size_t i = 0; i < VD_ARRAY_SIZE(paths); i++) {
        AUTO_DISK disk = open_in(files, paths[i]);
        check_zeros(disk);
    }
}

VD_TEST(what_the_format_cannot_hold_is_refused)
{
    AUTO_FILES files = new_files();
    struct vd_vmdk_create_params params = {.type = VD_DISK_VMFS_SPARSE,
                                           .capacity_sectors = UINT64_C(1) << 32};
    check_refused(files, &params, VD_E_TOO_BIG,
                  "a capacity of 2 TiB was asked for, a vmfsSparse disk has at most 4294967295 "
                  "sectors, because its format counts sectors in 32 bits");
    for (size_t i = 0; i < VD_ARRAY_SIZE(types); i++) {
        params.type = types[i];
        params.capacity_sectors = VD_CREATE_MAX_SECTORS + 1;
        check_refused(files, &params, VD_E_TOO_BIG, "a capacity of ");
        params.capacity_sectors = UINT64_MAX;
        check_refused(files, &params, VD_E_TOO_BIG, "a capacity of 18446744073709551615 sectors");
        params.capacity_sectors = 0;
        check_refused(files, &params, VD_E_INVALID_ARG, "a capacity of 0 was asked for");
    }
    check_names(files, "");
}

VD_TEST(senseless_parameters_are_refused)
{
    AUTO_FILES files = new_files();
    struct vd_vmdk_create_params good = {.type = VD_DISK_MONOLITHIC_SPARSE,
                                         .capacity_sectors = 100};
    struct vd_vmdk_create_params bad = good;
    bad.grain_sectors = 96;
    check_refused(files, &bad, VD_E_INVALID_ARG,
                  "a grain of 96 sectors was asked for, expected a "
                  "power of two from 8 to 2048");
    bad.grain_sectors = 4;
    check_refused(files, &bad, VD_E_INVALID_ARG, "a grain of 4 sectors");
    bad.type = VD_DISK_MONOLITHIC_FLAT;
    check_refused(files, &bad, VD_E_INVALID_ARG, "a monolithicFlat disk has no grains");
    bad.type = VD_DISK_SE_SPARSE;
    bad.grain_sectors = 16;
    check_refused(files, &bad, VD_E_INVALID_ARG, "from 8 to 8 in a seSparse disk");
    bad = good;
    bad.adapter = "floppy";
    check_refused(files, &bad, VD_E_INVALID_ARG, "there is no adapter 'floppy', expected ide, ");
    bad = good;
    bad.logical_sector_bytes = 520;
    check_refused(files, &bad, VD_E_INVALID_ARG, "a logical sector of 520 bytes");
    bad = good;
    bad.type = VD_DISK_STREAM_OPTIMIZED;
    bad.grain_sectors = 8;
    check_refused(files, &bad, VD_E_INVALID_ARG, "from 128 to 128 in a streamOptimized disk");
    bad.grain_sectors = 0;
    bad.parent_path = "/parent.vmdk";
    check_refused(files, &bad, VD_E_INVALID_ARG, "a streamOptimized disk holds everything itself");
    bad.parent_path = NULL;
    bad.type = VD_DISK_DEVICE;
    check_refused(files, &bad, VD_E_NOT_SUPPORTED, "disks of type fullDevice are not made");
    bad.type = VD_DISK_RAW;
    check_refused(files, &bad, VD_E_NOT_SUPPORTED, "disks of type raw are not made");
    bad = good;
    bad.type = VD_DISK_VMFS_SPARSE;
    bad.zeroed_grains = true;
    check_refused(files, &bad, VD_E_INVALID_ARG, "zeroed grains were asked for");
    bad = good;
    bad.type = VD_DISK_VMFS_THIN;
    bad.parent_path = "/parent.vmdk";
    check_refused(files, &bad, VD_E_INVALID_ARG, "a vmfsThin disk holds everything itself");
    check_names(files, "");
}

VD_TEST(names_the_format_cannot_hold_are_refused)
{
    AUTO_FILES files = new_files();
    struct vd_error err = VD_ERROR_INIT;
    check_code(create_in(files, "/a\"b.vmdk", VD_DISK_MONOLITHIC_FLAT, 100, &err),
               VD_E_NAME_INVALID);
    check_str_has(err.text, "quote or a line end");
    check_code(create_in(files, "/a\nb.vmdk", VD_DISK_MONOLITHIC_SPARSE, 100, NULL),
               VD_E_NAME_INVALID);
    check_code(create_in(files, "/a/", VD_DISK_MONOLITHIC_SPARSE, 100, NULL), VD_E_NAME_INVALID);
    check_names(files, "");
    check_code(create_in(files, "/no suffix", VD_DISK_MONOLITHIC_FLAT, 100, NULL), VD_OK);
    check_code(create_in(files, "/UPPER.VMDK", VD_DISK_MONOLITHIC_FLAT, 100, NULL), VD_OK);
    check_names(files, "/UPPER-flat.vmdk\n/UPPER.VMDK\n/no suffix\n/no suffix-flat.vmdk\n");
}

VD_TEST(nothing_is_overwritten)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(types); i++) {
        AUTO_FILES files = new_files();
        struct vd_error err = VD_ERROR_INIT;
        add_text(files, "/d.vmdk", "precious");
        check_code(create_in(files, "/d.vmdk", types[i], 100, &err), VD_E_EXISTS);
        check_str_eq(err.text, "cannot create '/d.vmdk': there is something of that name");
        check_names(files, "/d.vmdk\n");
    }
    AUTO_FILES files = new_files();
    struct vd_error err = VD_ERROR_INIT;
    add_text(files, "/d-s003.vmdk", "precious");
    check_code(create_in(files, "/d.vmdk", VD_DISK_SPLIT_SPARSE, 3 * 4192256u, &err), VD_E_EXISTS);
    check_str_has(err.text, "/d-s003.vmdk");
    check_names(files, "/d-s003.vmdk\n");
    check_u64_eq(file_size(files, "/d-s003.vmdk"), 8);
}

/* --- children --- */

static const enum vd_disk_type child_types[] = {VD_DISK_MONOLITHIC_SPARSE, VD_DISK_SPLIT_SPARSE,
                                                VD_DISK_VMFS_SPARSE, VD_DISK_SE_SPARSE};

#define PARENT                                                              \
    HEAD                                                                    \
        "CID=1234abcd\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n" \
        "RW 300 FLAT \"p-flat.vmdk\" 0\nddb.adapterType = \"buslogic\"\n"   \
        "ddb.geometry.cylinders = \"5\"\nddb.geometry.heads = \"4\"\n"      \
        "ddb.geometry.sectors = \"15\"\nddb.virtualHWVersion = \"7\"\nddb.uuid = \"the base's\"\n"

static void add_parent(struct vd_fs_memory *files)
{
    add_text(files, "/a/p.vmdk", PARENT);
    add_data(files, "/a/p-flat.vmdk", 300, 'p');
}

VD_TEST(children_read_their_parent)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(child_types); i++) {
        AUTO_FILES files = new_files();
        add_parent(files);
        struct vd_vmdk_create_params params = {.type = child_types[i], .parent_path = "/a/p.vmdk"};
        create_with(files, "/a/c.vmdk", &params);
        params.parent_path = "/a/../a/c.vmdk";
        create_with(files, "/a/g.vmdk", &params);

        AUTO_DISK disk = open_in(files, "/a/g.vmdk");
        struct vd_disk_info info;
        uint8_t bytes[VD_SECTOR_BYTES];
        vd_disk_info(disk, &info);
        check_u64_eq(info.num_links, 3);
        check_u64_eq(info.capacity_sectors, 300);
        check_int_eq(info.adapter, VD_ADAPTER_BUSLOGIC);
        check_u64_eq(info.geometry.cylinders, 5);
        check_str_eq(info.parent_hint, "c.vmdk");
        check_str_eq(info.uuid, "the base's");
        check_str_eq(vd_disk_meta_get(disk, "virtualHWVersion"), "7");
        check_code(vd_disk_read(disk, 299, 1, bytes, NULL), VD_OK);
        check(bytes[0] == 'p' && bytes[511] == 'p');
    }
}

VD_TEST(child_descriptor_is_vmwares)
{
    AUTO_FILES files = new_files();
    add_parent(files);
    struct vd_vmdk_create_params params = {.type = VD_DISK_VMFS_SPARSE, .parent_path = "/a/p.vmdk"};
    create_with(files, "/a/p-000001.vmdk", &params);
    check_str_eq(masked_text(files, "/a/p-000001.vmdk", 0),
                 "# Disk DescriptorFile\n"
                 "version=1\n"
                 "encoding=\"UTF-8\"\n"
                 "CID=XXXXXXXX\n"
                 "parentCID=1234abcd\n"
                 "isNativeSnapshot=\"no\"\n"
                 "createType=\"vmfsSparse\"\n"
                 "parentFileNameHint=\"p.vmdk\"\n"
                 "# Extent description\n"
                 "RW 300 VMFSSPARSE \"p-000001-delta.vmdk\"\n"
                 "\n"
                 "# The Disk Data Base \n"
                 "#DDB\n"
                 "\n"
                 "ddb.adapterType = \"buslogic\"\n"
                 "ddb.geometry.cylinders = \"5\"\n"
                 "ddb.geometry.heads = \"4\"\n"
                 "ddb.geometry.sectors = \"15\"\n"
                 "ddb.longContentID = \"XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX\"\n"
                 "ddb.virtualHWVersion = \"7\"\n");
    check_u64_eq(file_size(files, "/a/p-000001-delta.vmdk"), 4096);
    check_u64_eq(u32_at(files, "/a/p-000001-delta.vmdk", 28), 4096 / 512);
}

VD_TEST(a_parent_elsewhere_is_named_by_its_whole_path)
{
    AUTO_FILES files = new_files();
    add_parent(files);
    add_text(files, "/b/other", "");
    struct vd_vmdk_create_params params = {.type = VD_DISK_MONOLITHIC_SPARSE,
                                           .parent_path = "/b/../a/p.vmdk"};
    create_with(files, "/b/c.vmdk", &params);
    check_str_has(masked_text(files, "/b/c.vmdk", 512), "\nparentFileNameHint=\"/a/p.vmdk\"\n");
}

VD_TEST(children_that_cannot_be_are_refused)
{
    AUTO_FILES files = new_files();
    add_parent(files);
    struct vd_vmdk_create_params params = {
        .type = VD_DISK_MONOLITHIC_SPARSE, .parent_path = "/a/p.vmdk", .capacity_sectors = 301};
    check_refused(files, &params, VD_E_INVALID_ARG,
                  "a capacity of 301 sectors was asked for, expected the 300 of its parent");
    params.capacity_sectors = 300;
    params.parent_path = "/a/missing.vmdk";
    check_refused(files, &params, VD_E_NOT_FOUND, "/a/missing.vmdk");
    params.parent_path = "/a/p-flat.vmdk";
    struct vd_error err = VD_ERROR_INIT;
    check(vd_error_is(vd_vmdk_create("/new.vmdk", &params, vd_fs_memory_fs(files), NULL, &err),
                      VD_E_NOT_A_DISK));
    params.parent_path = "/a/nocid.vmdk";
    add_text(files, "/a/nocid.vmdk", HEAD "RW 300 FLAT \"p-flat.vmdk\" 0\n");
    check_refused(files, &params, VD_E_INVALID_ARG, "has no CID by which a child could know it");
    add_text(files, "/big.vmdk", HEAD "CID=12345678\nRW 4294967296 ZERO\n");
    params =
        (struct vd_vmdk_create_params){.type = VD_DISK_VMFS_SPARSE, .parent_path = "/big.vmdk"};
    check_refused(files, &params, VD_E_TOO_BIG, "counts sectors in 32 bits");
    check_names(files, "/a/nocid.vmdk\n/a/p-flat.vmdk\n/a/p.vmdk\n/big.vmdk\n");
}

/* --- failures --- */

#define KEPT "/a/p-flat.vmdk\n/a/p.vmdk\n"

static void walk_faults(const struct vd_vmdk_create_params *params)
{
    for (uint64_t nth = 1;; nth++) {
        AUTO_FILES files = new_files();
        VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
        struct vd_error err = VD_ERROR_INIT;
        add_parent(files);
        check_code(vd_fs_fault_new(vd_fs_memory_fs(files), &fault, NULL), VD_OK);
        vd_fs_fault_arm(fault, VD_FAULT_ANY | VD_FAULT_CLOSE, nth, EIO, false);
        int r = vd_vmdk_create("/a/c.vmdk", params, vd_fs_fault_fs(fault), NULL, &err);
        bool fired = vd_fs_fault_fired(fault);
        if (r >= 0) {
            AUTO_DISK disk = open_in(files, "/a/c.vmdk");
            check_u64_eq(vd_disk_capacity(disk), 300);
        } else {
            check(fired);
            check(err.text[0] != '\0');
            check_names(files, KEPT);
        }
        if (!fired) {
            check_code_err(r, VD_OK, &err);
            check(nth > 5);
            return;
        }
        check(nth < 1000);
    }
}

VD_TEST(after_any_failing_call_nothing_is_left)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(types); i++) {
        struct vd_vmdk_create_params params = {.type = types[i], .capacity_sectors = 300};
        walk_faults(&params);
    }
    for (size_t i = 0; i < VD_ARRAY_SIZE(child_types); i++) {
        struct vd_vmdk_create_params params = {.type = child_types[i], .parent_path = "/a/p.vmdk"};
        walk_faults(&params);
    }
}

VD_TEST(a_full_disk_is_told_and_leaves_nothing)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(types); i++) {
        for (uint64_t nth = 1; nth < 4; nth++) {
            AUTO_FILES files = new_files();
            VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
            struct vd_error err = VD_ERROR_INIT;
            struct vd_vmdk_create_params params = {.type = types[i], .capacity_sectors = 300};
            check_code(vd_fs_fault_new(vd_fs_memory_fs(files), &fault, NULL), VD_OK);
            vd_fs_fault_arm(fault, VD_FAULT_WRITE | VD_FAULT_ALLOCATE | VD_FAULT_RESIZE, nth,
                            ENOSPC, true);
            int r = vd_vmdk_create("/c.vmdk", &params, vd_fs_fault_fs(fault), NULL, &err);
            if (!vd_fs_fault_fired(fault))
                break;
            check_code_err(r, VD_E_DISK_FULL, &err);
            check_int_eq(err.sys_errno, ENOSPC);
            check_names(files, "");
        }
    }
}

static bool is_there(struct vd_fs_memory *files, const char *path)
{
    struct vd_fs_stat found = {0};
    check_code(vd_fs_stat(vd_fs_memory_fs(files), path, &found, NULL), VD_OK);
    return found.kind != VD_FS_NOTHING;
}

/* Tells whether the disk was there. */
static bool check_after_cut(struct vd_power_cut *cuts, size_t cut, uint64_t seed)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
    check_code(vd_power_cut_build(cuts, cut, seed, &files, NULL), VD_OK);
    if (!is_there(files, "/a/c.vmdk"))
        return false;
    uint8_t bytes[VD_SECTOR_BYTES];
    AUTO_DISK disk = open_in(files, "/a/c.vmdk");
    check_u64_eq(vd_disk_capacity(disk), 300);
    for (uint64_t i = 0; i < 300; i++)
        check_code(vd_disk_read(disk, i, 1, bytes, NULL), VD_OK);
    return true;
}

static unsigned cut_power(const struct vd_vmdk_create_params *params)
{
    AUTO_FILES files = new_files();
    add_parent(files);
    VD_CLEANUP(vd_fs_trace_free_cleanup) struct vd_fs_trace *trace = NULL;
    VD_CLEANUP(vd_power_cut_free_cleanup) struct vd_power_cut *cuts = NULL;
    struct vd_error err = VD_ERROR_INIT;
    unsigned states = 0;
    check_code(vd_fs_trace_new(vd_fs_memory_fs(files), &trace, NULL), VD_OK);
    check_code_err(vd_vmdk_create("/a/c.vmdk", params, vd_fs_trace_fs(trace), NULL, &err), VD_OK,
                   &err);
    check_code(vd_power_cut_new(trace, &cuts, NULL), VD_OK);
    size_t last = vd_power_cut_last(cuts);
    check(!check_after_cut(cuts, 0, VD_CUT_DATA));
    for (size_t cut = 0; cut <= last; cut++) {
        for (uint64_t seed = VD_CUT_ORDERLY; seed < VD_CUT_RANDOM + 16; seed++, states++) {
            bool there = check_after_cut(cuts, cut, seed);
            check(there || cut < last); /* what was told to be made is there */
        }
    }
    return states;
}

VD_TEST(a_disk_is_whole_or_not_there_whenever_the_power_fails)
{
    unsigned states = 0;
    for (size_t i = 0; i < VD_ARRAY_SIZE(types); i++) {
        struct vd_vmdk_create_params params = {.type = types[i], .capacity_sectors = 300};
        states += cut_power(&params);
    }
    for (size_t i = 0; i < VD_ARRAY_SIZE(child_types); i++) {
        struct vd_vmdk_create_params params = {.type = child_types[i], .parent_path = "/a/p.vmdk"};
        states += cut_power(&params);
    }
    printf("# %u states after power cuts\n", states);
}

struct watcher {
    unsigned calls;
    unsigned stop_at; /* 0: never */
    uint64_t done;
    uint64_t total;
};

static bool watch(void *data, uint64_t done, uint64_t total)
{
    struct watcher *watcher = data;
    check(done >= watcher->done && done <= total);
    check(watcher->total == 0 || watcher->total == total);
    watcher->done = done;
    watcher->total = total;
    return ++watcher->calls != watcher->stop_at;
}

VD_TEST(progress_ends_at_the_capacity_and_a_cancel_leaves_nothing)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(types); i++) {
        uint64_t sectors = types[i] == VD_DISK_SPLIT_SPARSE ? 3 * 4192256u : 1000;
        struct vd_vmdk_create_params params = {.type = types[i], .capacity_sectors = sectors};
        for (unsigned stop_at = 1;; stop_at++) {
            AUTO_FILES files = new_files();
            struct vd_error err = VD_ERROR_INIT;
            struct watcher watcher = {.stop_at = stop_at};
            struct vd_progress progress = {watch, &watcher};
            int r = vd_vmdk_create("/d.vmdk", &params, vd_fs_memory_fs(files), &progress, &err);
            if (watcher.calls < stop_at) {
                check_code_err(r, VD_OK, &err);
                check_u64_eq(watcher.done, sectors * 512);
                check_u64_eq(watcher.total, sectors * 512);
                break;
            }
            check_code_err(r, VD_E_CANCELLED, &err);
            check_names(files, "");
        }
    }
}

VD_TEST(on_the_hosts_file_system)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(types); i++) {
        char name[64];
        struct vd_error err = VD_ERROR_INIT;
        struct vd_vmdk_create_params params = {.type = types[i], .capacity_sectors = 70001};
        (void)snprintf(name, sizeof name, "disk %zu.vmdk", i);
        check_code_err(vd_vmdk_create(test_path(name), &params, NULL, NULL, &err), VD_OK, &err);
        struct vd_disk *disk = NULL;
        struct vd_vmdk_options options = {
            .flags = types[i] == VD_DISK_STREAM_OPTIMIZED ? VD_VMDK_READ_ONLY : 0};
        check_code_err(vd_vmdk_open(test_path(name), &options, &disk, &err), VD_OK, &err);
        check_zeros(disk);
        vd_disk_free(disk);
        check_code(vd_vmdk_create(test_path(name), &params, NULL, NULL, &err), VD_E_EXISTS);
    }
}

VD_TEST(types_have_names)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(types); i++) {
        if (types[i] != VD_DISK_VMFS_THIN)
            check_int_eq(vd_disk_type_parse(vd_disk_type_text(types[i])), types[i]);
    }
    check_int_eq(vd_disk_type_parse("VMFSthin"), VD_DISK_VMFS_THIN);
    check_int_eq(vd_disk_type_parse("vmfs"), VD_DISK_VMFS_FLAT);
    check_int_eq(vd_disk_type_parse("qcow2"), VD_DISK_UNKNOWN);
    check_str_eq(vd_disk_type_text(VD_DISK_VMFS_THIN), "vmfs");
    check_str_eq(vd_disk_type_text(VD_DISK_RAW), "raw");
    check_str_eq(vd_disk_type_text(VD_DISK_UNKNOWN), "unknown");
}
