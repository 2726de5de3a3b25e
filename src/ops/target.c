/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "ops/target-int.h"

bool vd_target_should_stop(const struct vd_target *target)
{
    return target->options.stop && target->options.stop(target->options.stop_data);
}

static int target_new(enum target_kind kind, const char *path,
                      const struct vd_target_options *options, struct vd_target **ret,
                      struct vd_error *err)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = calloc(1, sizeof *target);

    if (!target)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    target->kind = kind;
    if (options)
        target->options = *options;
    target->fd = -1;
    vd_write_out_init(&target->write_out);
    target->path = strdup(path);
    if (kind != TARGET_FILE)
        target->zeros = calloc(1, TARGET_ZEROS_BYTES);
    if (!target->path || (kind != TARGET_FILE && !target->zeros))
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    *ret = VD_TAKE_PTR(target);
    return VD_OK;
}

static int open_straight(enum target_kind kind, const char *path,
                         const struct vd_target_options *options, struct vd_target **ret,
                         struct vd_error *err)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    /* O_EXCL on a block device: refused while it is mounted or otherwise in use. */
    int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | (kind == TARGET_DEVICE ? O_EXCL : 0);
    int r = target_new(kind, path, options, &target, err);

    if (r < 0)
        return r;
    while ((target->fd = open(path, flags)) < 0) {
        if (errno != EINTR)
            return vd_error_set_errno(err, errno, "cannot open '%s' for writing", path);
        if (vd_target_should_stop(target))
            return vd_error_set(err, VD_E_CANCELLED, "stopped while waiting for a reader of '%s'",
                                path);
    }
    target->owns_fd = true;
    *ret = VD_TAKE_PTR(target);
    return VD_OK;
}

static int open_file(const char *path, bool exists, const struct vd_target_options *options,
                     struct vd_target **ret, struct vd_error *err)
{
    VD_CLEANUP(vd_target_free_cleanup) struct vd_target *target = NULL;
    VD_FREE char *resolved = NULL;
    int r;

    if (exists) {
        /* A symbolic link stays; the file it leads to is replaced. */
        resolved = realpath(path, NULL);
        if (!resolved)
            return vd_error_set_errno(err, errno, "cannot resolve '%s'", path);
    }
    r = target_new(TARGET_FILE, resolved ? resolved : path, options, &target, err);
    if (r == VD_OK)
        r = vd_target_temp_create(target, err);
    if (r < 0)
        return r;
    *ret = VD_TAKE_PTR(target);
    return VD_OK;
}

/* Nothing is at `path`, as far as stat can see. */
static int check_new(const char *path, struct vd_error *err)
{
    struct stat link;

    if (vd_path_name(path)[0] == '\0')
        return vd_error_set(err, VD_E_NAME_INVALID, "the target '%s' has no file name", path);
    if (lstat(path, &link) == 0)
        return vd_error_set(err, VD_E_EXISTS,
                            "the target '%s' is a symbolic link that leads nowhere", path);
    return VD_OK;
}

static int check_existing(const char *path, mode_t mode, bool overwrite, struct vd_error *err)
{
    if (!S_ISREG(mode))
        return vd_error_set(err, VD_E_FILE_TYPE, "cannot write to '%s': it is %s", path,
                            S_ISDIR(mode) ? "a folder" : "neither a file nor a device");
    if (!overwrite)
        return vd_error_set(err, VD_E_EXISTS, "the target '%s' exists and is not to be overwritten",
                            path);
    return VD_OK;
}

int vd_target_open(const char *path, const struct vd_target_options *options,
                   struct vd_target **ret, struct vd_error *err)
{
    struct stat st;
    bool exists = stat(path, &st) == 0;
    int r;

    if (!exists && errno != ENOENT)
        return vd_error_set_errno(err, errno, "cannot look at the target '%s'", path);
    if (exists && S_ISBLK(st.st_mode))
        return open_straight(TARGET_DEVICE, path, options, ret, err);
    if (exists && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
        return open_straight(TARGET_IN_ORDER, path, options, ret, err);
    r = exists ? check_existing(path, st.st_mode, options && options->overwrite, err)
               : check_new(path, err);
    return r < 0 ? r : open_file(path, exists, options, ret, err);
}

int vd_target_open_fd(int fd, const char *name, const struct vd_target_options *options,
                      struct vd_target **ret, struct vd_error *err)
{
    int r = target_new(TARGET_IN_ORDER, name, options, ret, err);

    if (r == VD_OK)
        (*ret)->fd = fd;
    return r;
}

int vd_target_identity(const char *path, bool *ret_exists, struct vd_block_identity *ret,
                       struct vd_error *err)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        if (errno != ENOENT)
            return vd_error_set_errno(err, errno, "cannot look at the target '%s'", path);
        *ret_exists = false;
        return VD_OK;
    }
    *ret_exists = true;
    *ret = (struct vd_block_identity){.device = st.st_dev, .inode = st.st_ino};
    return VD_OK;
}

bool vd_target_in_order(const struct vd_target *target)
{
    return target->kind == TARGET_IN_ORDER;
}

bool vd_target_is_shared(const struct vd_target *target)
{
    return target->kind == TARGET_DEVICE;
}

const char *vd_target_file(const struct vd_target *target)
{
    return target->kind == TARGET_FILE ? target->path : NULL;
}

bool vd_target_has_holes(const struct vd_target *target)
{
    return target->kind == TARGET_FILE;
}

static int check_device_size(struct vd_target *target, uint64_t size_bytes, struct vd_error *err)
{
    off_t end = lseek(target->fd, 0, SEEK_END);

    if (end < 0)
        return vd_error_set_errno(err, errno, "cannot find the size of '%s'", target->path);
    if ((uint64_t)end < size_bytes)
        return vd_error_set(err, VD_E_DISK_FULL,
                            "the device '%s' has %jd bytes, the disk needs %ju", target->path,
                            (intmax_t)end, (uintmax_t)size_bytes);
    return VD_OK;
}

int vd_target_set_size(struct vd_target *target, uint64_t size_bytes, struct vd_error *err)
{
    target->size_bytes = size_bytes;
    if (target->kind == TARGET_DEVICE)
        return check_device_size(target, size_bytes, err);
    if (target->kind == TARGET_FILE && ftruncate(target->fd, (off_t)size_bytes) < 0)
        return vd_error_set_errno(err, errno, "cannot make '%s' %ju bytes long", target->path,
                                  (uintmax_t)size_bytes);
    return VD_OK;
}

void vd_target_set_disk(struct vd_target *target)
{
    target->is_disk = true;
}

int vd_target_finish(struct vd_target *target, struct vd_error *err)
{
    int failed;

    if (target->kind == TARGET_IN_ORDER)
        return VD_OK;
    failed = vd_write_out_failed(&target->write_out);
    if (failed == 0 && fsync(target->fd) < 0)
        failed = errno;
    if (failed != 0)
        return vd_error_set_errno(err, failed, "cannot flush '%s'", target->path);
    if (target->kind == TARGET_FILE && target->is_disk && target->options.overwrite)
        return vd_target_disk_publish(target, err);
    if (target->kind == TARGET_FILE)
        return vd_target_temp_publish(target, err);
    return VD_OK;
}

void vd_target_free(struct vd_target *target)
{
    if (!target)
        return;
    if (target->owns_fd)
        (void)close(target->fd); /* flushed by finish, or given up */
    if (target->temp_path)
        (void)unlink(target->temp_path); /* nothing better can be done about a failure */
    vd_write_out_done(&target->write_out);
    free(target->temp_path);
    free(target->zeros);
    free(target->path);
    free(target);
}
