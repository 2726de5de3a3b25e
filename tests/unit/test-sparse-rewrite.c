/* SPDX-License-Identifier: Apache-2.0 */
/* COWD and SESparse files written anew: what becomes of their headers, and which are refused. */
#include "file-ops-disks.h"

#include "ops/defragment.h"
#include "ops/grow.h"
#include "ops/shrink.h"
#include "vmdk/check.h"
#include "vmdk/create.h"

static void get(const struct vd_fs *fs, const char *path, uint64_t offset, void *bytes,
                size_t length)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    check_code(vd_fs_open(fs, path, 0, &block, NULL), VD_OK);
    check_code(vd_block_read(block, offset, bytes, length, NULL), VD_OK);
}

static void put(const struct vd_fs *fs, const char *path, uint64_t offset, const void *bytes,
                size_t length)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    check_code(vd_fs_open(fs, path, VD_FS_WRITE, &block, NULL), VD_OK);
    check_code(vd_block_write(block, offset, bytes, length, NULL), VD_OK);
}

static uint32_t u32_at(const struct vd_fs *fs, const char *path, uint64_t offset)
{
    uint8_t bytes[4];
    get(fs, path, offset, bytes, sizeof bytes);
    return vd_le32_decode(bytes);
}

static uint64_t u64_at(const struct vd_fs *fs, const char *path, uint64_t offset)
{
    uint8_t bytes[8];
    get(fs, path, offset, bytes, sizeof bytes);
    return vd_le64_decode(bytes);
}

static uint64_t size_of(const struct vd_fs *fs, const char *path)
{
    struct vd_fs_stat status;
    check_code(vd_fs_stat(fs, path, &status, NULL), VD_OK);
    return status.size_bytes;
}

static void tell_finding(void *data, const struct vd_finding *finding)
{
    (void)data;
    printf("# %s: %s\n", finding->id, finding->text);
}

static void check_sound(const struct vd_fs *fs, const char *path)
{
    const struct vd_check_options checking = {.open = {.fs = fs}, .finding = tell_finding};
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_vmdk_check(path, &checking, &result, &err), VD_OK, &err);
    check_u64_eq(result.faults + result.leaks, 0);
}

static int grow(const struct vd_fs *fs, uint64_t sectors, bool geometry, struct vd_error *err)
{
    const struct vd_vmdk_options options = {.fs = fs};
    const struct vd_grow_params params = {sectors, geometry};
    return vd_grow("dir/a.vmdk", &options, &params, NULL, err);
}

static int defragment(const struct vd_fs *fs, const char *path, struct vd_error *err)
{
    const struct vd_vmdk_options options = {.fs = fs};
    return vd_defragment(path, &options, NULL, err);
}

VD_TEST(a_grown_cowd_says_so_in_its_header)
{
    for (int geometry = 0; geometry < 2; geometry++) {
        AUTO_FILES files = new_files();
        const struct vd_fs *fs = vd_fs_memory_fs(files);
        struct vd_error err = VD_ERROR_INIT;
        size_t length = 0;
        add_disk(files, COWD);
        put(fs, "dir/a-delta.vmdk", 1064, "its name", 8);
        put(fs, "dir/a-delta.vmdk", COWD_AT_UNCLEAN, "\1", 1);
        put(fs, "dir/a-delta.vmdk", 32, "\7", 1);
        VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
        check_code_err(grow(fs, 300000, geometry, &err), VD_OK, &err);
        check(disk_has(fs, "dir/a.vmdk", content, length));
        check_sound(fs, "dir/a.vmdk");
        check_u64_eq(u32_at(fs, "dir/a-delta.vmdk", COWD_AT_CAPACITY), 300000);
        check_u64_eq(u32_at(fs, "dir/a-delta.vmdk", COWD_AT_TABLES), 5); /* of 65536 sectors */
        check_u64_eq(u32_at(fs, "dir/a-delta.vmdk", COWD_AT_UNCLEAN), 0);
        check_u64_eq((uint64_t)u32_at(fs, "dir/a-delta.vmdk", COWD_AT_FREE) * 512,
                     size_of(fs, "dir/a-delta.vmdk"));
        check_u64_eq(u32_at(fs, "dir/a-delta.vmdk", 32), geometry ? 300000 / (64 * 32) : 7);
        check_u64_eq(u32_at(fs, "dir/a-delta.vmdk", 36), geometry ? 64 : 0);
        char name[9] = "";
        get(fs, "dir/a-delta.vmdk", 1064, name, 8);
        check_str_eq(name, "its name");
    }
}

VD_TEST(a_cowd_does_not_grow_past_its_numbers)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_error err = VD_ERROR_INIT;
    add_disk(files, COWD);
    check_code(grow(fs, UINT64_C(1) << 32, true, &err), VD_E_TOO_BIG);
    check_str_has(err.text, "a disk of type 'vmfsSparse' has at most 4294967295");
    check_u64_eq(u32_at(fs, "dir/a-delta.vmdk", COWD_AT_CAPACITY), PART_SECTORS);
    vd_error_clear(&err);
    check_code_err(grow(fs, UINT32_MAX, true, &err), VD_OK, &err);
    check_sound(fs, "dir/a.vmdk");
}

VD_TEST(the_last_of_several_cowd_extents_grows)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_error err = VD_ERROR_INIT;
    size_t length = 0;
    add_text(files, "dir/a.vmdk",
             HEAD "CID=0000000a\nparentCID=ffffffff\ncreateType=\"vmfsSparse\"\n"
                  "RW 200 VMFSSPARSE \"a-delta.vmdk\"\nRW 200 VMFSSPARSE \"b-delta.vmdk\"\n" DDB);
    add_cowd(files, "dir/a-delta.vmdk");
    add_cowd(files, "dir/b-delta.vmdk");
    VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
    check_code_err(grow(fs, 777, true, &err), VD_OK, &err);
    check(disk_has(fs, "dir/a.vmdk", content, length));
    check_sound(fs, "dir/a.vmdk");
    check_u64_eq(u32_at(fs, "dir/a-delta.vmdk", COWD_AT_CAPACITY), 200);
    check_u64_eq(u32_at(fs, "dir/b-delta.vmdk", COWD_AT_CAPACITY), 577);
    const struct vd_vmdk_options options = {.fs = fs};
    check_code_err(vd_shrink("dir/a.vmdk", &options, NULL, &err), VD_OK, &err);
    check_code_err(defragment(fs, "dir/a.vmdk", &err), VD_OK, &err);
    check(disk_has(fs, "dir/a.vmdk", content, length));
    check_sound(fs, "dir/a.vmdk");
}

VD_TEST(a_grown_sesparse_is_laid_out_like_a_new_one)
{
    static const uint64_t sizes[] = {777, 100000, 10000000};
    for (size_t i = 0; i < VD_ARRAY_SIZE(sizes); i++) {
        AUTO_FILES files = new_files();
        const struct vd_fs *fs = vd_fs_memory_fs(files);
        const struct vd_vmdk_create_params params = {.type = VD_DISK_SE_SPARSE,
                                                     .capacity_sectors = 200};
        struct vd_vmdk_create_params larger = params;
        struct vd_error err = VD_ERROR_INIT;
        uint8_t grown[512], made[512];
        larger.capacity_sectors = sizes[i];
        check_code_err(vd_vmdk_create("dir/a.vmdk", &params, fs, NULL, &err), VD_OK, &err);
        check_code_err(vd_vmdk_create("dir/b.vmdk", &larger, fs, NULL, &err), VD_OK, &err);
        check_code_err(grow(fs, sizes[i], true, &err), VD_OK, &err);
        get(fs, "dir/a-sesparse.vmdk", 0, grown, sizeof grown);
        get(fs, "dir/b-sesparse.vmdk", 0, made, sizeof made);
        check_mem_eq(grown, made, sizeof made);
        check_u64_eq(size_of(fs, "dir/a-sesparse.vmdk"), size_of(fs, "dir/b-sesparse.vmdk"));
        check_sound(fs, "dir/a.vmdk");
    }
}

VD_TEST(what_a_sesparse_header_says_besides_stays)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_error err = VD_ERROR_INIT;
    size_t length = 0;
    add_disk(files, SESPARSE);
    put(fs, "dir/a-sesparse.vmdk", SESPARSE_AT_RESERVED1, "\0\2", 2); /* as newer ESXi has it */
    put(fs, "dir/a-sesparse.vmdk", 512 + 16, "\5", 1);                /* the next transaction */
    VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
    check_code_err(defragment(fs, "dir/a.vmdk", &err), VD_OK, &err);
    check_code_err(grow(fs, 777, true, &err), VD_OK, &err);
    check(disk_has(fs, "dir/a.vmdk", content, length));
    check_u64_eq(u64_at(fs, "dir/a-sesparse.vmdk", SESPARSE_AT_RESERVED1), 0x200);
    check_u64_eq(u64_at(fs, "dir/a-sesparse.vmdk", SESPARSE_AT_CAPACITY), 777);
    check_u64_eq(u64_at(fs, "dir/a-sesparse.vmdk", 512 + 8), 1); /* table */
    check_u64_eq(u64_at(fs, "dir/a-sesparse.vmdk", 512 + 16), 5);
}

/* All three operations, by code and sentence. */
static void check_refused(const struct vd_fs *fs, int code, int shrink_code, const char *reason)
{
    const struct vd_vmdk_options options = {.fs = fs};
    struct vd_error err = VD_ERROR_INIT;
    check_code(grow(fs, 777, true, &err), code);
    check_str_has(err.text, reason);
    vd_error_clear(&err);
    check_code(vd_shrink("dir/a.vmdk", &options, NULL, &err), shrink_code);
    check_str_has(err.text, reason);
    vd_error_clear(&err);
    check_code(defragment(fs, "dir/a.vmdk", &err), code);
    check_str_has(err.text, reason);
}

VD_TEST(a_sesparse_of_esxi_is_refused_before_anything_changes)
{
    static const struct {
        enum build_sesparse_area area;
        const char *reason;
    } cases[] = {
        {AREA_JOURNAL_HEADER, "its journal header is in use"},
        {AREA_JOURNAL, "its journal is in use"},
        {AREA_BITMAP, "its free bitmap is in use"},
        {AREA_BACKMAP, "its backmap is in use"},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        AUTO_FILES files = new_files();
        const struct vd_fs *fs = vd_fs_memory_fs(files);
        uint8_t before[4096], after[4096];
        add_disk(files, SESPARSE);
        uint64_t sector = u64_at(fs, "dir/a-sesparse.vmdk", build_sesparse_area_at(cases[i].area));
        put(fs, "dir/a-sesparse.vmdk", sector * 512 + 77, "\1", 1);
        get(fs, "dir/a-sesparse.vmdk", 0, before, sizeof before);
        check_refused(fs, VD_E_NOT_SUPPORTED, VD_E_CANT_SHRINK, cases[i].reason);
        get(fs, "dir/a-sesparse.vmdk", 0, after, sizeof after);
        check_mem_eq(after, before, sizeof before);
        VD_FREE char *names = NULL;
        check_code(vd_fs_memory_list(files, &names, NULL), VD_OK);
        check_str_eq(names, "dir/a-sesparse.vmdk\ndir/a.vmdk\n");
    }
}

VD_TEST(a_sesparse_with_a_journal_to_replay_is_refused)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    add_disk(files, SESPARSE);
    put(fs, "dir/a-sesparse.vmdk", SESPARSE_AT_REPLAY, "\1", 1);
    check_refused(fs, VD_E_DAMAGED, VD_E_DAMAGED, "let ESXi open the disk once");
}

VD_TEST(a_child_is_defragmented_below_its_parent)
{
    static const enum vd_disk_type types[] = {VD_DISK_VMFS_SPARSE, VD_DISK_SE_SPARSE};
    for (size_t type = 0; type < VD_ARRAY_SIZE(types); type++) {
        AUTO_FILES files = new_files();
        const struct vd_fs *fs = vd_fs_memory_fs(files);
        const struct vd_vmdk_options options = {.fs = fs};
        const struct vd_vmdk_create_params params = {.type = types[type],
                                                     .parent_path = "dir/a.vmdk"};
        struct vd_error err = VD_ERROR_INIT;
        struct vd_disk *disk = NULL;
        uint8_t bytes[16 * VD_SECTOR_BYTES];
        size_t length = 0;
        add_disk(files, COWD);
        check_code_err(vd_vmdk_create("dir/c.vmdk", &params, fs, NULL, &err), VD_OK, &err);
        check_code_err(vd_vmdk_open("dir/c.vmdk", &options, &disk, &err), VD_OK, &err);
        for (unsigned i = 0; i < 5; i++) { /* backwards */
            unsigned at = 176 - 40 * i;
            memset(bytes, at == 136 ? 0 : (int)at, sizeof bytes);
            check_code_err(vd_disk_write(disk, at, 16, bytes, &err), VD_OK, &err);
        }
        check_code_err(vd_disk_close(disk, &err), VD_OK, &err);
        VD_FREE uint8_t *content = read_disk(fs, "dir/c.vmdk", &length);
        check_code_err(defragment(fs, "dir/c.vmdk", &err), VD_OK, &err);
        check(disk_has(fs, "dir/c.vmdk", content, length));
        check_sound(fs, "dir/c.vmdk");
        check_code(vd_shrink("dir/c.vmdk", &options, NULL, &err), VD_E_CANT_SHRINK);
        vd_error_clear(&err);
        check_code_err(defragment(fs, "dir/a.vmdk", &err), VD_OK, &err); /* the parent */
        check(disk_has(fs, "dir/c.vmdk", content, length));
    }
}
