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
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/path.h"
#include "block/memory.h"
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

/* How this process's own system calls behave. */
static struct {
    bool no_flags;    /* renameat2 knows none */
    int unlink_errno; /* the next unlink fails with it */
    int sync_errno;   /* every fsync fails with it */
    bool no_giving;   /* fchown is not for us, but for the group alone */
} bad;

int renameat2(int old_folder, const char *from, int new_folder, const char *to, unsigned flags)
{
    if (bad.no_flags && flags) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_renameat2, old_folder, from, new_folder, to, flags);
}

int unlink(const char *path)
{
    int failed = bad.unlink_errno;
    bad.unlink_errno = 0;
    if (!failed)
        return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    errno = failed;
    return -1;
}

int fsync(int fd)
{
    if (!bad.sync_errno)
        return (int)syscall(SYS_fsync, fd);
    errno = bad.sync_errno;
    return -1;
}

int fchown(int fd, uid_t owner, gid_t group)
{
    if (!bad.no_giving || owner == (uid_t)-1)
        return (int)syscall(SYS_fchown, fd, owner, group);
    errno = EPERM;
    return -1;
}

static void behave(void)
{
    memset(&bad, 0, sizeof bad);
}

static struct vd_fs_stat look(const char *path)
{
    struct vd_fs_stat status;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_fs_stat(vd_fs_host(), path, &status, &err), VD_OK, &err);
    return status;
}

VD_TEST(looking_at_what_there_is)
{
    behave();
    const char *path = test_file("a", "12345", 5);
    check_int_eq(chmod(path, 0640), 0);
    struct vd_fs_stat status = look(path);
    check_int_eq(status.kind, VD_FS_FILE);
    check_u64_eq(status.size_bytes, 5);
    check_int_eq(status.access.mode, 0640);
    check_u64_eq(status.access.owner, getuid());

    struct vd_block *block = NULL;
    check_code(vd_fs_open(vd_fs_host(), path, 0, &block, NULL), VD_OK);
    check_u64_eq(status.identity.device, block->identity.device);
    check_u64_eq(status.identity.inode, block->identity.inode);
    vd_block_free(block);

    check_int_eq(look(test_folder()).kind, VD_FS_FOLDER);
    check_int_eq(look("/dev/null").kind, VD_FS_OTHER);
    check_int_eq(look(test_path("none")).kind, VD_FS_NOTHING);
    check_int_eq(look(test_path("a/below")).kind, VD_FS_NOTHING);
    check_int_eq(look("").kind, VD_FS_NOTHING);
    check_int_eq(symlink("nowhere", test_path("link")), 0);
    check_int_eq(look(test_path("link")).kind, VD_FS_NOTHING);

    struct vd_error err = VD_ERROR_INIT;
    check_int_eq(symlink("loop", test_path("loop")), 0);
    check_code(vd_fs_stat(vd_fs_host(), test_path("loop"), &status, &err), VD_E_NAME_INVALID);
    check_str_has(err.text, "cannot look at '");
}

VD_TEST(creating)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *block = NULL;
    const char *path = test_path("new");
    mode_t mask = umask(027);
    check_code_err(vd_fs_create(vd_fs_host(), path, 0, NULL, &block, &err), VD_OK, &err);
    check(block->capabilities & VD_BLOCK_WRITABLE);
    check(block->capabilities & VD_BLOCK_LOCKED);
    check_code_err(vd_block_write(block, 0, "abc", 3, &err), VD_OK, &err);
    check_code_err(vd_block_close(block, &err), VD_OK, &err);
    check_int_eq(look(path).access.mode, 0640);
    check_u64_eq(look(path).size_bytes, 3);

    check_code(vd_fs_create(vd_fs_host(), path, 0, NULL, &block, &err), VD_E_EXISTS);
    check_str_has(err.text, "cannot create '");
    check_str_has(err.text, "': File exists");
    check_u64_eq(look(path).size_bytes, 3);

    for (int refuse = 0; refuse < 2; refuse++) {
        bad.no_giving = refuse;
        const struct vd_fs_access access = {0666, getuid(), getgid()};
        check_code_err(vd_fs_create(vd_fs_host(), test_path(refuse ? "b" : "c"),
                                    VD_FS_UNBUFFERED | VD_FS_NO_LOCK, &access, &block, &err),
                       VD_OK, &err);
        check(!(block->capabilities & VD_BLOCK_LOCKED));
        vd_block_free(block);
        check_int_eq(look(test_path(refuse ? "b" : "c")).access.mode, 0666);
    }
    (void)umask(mask);

    check_int_eq(symlink("nowhere", test_path("link")), 0);
    check_code(vd_fs_create(vd_fs_host(), test_path("link"), 0, NULL, &block, NULL), VD_E_EXISTS);
    check_code(vd_fs_create(vd_fs_host(), test_path("no/where"), 0, NULL, &block, NULL),
               VD_E_NOT_FOUND);
    check_code(vd_fs_create(vd_fs_host(), test_folder(), 0, NULL, &block, NULL), VD_E_EXISTS);
    check_code(vd_fs_create(vd_fs_host(), "", 0, NULL, &block, NULL), VD_E_NOT_FOUND);
}

VD_TEST(removing)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("a", "x", 1);
    check_code_err(vd_fs_unlink(vd_fs_host(), path, &err), VD_OK, &err);
    check_int_eq(look(path).kind, VD_FS_NOTHING);
    check_code(vd_fs_unlink(vd_fs_host(), path, &err), VD_E_NOT_FOUND);
    check_str_has(err.text, "cannot remove '");
    check_code(vd_fs_unlink(vd_fs_host(), test_folder(), NULL), VD_E_FILE_TYPE);
}

VD_TEST(renaming_does_not_replace)
{
    const struct vd_fs *host = vd_fs_host();
    for (int fallback = 0; fallback < 2; fallback++) {
        behave();
        bad.no_flags = fallback;
        struct vd_error err = VD_ERROR_INIT;
        const char *from = test_file("from", "12", 2);
        const char *to = test_file("to", "12345", 5);
        check_code(vd_fs_rename(host, from, to, &err), VD_E_EXISTS);
        check_str_has(err.text, "cannot rename '");
        check_str_has(err.text, "/from' to '");
        check_str_has(err.text, "/to': File exists");
        check_u64_eq(look(from).size_bytes, 2);
        check_u64_eq(look(to).size_bytes, 5);

        vd_error_clear(&err);
        const char *other = test_path(fallback ? "other1" : "other0");
        check_code_err(vd_fs_rename(host, from, other, &err), VD_OK, &err);
        check_int_eq(look(from).kind, VD_FS_NOTHING);
        check_u64_eq(look(other).size_bytes, 2);
        check_code(vd_fs_rename(host, from, test_path("none"), NULL), VD_E_NOT_FOUND);

        check_code_err(vd_fs_rename_replacing(host, other, to, &err), VD_OK, &err);
        check_u64_eq(look(to).size_bytes, 2);
        check_int_eq(look(other).kind, VD_FS_NOTHING);
        (void)mkdir(test_path("folder"), 0755);
        check_code(vd_fs_rename_replacing(host, to, test_path("folder"), NULL), VD_E_FILE_TYPE);
    }

    bad.unlink_errno = EIO;
    check_code(vd_fs_rename(host, test_path("to"), test_path("new"), NULL), VD_E_IO);
    check_int_eq(look(test_path("new")).kind, VD_FS_NOTHING); /* no second name stays */
    check_int_eq(look(test_path("to")).kind, VD_FS_FILE);
    behave();
}

VD_TEST(syncing_folders)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    const struct vd_fs *host = vd_fs_host();
    check_code_err(vd_fs_sync_folder(host, test_folder(), &err), VD_OK, &err);
    check_code(vd_fs_sync_folder(host, test_file("a", "", 0), NULL), VD_E_NOT_FOUND);
    check_code(vd_fs_sync_folder(host, test_path("none"), &err), VD_E_NOT_FOUND);
    check_str_has(err.text, "cannot make the names in the folder '");
    bad.sync_errno = EIO;
    check_code(vd_fs_sync_folder(host, test_folder(), NULL), VD_E_IO);
    bad.sync_errno = EINVAL; /* what cannot be synced need not be */
    check_code(vd_fs_sync_folder(host, test_folder(), NULL), VD_OK);
    behave();
}

VD_TEST(a_file_system_that_only_reads)
{
    static const struct vd_fs_ops ops = {.name = "reader"};
    static const struct vd_fs fs = {&ops};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *block = NULL;
    struct vd_fs_stat status;
    check_code(vd_fs_create(&fs, "a", 0, NULL, &block, &err), VD_E_NOT_SUPPORTED);
    check_str_eq(err.text, "cannot create 'a': Operation not supported");
    check_code(vd_fs_unlink(&fs, "a", NULL), VD_E_NOT_SUPPORTED);
    check_code(vd_fs_rename(&fs, "a", "b", NULL), VD_E_NOT_SUPPORTED);
    check_code(vd_fs_rename_replacing(&fs, "a", "b", NULL), VD_E_NOT_SUPPORTED);
    check_code(vd_fs_sync_folder(&fs, ".", NULL), VD_E_NOT_SUPPORTED);
    check_code(vd_fs_stat(&fs, ".", &status, NULL), VD_E_NOT_SUPPORTED);
}

/* Second names and folders: one story for every file system. */
static void check_links_and_lists(const struct vd_fs *fs, const char *folder)
{
    VD_FREE char *a = vd_path_join(folder, "a");
    VD_FREE char *b = vd_path_join(folder, "b");
    VD_FREE char *none = vd_path_join(folder, "none");
    struct vd_fs_names names = {0};
    struct vd_fs_stat of_a;
    struct vd_fs_stat of_b;
    struct vd_block *block = NULL;
    struct vd_error err = VD_ERROR_INIT;

    check_code_err(vd_fs_create(fs, a, 0, NULL, &block, &err), VD_OK, &err);
    check_code_err(vd_block_write(block, 0, "text", 4, &err), VD_OK, &err);
    vd_block_free(block);
    check_code_err(vd_fs_link(fs, a, b, &err), VD_OK, &err);
    check_code(vd_fs_stat(fs, a, &of_a, NULL), VD_OK);
    check_code(vd_fs_stat(fs, b, &of_b, NULL), VD_OK);
    check_u64_eq(of_b.size_bytes, 4);
    check_u64_eq(of_a.identity.inode, of_b.identity.inode);
    check_code(vd_fs_link(fs, a, b, &err), VD_E_EXISTS);
    check_str_has(err.text, "cannot give '");
    check_code(vd_fs_link(fs, none, b, NULL), VD_E_NOT_FOUND);
    check_code(vd_fs_list(fs, folder, &names, NULL), VD_OK);
    check_u64_eq(names.count, 2);
    check_str_eq(names.items[0], "a");
    check_str_eq(names.items[1], "b");
    vd_fs_names_done(&names);
    check_code(vd_fs_unlink(fs, a, NULL), VD_OK);
    check_code(vd_fs_stat(fs, b, &of_b, NULL), VD_OK);
    check_u64_eq(of_b.size_bytes, 4);
    vd_error_clear(&err);
    check_code(vd_fs_list(fs, none, &names, &err), VD_E_NOT_FOUND);
    check_str_has(err.text, "cannot list the folder '");
}

VD_TEST(second_names_and_lists)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
    check_links_and_lists(vd_fs_host(), test_folder());
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    check_links_and_lists(vd_fs_memory_fs(files), ".");
}
