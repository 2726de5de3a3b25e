/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/target.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "harness.h"

static const struct vd_target_options keep;
static const struct vd_target_options overwrite = {.overwrite = true};

static int write_file(const char *path, const struct vd_target_options *options, const char *text,
                      struct vd_error *err)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    int r = vd_target_open(path, options, &target, err);

    if (r == VD_OK)
        r = vd_target_set_size(target, strlen(text), err);
    if (r == VD_OK)
        r = vd_target_write(target, 0, text, strlen(text), err);
    if (r == VD_OK)
        r = vd_target_finish(target, err);
    return r;
}

static void check_content(const char *path, const char *want)
{
    char text[64] = "";
    FILE *file = fopen(path, "r");

    check(file != NULL);
    check(fread(text, 1, sizeof text - 1, file) <= sizeof text);
    (void)fclose(file);
    check_str_eq(text, want);
}

VD_TEST(a_file_appears_when_it_is_complete)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    const char *path = test_path("new");
    struct vd_error err = VD_ERROR_INIT;

    check_code_err(vd_target_open(path, &keep, &target, &err), VD_OK, &err);
    check(vd_target_has_holes(target) && !vd_target_in_order(target));
    check_code(vd_target_set_size(target, 5, &err), VD_OK);
    check_code(vd_target_write(target, 0, "abc", 3, &err), VD_OK);
    check(access(path, F_OK) < 0);
    check_code_err(vd_target_finish(target, &err), VD_OK, &err);
    check_content(path, "abc");
}

VD_TEST(no_options_are_options_that_say_nothing)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *straight = NULL;
    const char *path = test_path("none");
    struct vd_error err = VD_ERROR_INIT;

    check_code_err(write_file(path, NULL, "abc", &err), VD_OK, &err);
    check_content(path, "abc");
    check_code(write_file(path, NULL, "def", &err), VD_E_EXISTS);
    check_code_err(vd_target_open_fd(STDOUT_FILENO, "nothing", NULL, &straight, &err), VD_OK, &err);
}

VD_TEST(a_target_given_up_leaves_nothing)
{
    struct vd_target *target = NULL;
    const char *path = test_path("given-up");
    struct vd_error err = VD_ERROR_INIT;

    check_code(vd_target_open(path, &keep, &target, &err), VD_OK);
    check_code(vd_target_write(target, 0, "abc", 3, &err), VD_OK);
    vd_target_free(target);
    check(rmdir(test_folder()) == 0); /* empty */
}

VD_TEST(an_existing_file_is_kept)
{
    const char *path = test_file("old", "old", 3);
    struct vd_error err = VD_ERROR_INIT;

    check_code(write_file(path, &keep, "new", &err), VD_E_EXISTS);
    check_str_has(err.text, path);
    check_content(path, "old");
}

/* Somebody else was faster: what came in between is kept too. */
VD_TEST(a_file_that_appears_meanwhile_is_kept)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    const char *path = test_path("raced");
    struct vd_error err = VD_ERROR_INIT;

    check_code(vd_target_open(path, &keep, &target, &err), VD_OK);
    (void)test_file("raced", "first", 5);
    check_code(vd_target_finish(target, &err), VD_E_EXISTS);
    check_content(path, "first");
}

VD_TEST(overwriting_replaces_and_keeps_the_mode)
{
    const char *path = test_file("old", "old", 3);
    struct vd_error err = VD_ERROR_INIT;
    struct stat st;

    check(chmod(path, 0640) == 0);
    check_code_err(write_file(path, &overwrite, "new", &err), VD_OK, &err);
    check_content(path, "new");
    check(stat(path, &st) == 0);
    check_int_eq(st.st_mode & 0777, 0640);
}

VD_TEST(overwriting_follows_a_symbolic_link)
{
    const char *path = test_file("old", "old", 3);
    const char *link_path = test_path("link");
    struct vd_error err = VD_ERROR_INIT;
    struct stat st;

    check(symlink("old", link_path) == 0);
    check_code_err(write_file(link_path, &overwrite, "new", &err), VD_OK, &err);
    check_content(path, "new");
    check(lstat(link_path, &st) == 0 && S_ISLNK(st.st_mode));
}

VD_TEST(a_link_that_leads_nowhere_is_refused)
{
    const char *link_path = test_path("link");
    struct vd_error err = VD_ERROR_INIT;

    check(symlink("nothing", link_path) == 0);
    check_code(write_file(link_path, &overwrite, "new", &err), VD_E_EXISTS);
}

VD_TEST(what_cannot_be_a_target)
{
    struct vd_error err = VD_ERROR_INIT;

    check_code(write_file(test_folder(), &overwrite, "x", &err), VD_E_FILE_TYPE);
    check_str_has(err.text, "a folder");
    vd_error_clear(&err);
    check_code(write_file(test_path("no/such/folder"), &keep, "x", &err), VD_E_NOT_FOUND);
    vd_error_clear(&err);
    check_code(write_file(test_path("ends-in-slash/"), &keep, "x", &err), VD_E_NAME_INVALID);
}

VD_TEST(a_long_name_fits)
{
    char name[256];
    struct vd_error err = VD_ERROR_INIT;

    memset(name, 'n', 255);
    name[255] = '\0';
    check_code_err(write_file(test_path(name), &keep, "x", &err), VD_OK, &err);
}

VD_TEST(a_full_device_is_told)
{
    struct vd_error err = VD_ERROR_INIT;

    if (access("/dev/full", W_OK) < 0)
        test_skip("no /dev/full");
    check_code(write_file("/dev/full", &keep, "x", &err), VD_E_DISK_FULL);
    check_str_has(err.text, "/dev/full");
}

VD_TEST(zero_blocks_become_holes)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    static uint8_t bytes[64 * 1024 + 100];
    static uint8_t got[64 * 1024 + 100];
    const char *path = test_path("holes");
    struct vd_error err = VD_ERROR_INIT;
    FILE *file;

    bytes[5000] = 1;
    bytes[40000] = 2;
    bytes[sizeof bytes - 1] = 3;
    check_code(vd_target_open(path, &keep, &target, &err), VD_OK);
    check_code(vd_target_set_size(target, sizeof bytes, &err), VD_OK);
    /* At an odd place, in two pieces that part a block. */
    check_code(vd_target_write(target, 0, bytes, 4097, &err), VD_OK);
    check_code(vd_target_write(target, 4097, bytes + 4097, sizeof bytes - 4097, &err), VD_OK);
    check_code_err(vd_target_finish(target, &err), VD_OK, &err);
    file = fopen(path, "rb");
    check(file && fread(got, 1, sizeof got, file) == sizeof got);
    (void)fclose(file);
    check_mem_eq(got, bytes, sizeof bytes);
}
