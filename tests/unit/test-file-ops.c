/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on whole disks: what they do, what they refuse, and that a failure at any point leaves
 * the disk as it was or as it should be. */
#include "file-ops-disks.h"

#include <errno.h>

#include "base/path.h"
#include "ops/attach.h"
#include "ops/children.h"
#include "ops/clone.h"
#include "ops/commit.h"
#include "ops/defragment.h"
#include "ops/grow.h"
#include "ops/rename.h"
#include "ops/shrink.h"
#include "ops/unlink.h"
#include "vmdk/check.h"
#include "vmdk/report.h"

static struct vd_vmdk_options options_on(const struct vd_fs *fs)
{
    return (struct vd_vmdk_options){.fs = fs};
}

static char *list(struct vd_fs_memory *files)
{
    char *names = NULL;
    check_code(vd_fs_memory_list(files, &names, NULL), VD_OK);
    return names;
}

static void check_list(struct vd_fs_memory *files, const char *want)
{
    VD_FREE char *names = list(files);
    check_str_eq(names, want);
}

static struct vd_report *look(const struct vd_fs *fs, const char *path)
{
    struct vd_vmdk_options options = options_on(fs);
    struct vd_report *report = NULL;
    struct vd_error err = VD_ERROR_INIT;
    options.flags = VD_VMDK_SINGLE_LINK;
    check_code_err(vd_report_new(path, &options, false, &report, &err), VD_OK, &err);
    return report;
}
#define REPORT VD_CLEANUP(vd_report_free_cleanup) struct vd_report *

/* --- rename --- */

VD_TEST(rename_takes_all_files_along)
{
    static const char *const names[NUM_KINDS] = {
        "dir/new.vmdk\n",
        "dir/new-s001.vmdk\ndir/new-s002.vmdk\ndir/new.vmdk\n",
        "dir/new-delta.vmdk\ndir/new.vmdk\n",
        "dir/new-sesparse.vmdk\ndir/new.vmdk\n",
        "dir/new-flat.vmdk\ndir/new.vmdk\n",
        "dir/new-f001.vmdk\ndir/new-other.vmdk\ndir/new.vmdk\n",
        "dir/base-flat.vmdk\ndir/base.vmdk\ndir/new.vmdk\n"};
    for (enum disk_kind kind = 0; kind < NUM_KINDS; kind++) {
        AUTO_FILES files = new_files();
        const struct vd_fs *fs = vd_fs_memory_fs(files);
        struct vd_vmdk_options options = options_on(fs);
        struct vd_error err = VD_ERROR_INIT;
        size_t length = 0;
        add_disk(files, kind);
        VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
        check_code_err(vd_rename("dir/a.vmdk", "dir/new.vmdk", &options, &err), VD_OK, &err);
        check_list(files, names[kind]);
        check(disk_has(fs, "dir/new.vmdk", content, length));
        REPORT report = look(fs, "dir/new.vmdk");
        check_str_has(report->links[0].descriptor->extents[0].file, "new");
        check_u64_eq(report->links[0].descriptor->cid, 0xa);
    }
}

VD_TEST(rename_into_another_folder_keeps_the_parent)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_vmdk_options options = options_on(fs);
    struct vd_error err = VD_ERROR_INIT;
    add_disk(files, CHILD);
    add_text(files, "away/x", "");
    check_code_err(vd_rename("dir/a.vmdk", "away/a.vmdk", &options, &err), VD_OK, &err);
    REPORT report = look(fs, "away/a.vmdk");
    check_str_eq(report->links[0].descriptor->parent_hint, "dir/base.vmdk");
}

VD_TEST(rename_refuses_before_anything_changes)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_vmdk_options options = options_on(fs);
    struct vd_error err = VD_ERROR_INIT;
    add_disk(files, FLAT);
    add_text(files, "dir/taken.vmdk", "x");
    add_text(files, "dir/half-flat.vmdk", "x");
    VD_FREE char *before = list(files);
    check_code(vd_rename("dir/a.vmdk", "dir/taken.vmdk", &options, &err), VD_E_EXISTS);
    check_str_has(err.text, "'dir/taken.vmdk' exists");
    check_code(vd_rename("dir/a.vmdk", "dir/half.vmdk", &options, NULL), VD_E_EXISTS);
    check_code(vd_rename("dir/a.vmdk", "dir/a.vmdk", &options, NULL), VD_E_EXISTS);
    check_code(vd_rename("dir/a.vmdk", "dir/plain", &options, NULL), VD_E_NAME_INVALID);
    check_code(vd_rename("dir/a.vmdk", "nowhere/a.vmdk", &options, NULL), VD_E_NOT_FOUND);
    check_code(vd_rename("dir/none.vmdk", "dir/b.vmdk", &options, NULL), VD_E_NOT_FOUND);
    struct vd_block *lock = NULL;
    check_code(vd_fs_open(fs, "dir/a-flat.vmdk", VD_FS_WRITE, &lock, NULL), VD_OK);
    check_code(vd_rename("dir/a.vmdk", "dir/b.vmdk", &options, NULL), VD_E_LOCKED);
    check_code(vd_unlink("dir/a.vmdk", &options, true, NULL), VD_E_LOCKED);
    vd_block_free(lock);
    check_list(files, before);
}

/* --- unlink --- */

VD_TEST(unlink_removes_one_link)
{
    for (enum disk_kind kind = 0; kind < NUM_KINDS; kind++) {
        AUTO_FILES files = new_files();
        struct vd_vmdk_options options = options_on(vd_fs_memory_fs(files));
        struct vd_error err = VD_ERROR_INIT;
        add_disk(files, kind);
        add_text(files, "dir/a.txt", "stays");
        check_code_err(vd_unlink("dir/a.vmdk", &options, true, &err), VD_OK, &err);
        check_list(files, kind == CHILD ? "dir/a.txt\ndir/base-flat.vmdk\ndir/base.vmdk\n"
                                        : "dir/a.txt\n");
    }
}

VD_TEST(unlink_of_what_is_damaged_or_needed)
{
    AUTO_FILES files = new_files();
    struct vd_vmdk_options options = options_on(vd_fs_memory_fs(files));
    struct vd_error err = VD_ERROR_INIT;
    add_disk(files, CHILD);
    check_code(vd_unlink("dir/base.vmdk", &options, true, &err), VD_E_NOT_SUPPORTED);
    check_str_eq(err.text, "cannot remove 'dir/base.vmdk': it is the parent of 'dir/a.vmdk'");
    check_code(vd_fs_unlink(options.fs, "dir/base-flat.vmdk", NULL), VD_OK);
    vd_error_clear(&err);
    check_code_err(vd_unlink("dir/base.vmdk", &options, false, &err), VD_OK, &err);
    check_list(files, "dir/a.vmdk\n");
}

VD_TEST(unlink_takes_nothing_from_elsewhere)
{
    AUTO_FILES files = new_files();
    struct vd_vmdk_options options = options_on(vd_fs_memory_fs(files));
    struct vd_error err = VD_ERROR_INIT;
    add_text(files, "dir/a.vmdk",
             HEAD "CID=0000000a\nparentCID=ffffffff\ncreateType=\"custom\"\n"
                  "RW 8 FLAT \"../secret\" 0\nRW 8 FLAT \"a-1.vmdk\" 0\n"
                  "changeTrackPath=\"../x-ctk.vmdk\"\n");
    add_data(files, "secret", 8, 's');
    add_data(files, "x-ctk.vmdk", 8, 's');
    add_data(files, "dir/a-1.vmdk", 8, 's');
    add_text(files, "dir/keep", ""); /* a folder of files in memory goes with its last one */
    check_code_err(vd_unlink("dir/a.vmdk", &options, true, &err), VD_OK, &err);
    check_list(files, "dir/keep\nsecret\nx-ctk.vmdk\n");
}

/* --- shrink, defragment --- */

static uint64_t size_of(const struct vd_fs *fs, const char *path)
{
    struct vd_fs_stat status;
    check_code(vd_fs_stat(fs, path, &status, NULL), VD_OK);
    return status.size_bytes;
}

VD_TEST(shrink_gives_zeros_back)
{
    static const char *const paths[] = {"dir/a.vmdk", "dir/a-s002.vmdk", "dir/a-delta.vmdk",
                                        "dir/a-sesparse.vmdk", "dir/a-flat.vmdk"};
    for (enum disk_kind kind = 0; kind <= FLAT; kind++) {
        AUTO_FILES files = new_files();
        const struct vd_fs *fs = vd_fs_memory_fs(files);
        struct vd_vmdk_options options = options_on(fs);
        struct vd_error err = VD_ERROR_INIT;
        size_t length = 0;
        add_disk(files, kind);
        VD_FREE char *before = list(files);
        VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
        uint64_t size = size_of(fs, paths[kind]);
        for (int again = 0; again < 2; again++) {
            check_code_err(vd_shrink("dir/a.vmdk", &options, NULL, &err), VD_OK, &err);
            check(disk_has(fs, "dir/a.vmdk", content, length));
            check_u64_eq(size_of(fs, paths[kind]), kind == FLAT ? size : size - 16 * 512);
        }
        check_list(files, before);
    }
}

VD_TEST(a_child_is_not_shrunk_but_defragmented)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_vmdk_options options = options_on(fs);
    struct vd_error err = VD_ERROR_INIT;
    size_t length = 0;
    add_disk(files, CHILD);
    VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
    check_code(vd_shrink("dir/a.vmdk", &options, NULL, &err), VD_E_CANT_SHRINK);
    check_str_has(err.text, "it is a child of 'base.vmdk'");
    uint64_t size = size_of(fs, "dir/a.vmdk");
    vd_error_clear(&err);
    check_code_err(vd_defragment("dir/a.vmdk", &options, NULL, &err), VD_OK, &err);
    check(disk_has(fs, "dir/a.vmdk", content, length));
    check_u64_eq(size_of(fs, "dir/a.vmdk"), size);
}

static void tell_finding(void *data, const struct vd_finding *finding)
{
    (void)data;
    printf("# %s: %s\n", finding->id, finding->text);
}

static void check_sound(const struct vd_fs *fs)
{
    const struct vd_check_options checking = {.open = {.fs = fs}, .finding = tell_finding};
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_vmdk_check("dir/a.vmdk", &checking, &result, &err), VD_OK, &err);
    check(result.clean);
    check_u64_eq(result.faults + result.leaks, 0);
}

static uint64_t first_data(const struct vd_fs *fs)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_vmdk_options options = {.fs = fs, .flags = VD_VMDK_READ_ONLY};
    struct vd_run runs[4];
    size_t count;
    check_code(vd_vmdk_open("dir/a.vmdk", &options, &disk, NULL), VD_OK);
    check_code(vd_disk_map(disk, 2 * GRAIN_SECTORS, GRAIN_SECTORS, runs, 4, &count, NULL), VD_OK);
    check_int_eq(runs[0].kind, VD_RUN_DATA);
    return runs[0].offset_bytes;
}

static uint64_t inode_of(const struct vd_fs *fs, const char *path)
{
    struct vd_fs_stat status;
    check_code(vd_fs_stat(fs, path, &status, NULL), VD_OK);
    return status.identity.inode;
}

VD_TEST(defragment_puts_grains_in_order)
{
    static const char *const paths[] = {"dir/a.vmdk", "dir/a-s001.vmdk", "dir/a-delta.vmdk",
                                        "dir/a-sesparse.vmdk"};
    for (enum disk_kind kind = 0; kind < FLAT; kind++) {
        AUTO_FILES files = new_files();
        const struct vd_fs *fs = vd_fs_memory_fs(files);
        struct vd_vmdk_options options = options_on(fs);
        struct vd_error err = VD_ERROR_INIT;
        size_t length = 0;
        add_disk(files, kind);
        VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
        uint64_t before = first_data(fs);
        check_code_err(vd_defragment("dir/a.vmdk", &options, NULL, &err), VD_OK, &err);
        check_u64_eq(first_data(fs), before - GRAIN_SECTORS * 512);
        check(disk_has(fs, "dir/a.vmdk", content, length));
        uint64_t inode = inode_of(fs, paths[kind]);
        check_code_err(vd_defragment("dir/a.vmdk", &options, NULL, &err), VD_OK, &err);
        check_u64_eq(inode_of(fs, paths[kind]), inode); /* it was in order */
        check_sound(fs);
    }
}

/* --- grow --- */

VD_TEST(grow_every_kind)
{
    static const uint64_t sizes[] = {401, 777};
    for (enum disk_kind kind = 0; kind < CHILD; kind++) {
        for (size_t i = 0; i < VD_ARRAY_SIZE(sizes); i++) {
            AUTO_FILES files = new_files();
            const struct vd_fs *fs = vd_fs_memory_fs(files);
            struct vd_vmdk_options options = options_on(fs);
            struct vd_grow_params params = {sizes[i], true};
            struct vd_error err = VD_ERROR_INIT;
            size_t length = 0;
            add_disk(files, kind);
            VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
            check_code_err(vd_grow("dir/a.vmdk", &options, &params, NULL, &err), VD_OK, &err);
            check(disk_has(fs, "dir/a.vmdk", content, length));
            REPORT report = look(fs, "dir/a.vmdk");
            const struct vd_descriptor *descriptor = report->links[0].descriptor;
            check(report->complete);
            check_u64_eq(report->capacity_sectors, sizes[i]);
            check(descriptor->cid != 0xa);
            check_str_eq(vd_descriptor_ddb(descriptor, "geometry.heads"), "64");
            const char *id = vd_descriptor_ddb(descriptor, "longContentID");
            check_u64_eq(strlen(id), 32);
            check_u64_eq(strtoul(id + 24, NULL, 16), descriptor->cid);
            if (kind == SPLIT_SPARSE || kind == SPLIT_FLAT)
                check_u64_eq(descriptor->num_extents, (sizes[i] + 199) / 200);
            check_sound(fs);
        }
    }
}

VD_TEST(grow_refuses_before_anything_changes)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_vmdk_options options = options_on(fs);
    struct vd_grow_params params = {400, true};
    struct vd_error err = VD_ERROR_INIT;
    add_disk(files, CHILD);
    VD_FREE char *before = list(files);
    check_code(vd_grow("dir/a.vmdk", &options, &params, NULL, &err), VD_E_NOT_SUPPORTED);
    check_str_has(err.text, "it is a child");
    vd_error_clear(&err);
    check_code(vd_grow("dir/base.vmdk", &options, &params, NULL, &err), VD_E_NOT_SUPPORTED);
    check_str_has(err.text, "it is the parent of 'dir/a.vmdk'");
    params.capacity_sectors = 200;
    check_code(vd_grow("dir/base.vmdk", &options, &params, NULL, NULL), VD_E_INVALID_ARG);
    params.capacity_sectors = 199;
    check_code(vd_grow("dir/base.vmdk", &options, &params, NULL, NULL), VD_E_INVALID_ARG);
    params.capacity_sectors = UINT64_MAX;
    check_code(vd_grow("dir/base.vmdk", &options, &params, NULL, NULL), VD_E_TOO_BIG);
    check_u64_eq(size_of(fs, "dir/base-flat.vmdk"), 200 * 512);
    check_list(files, before);
}

/* A file in the way of a new extent goes only where it is a growth's own that a crash ended. */
static int grow_past(struct vd_fs_memory *files, bool twin, struct vd_error *err)
{
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    const struct vd_vmdk_options options = options_on(fs);
    const struct vd_grow_params params = {777, true};
    check_code(vd_fs_memory_add(files, "dir/a-f003.vmdk", "theirs", 6, NULL), VD_OK);
    if (twin)
        check_code(vd_fs_link(fs, "dir/a-f003.vmdk", "dir/.vdisk-1-2-grow.tmp", NULL), VD_OK);
    return vd_grow("dir/a.vmdk", &options, &params, NULL, err);
}

VD_TEST(grow_removes_what_a_growth_left)
{
    AUTO_FILES files = new_files();
    struct vd_error err = VD_ERROR_INIT;
    add_disk(files, SPLIT_FLAT);
    check_code_err(grow_past(files, true, &err), VD_OK, &err);
    VD_FREE char *names = list(files);
    check(!strstr(names, ".vdisk-"));
    check_u64_eq(size_of(vd_fs_memory_fs(files), "dir/a-f003.vmdk"), 200 * 512);
    check_sound(vd_fs_memory_fs(files));
}

VD_TEST(grow_removes_nobody_elses_file)
{
    static const char another[] = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"
                                  "createType=\"monolithicFlat\"\n"
                                  "RW 1 FLAT \"a-f003.vmdk\" 0\n";
    for (int named = 0; named < 2; named++) {
        AUTO_FILES files = new_files();
        struct vd_error err = VD_ERROR_INIT;
        add_disk(files, SPLIT_FLAT);
        if (named)
            check_code(vd_fs_memory_add(files, "dir/b.vmdk", another, sizeof another - 1, NULL),
                       VD_OK);
        check_code(grow_past(files, named, &err), VD_E_EXISTS);
        check_str_has(err.text, "'dir/a-f003.vmdk'");
        check_u64_eq(size_of(vd_fs_memory_fs(files), "dir/a-f003.vmdk"), 6);
        check_sound(vd_fs_memory_fs(files));
    }
}

/* After a power cut between the descriptor and the end of the growth. */
VD_TEST(a_twin_that_came_back_goes_with_the_next_growth)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    const struct vd_vmdk_options options = options_on(fs);
    const struct vd_grow_params params = {777, true};
    struct vd_error err = VD_ERROR_INIT;
    size_t length = 0;
    add_disk(files, SPLIT_FLAT);
    VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
    check_code(vd_fs_link(fs, "dir/other.vmdk", "dir/.vdisk-7-0-grow.tmp", NULL), VD_OK);
    check_code_err(vd_grow("dir/a.vmdk", &options, &params, NULL, &err), VD_OK, &err);
    VD_FREE char *names = list(files);
    check(!strstr(names, ".vdisk-"));
    check(disk_has(fs, "dir/a.vmdk", content, length));
    check_sound(fs);
}

#define DESCRIPTOR_OF(extent) \
    HEAD "CID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"" extent "\" 0\n"

/* A file with two names is still somebody's. */
VD_TEST(grow_removes_no_file_that_may_be_in_use)
{
    static const struct {
        const char *there; /* under the name of the next extent */
        const char *twin;
        const char *other; /* another file */
        const char *says;  /* that one */
        int code;
    } cases[] = {
        {"theirs", ".vdisk-1-2.tmp", NULL, NULL, VD_E_EXISTS}, /* of a rename */
        {"theirs", ".vdisk-new-1-2.tmp", NULL, NULL, VD_E_EXISTS},
        {DESCRIPTOR_OF("x"), ".vdisk-1-2-grow.tmp", NULL, NULL, VD_E_EXISTS},
        {"theirs", ".vdisk-1-2-grow.tmp", "dir/b.vmdk", DESCRIPTOR_OF("C:\\vm\\A-F003.vmdk"),
         VD_E_EXISTS},
        {"theirs", ".vdisk-1-2-grow.tmp", "dir/b", DESCRIPTOR_OF("a-f003.vmdk"), VD_E_EXISTS},
        {"theirs", ".vdisk-1-2-grow.tmp", "dir/b.vmdk", HEAD "RW nothing", VD_E_DESC_EXTENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_FILES files = new_files();
        const struct vd_fs *fs = vd_fs_memory_fs(files);
        const struct vd_vmdk_options options = options_on(fs);
        const struct vd_grow_params params = {777, true};
        struct vd_error err = VD_ERROR_INIT;
        VD_FREE char *twin = vd_path_join("dir", cases[i].twin);
        add_disk(files, SPLIT_FLAT);
        add_text(files, "dir/a-f003.vmdk", cases[i].there);
        check_code(vd_fs_link(fs, "dir/a-f003.vmdk", twin, NULL), VD_OK);
        if (cases[i].other)
            add_text(files, cases[i].other, cases[i].says);
        check_code_err(vd_grow("dir/a.vmdk", &options, &params, NULL, &err), cases[i].code, &err);
        check_str_has(err.text, cases[i].code == VD_E_EXISTS ? "'dir/a-f003.vmdk'"
                                                             : "'a-f003.vmdk' is an extent of");
        check_u64_eq(size_of(fs, "dir/a-f003.vmdk"), strlen(cases[i].there));
        check_sound(fs);
    }
}

VD_TEST(a_disk_has_grown_though_a_second_name_stays)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    struct vd_vmdk_options options;
    struct vd_error err = VD_ERROR_INIT;
    add_disk(files, SPLIT_FLAT);
    check_code(vd_fs_fault_new(fs, &fault, NULL), VD_OK);
    options = options_on(vd_fs_fault_fs(fault));
    vd_fs_fault_arm(fault, VD_FAULT_UNLINK, 1, EIO, true);
    const struct vd_grow_params once = {777, true}, again = {1200, true};
    check_code_err(vd_grow("dir/a.vmdk", &options, &once, NULL, &err), VD_OK, &err);
    check_u64_eq(vd_fs_fault_calls(fault), 2); /* each is tried */
    VD_FREE char *names = list(files);
    check(strstr(names, ".vdisk-") != NULL);
    vd_fs_fault_arm(fault, 0, 0, 0, false);
    check_code_err(vd_grow("dir/a.vmdk", &options, &again, NULL, &err), VD_OK, &err);
    VD_FREE char *later = list(files);
    check(strstr(later, ".vdisk-") == NULL);
    check_sound(fs);
}

/* --- attach --- */

VD_TEST(attach_finds_a_parent_that_moved)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_vmdk_options options = options_on(fs);
    struct vd_error err = VD_ERROR_INIT;
    size_t length = 0;
    add_disk(files, CHILD);
    VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
    check_code_err(vd_rename("dir/base.vmdk", "dir/other.vmdk", &options, &err), VD_OK, &err);
    struct vd_disk *disk = NULL;
    check_code(vd_vmdk_open("dir/a.vmdk", &options, &disk, NULL), VD_E_PARENT_MISSING);
    check_code_err(vd_attach("dir/other.vmdk", "dir/a.vmdk", &options, &err), VD_OK, &err);
    check(disk_has(fs, "dir/a.vmdk", content, length));
    struct vd_path_list children = {0};
    check_code(vd_children_find(fs, "dir/other.vmdk", &children, NULL), VD_OK);
    check_u64_eq(children.count, 1);
    vd_path_list_done(&children);
}

VD_TEST(attach_refuses)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    struct vd_vmdk_options options = options_on(fs);
    struct vd_error err = VD_ERROR_INIT;
    add_disk(files, CHILD);
    check_code(vd_attach_check("dir/a.vmdk", "dir/base.vmdk", &options, NULL), VD_E_CHAIN_LOOP);
    check_code(vd_attach_check("dir/a.vmdk", "dir/a.vmdk", &options, NULL), VD_E_CHAIN_LOOP);
    add_text(files, "dir/small.vmdk",
             HEAD "CID=0000000b\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n"
                  "RW 100 FLAT \"base-flat.vmdk\" 0\n");
    add_text(files, "dir/changed.vmdk",
             HEAD "CID=0000000c\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n"
                  "RW 200 FLAT \"base-flat.vmdk\" 0\n");
    check_code(vd_attach_check("dir/base.vmdk", "dir/changed.vmdk", &options, NULL),
               VD_E_ATTACH_ROOT);
    check_code(vd_attach_check("dir/small.vmdk", "dir/a.vmdk", &options, &err),
               VD_E_CAPACITY_DIFFERS);
    check_str_eq(err.text, "cannot attach 'dir/a.vmdk' to 'dir/small.vmdk': it has 200 sectors, "
                           "the parent 100");
    check_code(vd_attach("dir/changed.vmdk", "dir/a.vmdk", &options, NULL), VD_E_CID_MISMATCH);
    options.flags = VD_VMDK_IGNORE_CID;
    vd_error_clear(&err);
    check_code_err(vd_attach("dir/changed.vmdk", "dir/a.vmdk", &options, &err), VD_OK, &err);
    REPORT report = look(fs, "dir/a.vmdk");
    check_u64_eq(report->links[0].descriptor->parent_cid, 0xc);
}

/* --- a failure at every point --- */

typedef int (*operation_fn)(const struct vd_vmdk_options *options, struct vd_error *err);

static int do_rename(const struct vd_vmdk_options *options, struct vd_error *err)
{
    return vd_rename("dir/a.vmdk", "dir/new.vmdk", options, err);
}

static int do_unlink(const struct vd_vmdk_options *options, struct vd_error *err)
{
    return vd_unlink("dir/a.vmdk", options, true, err);
}

static int do_shrink(const struct vd_vmdk_options *options, struct vd_error *err)
{
    return vd_shrink("dir/a.vmdk", options, NULL, err);
}

static int do_defragment(const struct vd_vmdk_options *options, struct vd_error *err)
{
    return vd_defragment("dir/a.vmdk", options, NULL, err);
}

static int do_grow(const struct vd_vmdk_options *options, struct vd_error *err)
{
    struct vd_grow_params params = {777, true};
    return vd_grow("dir/a.vmdk", options, &params, NULL, err);
}

static int do_attach(const struct vd_vmdk_options *options, struct vd_error *err)
{
    return vd_attach("dir/base.vmdk", "dir/a.vmdk", options, err);
}

/* One run with call `nth` failing; true when it passed clean. Files in memory keep what was written
 * to them, so this shows the order of steps, not that of the disk. */
static bool survives(operation_fn operation, enum disk_kind kind, unsigned kinds, uint64_t nth,
                     bool persistent)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    struct vd_error err = VD_ERROR_INIT;
    size_t length = 0;
    add_disk(files, kind);
    add_text(files, "dir/keep", "");
    VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
    VD_FREE char *before = list(files);
    check_code(vd_fs_fault_new(fs, &fault, NULL), VD_OK);
    struct vd_vmdk_options options = options_on(vd_fs_fault_fs(fault));
    vd_fs_fault_arm(fault, kinds, nth, persistent ? ENOSPC : EIO, persistent);
    int r = operation(&options, &err);
    bool fired = vd_fs_fault_fired(fault);
    vd_fs_fault_arm(fault, 0, 0, 0, false);
    bool old = disk_has(fs, "dir/a.vmdk", content, length);
    bool renamed = disk_has(fs, "dir/new.vmdk", content, length);
    if (operation == do_rename)
        check(r == VD_OK ? renamed && !old : old || renamed);
    else if (operation == do_unlink)
        check(r < 0 || !old);
    else
        check(old);
    if (r < 0)
        check(fired && err.text[0] != '\0');
    /* What fails is undone, unless undoing fails as well. */
    VD_FREE char *after = list(files);
    if (r < 0 && !persistent && operation != do_unlink && operation != do_rename &&
        operation != do_grow)
        check_str_eq(after, before);
    return !fired;
}

static void fail_everywhere(operation_fn operation, enum disk_kind kind)
{
    for (unsigned bit = 1; bit <= VD_FAULT_ANY; bit <<= 1) {
        for (int persistent = 0; persistent < 2; persistent++) {
            uint64_t nth = 1;
            while (!survives(operation, kind, bit, nth, persistent))
                nth++;
        }
    }
}

VD_TEST(rename_survives_every_failure)
{
    for (enum disk_kind kind = 0; kind < NUM_KINDS; kind++)
        fail_everywhere(do_rename, kind);
}

VD_TEST(unlink_survives_every_failure)
{
    for (enum disk_kind kind = 0; kind < NUM_KINDS; kind++)
        fail_everywhere(do_unlink, kind);
}

VD_TEST(shrink_survives_every_failure)
{
    for (enum disk_kind kind = 0; kind <= FLAT; kind++)
        fail_everywhere(do_shrink, kind);
}

VD_TEST(defragment_survives_every_failure)
{
    for (enum disk_kind kind = 0; kind < NUM_KINDS; kind++)
        fail_everywhere(do_defragment, kind);
}

VD_TEST(grow_survives_every_failure)
{
    for (enum disk_kind kind = 0; kind < CHILD; kind++)
        fail_everywhere(do_grow, kind);
}

VD_TEST(attach_survives_every_failure)
{
    fail_everywhere(do_attach, CHILD);
}

/* --- clone and commit, which write through open disks --- */

static int clone_on(const struct vd_fs *plain, const struct vd_fs *fs, enum vd_disk_type type,
                    struct vd_error *err)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *source = NULL;
    struct vd_vmdk_options options = {.fs = plain, .flags = VD_VMDK_READ_ONLY};
    struct vd_clone_params params = {.type = type};

    check_code(vd_vmdk_open("dir/a.vmdk", &options, &source, NULL), VD_OK);
    return vd_clone(source, "dir/new.vmdk", &params, fs, NULL, err);
}

static bool clone_survives(enum vd_disk_type type, unsigned kinds, uint64_t nth)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    struct vd_error err = VD_ERROR_INIT;
    size_t length = 0;
    add_disk(files, SPARSE);
    VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
    VD_FREE char *before = list(files);
    check_code(vd_fs_fault_new(fs, &fault, NULL), VD_OK);
    vd_fs_fault_arm(fault, kinds, nth, ENOSPC, false);
    int r = clone_on(fs, vd_fs_fault_fs(fault), type, &err);
    bool fired = vd_fs_fault_fired(fault);
    vd_fs_fault_arm(fault, 0, 0, 0, false);
    check(disk_has(fs, "dir/a.vmdk", content, length));
    bool made = disk_has(fs, "dir/new.vmdk", content, length);
    VD_FREE char *after = list(files);
    if (r == VD_OK)
        check(made && strstr(after, "/.vdisk-") == NULL);
    else
        check(fired && err.text[0] != '\0');
    /* Once it has its name it stays, and a failure to tidy up behind it is told. */
    if (r < 0 && !made && kinds != VD_FAULT_UNLINK)
        check_str_eq(after, before);
    return !fired;
}

VD_TEST(clone_survives_every_failure)
{
    static const enum vd_disk_type types[] = {VD_DISK_MONOLITHIC_SPARSE, VD_DISK_MONOLITHIC_FLAT,
                                              VD_DISK_SPLIT_SPARSE, VD_DISK_VMFS_SPARSE};
    for (size_t i = 0; i < VD_ARRAY_SIZE(types); i++) {
        for (unsigned bit = 1; bit <= VD_FAULT_ANY; bit <<= 1) {
            uint64_t nth = 1;
            while (!clone_survives(types[i], bit, nth))
                nth++;
        }
    }
}

/* After a failure the child still reads as it did, or it is gone and the parent does; then the rest
 * can be done. Between the parent's new content ID and its note in the child, readers are told so.
 */
static bool commit_survives(unsigned kinds, uint64_t nth)
{
    AUTO_FILES files = new_files();
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    struct vd_error err = VD_ERROR_INIT;
    size_t length = 0;
    add_disk(files, CHILD);
    add_text(files, "dir/keep", "");
    VD_FREE uint8_t *content = read_disk(fs, "dir/a.vmdk", &length);
    check_code(vd_fs_fault_new(fs, &fault, NULL), VD_OK);
    struct vd_vmdk_options options = options_on(vd_fs_fault_fs(fault));
    vd_fs_fault_arm(fault, kinds, nth, EIO, false);
    int r = vd_commit("dir/a.vmdk", &options, false, NULL, &err);
    bool fired = vd_fs_fault_fired(fault);
    struct vd_fs_stat status;
    vd_fs_fault_arm(fault, 0, 0, 0, false);
    check(r == VD_OK || (fired && err.text[0] != '\0'));
    check_code(vd_fs_stat(fs, "dir/a.vmdk", &status, NULL), VD_OK);
    if (status.kind != VD_FS_NOTHING) {
        struct vd_vmdk_options again = {.fs = fs, .flags = VD_VMDK_IGNORE_CID};
        check(r < 0);
        vd_error_clear(&err);
        check_code_err(vd_commit("dir/a.vmdk", &again, false, NULL, &err), VD_OK, &err);
    }
    check(disk_has(fs, "dir/base.vmdk", content, length));
    return !fired;
}

VD_TEST(commit_survives_every_failure)
{
    for (unsigned bit = 1; bit <= VD_FAULT_ANY; bit <<= 1) {
        uint64_t nth = 1;
        while (!commit_survives(bit, nth))
            nth++;
    }
}
