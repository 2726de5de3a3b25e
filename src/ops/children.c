/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/children.h"

#include <string.h>

#include "base/path.h"
#include "block/replace.h"
#include "vmdk/descriptor-file.h"
#include "vmdk/probe.h"

struct search {
    const struct vd_fs *fs;
    const char *parent_name;
    struct vd_block_identity parent;
    char *folder;
    struct vd_path_list *found;
};

static bool same_identity(const struct vd_block_identity *a, const struct vd_block_identity *b)
{
    return a->device == b->device && a->inode == b->inode;
}

/* Failures that tell something of the machine rather than of the file. */
static bool is_serious(int code)
{
    return code == VD_E_NO_MEMORY || code == VD_E_IO || code == VD_E_TOO_MANY_FILES ||
           code == VD_E_FAIL;
}

/* *ret stays NULL where the file has no descriptor. */
static int load_descriptor(const struct vd_fs *fs, const char *path, struct vd_descriptor **ret,
                           struct vd_error *err)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    struct vd_kdmv_header header;
    enum vd_file_kind kind;
    int r = vd_fs_open(fs, path, 0, &block, err);

    if (r == VD_OK)
        r = vd_probe_block(block, &kind, err);
    if (r < 0)
        return r;
    if (kind == VD_FILE_DESCRIPTOR)
        return vd_descriptor_read(block, NULL, ret, err);
    if (kind != VD_FILE_KDMV)
        return VD_OK;
    r = vd_kdmv_header_read(block, &header, err);
    return r < 0 ? r : vd_descriptor_read_embedded(block, &header, NULL, ret, err);
}

/* The hint as it stands, where that leads to a file; otherwise its name beside the child. */
static int hint_means_parent(const struct search *search, const char *hint, bool *ret,
                             struct vd_error *err)
{
    VD_FREE char *turned = vd_path_from_windows(hint);
    VD_FREE char *path = turned ? vd_path_join(search->folder, turned) : NULL;
    struct vd_fs_stat status;
    int r;

    if (!path)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    r = vd_fs_stat(search->fs, path, &status, err);
    if (r < 0)
        return r;
    *ret = status.kind == VD_FS_NOTHING
               ? vd_path_equal_but_case(vd_path_name(turned), search->parent_name)
               : same_identity(&status.identity, &search->parent);
    return VD_OK;
}

static int look_at(const struct search *search, const char *name, struct vd_error *err)
{
    VD_CLEANUP(vd_descriptor_free_cleanup) struct vd_descriptor *descriptor = NULL;
    struct vd_error failure = VD_ERROR_INIT;
    char *path = vd_path_join(search->folder, name);
    bool is_child = false;
    int r = path ? load_descriptor(search->fs, path, &descriptor, &failure)
                 : vd_error_set(&failure, VD_E_NO_MEMORY, "out of memory");

    if (r < 0 && is_serious(r))
        r = vd_error_set(err, r, "cannot tell whether '%s' is a child of '%s': %s", name,
                         search->parent_name, vd_error_message(&failure, r));
    else
        r = VD_OK;
    if (r == VD_OK && descriptor && descriptor->parent_hint)
        r = hint_means_parent(search, descriptor->parent_hint, &is_child, err);
    if (r == VD_OK && is_child)
        return vd_path_list_take(search->found, path, err);
    free(path);
    return r;
}

int vd_children_find(const struct vd_fs *fs, const char *path, struct vd_path_list *ret,
                     struct vd_error *err)
{
    struct search search = {.fs = fs, .parent_name = vd_path_name(path), .found = ret};
    struct vd_fs_names names = {0};
    struct vd_fs_stat status;
    int r = vd_fs_stat(fs, path, &status, err);

    if (r < 0)
        return r;
    search.parent = status.identity;
    search.folder = vd_path_folder(path);
    r = search.folder ? vd_fs_list(fs, search.folder, &names, err)
                      : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    for (size_t i = 0; r == VD_OK && i < names.count; i++) {
        if (vd_path_has_suffix(names.items[i], ".vmdk") &&
            strcmp(names.items[i], search.parent_name) != 0)
            r = look_at(&search, names.items[i], err);
    }
    vd_fs_names_done(&names);
    free(search.folder);
    return r;
}

int vd_children_refuse(const struct vd_fs *fs, const char *path, const char *what,
                       struct vd_error *err)
{
    struct vd_path_list children = {0};
    int r = vd_children_find(fs, path, &children, err);

    if (r == VD_OK && children.count > 0)
        r = vd_error_set(err, VD_E_NOT_SUPPORTED, "%s '%s': it is the parent of '%s'", what, path,
                         children.paths[0]);
    vd_path_list_done(&children);
    return r;
}

/* With whichever slashes. */
static int names_file(const struct vd_descriptor *descriptor, const char *name, bool *ret,
                      struct vd_error *err)
{
    for (size_t i = 0; i < descriptor->num_extents && !*ret; i++) {
        const char *file = descriptor->extents[i].file;
        VD_FREE char *turned = vd_path_from_windows(file ? file : "");

        if (!turned)
            return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
        *ret = file && (vd_path_equal_but_case(vd_path_name(file), name) ||
                        vd_path_equal_but_case(vd_path_name(turned), name));
    }
    return VD_OK;
}

/* One that cannot be read may name it; what may not be read, only where it is called a disk. */
static int look_for_extent(const struct vd_fs *fs, const char *path, const char *name,
                           bool called_disk, bool *ret, struct vd_error *err)
{
    VD_CLEANUP(vd_descriptor_free_cleanup) struct vd_descriptor *descriptor = NULL;
    struct vd_error failure = VD_ERROR_INIT;
    int r = path ? load_descriptor(fs, path, &descriptor, &failure)
                 : vd_error_set(&failure, VD_E_NO_MEMORY, "out of memory");

    if (r == VD_E_NOT_FOUND || r == VD_E_FILE_TYPE || (r == VD_E_ACCESS && !called_disk))
        return VD_OK;
    if (r < 0)
        return vd_error_set(err, r, "cannot tell whether '%s' is an extent of '%s': %s", name,
                            path ? path : "", vd_error_message(&failure, r));
    return descriptor ? names_file(descriptor, name, ret, err) : VD_OK;
}

/* What a crash left before it was complete. */
static bool is_unfinished(const char *name)
{
    return strncmp(name, VD_REPLACE_PREFIX, strlen(VD_REPLACE_PREFIX)) == 0 &&
           vd_path_has_suffix(name, VD_REPLACE_SUFFIX);
}

int vd_children_name_file(const struct vd_fs *fs, const char *path, const char *extent, bool *ret,
                          struct vd_error *err)
{
    VD_FREE char *folder = vd_path_folder(path);
    struct vd_fs_names names = {0};
    bool found = false;
    int r = folder ? vd_fs_list(fs, folder, &names, err)
                   : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");

    for (size_t i = 0; r == VD_OK && !found && i < names.count; i++) {
        const char *name = names.items[i];
        VD_FREE char *other = vd_path_join(folder, name);
        bool called_disk =
            vd_path_has_suffix(name, ".vmdk") || strcmp(name, vd_path_name(path)) == 0;

        if (!is_unfinished(name) && strcmp(name, vd_path_name(extent)) != 0)
            r = look_for_extent(fs, other, vd_path_name(extent), called_disk, &found, err);
    }
    vd_fs_names_done(&names);
    if (r == VD_OK)
        *ret = found;
    return r;
}
