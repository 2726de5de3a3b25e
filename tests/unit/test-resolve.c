/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/resolve.h"

#include <sys/stat.h>

#include "memory-disks.h"

struct setting {
    struct vd_vmdk_options options;
    struct vd_resolve resolve;
    struct vd_folders folders;
    struct vd_file_pool *pool;
};

static void setting_done(struct setting *setting)
{
    vd_folders_done(&setting->folders);
    vd_resolve_done(&setting->resolve);
    vd_file_pool_unref(setting->pool);
}
#define AUTO_SETTING VD_CLEANUP(setting_done) struct setting

static struct setting open_setting(const struct vd_fs *fs, const char *disk, unsigned flags)
{
    struct vd_error err = VD_ERROR_INIT;
    struct setting setting = {.options = {.fs = fs, .flags = flags}};
    check_code_err(vd_resolve_init(&setting.resolve, disk, &setting.options, &err), VD_OK, &err);
    check_code_err(vd_folders_init(&setting.folders, fs, disk, &err), VD_OK, &err);
    check_code_err(vd_file_pool_new(fs, &setting.pool, &err), VD_OK, &err);
    return setting;
}

static int find(struct setting *setting, const char *file, const char *raw, char **ret_path,
                struct vd_error *err)
{
    struct vd_extent_line line = {
        .type = VD_EXTENT_FLAT, .sectors = 1, .file = strdup(file), .file_raw = NULL};
    line.file_raw = raw != NULL ? strdup(raw) : NULL;
    struct vd_block *block = NULL;
    int r = vd_resolve_extent(&setting->resolve, setting->pool, &setting->folders, &line, "d.vmdk",
                              &block, err);
    *ret_path = r >= 0 ? strdup(vd_block_path(block)) : NULL;
    vd_block_free(block);
    free(line.file);
    free(line.file_raw);
    return r;
}

static void check_found(struct setting *setting, const char *file, const char *want)
{
    struct vd_error err = VD_ERROR_INIT;
    VD_FREE char *path = NULL;
    check_code_err(find(setting, file, NULL, &path, &err), VD_OK, &err);
    check_str_eq(path, want);
}

static void check_not_found(struct setting *setting, const char *file, int code, const char *part)
{
    struct vd_error err = VD_ERROR_INIT;
    VD_FREE char *path = NULL;
    check_code_err(find(setting, file, NULL, &path, &err), code, &err);
    check_str_has(err.text, part);
    check_str_has(err.text, "d.vmdk");
}

VD_TEST(names_of_extents)
{
    AUTO_FILES files = new_files();
    add_text(files, "/vm/d.vmdk", "x");
    add_text(files, "/vm/d-flat.vmdk", "x");
    add_text(files, "/vm/sub/part.vmdk", "x");
    add_text(files, "/vm/back\\slash.vmdk", "x");
    AUTO_SETTING setting = open_setting(vd_fs_memory_fs(files), "/vm/d.vmdk", 0);
    check_found(&setting, "d-flat.vmdk", "/vm/d-flat.vmdk");
    check_found(&setting, "/vm/d-flat.vmdk", "/vm/d-flat.vmdk");
    check_found(&setting, "sub/part.vmdk", "/vm/sub/part.vmdk");
    check_found(&setting, "sub\\part.vmdk", "/vm/sub/part.vmdk");
    check_found(&setting, "back\\slash.vmdk", "/vm/back\\slash.vmdk");
    check_found(&setting, "/vmfs/volumes/5c0/old/d-flat.vmdk", "/vm/d-flat.vmdk");
    check_found(&setting, "[datastore1] old/d-flat.vmdk", "/vm/d-flat.vmdk");
    check_found(&setting, "C:\\VMs\\old\\d-flat.vmdk", "/vm/d-flat.vmdk");
    check_found(&setting, "D-FLAT.vmdk", "/vm/d-flat.vmdk");
    check_found(&setting, "/vmfs/volumes/x/D-Flat.VMDK", "/vm/d-flat.vmdk");
}

VD_TEST(names_that_lead_nowhere)
{
    AUTO_FILES files = new_files();
    add_text(files, "/vm/d.vmdk", "x");
    add_text(files, "/vm/x-flat.vmdk", "x");
    AUTO_SETTING setting = open_setting(vd_fs_memory_fs(files), "/vm/d.vmdk", 0);
    check_not_found(&setting, "d-flat.vmdk", VD_E_NOT_FOUND, "'/vm/d-flat.vmdk'");
    check_not_found(&setting, "sub/x-flat.vmdk", VD_E_NOT_FOUND, "'/vm/sub/x-flat.vmdk'");
    check_not_found(&setting, "", VD_E_DESC_EXTENT, "without a file name");
    check_not_found(&setting, "\\\\.\\PhysicalDrive0", VD_E_NOT_SUPPORTED, "Windows");
    check_not_found(&setting, "vsan://5c0", VD_E_DESC_EXTENT_TYPE, "vSAN");
}

VD_TEST(the_raw_name_where_the_converted_one_is_not_there)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", "x");
    add_text(files, "b\xf6se.vmdk", "x");
    AUTO_SETTING setting = open_setting(vd_fs_memory_fs(files), "d.vmdk", 0);
    struct vd_error err = VD_ERROR_INIT;
    VD_FREE char *path = NULL;
    check_code_err(find(&setting, "böse.vmdk", "b\xf6se.vmdk", &path, &err), VD_OK, &err);
    check_str_eq(path, "b\xf6se.vmdk");
}

VD_TEST(nothing_outside_unless_allowed)
{
    AUTO_FILES files = new_files();
    add_text(files, "/vm/a/d.vmdk", "x");
    add_text(files, "/vm/a/hosts", "x");
    add_text(files, "/vm/ab/d-flat.vmdk", "x");
    add_text(files, "/etc/shadow", "x");
    add_text(files, "/etc/hosts", "x");
    AUTO_SETTING setting = open_setting(vd_fs_memory_fs(files), "/vm/a/d.vmdk", 0);
    check_not_found(&setting, "/etc/shadow", VD_E_OUTSIDE_FOLDER, "'/vm/a'");
    check_not_found(&setting, "../../etc/shadow", VD_E_OUTSIDE_FOLDER, "allowed");
    check_not_found(&setting, "..\\..\\etc\\shadow", VD_E_OUTSIDE_FOLDER, "'/etc/shadow'");
    check_not_found(&setting, "../ab/d-flat.vmdk", VD_E_OUTSIDE_FOLDER, "outside");
    check_found(&setting, "/etc/hosts", "/vm/a/hosts");

    AUTO_SETTING open = open_setting(vd_fs_memory_fs(files), "/vm/a/d.vmdk", VD_VMDK_ALLOW_OUTSIDE);
    check_found(&open, "/etc/hosts", "/etc/hosts");
    check_found(&open, "../ab/d-flat.vmdk", "/vm/a/../ab/d-flat.vmdk");
}

VD_TEST(relative_disks_in_memory)
{
    AUTO_FILES files = new_files();
    add_text(files, "d.vmdk", "x");
    add_text(files, "sub/x", "x");
    add_text(files, "../out", "x");
    add_text(files, "/abs", "x");
    AUTO_SETTING setting = open_setting(vd_fs_memory_fs(files), "d.vmdk", 0);
    check_found(&setting, "sub/x", "sub/x");
    check_not_found(&setting, "../out", VD_E_OUTSIDE_FOLDER, "outside");
    check_not_found(&setting, "/abs", VD_E_OUTSIDE_FOLDER, "outside");
}

VD_TEST(the_root_folder)
{
    AUTO_FILES files = new_files();
    add_text(files, "/d.vmdk", "x");
    add_text(files, "/sub/x", "x");
    AUTO_SETTING setting = open_setting(vd_fs_memory_fs(files), "/d.vmdk", 0);
    check_found(&setting, "sub/x", "/sub/x");
}

VD_TEST(folders_the_caller_names_are_open)
{
    AUTO_FILES files = new_files();
    add_text(files, "/vm/d.vmdk", "x");
    add_text(files, "/store/p.vmdk", "x");
    static const char *const folders[] = {"/nowhere", "/store", NULL};
    struct vd_vmdk_options options = {.fs = vd_fs_memory_fs(files), .parent_folders = folders};
    struct vd_resolve resolve;
    VD_FREE char *real_path = NULL;
    char *none = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_resolve_init(&resolve, "/vm/d.vmdk", &options, &err), VD_OK, &err);
    check_code_err(vd_resolve_allowed(&resolve, "/store/p.vmdk", &real_path, &err), VD_OK, &err);
    check_str_eq(real_path, "/store/p.vmdk");
    check_code(vd_resolve_allowed(&resolve, "/store/gone", &none, NULL), VD_E_NOT_FOUND);
    vd_resolve_done(&resolve);
}

VD_TEST(symbolic_links_are_followed_before_judging)
{
    VD_FREE char *outside = strdup(test_file("secret", "x", 1));
    check(mkdir(test_path("vm"), 0700) == 0);
    VD_FREE char *disk = strdup(test_file("vm/d.vmdk", "x", 1));
    (void)test_file("vm/d-flat.vmdk", "x", 1);
    check(symlink(outside, test_path("vm/link.vmdk")) == 0);
    check(symlink("d-flat.vmdk", test_path("vm/inner.vmdk")) == 0);
    check(symlink("..", test_path("vm/up")) == 0);

    AUTO_SETTING setting = open_setting(vd_fs_host(), disk, 0);
    check_not_found(&setting, "link.vmdk", VD_E_OUTSIDE_FOLDER, "secret");
    check_not_found(&setting, "up/secret", VD_E_OUTSIDE_FOLDER, "secret");
    check_found(&setting, "inner.vmdk", test_path("vm/inner.vmdk"));
    AUTO_SETTING open = open_setting(vd_fs_host(), disk, VD_VMDK_ALLOW_OUTSIDE);
    check_found(&open, "link.vmdk", test_path("vm/link.vmdk"));
}

VD_TEST(a_descriptor_behind_a_link_finds_its_extents)
{
    check(mkdir(test_path("store"), 0700) == 0);
    check(mkdir(test_path("vm"), 0700) == 0);
    VD_FREE char *real = strdup(test_file("store/d.vmdk", "x", 1));
    VD_FREE char *flat = strdup(test_file("store/d-flat.vmdk", "x", 1));
    VD_FREE char *disk = strdup(test_path("vm/d.vmdk"));
    check(symlink(real, disk) == 0);
    AUTO_SETTING setting = open_setting(vd_fs_host(), disk, 0);
    check_found(&setting, "d-flat.vmdk", flat);
}

VD_TEST(what_is_no_regular_file_is_refused)
{
    VD_FREE char *disk = strdup(test_file("d.vmdk", "x", 1));
    check(mkfifo(test_path("fifo"), 0600) == 0);
    check(mkdir(test_path("folder"), 0700) == 0);
    AUTO_SETTING setting = open_setting(vd_fs_host(), disk, 0);
    check_not_found(&setting, "fifo", VD_E_FILE_TYPE, "fifo");
    check_not_found(&setting, "folder", VD_E_FILE_TYPE, "folder");
    check_not_found(&setting, "/dev/null", VD_E_OUTSIDE_FOLDER, "/dev/null");
    AUTO_SETTING open = open_setting(vd_fs_host(), disk, VD_VMDK_ALLOW_OUTSIDE);
    check_not_found(&open, "/dev/null", VD_E_FILE_TYPE, "/dev/null");
    AUTO_SETTING devices = open_setting(vd_fs_host(), disk, VD_VMDK_ALLOW_DEVICES);
    check_not_found(&devices, "/dev/null", VD_E_FILE_TYPE, "/dev/null");
    check_not_found(&devices, "/etc/passwd", VD_E_OUTSIDE_FOLDER, "/etc/passwd");
}

static void check_parent_paths(const char *hint, const char *const *caller, const char *want)
{
    struct vd_descriptor child = {.parent_hint = strdup(hint)};
    struct vd_folders folders = {strdup("/vm/snap"), strdup("/vm/snap")};
    struct vd_path_list list = {0};
    check_code(vd_resolve_parent_paths(&child, &folders, caller, &list, NULL), VD_OK);
    char got[1000] = "";
    for (size_t i = 0; i < list.count; i++)
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s ", list.paths[i]);
    check_str_eq(got, want);
    vd_path_list_done(&list);
    vd_folders_done(&folders);
    free(child.parent_hint);
}

VD_TEST(where_a_parent_may_be)
{
    check_parent_paths("p.vmdk", NULL, "/vm/snap/p.vmdk ");
    check_parent_paths("../base/p.vmdk", NULL, "/vm/snap/../base/p.vmdk /vm/snap/p.vmdk ");
    check_parent_paths("/old/base/p.vmdk", NULL,
                       "/old/base/p.vmdk /vm/snap/p.vmdk /vm/snap/../base/p.vmdk ");
    check_parent_paths("[ds] base/p.vmdk", NULL,
                       "/vm/snap/base/p.vmdk /vm/snap/p.vmdk /vm/snap/../base/p.vmdk ");
    check_parent_paths("E:\\x\\p.vmdk", NULL,
                       "/vm/snap/E:\\x\\p.vmdk /vm/snap/E:/x/p.vmdk /vm/snap/p.vmdk "
                       "/vm/snap/../x/p.vmdk ");
    static const char *const caller[] = {"here", "/there", NULL};
    check_parent_paths("/p.vmdk", caller, "/p.vmdk /vm/snap/p.vmdk here/p.vmdk /there/p.vmdk ");
    check_parent_paths("a/p.vmdk", caller,
                       "/vm/snap/a/p.vmdk /vm/snap/p.vmdk /vm/snap/../a/p.vmdk here/p.vmdk "
                       "here/a/p.vmdk /there/p.vmdk /there/a/p.vmdk ");
    check_parent_paths("x/", NULL, "/vm/snap/x/ ");
}
