/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/file-pool.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

struct pooled_block {
    struct vd_block base;
    struct vd_file_pool *pool;
    unsigned flags;
    struct vd_block *below; /* NULL while closed */
    unsigned users;
    struct pooled_block *newer; /* in the list of open and unused ones */
    struct pooled_block *older;
};

struct vd_file_pool {
    const struct vd_fs *fs;
    pthread_mutex_t lock;
    size_t holders; /* the creator and every pooled block */
    size_t direct;  /* files handed out as they are */
    size_t open;    /* pooled blocks with a file below */
    struct pooled_block *newest;
    struct pooled_block *oldest;
};

int vd_file_pool_new(const struct vd_fs *fs, struct vd_file_pool **ret, struct vd_error *err)
{
    struct vd_file_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for a pool of files");
    pool->fs = fs;
    pool->holders = 1;
    (void)pthread_mutex_init(&pool->lock, NULL); /* cannot fail with default attributes */
    *ret = pool;
    return 0;
}

void vd_file_pool_unref(struct vd_file_pool *pool)
{
    if (pool == NULL)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    bool last = --pool->holders == 0;
    (void)pthread_mutex_unlock(&pool->lock);
    if (!last)
        return;
    assert(pool->open == 0);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

size_t vd_file_pool_open_count(struct vd_file_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    size_t count = pool->open;
    (void)pthread_mutex_unlock(&pool->lock);
    return count;
}

static void unlist_locked(struct pooled_block *self)
{
    struct vd_file_pool *pool = self->pool;
    *(self->newer ? &self->newer->older : &pool->newest) = self->older;
    *(self->older ? &self->older->newer : &pool->oldest) = self->newer;
    self->newer = self->older = NULL;
}

static void list_as_newest_locked(struct pooled_block *self)
{
    struct vd_file_pool *pool = self->pool;
    self->newer = NULL;
    self->older = pool->newest;
    *(pool->newest ? &pool->newest->newer : &pool->oldest) = self;
    pool->newest = self;
}

static void close_below_locked(struct pooled_block *self)
{
    vd_block_free(self->below);
    self->below = NULL;
    self->pool->open--;
}

/* Closes unused files until one more may be opened. */
static void make_room_locked(struct vd_file_pool *pool)
{
    while (pool->open >= VD_FILE_POOL_OPEN && pool->oldest != NULL) {
        struct pooled_block *oldest = pool->oldest;
        unlist_locked(oldest);
        close_below_locked(oldest);
    }
}

static int reopen_locked(struct pooled_block *self, struct vd_error *err)
{
    make_room_locked(self->pool);
    struct vd_block *below;
    int r = vd_fs_open(self->pool->fs, self->base.path, self->flags, &below, err);
    if (r < 0)
        return r;
    if (below->identity.device != self->base.identity.device ||
        below->identity.inode != self->base.identity.inode) {
        vd_block_free(below);
        return vd_error_set(err, VD_E_IO, "'%s' was replaced by another file while it was in use",
                            self->base.path);
    }
    self->below = below;
    self->pool->open++;
    return 0;
}

/* What follows passes calls on without the dispatcher, which tells the story once, for the pooled
 * block; only where a function may be missing below is it asked. */

/* The open file below, to be given back with release(). */
static int acquire(struct vd_block *base, struct vd_block **ret, struct vd_error *err)
{
    struct pooled_block *self = (struct pooled_block *)base;
    int r = 0;
    (void)pthread_mutex_lock(&self->pool->lock);
    if (self->below == NULL)
        r = reopen_locked(self, err);
    else if (self->users == 0)
        unlist_locked(self);
    if (r >= 0) {
        self->users++;
        *ret = self->below;
    }
    (void)pthread_mutex_unlock(&self->pool->lock);
    return r;
}

static void release(struct vd_block *base)
{
    struct pooled_block *self = (struct pooled_block *)base;
    (void)pthread_mutex_lock(&self->pool->lock);
    if (--self->users == 0)
        list_as_newest_locked(self);
    (void)pthread_mutex_unlock(&self->pool->lock);
}

static int pooled_read(struct vd_block *self, uint64_t offset_bytes, void *buffer, size_t length,
                       size_t *ret_done, struct vd_error *err)
{
    struct vd_block *below;
    int r = acquire(self, &below, err);
    if (r < 0)
        return r;
    r = below->ops->read(below, offset_bytes, buffer, length, ret_done, err);
    release(self);
    return r;
}

static int pooled_size(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err)
{
    struct vd_block *below;
    int r = acquire(self, &below, err);
    if (r < 0)
        return r;
    r = below->ops->size(below, ret_bytes, err);
    release(self);
    return r;
}

static int pooled_next_data(struct vd_block *self, uint64_t offset_bytes, uint64_t *ret_start,
                            uint64_t *ret_end, struct vd_error *err)
{
    struct vd_block *below;
    int r = acquire(self, &below, err);
    if (r < 0)
        return r;
    r = vd_block_next_data(below, offset_bytes, ret_start, ret_end, err);
    release(self);
    return r;
}

static int pooled_allocated(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err)
{
    struct vd_block *below;
    int r = acquire(self, &below, err);
    if (r < 0)
        return r;
    r = vd_block_allocated(below, ret_bytes, err);
    release(self);
    return r;
}

static int pooled_close(struct vd_block *base, struct vd_error *err)
{
    (void)err; /* nothing was written */
    struct pooled_block *self = (struct pooled_block *)base;
    struct vd_file_pool *pool = self->pool;
    (void)pthread_mutex_lock(&pool->lock);
    assert(self->users == 0);
    if (self->below != NULL) {
        unlist_locked(self);
        close_below_locked(self);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    free(self); /* its path is the dispatcher's to free */
    vd_file_pool_unref(pool);
    return 0;
}

static const struct vd_block_ops pooled_ops = {
    .name = "pooled",
    .read = pooled_read,
    .size = pooled_size,
    .next_data = pooled_next_data,
    .allocated = pooled_allocated,
    .close = pooled_close,
};

/* Takes one of the direct places; false when there is none left. */
static bool take_direct(struct vd_file_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    bool taken = pool->direct < VD_FILE_POOL_DIRECT;
    pool->direct += taken;
    (void)pthread_mutex_unlock(&pool->lock);
    return taken;
}

/* Puts `below`, just opened, under a new pooled block. */
static int wrap(struct vd_file_pool *pool, struct vd_block *below, unsigned flags,
                struct vd_block **ret, struct vd_error *err)
{
    struct pooled_block *self = calloc(1, sizeof *self);
    char *path = strdup(vd_block_path(below));
    if (self == NULL || path == NULL) {
        free(self);
        free(path);
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for the file '%s'",
                            vd_block_path(below));
    }
    self->base.ops = &pooled_ops;
    self->base.path = path;
    self->base.capabilities = below->capabilities;
    self->base.identity = below->identity;
    self->pool = pool;
    self->flags = flags;
    self->below = below;

    (void)pthread_mutex_lock(&pool->lock);
    make_room_locked(pool);
    pool->holders++;
    pool->open++;
    list_as_newest_locked(self);
    (void)pthread_mutex_unlock(&pool->lock);
    *ret = &self->base;
    return 0;
}

int vd_file_pool_open(struct vd_file_pool *pool, const char *path, unsigned flags,
                      struct vd_block **ret, struct vd_error *err)
{
    assert((flags & VD_FS_WRITE) == 0);
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *below = NULL;
    int r = vd_fs_open(pool->fs, path, flags, &below, err);
    if (r < 0)
        return r;
    if (take_direct(pool)) {
        *ret = VD_TAKE_PTR(below);
        return 0;
    }
    r = wrap(pool, below, flags, ret, err);
    if (r >= 0)
        (void)VD_TAKE_PTR(below);
    return r;
}
