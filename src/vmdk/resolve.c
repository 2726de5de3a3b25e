/* SPDX-License-Identifier: Apache-2.0 */
/* The policy, and the opening of files under it. Which names are tried is in resolve-names.c. */
#include "vmdk/resolve.h"

#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "vmdk/resolve-names.h"

/* Room for the paths that were tried, in an error's sentence. */
#define TRIED_BYTES 600u

int vd_folders_init(struct vd_folders *folders, const struct vd_fs *fs, const char *path,
                    struct vd_error *err)
{
    VD_FREE char *real_path = NULL;
    struct vd_error cause = VD_ERROR_INIT;
    int r = vd_fs_real_path(fs, path, &real_path, &cause);
    if (r < 0 && cause.sys_errno != 0)
        return vd_error_set_errno(err, cause.sys_errno, "cannot open '%s'", path);
    if (r < 0)
        return vd_error_set(err, r, "%s", cause.text);
    return vd_folders_of(folders, path, real_path, err);
}

int vd_folders_of(struct vd_folders *folders, const char *path, const char *real_path,
                  struct vd_error *err)
{
    struct vd_folders made = {vd_path_folder(path), vd_path_folder(real_path)};
    if (made.given == NULL || made.real == NULL) {
        vd_folders_done(&made);
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to open '%s'", path);
    }
    *folders = made;
    return 0;
}

void vd_folders_done(struct vd_folders *folders)
{
    free(folders->given);
    free(folders->real);
    *folders = (struct vd_folders){0};
}

/* A folder that is not there opens nothing. */
static int add_root(struct vd_resolve *resolve, const char *folder, struct vd_error *err)
{
    char *real;
    int r = vd_fs_real_path(resolve->fs, folder, &real, NULL);
    if (r == VD_E_NO_MEMORY)
        return vd_error_set(err, r, "no memory to resolve the folder '%s'", folder);
    return r < 0 ? 0 : vd_path_list_take(&resolve->roots, real, err);
}

static int add_roots(struct vd_resolve *resolve, const char *path,
                     const char *const *parent_folders, struct vd_error *err)
{
    struct vd_folders folders = {0};
    int r = vd_folders_init(&folders, resolve->fs, path, err);
    if (r < 0)
        return r;
    r = vd_path_list_take(&resolve->roots, strdup(folders.real), err);
    if (r >= 0)
        r = add_root(resolve, folders.given, err);
    for (; r >= 0 && parent_folders != NULL && *parent_folders != NULL; parent_folders++)
        r = add_root(resolve, *parent_folders, err);
    vd_folders_done(&folders);
    return r;
}

int vd_resolve_init(struct vd_resolve *resolve, const char *path,
                    const struct vd_vmdk_options *options, struct vd_error *err)
{
    *resolve = (struct vd_resolve){
        .fs = options->fs != NULL ? options->fs : vd_fs_host(),
        .flags = options->flags,
    };
    int r = add_roots(resolve, path, options->parent_folders, err);
    if (r < 0)
        vd_resolve_done(resolve);
    return r;
}

void vd_resolve_done(struct vd_resolve *resolve)
{
    vd_path_list_done(&resolve->roots);
}

/* Both real. Relative ones occur with files in memory only, whose root is ".". */
static bool is_inside(const char *path, const char *root)
{
    if (strcmp(root, ".") == 0)
        return !vd_path_leaves_folder(path);
    size_t length = strlen(root);
    if (strncmp(path, root, length) != 0)
        return false;
    return root[length - 1] == '/' || path[length] == '/';
}

static bool is_inside_any(const struct vd_resolve *resolve, const char *real_path)
{
    for (size_t i = 0; i < resolve->roots.count; i++) {
        if (is_inside(real_path, resolve->roots.paths[i]))
            return true;
    }
    return false;
}

static int outside(const struct vd_resolve *resolve, const char *path, const char *real_path,
                   struct vd_error *err)
{
    bool linked = strcmp(path, real_path) != 0;
    return vd_error_set(err, VD_E_OUTSIDE_FOLDER,
                        "'%s'%s%s%s lies outside the disk's folder '%s', where nothing is opened "
                        "unless that is allowed",
                        path, linked ? " (really '" : "", linked ? real_path : "",
                        linked ? "')" : "", resolve->roots.paths[0]);
}

int vd_resolve_allowed(const struct vd_resolve *resolve, const char *path, char **ret_real_path,
                       struct vd_error *err)
{
    VD_FREE char *real_path = NULL;
    int r = vd_fs_real_path(resolve->fs, path, &real_path, err);
    if (r < 0)
        return r;
    if ((resolve->flags & VD_VMDK_ALLOW_OUTSIDE) == 0 && !is_inside_any(resolve, real_path))
        return outside(resolve, path, real_path, err);
    *ret_real_path = VD_TAKE_PTR(real_path);
    return 0;
}

static unsigned open_flags(const struct vd_resolve *resolve)
{
    return ((resolve->flags & VD_VMDK_UNBUFFERED) != 0 ? VD_FS_UNBUFFERED : 0u) |
           ((resolve->flags & VD_VMDK_ALLOW_DEVICES) != 0 ? VD_FS_ALLOW_DEVICE : 0u) |
           ((resolve->flags & VD_VMDK_WRITE_OUT) != 0 ? VD_FS_WRITE_OUT : 0u);
}

int vd_resolve_open(const struct vd_resolve *resolve, struct vd_file_pool *pool, const char *path,
                    struct vd_block **ret, struct vd_error *err)
{
    struct vd_error refusal = VD_ERROR_INIT;
    VD_FREE char *real_path = NULL;
    int allowed = vd_resolve_allowed(resolve, path, &real_path, &refusal);
    bool device_only =
        allowed == VD_E_OUTSIDE_FOLDER && (resolve->flags & VD_VMDK_ALLOW_DEVICES) != 0;
    if (allowed < 0 && !device_only)
        return vd_error_set(err, allowed, "%s", refusal.text);

    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    int r = pool != NULL
                ? vd_file_pool_open(pool, path, open_flags(resolve), &block, err)
                : vd_fs_open(resolve->fs, path, open_flags(resolve) | VD_FS_WRITE, &block, err);
    if (r < 0)
        return r;
    if (device_only && (block->capabilities & VD_BLOCK_DEVICE) == 0)
        return vd_error_set(err, allowed, "%s", refusal.text);
    *ret = VD_TAKE_PTR(block);
    return 0;
}

/* What came of trying one path after the other. */
struct attempt {
    const struct vd_resolve *resolve;
    struct vd_file_pool *pool;
    struct vd_buf tried;     /* those that are not there */
    struct vd_error refusal; /* the first that is there but may not be opened */
    struct vd_block *block;  /* the one that opened */
};

/* 0 when there is nothing more to try or something opened: another error than that a path is not
 * there, or may not be used, is final, for the file the descriptor means was found. */
static int try_path(struct attempt *attempt, const char *path, struct vd_error *err)
{
    struct vd_error failure = VD_ERROR_INIT;
    int r = vd_resolve_open(attempt->resolve, attempt->pool, path, &attempt->block, &failure);
    if (r == VD_E_NOT_FOUND || r == VD_E_NAME_TOO_LONG) {
        vd_path_note(&attempt->tried, path);
        return 0;
    }
    if (r == VD_E_OUTSIDE_FOLDER) {
        (void)vd_error_set(&attempt->refusal, r, "%s", failure.text);
        return 0;
    }
    return r < 0 ? vd_error_set(err, r, "%s", failure.text) : 0;
}

static int try_paths(struct attempt *attempt, const struct vd_path_list *list, size_t from,
                     struct vd_error *err)
{
    for (size_t i = from; i < list->count && attempt->block == NULL; i++) {
        int r = try_path(attempt, list->paths[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int search(struct attempt *attempt, const struct vd_folders *folders,
                  const struct vd_extent_line *line, struct vd_error *err)
{
    struct vd_path_list list = {0};
    int r = vd_resolve_extent_paths(line, folders, &list, err);
    if (r >= 0)
        r = try_paths(attempt, &list, 0, err);
    if (r >= 0 && attempt->block == NULL) {
        size_t exact = list.count;
        r = vd_resolve_any_case(attempt->resolve->fs, &list, err);
        if (r >= 0)
            r = try_paths(attempt, &list, exact, err);
    }
    vd_path_list_done(&list);
    return r;
}

/* Names that no file system of this host can hold. */
static int refuse_foreign(const struct vd_extent_line *line, const char *where,
                          struct vd_error *err)
{
    if (strncmp(line->file, "\\\\.\\", 4) == 0)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "the extent '%s' of '%s' is a device of a Windows host", line->file,
                            where);
    if (strstr(line->file, "://") != NULL)
        return vd_error_set(err, VD_E_DESC_EXTENT_TYPE,
                            "the extent '%s' of '%s' is an object of a vSAN or vVol store, which "
                            "only its ESX host can read",
                            line->file, where);
    if (line->file[0] == '\0')
        return vd_error_set(err, VD_E_DESC_EXTENT, "'%s' has an extent without a file name", where);
    return 0;
}

int vd_resolve_extent(const struct vd_resolve *resolve, struct vd_file_pool *pool,
                      const struct vd_folders *folders, const struct vd_extent_line *line,
                      const char *where, struct vd_block **ret, struct vd_error *err)
{
    int r = refuse_foreign(line, where, err);
    if (r < 0)
        return r;
    struct attempt attempt = {resolve, pool, VD_BUF_INIT(TRIED_BYTES), VD_ERROR_INIT, NULL};
    r = search(&attempt, folders, line, err);
    if (r < 0)
        vd_error_prefix(err, "extent of '%s'", where);
    else if (attempt.block != NULL)
        *ret = attempt.block;
    else if (attempt.refusal.code < 0)
        r = vd_error_set(err, attempt.refusal.code, "extent of '%s': %s", where,
                         attempt.refusal.text);
    else if (line->undecoded)
        r = vd_error_set(err, VD_E_DESC_ENCODING,
                         "the extent '%s' of '%s' is not there, and its name is not text in the "
                         "descriptor's encoding",
                         line->file, where);
    else
        r = vd_error_set(err, VD_E_NOT_FOUND,
                         "the extent '%s' of '%s' is not there (looked for %s)", line->file, where,
                         vd_buf_text(&attempt.tried));
    vd_buf_done(&attempt.tried);
    return r;
}
