/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is counted: the table holds one reference and every open block another, so that replacing
 * a file leaves those who read the old one alone.
 *
 * Locks, in taking order: vd_fs_memory.lock guards the table; memory_file.lock guards that file's
 * bytes, stored and size (many readers or one writer). `refs` is atomic.
 */
#include "block/memory.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "block/block-int.h"
#include "block/fs-int.h"

struct memory_file {
    atomic_uint refs;
    pthread_rwlock_t lock;
    unsigned char *bytes;
    size_t stored;    /* bytes that are really there; what follows reads as zeros */
    size_t allocated; /* >= stored */
    uint64_t size;    /* >= stored */
};

struct memory_block {
    struct vd_block base;
    struct memory_file *file;
};

struct memory_name {
    char *path; /* normalised */
    uint64_t inode;
    struct memory_file *file;
    struct memory_name *next;
};

struct vd_fs_memory {
    struct vd_fs fs;
    pthread_mutex_t lock;
    struct memory_name *names;
    uint64_t last_inode;
};

static struct memory_file *memory_file_new(const void *bytes, size_t length, uint64_t size)
{
    struct memory_file *file = calloc(1, sizeof *file);
    unsigned char *copy = malloc(length ? length : 1);
    if (!file || !copy) {
        free(file);
        free(copy);
        return NULL;
    }
    if (length > 0)
        memcpy(copy, bytes, length);
    atomic_init(&file->refs, 1);
    pthread_rwlock_init(&file->lock, NULL); /* cannot fail without attributes on Linux */
    file->bytes = copy;
    file->stored = file->allocated = length;
    file->size = size;
    return file;
}

static struct memory_file *memory_file_ref(struct memory_file *file)
{
    atomic_fetch_add(&file->refs, 1);
    return file;
}

static void memory_file_unref(struct memory_file *file)
{
    if (atomic_fetch_sub(&file->refs, 1) > 1)
        return;
    pthread_rwlock_destroy(&file->lock);
    free(file->bytes);
    free(file);
}

static struct memory_file *file_of(struct vd_block *block)
{
    return ((struct memory_block *)block)->file;
}

static int memory_read(struct vd_block *self, uint64_t offset_bytes, void *buffer, size_t length,
                       size_t *ret_done, struct vd_error *err)
{
    (void)err;
    struct memory_file *file = file_of(self);
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
static int store_up_to_locked(struct memory_file *file, uint64_t end)
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
    struct memory_file *file = file_of(self);
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
    struct memory_file *file = file_of(self);
    pthread_rwlock_rdlock(&file->lock);
    *ret_bytes = file->size;
    pthread_rwlock_unlock(&file->lock);
    return VD_OK;
}

static int memory_resize(struct vd_block *self, uint64_t size_bytes, struct vd_error *err)
{
    (void)err;
    struct memory_file *file = file_of(self);
    pthread_rwlock_wrlock(&file->lock);
    file->size = size_bytes;
    if (file->stored > size_bytes)
        file->stored = (size_t)size_bytes;
    pthread_rwlock_unlock(&file->lock);
    return VD_OK;
}

/* Zeroes what is stored of the range; the rest reads as zeros already. */
static void clear_locked(struct memory_file *file, uint64_t offset, uint64_t length)
{
    if (offset < file->stored)
        memset(file->bytes + offset, 0, (size_t)VD_MIN(length, file->stored - offset));
}

/* Nothing is reserved, but what could not be written is refused as it would be then. */
static int memory_allocate(struct vd_block *self, uint64_t offset_bytes, uint64_t length,
                           struct vd_error *err)
{
    struct memory_file *file = file_of(self);
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
    struct memory_file *file = file_of(self);
    pthread_rwlock_wrlock(&file->lock);
    clear_locked(file, offset_bytes, length);
    pthread_rwlock_unlock(&file->lock);
    return VD_OK;
}

static int memory_close(struct vd_block *self, struct vd_error *err)
{
    (void)err;
    memory_file_unref(file_of(self));
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

/* Takes a reference of its own. NULL when out of memory. */
static struct memory_block *block_new(struct memory_file *file, const char *path)
{
    struct memory_block *block = calloc(1, sizeof *block);
    char *name = strdup(path);
    if (!block || !name) {
        free(block);
        free(name);
        return NULL;
    }
    block->base.ops = &block_ops;
    block->base.path = name;
    block->file = memory_file_ref(file);
    return block;
}

static struct memory_name *find_locked(const struct vd_fs_memory *files, const char *normal)
{
    for (struct memory_name *name = files->names; name; name = name->next)
        if (strcmp(name->path, normal) == 0)
            return name;
    return NULL;
}

static struct vd_fs_memory *files_of(const struct vd_fs *fs)
{
    /* Every vd_fs of this kind is the first member of one that is not const. */
    return (struct vd_fs_memory *)(uintptr_t)fs;
}

static int memory_open(const struct vd_fs *self, const char *path, unsigned flags,
                       struct vd_block **ret, struct vd_error *err)
{
    struct vd_fs_memory *files = files_of(self);
    VD_FREE char *normal = vd_path_normalise(path);
    if (!normal)
        return vd_block_reason(err, ENOMEM);

    pthread_mutex_lock(&files->lock);
    const struct memory_name *name = path[0] ? find_locked(files, normal) : NULL;
    struct memory_block *block = name ? block_new(name->file, path) : NULL;
    if (block) {
        block->base.identity.device = (uintptr_t)files;
        block->base.identity.inode = name->inode;
    }
    pthread_mutex_unlock(&files->lock);

    if (!block)
        return vd_block_reason(err, name ? ENOMEM : ENOENT);
    if (flags & VD_FS_WRITE)
        block->base.capabilities |= VD_BLOCK_WRITABLE | VD_BLOCK_ALLOCATES | VD_BLOCK_PUNCHES;
    *ret = &block->base;
    return VD_OK;
}

/* The part of `path` right below `folder`, and its length; false when it is not in there. */
static bool part_below(const char *path, const char *folder, const char **ret, size_t *ret_length)
{
    size_t length = strlen(folder);
    if (strcmp(folder, ".") == 0) {
        if (path[0] == '/')
            return false;
    } else {
        if (strncmp(path, folder, length) != 0)
            return false;
        path += length;
        if (folder[length - 1] != '/' && *path++ != '/')
            return false;
    }
    *ret = path;
    *ret_length = strcspn(path, "/");
    return *ret_length > 0;
}

static int memory_match_name(const struct vd_fs *self, const char *folder, const char *name,
                             char **ret_name, struct vd_error *err)
{
    struct vd_fs_memory *files = files_of(self);
    VD_FREE char *normal = vd_path_normalise(folder);
    VD_FREE char *best = NULL;
    bool failed = !normal;

    pthread_mutex_lock(&files->lock);
    for (struct memory_name *at = files->names; at && !failed; at = at->next) {
        const char *part;
        size_t length;
        if (!part_below(at->path, normal, &part, &length))
            continue;
        VD_FREE char *candidate = strndup(part, length);
        failed = !candidate;
        if (!failed && vd_fs_is_better_match(candidate, best, name)) {
            free(best);
            best = VD_TAKE_PTR(candidate);
        }
    }
    pthread_mutex_unlock(&files->lock);

    if (failed || !best)
        return vd_block_reason(err, failed ? ENOMEM : ENOENT);
    *ret_name = VD_TAKE_PTR(best);
    return VD_OK;
}

/* There are no links: a file or an implied folder resolves to its normal form. */
static int memory_real_path(const struct vd_fs *self, const char *path, char **ret_path,
                            struct vd_error *err)
{
    struct vd_fs_memory *files = files_of(self);
    VD_FREE char *normal = vd_path_normalise(path);
    if (!normal)
        return vd_block_reason(err, ENOMEM);

    bool found = false;
    pthread_mutex_lock(&files->lock);
    for (const struct memory_name *at = files->names; at && !found; at = at->next) {
        const char *part;
        size_t length;
        found = strcmp(at->path, normal) == 0 || part_below(at->path, normal, &part, &length);
    }
    pthread_mutex_unlock(&files->lock);

    if (!found)
        return vd_block_reason(err, ENOENT);
    *ret_path = VD_TAKE_PTR(normal);
    return VD_OK;
}

int vd_fs_memory_new(struct vd_fs_memory **ret, struct vd_error *err)
{
    static const struct vd_fs_ops ops = {
        .name = "memory",
        .open = memory_open,
        .match_name = memory_match_name,
        .real_path = memory_real_path,
    };
    struct vd_fs_memory *files = calloc(1, sizeof *files);
    if (!files)
        return vd_error_set_errno(err, ENOMEM, "cannot make a file system in memory");
    files->fs.ops = &ops;
    pthread_mutex_init(&files->lock, NULL); /* cannot fail without attributes on Linux */
    *ret = files;
    return VD_OK;
}

/* Hands `file` and `normal` over to the table on success. */
static bool put_locked(struct vd_fs_memory *files, char *normal, struct memory_file *file)
{
    struct memory_name *name = find_locked(files, normal);
    if (name) {
        memory_file_unref(name->file);
        free(normal);
    } else {
        name = calloc(1, sizeof *name);
        if (!name)
            return false;
        name->path = normal;
        name->next = files->names;
        files->names = name;
    }
    name->file = file;
    name->inode = ++files->last_inode;
    return true;
}

int vd_fs_memory_add_sparse(struct vd_fs_memory *files, const char *path, const void *bytes,
                            size_t length, uint64_t size_bytes, struct vd_error *err)
{
    assert(length <= size_bytes && size_bytes <= INT64_MAX);

    char *normal = vd_path_normalise(path);
    struct memory_file *file = memory_file_new(bytes, length, size_bytes);
    bool done = false;
    if (normal && file) {
        pthread_mutex_lock(&files->lock);
        done = put_locked(files, normal, file);
        pthread_mutex_unlock(&files->lock);
    }
    if (done)
        return VD_OK;
    free(normal);
    if (file)
        memory_file_unref(file);
    return vd_error_set_errno(err, ENOMEM, "cannot add '%s' to the files in memory", path);
}

int vd_fs_memory_add(struct vd_fs_memory *files, const char *path, const void *bytes, size_t length,
                     struct vd_error *err)
{
    return vd_fs_memory_add_sparse(files, path, bytes, length, length, err);
}

const struct vd_fs *vd_fs_memory_fs(struct vd_fs_memory *files)
{
    return &files->fs;
}

void vd_fs_memory_free(struct vd_fs_memory *files)
{
    if (!files)
        return;
    while (files->names) {
        struct memory_name *name = files->names;
        files->names = name->next;
        assert(atomic_load(&name->file->refs) == 1); /* every block was closed */
        memory_file_unref(name->file);
        free(name->path);
        free(name);
    }
    pthread_mutex_destroy(&files->lock);
    free(files);
}

int vd_block_memory_new(const void *bytes, size_t length, struct vd_block **ret,
                        struct vd_error *err)
{
    struct memory_file *file = memory_file_new(bytes, length, length);
    struct memory_block *block = file ? block_new(file, "(memory)") : NULL;
    if (file)
        memory_file_unref(file); /* the block has its own reference */
    if (!block)
        return vd_error_set_errno(err, ENOMEM, "cannot make a block in memory");
    block->base.capabilities = VD_BLOCK_WRITABLE | VD_BLOCK_ALLOCATES | VD_BLOCK_PUNCHES;
    block->base.identity.device = (uintptr_t)block;
    *ret = &block->base;
    return VD_OK;
}
