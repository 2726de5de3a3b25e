/* SPDX-License-Identifier: Apache-2.0 */
/* `lock` guards the table of names; it is taken before the lock of a file. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "block/block-int.h"
#include "block/fs-int.h"
#include "block/lock.h"
#include "block/memory-int.h"

/* As much as a listing of names may take; tests have a few. */
#define MAX_LIST_BYTES (1u << 20)

struct memory_name {
    char *path; /* normalised */
    struct vd_memory_file *file;
    struct memory_name *next;
};

struct vd_fs_memory {
    struct vd_fs fs;
    pthread_mutex_t lock;
    struct memory_name *names;
    uint64_t last_inode;
};

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

/* Is it a folder: does some file lie below? The place where relative and absolute names begin
 * always is one. */
static bool is_folder_locked(const struct vd_fs_memory *files, const char *normal)
{
    const char *part;
    size_t length;
    for (const struct memory_name *at = files->names; at; at = at->next)
        if (part_below(at->path, normal, &part, &length))
            return true;
    return strcmp(normal, ".") == 0 || strcmp(normal, "/") == 0;
}

/* Honours the lock folder of another product. */
static int check_foreign_locked(const struct vd_fs_memory *files, const char *normal,
                                struct vd_error *err)
{
    VD_FREE char *folder = vd_lock_folder(normal);
    if (!folder)
        return vd_block_reason(err, ENOMEM);
    for (const struct memory_name *at = files->names; at; at = at->next) {
        const char *part;
        size_t length;
        if (part_below(at->path, folder, &part, &length) && vd_lock_is_foreign(part))
            return vd_lock_foreign_error(folder, part, err);
    }
    return VD_OK;
}

static int open_locked(struct vd_fs_memory *files, const struct memory_name *name, const char *path,
                       unsigned flags, struct vd_block **ret, struct vd_error *err)
{
    if ((flags & VD_FS_WRITE) && !(flags & VD_FS_NO_LOCK)) {
        int code = check_foreign_locked(files, name->path, err);
        if (code < 0)
            return code;
    }
    int code = vd_memory_block_new(name->file, path, flags, ret, err);
    if (code >= 0)
        (*ret)->identity.device = (uintptr_t)files;
    return code;
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
    int code =
        name ? open_locked(files, name, path, flags, ret, err) : vd_block_reason(err, ENOENT);
    pthread_mutex_unlock(&files->lock);
    return code;
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

    pthread_mutex_lock(&files->lock);
    bool found = find_locked(files, normal) || is_folder_locked(files, normal);
    pthread_mutex_unlock(&files->lock);

    if (!found)
        return vd_block_reason(err, ENOENT);
    *ret_path = VD_TAKE_PTR(normal);
    return VD_OK;
}

static int memory_stat(const struct vd_fs *self, const char *path, struct vd_fs_stat *ret,
                       struct vd_error *err)
{
    struct vd_fs_memory *files = files_of(self);
    VD_FREE char *normal = vd_path_normalise(path);
    if (!normal)
        return vd_block_reason(err, ENOMEM);

    struct vd_fs_stat found = {.kind = VD_FS_NOTHING};
    pthread_mutex_lock(&files->lock);
    const struct memory_name *name = path[0] ? find_locked(files, normal) : NULL;
    if (name) {
        found.kind = VD_FS_FILE;
        found.identity = (struct vd_block_identity){(uintptr_t)files, name->file->inode};
        found.access = name->file->access;
        pthread_rwlock_rdlock(&name->file->lock);
        found.size_bytes = name->file->size;
        pthread_rwlock_unlock(&name->file->lock);
    } else if (path[0] && is_folder_locked(files, normal)) {
        found.kind = VD_FS_FOLDER;
        found.identity.device = (uintptr_t)files;
    }
    pthread_mutex_unlock(&files->lock);
    *ret = found;
    return VD_OK;
}

/* Hands `normal` over on success. NULL when out of memory. */
static struct memory_name *add_name_locked(struct vd_fs_memory *files, char *normal)
{
    struct memory_name *name = calloc(1, sizeof *name);
    if (!name)
        return NULL;
    name->path = normal;
    name->next = files->names;
    files->names = name;
    return name;
}

static void remove_name_locked(struct vd_fs_memory *files, const struct memory_name *name)
{
    for (struct memory_name **at = &files->names; *at; at = &(*at)->next) {
        if (*at != name)
            continue;
        struct memory_name *gone = *at;
        *at = gone->next;
        vd_memory_file_unref(gone->file);
        free(gone->path);
        free(gone);
        return;
    }
}

/* Why no new file can have this name: an errno, or 0. */
static int name_taken_locked(const struct vd_fs_memory *files, const char *normal)
{
    if (find_locked(files, normal) || is_folder_locked(files, normal))
        return EEXIST;
    const char *part;
    size_t length;
    for (const struct memory_name *at = files->names; at; at = at->next)
        if (part_below(normal, at->path, &part, &length))
            return ENOTDIR;
    return 0;
}

static int create_locked(struct vd_fs_memory *files, char **normal, const char *path,
                         unsigned flags, struct vd_block **ret, struct vd_error *err)
{
    int failed = name_taken_locked(files, *normal);
    if (failed)
        return vd_block_reason(err, failed);
    struct vd_memory_file *file = vd_memory_file_new(NULL, 0, 0);
    struct memory_name *name = file ? add_name_locked(files, *normal) : NULL;
    if (!name) {
        if (file)
            vd_memory_file_unref(file);
        return vd_block_reason(err, ENOMEM);
    }
    *normal = NULL;
    name->file = file;
    file->inode = ++files->last_inode;
    int code = open_locked(files, name, path, flags, ret, err);
    if (code < 0)
        remove_name_locked(files, name);
    return code;
}

static int memory_create(const struct vd_fs *self, const char *path, unsigned flags,
                         const struct vd_fs_access *access, struct vd_block **ret,
                         struct vd_error *err)
{
    struct vd_fs_memory *files = files_of(self);
    VD_FREE char *normal = vd_path_normalise(path);
    if (!normal)
        return vd_block_reason(err, ENOMEM);
    if (!path[0])
        return vd_block_reason(err, ENOENT);

    pthread_mutex_lock(&files->lock);
    int code = create_locked(files, &normal, path, flags, ret, err);
    if (code >= 0 && access)
        files->names->file->access = *access; /* the newest is the first */
    pthread_mutex_unlock(&files->lock);
    return code;
}

static int memory_unlink(const struct vd_fs *self, const char *path, struct vd_error *err)
{
    struct vd_fs_memory *files = files_of(self);
    VD_FREE char *normal = vd_path_normalise(path);
    if (!normal)
        return vd_block_reason(err, ENOMEM);

    pthread_mutex_lock(&files->lock);
    const struct memory_name *name = path[0] ? find_locked(files, normal) : NULL;
    int failed = 0;
    if (name)
        remove_name_locked(files, name);
    else
        failed = path[0] && is_folder_locked(files, normal) ? EISDIR : ENOENT;
    pthread_mutex_unlock(&files->lock);
    return failed ? vd_block_reason(err, failed) : VD_OK;
}

/* Hands `*to` over on success. */
static int rename_locked(struct vd_fs_memory *files, const char *from, char **to, bool replace)
{
    struct memory_name *name = find_locked(files, from);
    if (!name)
        return is_folder_locked(files, from) ? EISDIR : ENOENT;
    const struct memory_name *old = find_locked(files, *to);
    if (old && replace) {
        if (old != name)
            remove_name_locked(files, old);
    } else {
        int failed = name_taken_locked(files, *to);
        if (failed)
            return failed == EEXIST && replace ? EISDIR : failed;
    }
    free(name->path);
    name->path = VD_TAKE_PTR(*to);
    return 0;
}

static int link_locked(struct vd_fs_memory *files, const char *from, char **to)
{
    const struct memory_name *name = find_locked(files, from);
    if (!name)
        return is_folder_locked(files, from) ? EPERM : ENOENT;
    int failed = name_taken_locked(files, *to);
    if (failed)
        return failed;
    struct memory_name *second = add_name_locked(files, *to);
    if (!second)
        return ENOMEM;
    *to = NULL;
    second->file = name->file;
    atomic_fetch_add(&name->file->refs, 1);
    return 0;
}

static int memory_link(const struct vd_fs *self, const char *from, const char *to,
                       struct vd_error *err)
{
    struct vd_fs_memory *files = files_of(self);
    VD_FREE char *normal_from = vd_path_normalise(from);
    VD_FREE char *normal_to = vd_path_normalise(to);
    if (!normal_from || !normal_to)
        return vd_block_reason(err, ENOMEM);
    if (!from[0] || !to[0])
        return vd_block_reason(err, ENOENT);

    pthread_mutex_lock(&files->lock);
    int failed = link_locked(files, normal_from, &normal_to);
    pthread_mutex_unlock(&files->lock);
    return failed ? vd_block_reason(err, failed) : VD_OK;
}

/* A folder stands in the list once, however many files are in it. */
static bool is_listed(const struct vd_fs_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return true;
    return false;
}

static int list_locked(const struct vd_fs_memory *files, const char *normal,
                       struct vd_fs_names *names, struct vd_error *err)
{
    if (!is_folder_locked(files, normal))
        return vd_block_reason(err, find_locked(files, normal) ? ENOTDIR : ENOENT);
    for (const struct memory_name *at = files->names; at; at = at->next) {
        const char *part;
        size_t length;
        if (!part_below(at->path, normal, &part, &length))
            continue;
        VD_FREE char *name = strndup(part, length);
        int code = name ? VD_OK : vd_block_reason(err, ENOMEM);
        if (code >= 0 && !is_listed(names, name))
            code = vd_fs_names_add(names, name, err);
        if (code < 0)
            return code;
    }
    return VD_OK;
}

static int memory_list(const struct vd_fs *self, const char *folder, struct vd_fs_names *names,
                       struct vd_error *err)
{
    struct vd_fs_memory *files = files_of(self);
    VD_FREE char *normal = vd_path_normalise(folder);
    if (!normal)
        return vd_block_reason(err, ENOMEM);
    pthread_mutex_lock(&files->lock);
    int code = list_locked(files, normal, names, err);
    pthread_mutex_unlock(&files->lock);
    return code;
}

static int memory_rename(const struct vd_fs *self, const char *from, const char *to, bool replace,
                         struct vd_error *err)
{
    struct vd_fs_memory *files = files_of(self);
    VD_FREE char *normal_from = vd_path_normalise(from);
    VD_FREE char *normal_to = vd_path_normalise(to);
    if (!normal_from || !normal_to)
        return vd_block_reason(err, ENOMEM);
    if (!from[0] || !to[0])
        return vd_block_reason(err, ENOENT);

    pthread_mutex_lock(&files->lock);
    int failed = rename_locked(files, normal_from, &normal_to, replace);
    pthread_mutex_unlock(&files->lock);
    return failed ? vd_block_reason(err, failed) : VD_OK;
}

/* A folder that lost its last file is not gone, and cannot be told from one that never was. */
static int memory_sync_folder(const struct vd_fs *self, const char *folder, struct vd_error *err)
{
    struct vd_fs_stat status;
    int code = memory_stat(self, folder, &status, err);
    if (code < 0 || status.kind != VD_FS_FILE)
        return code;
    return vd_block_reason(err, ENOTDIR);
}

int vd_fs_memory_new(struct vd_fs_memory **ret, struct vd_error *err)
{
    static const struct vd_fs_ops ops = {
        .name = "memory",
        .open = memory_open,
        .match_name = memory_match_name,
        .real_path = memory_real_path,
        .stat = memory_stat,
        .create = memory_create,
        .unlink = memory_unlink,
        .rename = memory_rename,
        .sync_folder = memory_sync_folder,
        .link = memory_link,
        .list = memory_list,
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
static bool put_locked(struct vd_fs_memory *files, char *normal, struct vd_memory_file *file)
{
    struct memory_name *name = find_locked(files, normal);
    if (name) {
        vd_memory_file_unref(name->file);
        free(normal);
    } else {
        name = add_name_locked(files, normal);
        if (!name)
            return false;
    }
    name->file = file;
    file->inode = ++files->last_inode;
    return true;
}

int vd_fs_memory_give(struct vd_fs_memory *files, const char *path, unsigned char *bytes,
                      size_t length, uint64_t size_bytes, struct vd_error *err)
{
    assert(length <= size_bytes && size_bytes <= INT64_MAX);

    char *normal = vd_path_normalise(path);
    struct vd_memory_file *file = vd_memory_file_new(bytes, length, size_bytes);
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
        vd_memory_file_unref(file);
    else
        free(bytes);
    return vd_error_set_errno(err, ENOMEM, "cannot add '%s' to the files in memory", path);
}

int vd_fs_memory_add_sparse(struct vd_fs_memory *files, const char *path, const void *bytes,
                            size_t length, uint64_t size_bytes, struct vd_error *err)
{
    unsigned char *copy = malloc(length ? length : 1);
    if (!copy)
        return vd_error_set_errno(err, ENOMEM, "cannot add '%s' to the files in memory", path);
    if (length > 0)
        memcpy(copy, bytes, length);
    return vd_fs_memory_give(files, path, copy, length, size_bytes, err);
}

int vd_fs_memory_add(struct vd_fs_memory *files, const char *path, const void *bytes, size_t length,
                     struct vd_error *err)
{
    return vd_fs_memory_add_sparse(files, path, bytes, length, length, err);
}

/* The first name in byte order after `last`; NULL past the end. */
static const char *next_name_locked(const struct vd_fs_memory *files, const char *last)
{
    const char *best = NULL;
    for (const struct memory_name *at = files->names; at; at = at->next)
        if ((!last || strcmp(at->path, last) > 0) && (!best || strcmp(at->path, best) < 0))
            best = at->path;
    return best;
}

int vd_fs_memory_list(struct vd_fs_memory *files, char **ret_names, struct vd_error *err)
{
    struct vd_buf text = VD_BUF_INIT(MAX_LIST_BYTES);
    pthread_mutex_lock(&files->lock);
    int code = vd_buf_append(&text, "", 0);
    for (const char *name = next_name_locked(files, NULL); name && code >= 0;
         name = next_name_locked(files, name))
        code = vd_buf_printf(&text, "%s\n", name);
    pthread_mutex_unlock(&files->lock);

    char *names = code >= 0 ? vd_buf_steal(&text) : NULL;
    vd_buf_done(&text);
    if (!names)
        return vd_error_set(err, code < 0 ? code : VD_E_NO_MEMORY,
                            "cannot list the names of the files in memory");
    *ret_names = names;
    return VD_OK;
}

const struct vd_fs *vd_fs_memory_fs(struct vd_fs_memory *files)
{
    return &files->fs;
}

static unsigned other_names(const struct vd_fs_memory *files, const struct vd_memory_file *file)
{
    unsigned count = 0;
    for (const struct memory_name *at = files->names; at; at = at->next)
        count += at->file == file;
    return count;
}

void vd_fs_memory_free(struct vd_fs_memory *files)
{
    if (!files)
        return;
    while (files->names) {
        struct memory_name *name = files->names;
        files->names = name->next;
        /* Every block was closed. */
        assert(atomic_load(&name->file->refs) == 1 + other_names(files, name->file));
        vd_memory_file_unref(name->file);
        free(name->path);
        free(name);
    }
    pthread_mutex_destroy(&files->lock);
    free(files);
}
