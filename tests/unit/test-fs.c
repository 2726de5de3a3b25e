/* SPDX-License-Identifier: Apache-2.0 */
/* The host's file system: what opens, what does not and why, and how names are found. */
#include "block/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/harness.h"

static int try_open(const char *path, unsigned flags, struct vd_error *err)
{
    struct vd_block *block = NULL;
    vd_error_clear(err);
    int ret = vd_fs_open(vd_fs_host(), path, flags, &block, err);
    if (ret >= 0)
        vd_block_free(block);
    return ret;
}

VD_TEST(missing_files)
{
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_path("none.vmdk");
    check_code(try_open(path, 0, &err), VD_E_NOT_FOUND);
    char want[512];
    (void)snprintf(want, sizeof want, "cannot open '%s': No such file or directory", path);
    check_str_eq(err.text, want);
    check_int_eq(err.sys_errno, ENOENT);

    check_code(try_open("", 0, &err), VD_E_NOT_FOUND);
    (void)test_file("plain", "x", 1);
    check_code(try_open(test_path("plain/below"), 0, &err), VD_E_NOT_FOUND);
    struct vd_block *block = NULL;
    check_code(vd_fs_open(vd_fs_host(), path, 0, &block, NULL), VD_E_NOT_FOUND);
    check(block == NULL);
}

VD_TEST(names_too_long_and_loops)
{
    struct vd_error err = VD_ERROR_INIT;
    char name[300];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    check_code(try_open(test_path(name), 0, &err), VD_E_NAME_TOO_LONG);

    const char *loop = test_path("loop");
    check_int_eq(symlink("loop", loop), 0);
    check_code(try_open(loop, 0, &err), VD_E_NAME_INVALID);
}

VD_TEST(no_permission)
{
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("secret", "x", 1);
    check_int_eq(chmod(path, 0), 0);
    if (access(path, R_OK) == 0)
        test_skip("this user may read everything");
    check_code(try_open(path, 0, &err), VD_E_ACCESS);
}

VD_TEST(folders_are_refused)
{
    struct vd_error err = VD_ERROR_INIT;
    static const unsigned flags[] = {0, VD_FS_WRITE, VD_FS_ALLOW_DEVICE, VD_FS_UNBUFFERED};
    for (size_t i = 0; i < VD_ARRAY_SIZE(flags); i++)
        check_code(try_open(test_folder(), flags[i], &err), VD_E_FILE_TYPE);
    check_str_has(err.text, "it is a folder, expected a regular file");
}

VD_TEST(a_pipe_is_refused_and_does_not_hang)
{
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_path("pipe");
    check_int_eq(mkfifo(path, 0600), 0);
    check_code(try_open(path, 0, &err), VD_E_FILE_TYPE);
    check_str_has(err.text, "it is a pipe, expected a regular file");
    check_code(try_open(path, VD_FS_WRITE, &err), VD_E_FILE_TYPE);
}

VD_TEST(sockets_and_character_devices_are_refused)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code(try_open("/dev/null", VD_FS_ALLOW_DEVICE, &err), VD_E_FILE_TYPE);
    check_str_eq(err.text, "cannot open '/dev/null': it is a character device, expected a regular "
                           "file or a block device");

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = test_path("s");
    if (strlen(path) >= sizeof address.sun_path)
        test_skip("the temporary folder's name is too long for a socket");
    memcpy(address.sun_path, path, strlen(path) + 1);
    VD_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0);
    check_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    check_code(try_open(path, 0, &err), VD_E_FILE_TYPE);
    check_str_has(err.text, "it is a socket");
}

VD_TEST(block_devices_only_when_allowed)
{
    static const char *const names[] = {"/dev/loop0", "/dev/vda", "/dev/sda", "/dev/nvme0n1"};
    struct vd_error err = VD_ERROR_INIT;
    struct stat status;
    const char *path = NULL;
    for (size_t i = 0; i < VD_ARRAY_SIZE(names) && !path; i++)
        if (stat(names[i], &status) == 0 && S_ISBLK(status.st_mode))
            path = names[i];
    if (!path)
        test_skip("no block device here");
    check_code(try_open(path, 0, &err), VD_E_FILE_TYPE);
    check_str_has(err.text, "it is a block device, expected a regular file");

    struct vd_block *block = NULL;
    if (vd_fs_open(vd_fs_host(), path, VD_FS_ALLOW_DEVICE, &block, NULL) < 0)
        test_skip("'%s' may not be opened by this user", path);
    uint64_t size;
    check_code(vd_block_size(block, &size, NULL), VD_OK);
    uint64_t start;
    uint64_t end;
    check_code(vd_block_next_data(block, 0, &start, &end, NULL), VD_OK);
    check_u64_eq(start, 0);
    check_u64_eq(end, size);
    check(block->capabilities & VD_BLOCK_DEVICE);
    check_u64_eq(block->identity.device, status.st_rdev);
    vd_block_free(block);
}

VD_TEST(too_many_open_files)
{
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("a", "x", 1);
    struct rlimit before;
    check_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {0, before.rlim_max};
    check_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    int ret = try_open(path, 0, &err);
    check_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    check_code(ret, VD_E_TOO_MANY_FILES);
}

VD_TEST(what_is_open_tells_who_it_is)
{
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("a", "x", 1);
    const char *other = test_path("link");
    check_int_eq(link(path, other), 0);
    struct vd_block *a = NULL;
    struct vd_block *b = NULL;
    check_code_err(vd_fs_open(vd_fs_host(), path, 0, &a, &err), VD_OK, &err);
    check_code_err(vd_fs_open(vd_fs_host(), other, VD_FS_WRITE, &b, &err), VD_OK, &err);
    check_u64_eq(a->identity.device, b->identity.device);
    check_u64_eq(a->identity.inode, b->identity.inode);
    check_str_eq(vd_block_path(a), path);
    check_u64_eq(a->capabilities, 0);
    check(b->capabilities & VD_BLOCK_WRITABLE);
    vd_block_free(a);
    vd_block_free(b);
}

static int count_open_files(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

VD_TEST(descriptors_do_not_leak_nor_reach_children)
{
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("a", "x", 1);
    int before = count_open_files();
    struct vd_block *block = NULL;
    check_code_err(vd_fs_open(vd_fs_host(), path, VD_FS_UNBUFFERED | VD_FS_WRITE, &block, &err),
                   VD_OK, &err);
    for (int fd = 3; fd < 256; fd++) {
        struct stat status;
        if (fstat(fd, &status) < 0 || status.st_ino != block->identity.inode)
            continue;
        check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        check(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    }
    vd_block_free(block);
    check_code(try_open(test_folder(), 0, &err), VD_E_FILE_TYPE);
    check_code(try_open(test_path("none"), 0, &err), VD_E_NOT_FOUND);
    check_int_eq(count_open_files(), before);
}

VD_TEST(names_that_differ_in_case)
{
    struct vd_error err = VD_ERROR_INIT;
    (void)test_file("Disk-S001.vmdk", "x", 1);
    (void)test_file("disk-s002.VMDK", "x", 1);
    (void)test_file("DISK-s002.VMDK", "x", 1);
    const struct vd_fs *host = vd_fs_host();

    VD_FREE char *one = NULL;
    check_code_err(vd_fs_match_name(host, test_folder(), "disk-s001.VMDK", &one, &err), VD_OK,
                   &err);
    check_str_eq(one, "Disk-S001.vmdk");
    VD_FREE char *exact = NULL;
    check_code_err(vd_fs_match_name(host, test_folder(), "disk-s002.VMDK", &exact, &err), VD_OK,
                   &err);
    check_str_eq(exact, "disk-s002.VMDK");
    VD_FREE char *first = NULL;
    check_code_err(vd_fs_match_name(host, test_folder(), "Disk-s002.vmdk", &first, &err), VD_OK,
                   &err);
    check_str_eq(first, "DISK-s002.VMDK");

    char *none = NULL;
    check_code(vd_fs_match_name(host, test_folder(), "disk-s003.vmdk", &none, &err),
               VD_E_NOT_FOUND);
    check_str_has(err.text, "cannot find 'disk-s003.vmdk', in any case, in the folder '");
    check(none == NULL);
    check_code(vd_fs_match_name(host, test_path("nowhere"), "x", &none, NULL), VD_E_NOT_FOUND);
}

VD_TEST(real_paths)
{
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("a", "x", 1);
    const char *other = test_path("link");
    check_int_eq(symlink("a", other), 0);
    VD_FREE char *real = NULL;
    VD_FREE char *through = NULL;
    check_code_err(vd_fs_real_path(vd_fs_host(), path, &real, &err), VD_OK, &err);
    check_code_err(vd_fs_real_path(vd_fs_host(), other, &through, &err), VD_OK, &err);
    check_str_eq(through, real);
    char *none = NULL;
    check_code(vd_fs_real_path(vd_fs_host(), test_path("none"), &none, &err), VD_E_NOT_FOUND);
    check_str_has(err.text, "cannot resolve the path '");
}
