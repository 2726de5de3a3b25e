/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file or block device of the host as a vd_block.
 *
 * Opening. The type is looked at before the file is opened, because opening is an act: it can hang
 * (FIFO), rewind a tape or arm a watchdog. It is looked at again on the descriptor, because the
 * name may have changed its meaning in between; O_NONBLOCK keeps that rare case from hanging.
 *
 * Unbuffered. A second descriptor with O_DIRECT stands beside the buffered one. Direct transfers
 * must be aligned in memory, offset and length; unaligned reads go through an aligned bounce
 * buffer, unaligned writes and whatever the file system refuses go through the buffered descriptor,
 * which the kernel keeps coherent with direct transfers. One bounce buffer is kept between calls;
 * concurrent readers make their own.
 *
 * Shared state. Descriptors and `is_device` are fixed at open. `bounce` is atomic. `flush_lock`
 * guards `flush_errno` and is held while flushing. lseek moves a position that nothing here uses.
 */
#include "block/file-int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "block/block-int.h"
#include "block/lock.h"
#include "block/write-out.h"

/* No file system or device asks for more than a page of the smallest common size. */
#define DIRECT_ALIGN_BYTES 4096u
#define BOUNCE_BYTES       (1u << 20)

struct file {
    struct vd_block base;
    int fd;
    int direct_fd; /* -1: buffered only */
    bool is_device;
    _Atomic(void *) bounce; /* a free one, or NULL */
    pthread_mutex_t flush_lock;
    int flush_errno; /* of the first flush that failed */
    bool writes_out; /* fixed at open */
    struct vd_write_out write_out;
};

static struct file *file_of(struct vd_block *block)
{
    return (struct file *)block;
}

static void *bounce_take(struct file *file)
{
    void *bounce = atomic_exchange(&file->bounce, NULL);
    return bounce ? bounce : aligned_alloc(DIRECT_ALIGN_BYTES, BOUNCE_BYTES);
}

static void bounce_give(struct file *file, void *bounce)
{
    free(atomic_exchange(&file->bounce, bounce));
}

static bool is_aligned(uint64_t offset, const void *buffer, size_t length)
{
    return ((offset | (uintptr_t)buffer | length) & (DIRECT_ALIGN_BYTES - 1)) == 0;
}

/* Reads the aligned surroundings of the range, as far as one bounce buffer goes, and copies out. */
static ssize_t read_bounced(struct file *file, uint64_t offset, void *buffer, size_t length)
{
    void *bounce = bounce_take(file);
    if (!bounce) {
        errno = ENOMEM;
        return -1;
    }

    size_t skip = (size_t)(offset & (DIRECT_ALIGN_BYTES - 1));
    size_t span = BOUNCE_BYTES;
    if (length < BOUNCE_BYTES - skip)
        span = (skip + length + DIRECT_ALIGN_BYTES - 1) & ~(size_t)(DIRECT_ALIGN_BYTES - 1);

    ssize_t got = TEMP_FAILURE_RETRY(pread(file->direct_fd, bounce, span, (off_t)(offset - skip)));
    if (got >= 0) {
        size_t usable = (size_t)got > skip ? (size_t)got - skip : 0;
        got = (ssize_t)VD_MIN(usable, length);
        memcpy(buffer, (const char *)bounce + skip, (size_t)got);
    }
    int saved = errno;
    bounce_give(file, bounce);
    errno = saved;
    return got;
}

static ssize_t read_direct(struct file *file, uint64_t offset, void *buffer, size_t length)
{
    if (!is_aligned(offset, buffer, length))
        return read_bounced(file, offset, buffer, length);
    return TEMP_FAILURE_RETRY(pread(file->direct_fd, buffer, length, (off_t)offset));
}

static int file_read(struct vd_block *self, uint64_t offset_bytes, void *buffer, size_t length,
                     size_t *ret_done, struct vd_error *err)
{
    struct file *file = file_of(self);
    ssize_t got = -1;
    errno = EINVAL;
    if (file->direct_fd >= 0)
        got = read_direct(file, offset_bytes, buffer, length);
    if (got < 0 && errno == EINVAL) /* some file systems open with O_DIRECT and refuse here */
        got = TEMP_FAILURE_RETRY(pread(file->fd, buffer, length, (off_t)offset_bytes));
    if (got < 0)
        return vd_block_reason(err, errno);
    *ret_done = (size_t)got;
    return VD_OK;
}

static ssize_t write_some(struct file *file, uint64_t offset, const void *buffer, size_t length)
{
    ssize_t done = -1;
    errno = EINVAL;
    if (file->direct_fd >= 0 && is_aligned(offset, buffer, length))
        done = TEMP_FAILURE_RETRY(pwrite(file->direct_fd, buffer, length, (off_t)offset));
    length = VD_MIN(length, (size_t)VD_WRITE_CALL_BYTES);
    if (done < 0 && errno == EINVAL)
        done = TEMP_FAILURE_RETRY(pwrite(file->fd, buffer, length, (off_t)offset));
    return done;
}

static int file_write(struct vd_block *self, uint64_t offset_bytes, const void *buffer,
                      size_t length, struct vd_error *err)
{
    struct file *file = file_of(self);
    const char *at = buffer;
    while (length > 0) {
        ssize_t done = write_some(file, offset_bytes, at, length);
        if (done < 0)
            return vd_block_reason(err, errno);
        if (done == 0) /* never for a file; the end of a device */
            return vd_block_reason(err, ENOSPC);
        if (file->writes_out)
            vd_write_out_wrote(&file->write_out, file->fd, offset_bytes, (uint64_t)done);
        at += done;
        offset_bytes += (uint64_t)done;
        length -= (size_t)done;
    }
    return VD_OK;
}

/* The kernel reports a lost write once and then calls the pages clean: the next fdatasync would
 * succeed, and the data would be gone. So the first failure is kept, and one thread flushes at a
 * time: of two calls side by side only one is told, and the other would promise what is lost. */
static int file_flush(struct vd_block *self, struct vd_error *err)
{
    struct file *file = file_of(self);
    pthread_mutex_lock(&file->flush_lock);
    if (file->flush_errno == 0)
        file->flush_errno = vd_write_out_failed(&file->write_out);
    if (file->flush_errno == 0 && TEMP_FAILURE_RETRY(fdatasync(file->fd)) < 0)
        file->flush_errno = errno;
    int failed = file->flush_errno;
    pthread_mutex_unlock(&file->flush_lock);
    return failed ? vd_block_reason(err, failed) : VD_OK;
}

static int file_size(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err)
{
    struct file *file = file_of(self);
    struct stat status;
    uint64_t device_bytes;
    if (file->is_device) {
        if (ioctl(file->fd, BLKGETSIZE64, &device_bytes) < 0)
            return vd_block_reason(err, errno);
        *ret_bytes = device_bytes;
        return VD_OK;
    }
    if (fstat(file->fd, &status) < 0)
        return vd_block_reason(err, errno);
    *ret_bytes = (uint64_t)status.st_size;
    return VD_OK;
}

static int file_resize(struct vd_block *self, uint64_t size_bytes, struct vd_error *err)
{
    struct file *file = file_of(self);
    if (file->is_device)
        return vd_error_set(err, VD_E_NOT_SUPPORTED, "a device has the size it has");
    if (TEMP_FAILURE_RETRY(ftruncate(file->fd, (off_t)size_bytes)) < 0)
        return vd_block_reason(err, errno);
    return VD_OK;
}

/* 0 or an errno, EINTR too: some file systems give up and take back at a signal what can take
 * minutes, and would never come to an end where signals come each second. EOPNOTSUPP for all the
 * ways of saying that it cannot be done here: EINVAL comes from devices asked for less than their
 * own sector and from file systems that know no such mode, and ENODEV from what is no ordinary
 * file. */
static int change_storage(struct file *file, int mode, uint64_t offset, uint64_t length)
{
    if (fallocate(file->fd, mode, (off_t)offset, (off_t)length) == 0)
        return 0;
    return errno == ENOSYS || errno == EINVAL || errno == ENODEV ? EOPNOTSUPP : errno;
}

static int allocate_zeros(struct file *file, uint64_t offset, uint64_t length, bool past_end)
{
    /* What is added past the end is zero by itself, and most file systems take this alone. */
    if (past_end)
        return change_storage(file, 0, offset, length);
    int failed = change_storage(file, FALLOC_FL_ZERO_RANGE, offset, length);
    if (failed != EOPNOTSUPP || file->is_device)
        return failed;
    failed = change_storage(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
    return failed ? failed : change_storage(file, 0, offset, length);
}

static int file_allocate(struct vd_block *self, uint64_t offset_bytes, uint64_t length,
                         struct vd_error *err)
{
    struct file *file = file_of(self);
    uint64_t size;
    int ret = file_size(self, &size, err);
    if (ret < 0)
        return ret;
    int failed =
        allocate_zeros(file, offset_bytes, length, !file->is_device && offset_bytes >= size);
    return failed ? vd_block_reason(err, failed) : VD_OK;
}

static int file_punch(struct vd_block *self, uint64_t offset_bytes, uint64_t length,
                      struct vd_error *err)
{
    int failed = change_storage(file_of(self), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                offset_bytes, length);
    return failed ? vd_block_reason(err, failed) : VD_OK;
}

static int file_next_data(struct vd_block *self, uint64_t offset_bytes, uint64_t *ret_start,
                          uint64_t *ret_end, struct vd_error *err)
{
    struct file *file = file_of(self);
    uint64_t size;
    int ret = file_size(self, &size, err);
    if (ret < 0)
        return ret;

    off_t start = lseek(file->fd, (off_t)offset_bytes, SEEK_DATA);
    bool only_hole = start < 0 && errno == ENXIO && !file->is_device;
    off_t end = start < 0 ? -1 : lseek(file->fd, start, SEEK_HOLE);
    if (only_hole) {
        *ret_start = *ret_end = size;
    } else if (end < 0) { /* this file system cannot tell, and to call it data is always right */
        *ret_start = VD_MIN(offset_bytes, size);
        *ret_end = size;
    } else {
        *ret_start = (uint64_t)start;
        *ret_end = (uint64_t)end;
    }
    return VD_OK;
}

static int file_allocated(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err)
{
    struct file *file = file_of(self);
    if (file->is_device)
        return file_size(self, ret_bytes, err);

    struct stat status;
    if (fstat(file->fd, &status) < 0)
        return vd_block_reason(err, errno);
    *ret_bytes = (uint64_t)status.st_blocks * 512u; /* stat(2): always in units of 512 */
    return VD_OK;
}

static int file_close(struct vd_block *self, struct vd_error *err)
{
    struct file *file = file_of(self);
    int failed = 0;
    if (file->direct_fd >= 0 && close(file->direct_fd) < 0)
        failed = errno;
    if (file->fd >= 0 && close(file->fd) < 0)
        failed = errno;
    free(atomic_load(&file->bounce));
    pthread_mutex_destroy(&file->flush_lock);
    vd_write_out_done(&file->write_out);
    free(file);
    /* Linux has closed the descriptor even when a signal interrupted the call. */
    return failed && failed != EINTR ? vd_block_reason(err, failed) : VD_OK;
}

static const struct vd_block_ops file_ops = {
    .name = "file",
    .read = file_read,
    .write = file_write,
    .flush = file_flush,
    .size = file_size,
    .resize = file_resize,
    .allocate = file_allocate,
    .punch = file_punch,
    .next_data = file_next_data,
    .allocated = file_allocated,
    .close = file_close,
};

static const char *type_text(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a folder";
    case S_IFIFO:
        return "a pipe";
    case S_IFSOCK:
        return "a socket";
    case S_IFCHR:
        return "a character device";
    case S_IFBLK:
        return "a block device";
    default:
        return "something else";
    }
}

static int check_type(const struct stat *status, unsigned flags, struct vd_error *err)
{
    if (S_ISREG(status->st_mode) || (S_ISBLK(status->st_mode) && (flags & VD_FS_ALLOW_DEVICE)))
        return VD_OK;
    return vd_error_set(err, VD_E_FILE_TYPE, "it is %s, expected a regular file%s",
                        type_text(status->st_mode),
                        flags & VD_FS_ALLOW_DEVICE ? " or a block device" : "");
}

static int open_mode(unsigned flags)
{
    return (flags & VD_FS_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY;
}

static int open_checked(const char *path, unsigned flags, int *ret_fd, struct stat *status,
                        struct vd_error *err)
{
    if (stat(path, status) < 0)
        return vd_block_reason(err, errno);
    int ret = check_type(status, flags, err);
    if (ret < 0)
        return ret;

    VD_CLOSE int fd = (int)TEMP_FAILURE_RETRY(open(path, open_mode(flags) | O_NONBLOCK));
    if (fd < 0 || fstat(fd, status) < 0)
        return vd_block_reason(err, errno);
    ret = check_type(status, flags, err);
    if (ret < 0)
        return ret;
    int set = fcntl(fd, F_GETFL);
    if (set < 0 || fcntl(fd, F_SETFL, set & ~O_NONBLOCK) < 0)
        return vd_block_reason(err, errno);

    *ret_fd = fd;
    fd = -1;
    return VD_OK;
}

/* Through /proc, so that it is the very file that was checked. -1 where that is not to be had; then
 * everything is buffered. */
static int open_direct(int fd, unsigned flags)
{
    char path[40];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return (int)TEMP_FAILURE_RETRY(open(path, open_mode(flags) | O_DIRECT));
}

/* A device is known by its number, whichever node led to it; no file has inode 0. */
struct vd_block_identity vd_file_identity(const struct stat *status)
{
    bool is_device = S_ISBLK(status->st_mode);
    return (struct vd_block_identity){
        .device = is_device ? status->st_rdev : status->st_dev,
        .inode = is_device ? 0 : status->st_ino,
    };
}

static void describe(struct file *file, const struct stat *status, unsigned flags)
{
    file->is_device = S_ISBLK(status->st_mode);
    if (flags & VD_FS_WRITE)
        file->base.capabilities |= VD_BLOCK_WRITABLE | VD_BLOCK_ALLOCATES | VD_BLOCK_PUNCHES;
    if (file->is_device)
        file->base.capabilities |= VD_BLOCK_DEVICE;
    if (file->direct_fd >= 0)
        file->base.capabilities |= VD_BLOCK_DIRECT;
    file->base.identity = vd_file_identity(status);
}

/* Owns the descriptor on success. */
static int file_new(int fd, const char *path, unsigned flags, const struct stat *status,
                    struct vd_block **ret)
{
    struct file *file = calloc(1, sizeof *file);
    char *name = strdup(path);
    if (!file || !name) {
        free(file);
        free(name);
        return ENOMEM;
    }
    file->base.ops = &file_ops;
    file->base.path = name;
    pthread_mutex_init(&file->flush_lock, NULL); /* cannot fail without attributes on Linux */
    file->direct_fd = flags & VD_FS_UNBUFFERED ? open_direct(fd, flags) : -1;
    file->fd = fd;
    file->writes_out = (flags & VD_FS_WRITE_OUT) != 0;
    vd_write_out_init(&file->write_out);
    describe(file, status, flags);
    *ret = &file->base;
    return 0;
}

/* Locks what is to be written and makes it a block, which owns the descriptor on success. */
static int lock_and_wrap(int fd, const char *path, unsigned flags, const struct stat *status,
                         struct vd_block **ret, struct vd_error *err)
{
    bool held = false;
    int code = VD_OK;
    if ((flags & VD_FS_WRITE) && !(flags & VD_FS_NO_LOCK)) {
        code = vd_lock_take(fd, &held, err);
        if (code >= 0)
            code = vd_lock_check_foreign(path, err);
    }
    if (code < 0)
        return code;
    int failed = file_new(fd, path, flags, status, ret);
    if (failed)
        return vd_block_reason(err, failed);
    if (held)
        (*ret)->capabilities |= VD_BLOCK_LOCKED;
    return VD_OK;
}

int vd_file_open(const char *path, unsigned flags, struct vd_block **ret, struct vd_error *err)
{
    struct stat status;
    VD_CLOSE int fd = -1;
    int code = open_checked(path, flags, &fd, &status, err);
    if (code >= 0)
        code = lock_and_wrap(fd, path, flags, &status, ret, err);
    if (code >= 0)
        fd = -1;
    return code;
}

/* Owner first, because giving a file away may take permissions from it. A caller who may not give
 * it to that owner may still belong to the group. */
static int give_access(int fd, const struct vd_fs_access *access)
{
    if (fchown(fd, access->owner, access->group) < 0 && fchown(fd, (uid_t)-1, access->group) < 0) {
        /* Neither: then it stays the caller's own, as any file they make. */
    }
    return fchmod(fd, access->mode & 0777) < 0 ? errno : 0;
}

static int finish_new(int fd, const char *path, unsigned flags, const struct vd_fs_access *access,
                      struct vd_block **ret, struct vd_error *err)
{
    struct stat status;
    int failed = access ? give_access(fd, access) : 0;
    if (failed == 0 && fstat(fd, &status) < 0)
        failed = errno;
    if (failed)
        return vd_block_reason(err, failed);
    return lock_and_wrap(fd, path, flags, &status, ret, err);
}

int vd_file_create(const char *path, unsigned flags, const struct vd_fs_access *access,
                   struct vd_block **ret, struct vd_error *err)
{
    /* Nobody else may look into it before it has its final owner. */
    mode_t mode = access ? 0600 : 0666;
    VD_CLOSE int fd =
        (int)TEMP_FAILURE_RETRY(open(path, open_mode(flags) | O_CREAT | O_EXCL, mode));
    if (fd < 0)
        return vd_block_reason(err, errno);
    int code = finish_new(fd, path, flags, access, ret, err);
    if (code < 0)
        (void)unlink(path); /* the first failure is the one to tell */
    else
        fd = -1;
    return code;
}
