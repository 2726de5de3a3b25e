/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher, over an implementation made for the purpose, and over real files whose system
 * calls are made to behave badly: this program's own pread, pwrite, fdatasync and close stand
 * before libc's.
 */
#include "block/block.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/units.h"
#include "block/fs.h"
#include "block/memory.h"
#include "tests/harness.h"

/* How the system calls of this process behave; 0 everywhere is as they should. */
static struct {
    int interrupts;  /* fail that many calls with EINTR first */
    size_t at_most;  /* transfer no more bytes than that in one call */
    int fail_errno;  /* then fail */
    int fail_after;  /* after so many good ones */
    int sync_errno;  /* the next fdatasync fails with it, once */
    int close_errno; /* the next close of a file fails with it, once */
    bool refuse_direct;
    int refuse_modes;   /* fallocate knows none of these FALLOC_FL_ modes, nor mode 0 if negative */
    int allocate_errno; /* every fallocate fails with it */
    int allocations;    /* good calls of fallocate */
} bad;

static size_t bad_length(size_t length, int *ret_errno)
{
    *ret_errno = 0;
    if (bad.interrupts > 0) {
        bad.interrupts--;
        *ret_errno = EINTR;
    } else if (bad.fail_errno && bad.fail_after-- <= 0) {
        *ret_errno = bad.fail_errno;
    }
    return bad.at_most && length > bad.at_most ? bad.at_most : length;
}

ssize_t pread(int fd, void *buffer, size_t length, off_t offset)
{
    int failed;
    length = bad_length(length, &failed);
    if (!failed && bad.refuse_direct && (fcntl(fd, F_GETFL) & O_DIRECT))
        failed = EINVAL;
    if (!failed)
        return syscall(SYS_pread64, fd, buffer, length, offset);
    errno = failed;
    return -1;
}

ssize_t pwrite(int fd, const void *buffer, size_t length, off_t offset)
{
    int failed;
    length = bad_length(length, &failed);
    if (!failed && bad.refuse_direct && (fcntl(fd, F_GETFL) & O_DIRECT))
        failed = EINVAL;
    if (!failed)
        return syscall(SYS_pwrite64, fd, buffer, length, offset);
    errno = failed;
    return -1;
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    int failed = bad.allocate_errno;
    if (!failed && ((bad.refuse_modes & mode) || (mode == 0 && bad.refuse_modes < 0)))
        failed = EOPNOTSUPP;
    if (!failed && bad.interrupts > 0) {
        bad.interrupts--;
        failed = EINTR;
    }
    if (failed) {
        errno = failed;
        return -1;
    }
    int ret = (int)syscall(SYS_fallocate, fd, mode, offset, length);
    bad.allocations += ret == 0;
    return ret;
}

int fdatasync(int fd)
{
    if (bad.sync_errno) {
        errno = bad.sync_errno;
        bad.sync_errno = 0;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int close(int fd)
{
    int ret = (int)syscall(SYS_close, fd);
    if (ret == 0 && bad.close_errno) {
        errno = bad.close_errno;
        bad.close_errno = 0;
        return -1;
    }
    return ret;
}

static void behave(void)
{
    memset(&bad, 0, sizeof bad);
}

static struct vd_block *open_host(const char *path, unsigned flags)
{
    struct vd_block *block = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_fs_open(vd_fs_host(), path, flags, &block, &err), VD_OK, &err);
    return block;
}

static void fill(unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
}

VD_TEST(read_and_write)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_block_free_cleanup)
    struct vd_block *block = open_host(test_file("a", "0123456789", 10), VD_FS_WRITE);
    char got[16] = "";
    check_code_err(vd_block_read(block, 2, got, 5, &err), VD_OK, &err);
    check_str_eq(got, "23456");
    check_code_err(vd_block_write(block, 8, "XYZ", 3, &err), VD_OK, &err);
    check_code_err(vd_block_flush(block, &err), VD_OK, &err);
    uint64_t size;
    check_code_err(vd_block_size(block, &size, &err), VD_OK, &err);
    check_u64_eq(size, 11);
    check_code_err(vd_block_read(block, 0, got, 11, &err), VD_OK, &err);
    check_mem_eq(got, "01234567XYZ", 11);
    check_code_err(vd_block_resize(block, 4, &err), VD_OK, &err);
    check_code_err(vd_block_size(block, &size, &err), VD_OK, &err);
    check_u64_eq(size, 4);
}

VD_TEST(past_the_end)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("a", "0123456789", 10);
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = open_host(path, 0);
    char got[16] = "";
    size_t done = 99;
    check_code_err(vd_block_read_some(block, 6, got, 8, &done, &err), VD_OK, &err);
    check_u64_eq(done, 4);
    check_mem_eq(got, "6789", 4);
    check_code_err(vd_block_read_some(block, 10, got, 8, &done, &err), VD_OK, &err);
    check_u64_eq(done, 0);
    check_code_err(vd_block_read_some(block, UINT64_MAX, got, 8, &done, &err), VD_OK, &err);
    check_u64_eq(done, 0);
    check_code_err(vd_block_read_some(block, INT64_MAX - 3, got, 8, &done, &err), VD_OK, &err);
    check_u64_eq(done, 0);

    check_code(vd_block_read(block, 6, got, 8, &err), VD_E_TRUNCATED);
    check_str_has(err.text, "cannot read 8 bytes at offset 6 of '");
    check_str_has(err.text, path);
    check_str_has(err.text, "': the file ends at offset 10");
    vd_error_clear(&err);
    check_code(vd_block_read(block, UINT64_MAX, got, 8, &err), VD_E_TRUNCATED);
    check_code_err(vd_block_read(block, 10, got, 0, NULL), VD_OK, &err);
}

VD_TEST(what_was_opened_for_reading_is_not_written)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_block_free_cleanup)
    struct vd_block *block = open_host(test_file("a", "0123", 4), 0);
    check_code(vd_block_write(block, 0, "x", 1, &err), VD_E_READ_ONLY);
    check_str_has(err.text, "opened for reading only");
    vd_error_clear(&err);
    check_code(vd_block_write(block, 0, "x", 0, &err), VD_E_READ_ONLY);
    check_code(vd_block_resize(block, 9, NULL), VD_E_READ_ONLY);
    check_code(vd_block_flush(block, NULL), VD_OK);
    char got[4];
    check_code(vd_block_read(block, 0, got, 4, NULL), VD_OK);
    check_mem_eq(got, "0123", 4);
}

VD_TEST(offsets_no_file_has)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_block_free_cleanup)
    struct vd_block *block = open_host(test_file("a", "0123", 4), VD_FS_WRITE);
    check_code(vd_block_write(block, INT64_MAX, "x", 1, &err), VD_E_TOO_BIG);
    check_str_has(err.text, "at offset 9223372036854775807");
    check_code(vd_block_write(block, UINT64_MAX, "xy", 2, NULL), VD_E_TOO_BIG);
    check_code(vd_block_resize(block, UINT64_MAX, NULL), VD_E_TOO_BIG);
    check_code(vd_block_write(block, UINT64_MAX, "", 0, NULL), VD_OK);
}

VD_TEST(signals_and_short_transfers_are_no_errors)
{
    behave();
    enum { LENGTH = 10000 };
    static unsigned char want[LENGTH];
    static unsigned char got[LENGTH];
    fill(want, LENGTH);
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_block_free_cleanup)
    struct vd_block *block = open_host(test_file("a", "", 0), VD_FS_WRITE);

    bad.interrupts = 3;
    bad.at_most = 777;
    check_code_err(vd_block_write(block, 5, want, LENGTH, &err), VD_OK, &err);
    bad.interrupts = 3;
    check_code_err(vd_block_read(block, 5, got, LENGTH, &err), VD_OK, &err);
    check_mem_eq(got, want, LENGTH);
    size_t done;
    check_code_err(vd_block_read_some(block, 6, got, LENGTH, &done, &err), VD_OK, &err);
    check_u64_eq(done, LENGTH - 1);
    behave();
}

VD_TEST(a_failing_read_tells_where)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("a", "0123456789", 10);
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = open_host(path, 0);
    char got[10] = "";
    size_t done = 77;
    bad.at_most = 4;
    bad.fail_errno = EIO;
    bad.fail_after = 1;
    check_code(vd_block_read_some(block, 1, got, 9, &done, &err), VD_E_IO);
    behave();
    check_u64_eq(done, 77);
    check_int_eq(err.sys_errno, EIO);
    check_str_has(err.text, "cannot read 9 bytes at offset 1 of '");
    check_str_has(err.text, path);
    check_str_has(err.text, "': Input/output error");
}

VD_TEST(odd_reasons_of_the_system_are_input_output_errors)
{
    behave();
    static const int reasons[] = {EIO, EINVAL, EISDIR, ENXIO, EBADF};
    VD_CLEANUP(vd_block_free_cleanup)
    struct vd_block *block = open_host(test_file("a", "0123456789", 10), 0);
    for (size_t i = 0; i < VD_ARRAY_SIZE(reasons); i++) {
        struct vd_error err = VD_ERROR_INIT;
        char got[4];
        bad.fail_errno = reasons[i];
        check_code(vd_block_read(block, 0, got, 4, &err), VD_E_IO);
        check_int_eq(err.sys_errno, reasons[i]);
        check_code(err.code, VD_E_IO);
        behave();
    }
}

VD_TEST(a_full_disk_is_told)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_block_free_cleanup)
    struct vd_block *block = open_host(test_file("a", "", 0), VD_FS_WRITE);
    bad.fail_errno = ENOSPC;
    check_code(vd_block_write(block, 0, "abc", 3, &err), VD_E_DISK_FULL);
    behave();
    check_str_has(err.text, "cannot write 3 bytes at offset 0 of '");
    check_str_has(err.text, "No space left on device");
}

VD_TEST(an_older_story_is_kept)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    (void)vd_error_set(&err, VD_E_GTE, "older");
    VD_CLEANUP(vd_block_free_cleanup)
    struct vd_block *block = open_host(test_file("a", "0", 1), 0);
    char got[4];
    check_code(vd_block_read(block, 0, got, 4, &err), VD_E_TRUNCATED);
    check_code(err.code, VD_E_GTE);
    check_str_eq(err.text, "older");
}

VD_TEST(a_lost_flush_stays_lost)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_block_free_cleanup)
    struct vd_block *block = open_host(test_file("a", "", 0), VD_FS_WRITE);
    check_code_err(vd_block_flush(block, &err), VD_OK, &err);
    bad.sync_errno = EIO;
    check_code(vd_block_flush(block, &err), VD_E_IO);
    check_str_has(err.text, "cannot flush '");
    check_code(vd_block_flush(block, NULL), VD_E_IO);
}

VD_TEST(a_late_write_error_comes_with_close)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("a", "", 0);
    struct vd_block *block = open_host(path, VD_FS_WRITE);
    bad.close_errno = EDQUOT;
    check_code(vd_block_close(block, &err), VD_E_DISK_FULL);
    check_str_has(err.text, "cannot close '");
    check_str_has(err.text, path);

    block = open_host(path, VD_FS_WRITE);
    bad.close_errno = EINTR; /* closed all the same */
    check_code(vd_block_close(block, NULL), VD_OK);
    check_code(vd_block_close(NULL, NULL), VD_OK);
    vd_block_free(NULL);
}

/* Fails the flush of whoever comes first and lets the others succeed, as the kernel does. */
static void *flush_once(void *data)
{
    int *ret = calloc(1, sizeof *ret);
    check(ret != NULL);
    *ret = vd_block_flush(data, NULL);
    return ret;
}

VD_TEST(a_lost_flush_is_told_to_every_thread)
{
    behave();
    enum { THREADS = 8 };
    VD_CLEANUP(vd_block_free_cleanup)
    struct vd_block *block = open_host(test_file("a", "", 0), VD_FS_WRITE);
    bad.sync_errno = EIO;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        check_int_eq(pthread_create(&threads[i], NULL, flush_once, block), 0);
    for (int i = 0; i < THREADS; i++) {
        void *ret;
        check_int_eq(pthread_join(threads[i], &ret), 0);
        check_code(*(int *)ret, VD_E_IO); /* all came after the loss */
        free(ret);
    }
}

/* What the file systems of this world make of a file when asked to allocate and to punch. */
static const struct {
    const char *what;
    int refuse_modes;
} storages[] = {
    {"everything", 0},
    {"no zero range", FALLOC_FL_ZERO_RANGE},
    {"no zero range, no holes", FALLOC_FL_ZERO_RANGE | FALLOC_FL_PUNCH_HOLE},
    {"nothing at all", -1},
};

VD_TEST(allocating_and_punching_read_as_zeros)
{
    enum { LENGTH = 3 * 1024 * 1024 };
    static unsigned char want[LENGTH + 100000];
    static unsigned char got[sizeof want];
    for (size_t i = 0; i < VD_ARRAY_SIZE(storages); i++) {
        behave();
        fill(want, LENGTH);
        memset(want + LENGTH, 0, sizeof want - LENGTH);
        struct vd_error err = VD_ERROR_INIT;
        VD_CLEANUP(vd_block_free_cleanup)
        struct vd_block *block = open_host(test_file("a", want, LENGTH), VD_FS_WRITE);
        check(block->capabilities & VD_BLOCK_ALLOCATES);
        check(block->capabilities & VD_BLOCK_PUNCHES);
        bad.refuse_modes = storages[i].refuse_modes;
        bad.interrupts = 2;

        check_code_err(vd_block_punch(block, 1000, 2000000, &err), VD_OK, &err);
        memset(want + 1000, 0, 2000000);
        check_code_err(vd_block_allocate(block, 2500001, 333, NULL, &err), VD_OK, &err);
        memset(want + 2500001, 0, 333);
        check_code_err(vd_block_punch(block, LENGTH - 10, 100000, &err), VD_OK, &err);
        memset(want + LENGTH - 10, 0, 10);
        check_code_err(vd_block_punch(block, LENGTH, 100000, &err), VD_OK, &err);
        check_code_err(vd_block_punch(block, UINT64_MAX, 1, &err), VD_OK, &err);
        uint64_t size;
        check_code_err(vd_block_size(block, &size, &err), VD_OK, &err);
        check_u64_eq(size, LENGTH);
        check_code_err(vd_block_allocate(block, LENGTH - 5, 50005, NULL, &err), VD_OK, &err);
        check_code_err(vd_block_allocate(block, LENGTH + 50000, 50000, NULL, &err), VD_OK, &err);
        check_code_err(vd_block_allocate(block, UINT64_MAX, 0, NULL, NULL), VD_E_TOO_BIG, &err);
        check_code_err(vd_block_allocate(block, 10, 0, NULL, &err), VD_OK, &err);

        check_code_err(vd_block_size(block, &size, &err), VD_OK, &err);
        check_u64_eq(size, sizeof want);
        check_code_err(vd_block_read(block, 0, got, sizeof got, &err), VD_OK, &err);
        check_mem_eq(got, want, sizeof want);
        check_int_eq(bad.allocations > 0, bad.refuse_modes >= 0);
    }
    behave();
}

VD_TEST(allocating_takes_storage_and_punching_gives_it_back)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_block_free_cleanup)
    struct vd_block *block = open_host(test_file("a", "", 0), VD_FS_WRITE);
    uint64_t used;
    check_code_err(vd_block_allocate(block, 0, 4 * VD_MIB, NULL, &err), VD_OK, &err);
    check_code_err(vd_block_allocated(block, &used, &err), VD_OK, &err);
    check(used >= 4 * VD_MIB);
    check_code_err(vd_block_punch(block, VD_MIB, 2 * VD_MIB, &err), VD_OK, &err);
    check_code_err(vd_block_allocated(block, &used, &err), VD_OK, &err);
    if (used >= 4 * VD_MIB)
        test_skip("the file system of '%s' makes no holes", vd_block_path(block));
    check(used >= 2 * VD_MIB);
    check_code_err(vd_block_allocate(block, 0, 4 * VD_MIB, NULL, &err), VD_OK, &err);
    check_code_err(vd_block_allocated(block, &used, &err), VD_OK, &err);
    check(used >= 4 * VD_MIB);
}

struct watch {
    uint64_t calls, last, total, stop_at;
};

static bool watch_progress(void *data, uint64_t done, uint64_t total)
{
    struct watch *watch = data;
    check(done >= watch->last);
    watch->last = done;
    watch->total = total;
    return ++watch->calls != watch->stop_at;
}

VD_TEST(allocating_tells_progress_and_can_be_stopped)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    VD_CLEANUP(vd_block_free_cleanup)
    struct vd_block *block = open_host(test_file("a", "", 0), VD_FS_WRITE);
    bad.refuse_modes = -1;
    struct watch watch = {0};
    const struct vd_progress progress = {watch_progress, &watch};
    check_code_err(vd_block_allocate(block, 7, 5 * VD_MIB, &progress, &err), VD_OK, &err);
    check_u64_eq(watch.calls, 6);
    check_u64_eq(watch.last, 5 * VD_MIB);
    check_u64_eq(watch.total, 5 * VD_MIB);

    watch = (struct watch){.stop_at = 3};
    check_code(vd_block_allocate(block, 0, 5 * VD_MIB, &progress, &err), VD_E_CANCELLED);
    check_str_has(err.text, "cannot allocate 5242880 bytes at offset 0 of '");
    check_str_has(err.text, "': cancelled after 2097152 bytes");
    watch = (struct watch){.stop_at = 6}; /* when all is done it is done */
    check_code(vd_block_allocate(block, 0, 5 * VD_MIB, &progress, NULL), VD_OK);
    behave();
}

VD_TEST(allocating_and_punching_that_fail)
{
    behave();
    struct vd_error err = VD_ERROR_INIT;
    const char *path = test_file("a", "0123456789", 10);
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = open_host(path, VD_FS_WRITE);
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *reader = open_host(path, 0);
    check(!(reader->capabilities & (VD_BLOCK_ALLOCATES | VD_BLOCK_PUNCHES)));
    check_code(vd_block_allocate(reader, 0, 1, NULL, &err), VD_E_READ_ONLY);
    check_code(vd_block_punch(reader, 0, 1, NULL), VD_E_READ_ONLY);
    check_code(vd_block_allocate(block, INT64_MAX, 1, NULL, NULL), VD_E_TOO_BIG);

    vd_error_clear(&err);
    bad.allocate_errno = ENOSPC;
    check_code(vd_block_allocate(block, 4, 100, NULL, &err), VD_E_DISK_FULL);
    check_str_has(err.text, "cannot allocate 100 bytes at offset 4 of '");
    check_str_has(err.text, "No space left on device");
    vd_error_clear(&err);
    bad.allocate_errno = EIO;
    check_code(vd_block_punch(block, 4, 100, &err), VD_E_IO);
    check_str_has(err.text, "cannot punch 6 bytes at offset 4 of '");
    bad.allocate_errno = ENOSYS;
    bad.fail_errno = ENOSPC;
    vd_error_clear(&err);
    check_code(vd_block_allocate(block, 4, 100, NULL, &err), VD_E_DISK_FULL);
    check_str_has(err.text, "cannot allocate 100 bytes at offset 4 of '");
    behave();
}

/* A file with data at [0, 64K), a hole, and data at [1M, 1M + 64K), or a skip. */
static const char *holey_file(void)
{
    static char piece[64 * 1024];
    memset(piece, 'd', sizeof piece);
    const char *path = test_file("holey", piece, sizeof piece);
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = open_host(path, VD_FS_WRITE);
    check_code(vd_block_write(block, VD_MIB, piece, sizeof piece, NULL), VD_OK);
    check_code(vd_block_resize(block, 2 * VD_MIB, NULL), VD_OK);
    check_code(vd_block_flush(block, NULL), VD_OK);
    uint64_t used;
    check_code(vd_block_allocated(block, &used, NULL), VD_OK);
    if (used >= 2 * VD_MIB)
        test_skip("the file system of '%s' makes no holes", path);
    return path;
}

VD_TEST(holes)
{
    behave();
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = open_host(holey_file(), 0);
    static const uint64_t want[][3] = {
        {0, 0, 65536},
        {1000, 1000, 65536},
        {65536, VD_MIB, VD_MIB + 65536},
        {VD_MIB + 5, VD_MIB + 5, VD_MIB + 65536},
        {VD_MIB + 65536, 2 * VD_MIB, 2 * VD_MIB},
        {2 * VD_MIB, 2 * VD_MIB, 2 * VD_MIB},
        {UINT64_MAX, 2 * VD_MIB, 2 * VD_MIB},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(want); i++) {
        uint64_t start;
        uint64_t end;
        check_code(vd_block_next_data(block, want[i][0], &start, &end, NULL), VD_OK);
        check_u64_eq(start, want[i][1]);
        check_u64_eq(end, want[i][2]);
    }
}

VD_TEST(unbuffered_reads_equal_buffered_ones)
{
    behave();
    enum { LENGTH = 3 * 1024 * 1024 + 1234 };
    unsigned char *want = malloc(LENGTH);
    unsigned char *got = malloc(LENGTH + 8192);
    check(want && got);
    fill(want, LENGTH);
    const char *path = test_file("a", want, LENGTH);

    for (int refuse = 0; refuse < 2; refuse++) {
        VD_CLEANUP(vd_block_free_cleanup)
        struct vd_block *block = open_host(path, VD_FS_UNBUFFERED);
        bad.refuse_direct = refuse;
        static const size_t offsets[] = {
            0, 1, 511, 512, 4095, 4096, 4097, VD_MIB - 1, 2 * VD_MIB + 17, LENGTH - 3};
        static const size_t lengths[] = {1, 2, 512, 4096, 5000, 65536, VD_MIB, VD_MIB + 1, LENGTH};
        for (size_t i = 0; i < VD_ARRAY_SIZE(offsets); i++) {
            for (size_t j = 0; j < VD_ARRAY_SIZE(lengths); j++) {
                struct vd_error err = VD_ERROR_INIT;
                size_t done;
                size_t expected = VD_MIN(lengths[j], LENGTH - offsets[i]);
                memset(got, 0xee, lengths[j] + 16);
                check_code_err(
                    vd_block_read_some(block, offsets[i], got + 7, lengths[j], &done, &err), VD_OK,
                    &err);
                check_u64_eq(done, expected);
                check_mem_eq(got + 7, want + offsets[i], expected);
                check_int_eq(got[6], 0xee);
                check_int_eq(got[7 + expected], 0xee);
            }
        }
    }
    behave();
    free(want);
    free(got);
}

VD_TEST(unbuffered_writes)
{
    behave();
    static const char zeros[20000];
    const char *path = test_file("a", zeros, sizeof zeros);
    void *aligned = aligned_alloc(4096, 8192);
    check(aligned != NULL);
    fill(aligned, 8192);
    for (int refuse = 0; refuse < 2; refuse++) {
        struct vd_error err = VD_ERROR_INIT;
        VD_CLEANUP(vd_block_free_cleanup)
        struct vd_block *block = open_host(path, VD_FS_UNBUFFERED | VD_FS_WRITE);
        bad.refuse_direct = refuse;
        check_code_err(vd_block_write(block, 4096, aligned, 8192, &err), VD_OK, &err);
        check_code_err(vd_block_write(block, 5000, "odd place", 9, &err), VD_OK, &err);
        check_code_err(vd_block_flush(block, &err), VD_OK, &err);
        unsigned char got[8192];
        check_code_err(vd_block_read(block, 4096, got, sizeof got, &err), VD_OK, &err);
        check_mem_eq(got, aligned, 904);
        check_mem_eq(got + 904, "odd place", 9);
        check_mem_eq(got + 913, (char *)aligned + 913, 8192 - 913);
        uint64_t size;
        check_code_err(vd_block_size(block, &size, &err), VD_OK, &err);
        check_u64_eq(size, sizeof zeros);
    }
    behave();
    free(aligned);
}

/* An implementation without the optional ops, which fails with a code and no reason. */
static int mute_read(struct vd_block *self, uint64_t offset, void *buffer, size_t length,
                     size_t *ret_done, struct vd_error *err)
{
    (void)self, (void)offset, (void)buffer, (void)length, (void)ret_done, (void)err;
    return VD_E_CANCELLED;
}

static int mute_size(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err)
{
    (void)self, (void)err;
    *ret_bytes = 5000;
    return VD_OK;
}

static int mute_close(struct vd_block *self, struct vd_error *err)
{
    (void)self, (void)err;
    return VD_OK;
}

VD_TEST(optional_ops_and_missing_reasons)
{
    static const struct vd_block_ops ops = {
        .name = "mute", .read = mute_read, .size = mute_size, .close = mute_close};
    struct vd_block block = {&ops, strdup("mute.bin"), 0, {1, 2}};
    struct vd_error err = VD_ERROR_INIT;
    char got[4];
    check_code(vd_block_read(&block, 0, got, 4, &err), VD_E_CANCELLED);
    check_str_eq(err.text, "cannot read 4 bytes at offset 0 of 'mute.bin': cancelled");

    uint64_t start;
    uint64_t end;
    check_code(vd_block_next_data(&block, 100, &start, &end, NULL), VD_OK);
    check_u64_eq(start, 100);
    check_u64_eq(end, 5000);
    check_code(vd_block_next_data(&block, 6000, &start, &end, NULL), VD_OK);
    check_u64_eq(start, 5000);
    check_u64_eq(end, 5000);
    check_code(vd_block_allocated(&block, &end, NULL), VD_OK);
    check_u64_eq(end, 5000);
    check_str_eq(vd_block_path(&block), "mute.bin");
    check_code(vd_block_close(&block, NULL), VD_OK);
}

struct reader {
    struct vd_block *block;
    const unsigned char *want;
    size_t length;
    unsigned seed;
};

static void *read_often(void *data)
{
    const struct reader *self = data;
    unsigned random = self->seed;
    unsigned char got[9000];
    for (int i = 0; i < 300; i++) {
        random = random * 1103515245u + 12345u;
        size_t offset = (random >> 8) % self->length;
        size_t length = VD_MIN(1 + (random >> 4) % sizeof got, self->length - offset);
        struct vd_error err = VD_ERROR_INIT;
        check_code_err(vd_block_read(self->block, offset, got, length, &err), VD_OK, &err);
        check_mem_eq(got, self->want + offset, length);
        uint64_t start;
        uint64_t end;
        check_code(vd_block_next_data(self->block, offset, &start, &end, &err), VD_OK);
    }
    return NULL;
}

static void read_on_many_threads(struct vd_block *block, const unsigned char *want, size_t length)
{
    enum { THREADS = 4 };
    struct reader readers[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        readers[i] = (struct reader){block, want, length, i * 77 + 1};
        check_int_eq(pthread_create(&threads[i], NULL, read_often, &readers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        check_int_eq(pthread_join(threads[i], NULL), 0);
}

VD_TEST(many_readers_at_once)
{
    behave();
    enum { LENGTH = 200000 };
    static unsigned char want[LENGTH];
    fill(want, LENGTH);
    const char *path = test_file("a", want, LENGTH);
    static const unsigned flags[] = {0, VD_FS_UNBUFFERED, VD_FS_WRITE};
    for (size_t i = 0; i < VD_ARRAY_SIZE(flags); i++) {
        VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = open_host(path, flags[i]);
        read_on_many_threads(block, want, LENGTH);
    }

    struct vd_block *memory = NULL;
    check_code(vd_block_memory_new(want, LENGTH, &memory, NULL), VD_OK);
    read_on_many_threads(memory, want, LENGTH);
    vd_block_free(memory);
}
