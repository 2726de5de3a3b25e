/* SPDX-License-Identifier: Apache-2.0 */
#include "block/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "block/block-int.h"
#include "block/memory-int.h"

struct memory_block {
    struct vd_block base;
    struct vd_memory_file *file;
};

struct vd_memory_file *vd_memory_file_new(unsigned char *bytes, size_t length, uint64_t size)
{
    struct vd_memory_file *file = calloc(1, sizeof *file);
    if (!file)
        return NULL;
    atomic_init(&file->refs, 1);
    atomic_init(&file->is_locked, false);
    pthread_rwlock_init(&file->lock, NULL); /* cannot fail without attributes on Linux */
    file->access = (struct vd_fs_access){.mode = 0644};
    file->bytes = bytes;
    file->stored = file->allocated = length;
    file->size = size;
    return file;
}

void vd_memory_file_unref(struct vd_memory_file *file)
{
    if (atomic_fetch_sub(&file->refs, 1) > 1)
        return;
    pthread_rwlock_destroy(&file->lock);
    free(file->bytes);
    free(file);
}

static struct vd_memory_file *file_of(struct vd_block *block)
{
    return ((struct memory_block *)block)->file;
}

static int memory_read(struct vd_block *self, uint64_t offset_bytes, void *buffer, size_t length,
                       size_t *ret_done, struct vd_error *err)
{
    (void)err;
    struct vd_memory_file *file = file_of(self);
    pthread_rwlock_rdlock(&file->lock);
    uint64_t left = offset_bytes < file->size ? file->size - offset_bytes : 0;
    size_t done = left < length ? (size_t)left : length;
    size_t here = offset_bytes < file->stored ? file->stored - (size_t)offset_bytes : 0;
    size_t copied = VD_MIN(here, done);
    if (copied > 0)
        memcpy(buffer, file->bytes + offset_bytes, copied);
    if (done > copied)
        memset((char *)buffer + copied, 0, done - copied);
    pthread_rwlock_unlock(&file->lock);
    *ret_done = done;
    return VD_OK;
}

/* Makes bytes [0, end) real; doubling keeps appending linear. */
static int store_up_to_locked(struct vd_memory_file *file, uint64_t end)
{
    if (end <= file->stored)
        return 0;
    if (end > VD_MEMORY_MAX_BYTES)
        return ENOSPC;
    if (end > file->allocated) {
        size_t wanted = VD_MAX((size_t)end, file->allocated * 2);
        unsigned char *bytes = realloc(file->bytes, wanted);
        if (!bytes)
            return ENOMEM;
        file->bytes = bytes;
        file->allocated = wanted;
    }
    memset(file->bytes + file->stored, 0, (size_t)end - file->stored);
    file->stored = (size_t)end;
    return 0;
}

static int memory_write(struct vd_block *self, uint64_t offset_bytes, const void *buffer,
                        size_t length, struct vd_error *err)
{
    struct vd_memory_file *file = file_of(self);
    uint64_t end = offset_bytes + length;
    pthread_rwlock_wrlock(&file->lock);
    int failed = store_up_to_locked(file, end);
    if (failed == 0) {
        memcpy(file->bytes + offset_bytes, buffer, length);
        file->size = VD_MAX(file->size, end);
    }
    pthread_rwlock_unlock(&file->lock);
    return failed ? vd_block_reason(err, failed) : VD_OK;
}

static int memory_flush(struct vd_block *self, struct vd_error *err)
{
    (void)self;
    (void)err;
    return VD_OK;
}

static int memory_size(struct vd_block *self, uint64_t *ret_bytes, struct vd_error *err)
{
    (void)err;
    struct vd_memory_file *file = file_of(self);
    pthread_rwlock_rdlock(&file->lock);
    *ret_bytes = file->size;
    pthread_rwlock_unlock(&file->lock);
    return VD_OK;
}

static int memory_resize(struct vd_block *self, uint64_t size_bytes, struct vd_error *err)
{
    (void)err;
    struct vd_memory_file *file = file_of(self);
    pthread_rwlock_wrlock(&file->lock);
    file->size = size_bytes;
    if (file->stored > size_bytes)
        file->stored = (size_t)size_bytes;
    pthread_rwlock_unlock(&file->lock);
    return VD_OK;
}

/* Zeroes what is stored of the range; the rest reads as zeros already. */
static void clear_locked(struct vd_memory_file *file, uint64_t offset, uint64_t length)
{
    if (offset < file->stored)
        memset(file->bytes + offset, 0, (size_t)VD_MIN(length, file->stored - offset));
}

/* Nothing is reserved, but what could not be written is refused as it would be then. */
static int memory_allocate(struct vd_block *self, uint64_t offset_bytes, uint64_t length,
                           struct vd_error *err)
{
    struct vd_memory_file *file = file_of(self);
    uint64_t end = offset_bytes + length;
    if (end > VD_MEMORY_MAX_BYTES)
        return vd_block_reason(err, ENOSPC);
    pthread_rwlock_wrlock(&file->lock);
    clear_locked(file, offset_bytes, length);
    file->size = VD_MAX(file->size, end);
    pthread_rwlock_unlock(&file->lock);
    return VD_OK;
}

static int memory_punch(struct vd_block *self, uint64_t offset_bytes, uint64_t length,
                        struct vd_error *err)
{
    (void)err;
    struct vd_memory_file *file = file_of(self);
    pthread_rwlock_wrlock(&file->lock);
    clear_locked(file, offset_bytes, length);
    pthread_rwlock_unlock(&file->lock);
    return VD_OK;
}

static int memory_close(struct vd_block *self, struct vd_error *err)
{
    (void)err;
    if (self->capabilities & VD_BLOCK_LOCKED)
        atomic_store(&file_of(self)->is_locked, false);
    vd_memory_file_unref(file_of(self));
    free(self);
    return VD_OK;
}

static const struct vd_block_ops block_ops = {
    .name = "memory",
    .read = memory_read,
    .write = memory_write,
    .flush = memory_flush,
    .size = memory_size,
    .resize = memory_resize,
    .allocate = memory_allocate,
    .punch = memory_punch,
    .close = memory_close,
};

static int take_lock(struct vd_memory_file *file, struct vd_error *err)
{
    if (!atomic_exchange(&file->is_locked, true))
        return VD_OK;
    return vd_error_set(err, VD_E_LOCKED, "this process has it open for writing already");
}

int vd_memory_block_new(struct vd_memory_file *file, const char *path, unsigned flags,
                        struct vd_block **ret, struct vd_error *err)
{
    struct memory_block *block = calloc(1, sizeof *block);
    char *name = strdup(path);
    bool locks = (flags & VD_FS_WRITE) && !(flags & VD_FS_NO_LOCK);
    int code = block && name ? VD_OK : vd_block_reason(err, ENOMEM);
    if (code >= 0 && locks)
        code = take_lock(file, err);
    if (code < 0) {
        free(block);
        free(name);
        return code;
    }
    if (flags & VD_FS_WRITE)
        block->base.capabilities |= VD_BLOCK_WRITABLE | VD_BLOCK_ALLOCATES | VD_BLOCK_PUNCHES;
    if (locks)
        block->base.capabilities |= VD_BLOCK_LOCKED;
    block->base.ops = &block_ops;
    block->base.path = name;
    block->base.identity.inode = file->inode;
    block->file = file;
    atomic_fetch_add(&file->refs, 1);
    *ret = &block->base;
    return VD_OK;
}

int vd_block_memory_new(const void *bytes, size_t length, struct vd_block **ret,
                        struct vd_error *err)
{
    unsigned char *copy = malloc(length ? length : 1);
    if (copy && length > 0)
        memcpy(copy, bytes, length);
    struct vd_memory_file *file = copy ? vd_memory_file_new(copy, length, length) : NULL;
    if (!file) {
        free(copy);
        return vd_error_set_errno(err, ENOMEM, "cannot make a block in memory");
    }
    int code = vd_memory_block_new(file, "(memory)", VD_FS_WRITE | VD_FS_NO_LOCK, ret, err);
    vd_memory_file_unref(file); /* the block has its own reference */
    if (code < 0) {
        vd_error_prefix(err, "cannot make a block in memory");
        return code;
    }
    (*ret)->identity.device = (uintptr_t)*ret;
    return VD_OK;
}
