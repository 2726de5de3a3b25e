/* SPDX-License-Identifier: Apache-2.0 */
/* One writer at a time: in this process, in another one, and as VMware's products see it. */
#include "block/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/fault.h"
#include "block/fs.h"
#include "block/memory.h"
#include "tests/harness.h"

static int lock_errno; /* every F_OFD_SETLK fails with it */

int fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    void *data = va_arg(args, void *);
    va_end(args);
    if (command != F_OFD_SETLK || lock_errno == 0)
        return (int)syscall(SYS_fcntl, fd, command, data);
    errno = lock_errno;
    return -1;
}

static int try_open(const struct vd_fs *fs, const char *path, unsigned flags, struct vd_error *err)
{
    struct vd_block *block = NULL;
    vd_error_clear(err);
    int code = vd_fs_open(fs, path, flags, &block, err);
    vd_block_free(block);
    return code;
}

static void one_writer(const struct vd_fs *fs, const char *path)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *writer = NULL;
    check_code_err(vd_fs_open(fs, path, VD_FS_WRITE, &writer, &err), VD_OK, &err);
    check(writer->capabilities & VD_BLOCK_LOCKED);

    check_code(try_open(fs, path, VD_FS_WRITE, &err), VD_E_LOCKED);
    check_str_has(err.text, "cannot open '");
    check_str_has(err.text, path);
    check_str_has(err.text, "': this process has it open for writing already");
    check_code_err(try_open(fs, path, 0, &err), VD_OK, &err);
    check_code_err(try_open(fs, path, VD_FS_WRITE | VD_FS_NO_LOCK, &err), VD_OK, &err);
    check_code(try_open(fs, path, VD_FS_WRITE, &err), VD_E_LOCKED); /* still */

    vd_block_free(writer);
    struct vd_block *reader = NULL;
    check_code_err(vd_fs_open(fs, path, 0, &reader, &err), VD_OK, &err);
    check(!(reader->capabilities & VD_BLOCK_LOCKED));
    check_code_err(try_open(fs, path, VD_FS_WRITE, &err), VD_OK, &err);
    vd_block_free(reader);
}

VD_TEST(one_writer_on_the_host)
{
    one_writer(vd_fs_host(), test_file("a", "x", 1));
}

VD_TEST(one_writer_in_memory)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
    VD_CLEANUP(vd_fs_fault_free_cleanup) struct vd_fs_fault *fault = NULL;
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    check_code(vd_fs_memory_add(files, "dir/a", "x", 1, NULL), VD_OK);
    one_writer(vd_fs_memory_fs(files), "dir/a");
    check_code(vd_fs_fault_new(vd_fs_memory_fs(files), &fault, NULL), VD_OK);
    one_writer(vd_fs_fault_fs(fault), "dir/a");
}

VD_TEST(what_is_created_is_locked)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *block = NULL;
    const char *path = test_path("new");
    check_code_err(vd_fs_create(vd_fs_host(), path, 0, NULL, &block, &err), VD_OK, &err);
    check_code(try_open(vd_fs_host(), path, VD_FS_WRITE, &err), VD_E_LOCKED);
    vd_block_free(block);
    check_code(try_open(vd_fs_host(), path, VD_FS_WRITE, &err), VD_OK);
}

VD_TEST(unbuffered_blocks_lock_once)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_block *block = NULL;
    const char *path = test_file("a", "x", 1);
    check_code(vd_fs_open(vd_fs_host(), path, VD_FS_WRITE | VD_FS_UNBUFFERED, &block, NULL), VD_OK);
    check_code(try_open(vd_fs_host(), path, VD_FS_WRITE, &err), VD_E_LOCKED);
    vd_block_free(block);
}

/* Runs a process that locks the file in the way given and lives until it is told to end. */
static pid_t other_process(const char *path, int command, short type)
{
    int pipe_fds[2];
    check_int_eq(pipe(pipe_fds), 0);
    pid_t pid = fork();
    check(pid >= 0);
    if (pid == 0) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = 100, .l_len = 1};
        char byte = fd >= 0 && fcntl(fd, command, &lock) == 0 ? 'y' : 'n';
        if (write(pipe_fds[1], &byte, 1) == 1)
            (void)pause();
        _exit(0);
    }
    char byte = 'n';
    check_int_eq(read(pipe_fds[0], &byte, 1), 1);
    check_int_eq(byte, 'y');
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
    return pid;
}

static void end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    check_int_eq(waitpid(pid, NULL, 0), pid);
}

VD_TEST(another_process_is_named)
{
    static const struct {
        int command;
        short type;
    } locks[] = {
        {F_OFD_SETLK, F_WRLCK}, /* as this library */
        {F_OFD_SETLK, F_RDLCK}, /* as qemu */
        {F_SETLK, F_WRLCK},     /* as older programs */
    };
    const char *path = test_file("a", "x", 1);
    for (size_t i = 0; i < VD_ARRAY_SIZE(locks); i++) {
        struct vd_error err = VD_ERROR_INIT;
        pid_t pid = other_process(path, locks[i].command, locks[i].type);
        int code = try_open(vd_fs_host(), path, VD_FS_WRITE, &err);
        int reading = try_open(vd_fs_host(), path, 0, &(struct vd_error)VD_ERROR_INIT);
        end(pid);
        check_code_err(code, VD_E_LOCKED, &err);
        check_code(reading, VD_OK);
        char want[64];
        (void)snprintf(want, sizeof want, "': process %ld has locked it", (long)pid);
        if (!strstr(err.text, "another process")) /* a container may hide it */
            check_str_has(err.text, want);
        check_code_err(try_open(vd_fs_host(), path, VD_FS_WRITE, &err), VD_OK, &err);
    }
}

VD_TEST(file_systems_without_locks)
{
    static const int reasons[] = {EINVAL, ENOLCK, EOPNOTSUPP, ENOSYS};
    const char *path = test_file("a", "x", 1);
    struct vd_error err = VD_ERROR_INIT;
    for (size_t i = 0; i < VD_ARRAY_SIZE(reasons); i++) {
        struct vd_block *block = NULL;
        lock_errno = reasons[i];
        check_code_err(vd_fs_open(vd_fs_host(), path, VD_FS_WRITE, &block, &err), VD_OK, &err);
        lock_errno = 0;
        check(block->capabilities & VD_BLOCK_WRITABLE);
        check(!(block->capabilities & VD_BLOCK_LOCKED));
        vd_block_free(block);
    }
    lock_errno = EIO;
    int code = try_open(vd_fs_host(), path, VD_FS_WRITE, &err);
    int created = vd_fs_create(vd_fs_host(), test_path("new"), 0, NULL, NULL, NULL);
    lock_errno = 0;
    check_code(code, VD_E_IO);
    check_code(created, VD_E_IO);
    check_int_eq(access(test_path("new"), F_OK), -1); /* nothing stays of it */
}

VD_TEST(lock_folders_of_other_products)
{
    struct vd_error err = VD_ERROR_INIT;
    const struct vd_fs *host = vd_fs_host();
    const char *path = test_file("d.vmdk", "x", 1);
    check_int_eq(mkdir(test_path("d.vmdk.lck"), 0755), 0);
    check_code_err(try_open(host, path, VD_FS_WRITE, &err), VD_OK, &err); /* empty */
    (void)test_file("d.vmdk.lck/notes", "", 0);
    check_code_err(try_open(host, path, VD_FS_WRITE, &err), VD_OK, &err);

    (void)test_file("d.vmdk.lck/M31337.lck", "", 0);
    check_code(try_open(host, path, VD_FS_WRITE, &err), VD_E_LOCKED);
    check_str_has(err.text, "cannot open '");
    check_str_has(err.text, "the lock 'M31337.lck' in the folder '");
    check_str_has(err.text, "d.vmdk.lck' says that another program uses it");
    check_code_err(try_open(host, path, 0, &err), VD_OK, &err);
    check_code_err(try_open(host, path, VD_FS_WRITE | VD_FS_NO_LOCK, &err), VD_OK, &err);

    check_int_eq(symlink("d.vmdk", test_path("link.vmdk")), 0);
    check_code(try_open(host, test_path("link.vmdk"), VD_FS_WRITE, &err), VD_E_LOCKED);
    check_int_eq(unlink(test_path("d.vmdk.lck/M31337.lck")), 0);
    check_code_err(try_open(host, path, VD_FS_WRITE, &err), VD_OK, &err);

    (void)test_file("e.vmdk.lck", "a file is no folder", 19);
    check_code_err(try_open(host, test_file("e.vmdk", "", 0), VD_FS_WRITE, &err), VD_OK, &err);

    check_int_eq(mkdir(test_path("new.vmdk.lck"), 0755), 0);
    (void)test_file("new.vmdk.lck/M00001.lck", "", 0);
    check_code(vd_fs_create(host, test_path("new.vmdk"), 0, NULL, NULL, &err), VD_E_LOCKED);
    check_int_eq(access(test_path("new.vmdk"), F_OK), -1);

    check_int_eq(chmod(test_path("d.vmdk.lck"), 0), 0);
    if (access(test_path("d.vmdk.lck"), R_OK) < 0) {
        check_code(try_open(host, path, VD_FS_WRITE, &err), VD_E_ACCESS);
        check_str_has(err.text, "cannot look into the lock folder '");
    }
    check_int_eq(chmod(test_path("d.vmdk.lck"), 0755), 0);
}

VD_TEST(lock_folders_in_memory)
{
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    const struct vd_fs *fs = vd_fs_memory_fs(files);
    check_code(vd_fs_memory_add(files, "d.vmdk", "x", 1, NULL), VD_OK);
    check_code(vd_fs_memory_add(files, "d.vmdk.lck/notes", "", 0, NULL), VD_OK);
    check_code_err(try_open(fs, "d.vmdk", VD_FS_WRITE, &err), VD_OK, &err);
    check_code(vd_fs_memory_add(files, "d.vmdk.lck/M1.lck", "", 0, NULL), VD_OK);
    check_code(try_open(fs, "d.vmdk", VD_FS_WRITE, &err), VD_E_LOCKED);
    check_str_eq(err.text, "cannot open 'd.vmdk': the lock 'M1.lck' in the folder 'd.vmdk.lck' "
                           "says that another program uses it");
    check_code(try_open(fs, "d.vmdk", 0, &err), VD_OK);
    check_code(try_open(fs, "d.vmdk", VD_FS_WRITE | VD_FS_NO_LOCK, &err), VD_OK);
}

struct contender {
    const struct vd_fs *fs;
    const char *path;
    int *inside; /* writers that hold the lock at this moment */
    int won;
};

static void *contend(void *data)
{
    struct contender *self = data;
    for (int i = 0; i < 200; i++) {
        struct vd_block *block = NULL;
        int code = vd_fs_open(self->fs, self->path, VD_FS_WRITE, &block, NULL);
        if (code < 0) {
            check_code(code, VD_E_LOCKED);
            continue;
        }
        self->won++;
        int inside = __atomic_add_fetch(self->inside, 1, __ATOMIC_SEQ_CST);
        check_int_eq(inside, 1);
        __atomic_sub_fetch(self->inside, 1, __ATOMIC_SEQ_CST);
        vd_block_free(block);
    }
    return NULL;
}

static void contend_for(const struct vd_fs *fs, const char *path)
{
    enum { THREADS = 4 };
    struct contender contenders[THREADS];
    pthread_t threads[THREADS];
    int inside = 0;
    int won = 0;
    for (int i = 0; i < THREADS; i++) {
        contenders[i] = (struct contender){fs, path, &inside, 0};
        check_int_eq(pthread_create(&threads[i], NULL, contend, &contenders[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        check_int_eq(pthread_join(threads[i], NULL), 0);
        won += contenders[i].won;
    }
    check(won > 0);
}

VD_TEST(many_would_be_writers)
{
    VD_CLEANUP(vd_fs_memory_free_cleanup) struct vd_fs_memory *files = NULL;
    check_code(vd_fs_memory_new(&files, NULL), VD_OK);
    check_code(vd_fs_memory_add(files, "a", "x", 1, NULL), VD_OK);
    contend_for(vd_fs_memory_fs(files), "a");
    contend_for(vd_fs_host(), test_file("a", "x", 1));
}
