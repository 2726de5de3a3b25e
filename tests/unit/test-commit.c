/* SPDX-License-Identifier: Apache-2.0 */
/* Commit where the child has children of its own, which are to join the parent. */
#include "file-ops-disks.h"

#include <errno.h>

#include "ops/commit.h"
#include "vmdk/create.h"
#include "vmdk/report.h"

static const char *const grandchildren[] = {"dir/g1.vmdk", "dir/g2.vmdk"};

static struct vd_vmdk_options options_on(const struct vd_fs *fs)
{
    return (struct vd_vmdk_options){.fs = fs};
}

/* Sector `sector` of the disk becomes all `fill`. */
static void write_sector(const struct vd_fs *fs, const char *path, uint64_t sector, char fill)
{
    const struct vd_vmdk_options options = options_on(fs);
    uint8_t bytes[VD_SECTOR_BYTES];
    struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    memset(bytes, fill, sizeof bytes);
    check_code_err(vd_vmdk_open(path, &options, &disk, &err), VD_OK, &err);
    check_code_err(vd_disk_write(disk, sector, 1, bytes, &err), VD_OK, &err);
    check_code_err(vd_disk_close(disk, &err), VD_OK, &err);
}

/* dir/base.vmdk, its child dir/a.vmdk, and two children of that. */
static void add_family(struct vd_fs_memory *files)
{
    static const enum vd_disk_type types[] = {VD_DISK_VMFS_SPARSE, VD_DISK_MONOLITHIC_SPARSE};
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_error err = VD_ERROR_INIT;
    add_disk(files, CHILD);
    for (size_t i = 0; i < VD_ARRAY_SIZE(grandchildren); i++) {
        const struct vd_vmdk_create_params params = {.type = types[i], .parent_path = "dir/a.vmdk"};
        check_code_err(vd_vmdk_create(grandchildren[i], &params, fs, NULL, &err), VD_OK, &err);
        write_sector(fs, grandchildren[i], 33 + i, 'g');
    }
}

/* What each disk of the family reads as. */
struct contents {
    uint8_t *of[4];
    size_t length;
};

static void contents_done(struct contents *contents)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(contents->of); i++)
        free(contents->of[i]);
}
#define CONTENTS VD_CLEANUP(contents_done) struct contents

enum { OF_BASE, OF_A, OF_G1 };

static struct contents read_all(const struct vd_fs *fs)
{
    struct contents contents = {0};
    contents.of[OF_BASE] = read_disk(fs, "dir/base.vmdk", &contents.length);
    contents.of[OF_A] = read_disk(fs, "dir/a.vmdk", &contents.length);
    for (size_t i = 0; i < VD_ARRAY_SIZE(grandchildren); i++)
        contents.of[OF_G1 + i] = read_disk(fs, grandchildren[i], &contents.length);
    return contents;
}

static bool reads_as(const struct vd_fs *fs, const char *path, const struct contents *contents,
                     unsigned which)
{
    return disk_has(fs, path, contents->of[which], contents->length);
}

static void check_unchanged(const struct vd_fs *fs, const struct contents *before)
{
    check(reads_as(fs, "dir/base.vmdk", before, OF_BASE));
    check(reads_as(fs, "dir/a.vmdk", before, OF_A));
    for (unsigned i = 0; i < VD_ARRAY_SIZE(grandchildren); i++)
        check(reads_as(fs, grandchildren[i], before, OF_G1 + i));
}

static void check_committed(const struct vd_fs *fs, const struct contents *before)
{
    struct vd_fs_stat status;
    check_code(vd_fs_stat(fs, "dir/a.vmdk", &status, NULL), VD_OK);
    check_int_eq(status.kind, VD_FS_NOTHING);
    check(reads_as(fs, "dir/base.vmdk", before, OF_A));
    for (unsigned i = 0; i < VD_ARRAY_SIZE(grandchildren); i++)
        check(reads_as(fs, grandchildren[i], before, OF_G1 + i));
}

VD_TEST(grandchildren_join_the_parent)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    const struct vd_vmdk_options options = options_on(fs);
    struct vd_error err = VD_ERROR_INIT;
    add_family(files);
    CONTENTS before = read_all(fs);
    check_code_err(vd_commit("dir/a.vmdk", &options, false, NULL, &err), VD_OK, &err);
    check_committed(fs, &before);
}

VD_TEST(a_locked_grandchild_is_told_before_anything_changes)
{
    static const char *const locked[] = {"dir/g1.vmdk", "dir/g1-delta.vmdk", "dir/g2.vmdk"};
    for (size_t i = 0; i < VD_ARRAY_SIZE(locked); i++) {
        AUTO_FILES files = new_files();
        const struct vd_fs *fs = vd_fs_memory_fs(files);
        const struct vd_vmdk_options options = options_on(fs);
        struct vd_error err = VD_ERROR_INIT;
        struct vd_block *lock = NULL;
        add_family(files);
        CONTENTS before = read_all(fs);
        check_code(vd_fs_open(fs, locked[i], VD_FS_WRITE, &lock, NULL), VD_OK);
        check_code(vd_commit("dir/a.vmdk", &options, false, NULL, &err), VD_E_LOCKED);
        check_str_has(err.text, "cannot commit 'dir/a.vmdk': ");
        check_str_has(err.text, locked[i]);
        check_unchanged(fs, &before);
        /* Kept, the child keeps its children too, and nothing of them changes. */
        vd_error_clear(&err);
        check_code_err(vd_commit("dir/a.vmdk", &options, true, NULL, &err), VD_OK, &err);
        check(reads_as(fs, "dir/base.vmdk", &before, OF_A));
        vd_block_free(lock);
        check_code_err(vd_commit("dir/a.vmdk", &options, false, NULL, &err), VD_OK, &err);
        check_committed(fs, &before);
    }
}

VD_TEST(a_grandchild_that_does_not_fit_is_told_before_anything_changes)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    const struct vd_vmdk_options options = options_on(fs);
    struct vd_error err = VD_ERROR_INIT;
    add_family(files);
    CONTENTS before = read_all(fs);
    add_text(files, "dir/odd.vmdk",
             HEAD "CID=0000000c\nparentCID=0000000a\ncreateType=\"monolithicFlat\"\n"
                  "parentFileNameHint=\"a.vmdk\"\nRW 100 FLAT \"odd-flat.vmdk\" 0\n");
    add_data(files, "dir/odd-flat.vmdk", 100, 'o');
    check_code(vd_commit("dir/a.vmdk", &options, false, NULL, &err), VD_E_CAPACITY_DIFFERS);
    check_str_has(err.text, "dir/odd.vmdk");
    check_unchanged(fs, &before);
}

VD_TEST(a_sibling_is_in_the_way_only_where_it_would_change)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    const struct vd_vmdk_options options = options_on(fs);
    struct vd_error err = VD_ERROR_INIT;
    add_family(files);
    CONTENTS before = read_all(fs);
    check_code(vd_commit("dir/g1.vmdk", &options, false, NULL, &err), VD_E_NOT_SUPPORTED);
    check_str_has(err.text, "is also that of 'dir/g2.vmdk', which would change with it");
    check_unchanged(fs, &before);
    const struct vd_vmdk_create_params params = {.type = VD_DISK_SE_SPARSE,
                                                 .parent_path = "dir/a.vmdk"};
    vd_error_clear(&err);
    check_code_err(vd_vmdk_create("dir/g3.vmdk", &params, fs, NULL, &err), VD_OK, &err);
    check_code_err(vd_commit("dir/g3.vmdk", &options, false, NULL, &err), VD_OK, &err);
    check_unchanged(fs, &before);
}

/* After a failure the grandchildren read as they did, below the child or below the parent, and the
 * rest can be done. Only between the parent's new content ID and its note in the child they do not
 * open. */
static bool survives(unsigned kinds, uint64_t nth, bool persistent)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    struct vd_error err = VD_ERROR_INIT;
    add_family(files);
    CONTENTS before = read_all(fs);
    check_code(vd_fs_fault_new(fs, &fault, NULL), VD_OK);
    const struct vd_vmdk_options options = options_on(vd_fs_fault_fs(fault));
    vd_fs_fault_arm(fault, kinds, nth, persistent ? ENOSPC : EIO, persistent);
    int r = vd_commit("dir/a.vmdk", &options, false, NULL, &err);
    bool fired = vd_fs_fault_fired(fault);
    vd_fs_fault_arm(fault, 0, 0, 0, false);
    check(r == VD_OK || (fired && err.text[0] != '\0'));
    struct vd_fs_stat status;
    check_code(vd_fs_stat(fs, "dir/a.vmdk", &status, NULL), VD_OK);
    if (status.kind != VD_FS_NOTHING) {
        const struct vd_vmdk_options again = {.fs = fs, .flags = VD_VMDK_IGNORE_CID};
        check(r < 0);
        vd_error_clear(&err);
        check_code_err(vd_commit("dir/a.vmdk", &again, false, NULL, &err), VD_OK, &err);
    }
    check_committed(fs, &before);
    return !fired;
}

VD_TEST(commit_above_grandchildren_survives_every_failure)
{
    for (unsigned bit = 1; bit <= VD_FAULT_ANY; bit <<= 1) {
        for (int persistent = 0; persistent < 2; persistent++) {
            uint64_t nth = 1;
            while (!survives(bit, nth, persistent))
                nth++;
            printf("# kind %#x: %llu failures\n", bit, (unsigned long long)nth - 1);
        }
    }
}
