/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wrapper's blocks call the ops below themselves, past the dispatcher, whose checks have been
 * made one layer up; so a story is told once. What the wrapper counts is what the code under test
 * asked for, on any thread; `lock` guards the counting.
 */
#include "block/fault.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "block/block-int.h"

struct vd_fs_fault {
    struct vd_fs fs;
    const struct vd_fs *below;
    pthread_mutex_t lock;
    unsigned kinds;
    uint64_t nth;
    uint64_t calls;
    int sys_errno;
    bool persistent;
    bool fired;
};

struct fault_block {
    struct vd_block base;
    struct vd_block *below;
    struct vd_fs_fault *fault;
};

/* Counts a call; the errno it is to fail with, or 0. */
static int strike(struct vd_fs_fault *fault, unsigned kind)
{
    int failed = 0;
    pthread_mutex_lock(&fault->lock);
    if (fault->kinds & kind) {
        fault->calls++;
        bool hit = fault->nth != 0 &&
                   (fault->calls == fault->nth || (fault->persistent && fault->calls > fault->nth));
        if (hit) {
            fault->fired = true;
            failed = fault->sys_errno;
        }
    }
    pthread_mutex_unlock(&fault->lock);
    return failed;
}

static int strike_block(struct vd_block *self, unsigned kind, struct vd_error *err)
{
    int failed = strike(((struct fault_block *)self)->fault, kind);
    return failed ? vd_block_reason(err, failed) : VD_OK;
}

static struct vd_block *below_of(struct vd_block *self)
{
    return ((struct fault_block *)self)->below;
}

static int fault_read(struct vd_block *self, uint64_t offset_bytes, void *buffer, size_t length,
                      size_t *ret_done, struct vd_error *err)
{
    struct vd_block *below = below_of(self);
    int ret = strike_block(self, VD_FAULT_READ, err);
    return ret < 0 ? ret : below->ops->read(below, offset_bytes, buffer, length, ret_done, err);
}

static int fault_write(struct vd_block *self, uint64_t offset_bytes, const void *buffer,
                       size_t length, struct vd_error *err)
{
    struct vd_block *below = below_of(self);
    int ret = strike_block(self, VD_FAULT_WRITE, err);
    return ret < 0 ? ret : below->ops->write(below, offset_bytes, buffer, length, err);
}

static int fault_flush(struct vd_block *self, struct vd_error *err)
{
    struct vd_block *below = below_of(self);
    int ret = strike_block(self, VD_FAULT_FLUSH, err);
    return ret < 0 ? ret : below->ops->flush(below, err);
}

static int fault_size(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err)
{
    struct vd_block *below = below_of(self);
    int ret = strike_block(self, VD_FAULT_SIZE, err);
    return ret < 0 ? ret : below->ops->size(below, ret_bytes, err);
}

static int fault_resize(struct vd_block *self, uint64_t size_bytes, struct vd_error *err)
{
    struct vd_block *below = below_of(self);
    int ret = strike_block(self, VD_FAULT_RESIZE, err);
    return ret < 0 ? ret : below->ops->resize(below, size_bytes, err);
}

/* What is missing below is missing here: the dispatcher above writes, and is counted as writing. */
static int fault_allocate(struct vd_block *self, uint64_t offset_bytes, uint64_t length,
                          struct vd_error *err)
{
    struct vd_block *below = below_of(self);
    if (!below->ops->allocate)
        return vd_block_reason(err, EOPNOTSUPP);
    int ret = strike_block(self, VD_FAULT_ALLOCATE, err);
    return ret < 0 ? ret : below->ops->allocate(below, offset_bytes, length, err);
}

static int fault_punch(struct vd_block *self, uint64_t offset_bytes, uint64_t length,
                       struct vd_error *err)
{
    struct vd_block *below = below_of(self);
    if (!below->ops->punch)
        return vd_block_reason(err, EOPNOTSUPP);
    int ret = strike_block(self, VD_FAULT_PUNCH, err);
    return ret < 0 ? ret : below->ops->punch(below, offset_bytes, length, err);
}

/* These two may be absent below, so they ask its dispatcher, which knows what absence means. */
static int fault_next_data(struct vd_block *self, uint64_t offset_bytes, uint64_t *ret_start,
                           uint64_t *ret_end, struct vd_error *err)
{
    int ret = strike_block(self, VD_FAULT_SIZE, err);
    return ret < 0 ? ret
                   : vd_block_next_data(below_of(self), offset_bytes, ret_start, ret_end, err);
}

static int fault_allocated(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err)
{
    int ret = strike_block(self, VD_FAULT_SIZE, err);
    return ret < 0 ? ret : vd_block_allocated(below_of(self), ret_bytes, err);
}

static int fault_close(struct vd_block *self, struct vd_error *err)
{
    int ret = strike_block(self, VD_FAULT_CLOSE, err);
    int below = vd_block_close(below_of(self), err);
    free(self);
    return ret < 0 ? ret : below;
}

static const struct vd_block_ops block_ops = {
    .name = "fault",
    .read = fault_read,
    .write = fault_write,
    .flush = fault_flush,
    .size = fault_size,
    .resize = fault_resize,
    .allocate = fault_allocate,
    .punch = fault_punch,
    .next_data = fault_next_data,
    .allocated = fault_allocated,
    .close = fault_close,
};

static struct vd_fs_fault *fault_of(const struct vd_fs *fs)
{
    /* Every vd_fs of this kind is the first member of one that is not const. */
    return (struct vd_fs_fault *)(uintptr_t)fs;
}

static int wrap(struct vd_fs_fault *fault, struct vd_block *below, struct vd_block **ret)
{
    struct fault_block *block = calloc(1, sizeof *block);
    char *path = strdup(vd_block_path(below));
    if (!block || !path) {
        free(block);
        free(path);
        return ENOMEM;
    }
    block->base.ops = &block_ops;
    block->base.path = path;
    block->base.capabilities = below->capabilities;
    block->base.identity = below->identity;
    block->below = below;
    block->fault = fault;
    *ret = &block->base;
    return 0;
}

static int fault_open(const struct vd_fs *self, const char *path, unsigned flags,
                      struct vd_block **ret, struct vd_error *err)
{
    struct vd_fs_fault *fault = fault_of(self);
    int failed = strike(fault, VD_FAULT_OPEN);
    if (failed)
        return vd_block_reason(err, failed);

    struct vd_block *below = NULL;
    int code = fault->below->ops->open(fault->below, path, flags, &below, err);
    if (code < 0)
        return code;
    failed = wrap(fault, below, ret);
    if (failed == 0)
        return VD_OK;
    vd_block_free(below);
    return vd_block_reason(err, failed);
}

static int fault_match_name(const struct vd_fs *self, const char *folder, const char *name,
                            char **ret_name, struct vd_error *err)
{
    struct vd_fs_fault *fault = fault_of(self);
    int failed = strike(fault, VD_FAULT_OPEN);
    if (failed)
        return vd_block_reason(err, failed);
    return fault->below->ops->match_name(fault->below, folder, name, ret_name, err);
}

static int fault_real_path(const struct vd_fs *self, const char *path, char **ret_path,
                           struct vd_error *err)
{
    struct vd_fs_fault *fault = fault_of(self);
    int failed = strike(fault, VD_FAULT_OPEN);
    if (failed)
        return vd_block_reason(err, failed);
    return fault->below->ops->real_path(fault->below, path, ret_path, err);
}

static int strike_fs(const struct vd_fs *self, unsigned kind, struct vd_error *err)
{
    int failed = strike(fault_of(self), kind);
    return failed ? vd_block_reason(err, failed) : VD_OK;
}

/* A file system below that only reads lacks the following. */
static int fault_stat(const struct vd_fs *self, const char *path, struct vd_fs_stat *ret,
                      struct vd_error *err)
{
    int code = strike_fs(self, VD_FAULT_OPEN, err);
    const struct vd_fs *below = fault_of(self)->below;
    if (code >= 0 && !below->ops->stat)
        return vd_block_reason(err, EOPNOTSUPP);
    return code < 0 ? code : below->ops->stat(below, path, ret, err);
}

static int fault_create(const struct vd_fs *self, const char *path, unsigned flags,
                        const struct vd_fs_access *access, struct vd_block **ret,
                        struct vd_error *err)
{
    int code = strike_fs(self, VD_FAULT_CREATE, err);
    const struct vd_fs *fs = fault_of(self)->below;
    if (code >= 0 && !fs->ops->create)
        return vd_block_reason(err, EOPNOTSUPP);
    struct vd_block *below = NULL;
    if (code >= 0)
        code = fs->ops->create(fs, path, flags, access, &below, err);
    if (code < 0)
        return code;
    int failed = wrap(fault_of(self), below, ret);
    if (failed == 0)
        return VD_OK;
    vd_block_free(below);
    VD_DISCARD(vd_fs_unlink(fs, path, NULL)); /* the first failure is the one to tell */
    return vd_block_reason(err, failed);
}

static int fault_unlink(const struct vd_fs *self, const char *path, struct vd_error *err)
{
    int code = strike_fs(self, VD_FAULT_UNLINK, err);
    const struct vd_fs *below = fault_of(self)->below;
    if (code >= 0 && !below->ops->unlink)
        return vd_block_reason(err, EOPNOTSUPP);
    return code < 0 ? code : below->ops->unlink(below, path, err);
}

static int fault_rename(const struct vd_fs *self, const char *from, const char *to, bool replace,
                        struct vd_error *err)
{
    int code = strike_fs(self, VD_FAULT_RENAME, err);
    const struct vd_fs *below = fault_of(self)->below;
    if (code >= 0 && !below->ops->rename)
        return vd_block_reason(err, EOPNOTSUPP);
    return code < 0 ? code : below->ops->rename(below, from, to, replace, err);
}

static int fault_sync_folder(const struct vd_fs *self, const char *folder, struct vd_error *err)
{
    int code = strike_fs(self, VD_FAULT_SYNC_FOLDER, err);
    const struct vd_fs *below = fault_of(self)->below;
    if (code >= 0 && !below->ops->sync_folder)
        return vd_block_reason(err, EOPNOTSUPP);
    return code < 0 ? code : below->ops->sync_folder(below, folder, err);
}

static int fault_link(const struct vd_fs *self, const char *from, const char *to,
                      struct vd_error *err)
{
    int code = strike_fs(self, VD_FAULT_LINK, err);
    const struct vd_fs *below = fault_of(self)->below;
    if (code >= 0 && !below->ops->link)
        return vd_block_reason(err, EOPNOTSUPP);
    return code < 0 ? code : below->ops->link(below, from, to, err);
}

static int fault_list(const struct vd_fs *self, const char *folder, struct vd_fs_names *names,
                      struct vd_error *err)
{
    int code = strike_fs(self, VD_FAULT_OPEN, err);
    const struct vd_fs *below = fault_of(self)->below;
    if (code >= 0 && !below->ops->list)
        return vd_block_reason(err, EOPNOTSUPP);
    return code < 0 ? code : below->ops->list(below, folder, names, err);
}

int vd_fs_fault_new(const struct vd_fs *below, struct vd_fs_fault **ret, struct vd_error *err)
{
    static const struct vd_fs_ops ops = {
        .name = "fault",
        .open = fault_open,
        .match_name = fault_match_name,
        .real_path = fault_real_path,
        .stat = fault_stat,
        .create = fault_create,
        .unlink = fault_unlink,
        .rename = fault_rename,
        .sync_folder = fault_sync_folder,
        .link = fault_link,
        .list = fault_list,
    };
    struct vd_fs_fault *fault = calloc(1, sizeof *fault);
    if (!fault)
        return vd_error_set_errno(err, ENOMEM, "cannot make a fault-injecting file system");
    fault->fs.ops = &ops;
    fault->below = below;
    pthread_mutex_init(&fault->lock, NULL); /* cannot fail without attributes on Linux */
    *ret = fault;
    return VD_OK;
}

void vd_fs_fault_arm(struct vd_fs_fault *fault, unsigned kinds, uint64_t nth, int sys_errno,
                     bool persistent)
{
    assert(nth == 0 || sys_errno > 0);
    pthread_mutex_lock(&fault->lock);
    fault->kinds = kinds;
    fault->nth = nth;
    fault->sys_errno = sys_errno;
    fault->persistent = persistent;
    fault->calls = 0;
    fault->fired = false;
    pthread_mutex_unlock(&fault->lock);
}

uint64_t vd_fs_fault_calls(const struct vd_fs_fault *fault)
{
    struct vd_fs_fault *self = fault_of(&fault->fs);
    pthread_mutex_lock(&self->lock);
    uint64_t calls = self->calls;
    pthread_mutex_unlock(&self->lock);
    return calls;
}

bool vd_fs_fault_fired(const struct vd_fs_fault *fault)
{
    struct vd_fs_fault *self = fault_of(&fault->fs);
    pthread_mutex_lock(&self->lock);
    bool fired = self->fired;
    pthread_mutex_unlock(&self->lock);
    return fired;
}

const struct vd_fs *vd_fs_fault_fs(struct vd_fs_fault *fault)
{
    return &fault->fs;
}

void vd_fs_fault_free(struct vd_fs_fault *fault)
{
    if (!fault)
        return;
    pthread_mutex_destroy(&fault->lock);
    free(fault);
}
