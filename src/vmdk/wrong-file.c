/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data extents are named after their descriptor (x-flat.vmdk, x-delta.vmdk, x-s001.vmdk, ...): the
 * name is only where to look; what is said rests on a descriptor there that names the file.
 */
#include "vmdk/wrong-file.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "vmdk/ascii.h"
#include "vmdk/descriptor-file.h"

static const char suffix[] = ".vmdk";

/* Length of `stem` without an extent's ending; 0 when it has none. */
static size_t without_word_ending(const char *stem, size_t length)
{
    static const char *const endings[] = {"-flat", "-delta", "-sesparse", "-rdmp",
                                          "-rdm",  "-pt",    "-ctk"};
    for (size_t i = 0; i < VD_ARRAY_SIZE(endings); i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && vd_ascii_equal_n(stem + length - ending, endings[i], ending))
            return length - ending;
    }
    return 0;
}

/* "-s001", "-f001"; one writer numbers in hex. */
static size_t without_number_ending(const char *stem, size_t length)
{
    size_t dash = length;
    while (dash > 0 && stem[dash - 1] != '-')
        dash--;
    if (dash <= 1 || length - dash < 2)
        return 0;
    char kind = vd_ascii_lower(stem[dash]);
    size_t digits = strspn(stem + dash + 1, "0123456789abcdefABCDEF");
    return (kind == 's' || kind == 'f') && dash + 1 + digits >= length ? dash - 1 : 0;
}

/* "d/x-flat.vmdk" -> "d/x.vmdk"; *ret is NULL where the name has no such form. */
static int owner_path(const char *path, char **ret, struct vd_error *err)
{
    size_t length = strlen(path);
    bool has_suffix = vd_path_has_suffix(path, suffix);
    size_t stem = has_suffix ? length - (sizeof suffix - 1) : length;
    size_t name = (size_t)(vd_path_name(path) - path);
    size_t shorter = without_word_ending(path + name, stem - name);
    if (shorter == 0)
        shorter = without_number_ending(path + name, stem - name);
    *ret = NULL;
    if (!has_suffix || shorter == 0)
        return 0;
    if (asprintf(ret, "%.*s%s", (int)(name + shorter), path, path + stem) < 0) {
        *ret = NULL;
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to look at '%s'", path);
    }
    return 0;
}

static bool names_file(const struct vd_descriptor *descriptor, const char *name)
{
    if (descriptor->change_track != NULL &&
        strcmp(vd_path_name(descriptor->change_track), name) == 0)
        return true;
    for (size_t i = 0; i < descriptor->num_extents; i++) {
        const char *file = descriptor->extents[i].file;
        if (file != NULL && strcmp(vd_path_name(file), name) == 0)
            return true;
    }
    return false;
}

/* Is the file at `owner` a text descriptor that names the file `name`? What goes wrong here only
 * means that it is not. */
static bool is_owner(const struct vd_fs *fs, const char *owner, const char *name)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    VD_CLEANUP(vd_descriptor_free_cleanup) struct vd_descriptor *descriptor = NULL;
    enum vd_file_kind kind;
    return vd_fs_open(fs, owner, 0, &block, NULL) >= 0 && vd_probe_block(block, &kind, NULL) >= 0 &&
           kind == VD_FILE_DESCRIPTOR && vd_descriptor_read(block, NULL, &descriptor, NULL) >= 0 &&
           names_file(descriptor, name);
}

static int data_extent(const char *path, enum vd_file_kind kind, const char *owner,
                       struct vd_error *err)
{
    const char *what = kind == VD_FILE_OTHER ? "raw data" : vd_file_kind_text(kind);
    if (owner == NULL)
        return vd_error_set(
            err, VD_E_DATA_EXTENT,
            "'%s' is %s, the data of a disk without its descriptor: open the disk's "
            "descriptor instead",
            path, what);
    return vd_error_set(err, VD_E_DATA_EXTENT,
                        "'%s' is %s, a data extent of the disk '%s': open that instead", path, what,
                        owner);
}

static int change_tracking(const char *path, const char *owner, struct vd_error *err)
{
    if (owner == NULL)
        return vd_error_set(err, VD_E_CHANGE_TRACKING,
                            "'%s' is a change tracking file (CTK), not a disk", path);
    return vd_error_set(err, VD_E_CHANGE_TRACKING,
                        "'%s' is the change tracking file (CTK) of the disk '%s', not a disk", path,
                        owner);
}

static int unknown(struct vd_block *block, const char *path, struct vd_error *err)
{
    uint64_t bytes;
    int r = vd_block_size(block, &bytes, err);
    if (r < 0)
        return r;
    if (bytes == 0)
        return vd_error_set(err, VD_E_NOT_A_DISK, "'%s' is empty, so it is no virtual disk", path);
    return vd_error_set(err, VD_E_NOT_A_DISK,
                        "'%s' is no virtual disk: it begins neither with a descriptor nor with the "
                        "header of a sparse extent",
                        path);
}

int vd_wrong_file(const struct vd_fs *fs, struct vd_block *block, enum vd_file_kind kind,
                  const char *path, struct vd_error *err)
{
    VD_FREE char *guess = NULL;
    int r = owner_path(path, &guess, err);
    if (r < 0)
        return r;
    const char *owner = guess != NULL && is_owner(fs, guess, vd_path_name(path)) ? guess : NULL;

    switch (kind) {
    case VD_FILE_KDMV:
    case VD_FILE_COWD:
    case VD_FILE_SESPARSE:
        return data_extent(path, kind, owner, err);
    case VD_FILE_CTK:
        return change_tracking(path, owner, err);
    case VD_FILE_INCOMPLETE_KDMV:
        return vd_error_set(err, VD_E_INCOMPLETE,
                            "'%s' begins with \"kdmv\": the program that wrote it was interrupted",
                            path);
    case VD_FILE_PLN:
    case VD_FILE_HOSTED_COWD:
        return vd_error_set(err, VD_E_NOT_SUPPORTED, "'%s' is %s, which is not supported", path,
                            vd_file_kind_text(kind));
    case VD_FILE_DESCRIPTOR:
    case VD_FILE_OTHER:
        break;
    }
    return owner != NULL ? data_extent(path, kind, owner, err) : unknown(block, path, err);
}
