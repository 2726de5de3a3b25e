/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include "tests/harness.h"

VD_TEST(folder_and_name)
{
    static const char *const cases[][3] = {
        {"a/b.vmdk", "a", "b.vmdk"},
        {"b.vmdk", ".", "b.vmdk"},
        {"/b", "/", "b"},
        {"a//b", "a", "b"},
        {"//b", "/", "b"},
        {"a/", "a", ""},
        {"/a/b c/d", "/a/b c", "d"},
        {"", ".", ""},
        {"./x", ".", "x"},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        VD_FREE char *folder = vd_path_folder(cases[i][0]);
        check_str_eq(folder, cases[i][1]);
        check_str_eq(vd_path_name(cases[i][0]), cases[i][2]);
    }
}

VD_TEST(join)
{
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {".", "b", "b"},         {"", "b", "b"},
        {"a", "/b", "/b"}, {"/", "b", "/b"},   {"a", "../b", "a/../b"},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        VD_FREE char *joined = vd_path_join(cases[i][0], cases[i][1]);
        check_str_eq(joined, cases[i][2]);
    }
}

VD_TEST(windows)
{
    VD_FREE char *path = vd_path_from_windows("..\\base disks\\w/x.vmdk");
    check_str_eq(path, "../base disks/w/x.vmdk");
}

VD_TEST(normalise)
{
    static const char *const cases[][2] = {
        {"a/./b/../c", "a/c"},
        {"", "."},
        {".", "."},
        {"a/..", "."},
        {"/..", "/"},
        {"/../a", "/a"},
        {"../../x", "../../x"},
        {"a/../../x", "../x"},
        {"a//b/", "a/b"},
        {"//a", "/a"},
        {"./a", "a"},
        {"...", "..."},
        {"..a/..", "."},
        {"../a/../b", "../b"},
        {"/a/b/../../..", "/"},
        {"a/b/../../..", ".."},
        {"../..", "../.."},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(cases); i++) {
        VD_FREE char *normal = vd_path_normalise(cases[i][0]);
        check_str_eq(normal, cases[i][1]);
    }
}

VD_TEST(leaves_folder)
{
    check(vd_path_leaves_folder("/etc/passwd"));
    check(vd_path_leaves_folder(".."));
    check(vd_path_leaves_folder("a/../../b"));
    check(vd_path_leaves_folder("./../b"));
    check(vd_path_leaves_folder("a/b/../../../a/b/c"));
    check(!vd_path_leaves_folder("a/../b"));
    check(!vd_path_leaves_folder("a/b/../../c"));
    check(!vd_path_leaves_folder("..a/..."));
    check(!vd_path_leaves_folder(""));
}

VD_TEST(suffix_and_case)
{
    check(vd_path_has_suffix("a/B.VmDk", ".vmdk"));
    check(vd_path_has_suffix(".vmdk", ".vmdk"));
    check(!vd_path_has_suffix("vmdk", ".vmdk"));
    check(!vd_path_has_suffix("a.vmdk.bak", ".vmdk"));
    check(vd_path_has_suffix("a", ""));
    check(vd_path_equal_but_case("Disk-S001.VMDK", "disk-s001.vmdk"));
    check(!vd_path_equal_but_case("disk", "disk1"));
    check(!vd_path_equal_but_case("disk1", "disk"));
    check(!vd_path_equal_but_case("[", "{")); /* apart by the bit that letters differ in */
    check(!vd_path_equal_but_case("\xc3\x84", "\xc3\xa4"));
    check(vd_path_equal_but_case("", ""));
}
