/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names are written by other hosts: with backslashes and drive letters by Windows, as
 * /vmfs/volumes/... or "[datastore] folder/file" by ESX, in another encoding or another case. Each
 * reading of a name is a form; the forms are tried in the folders they may be relative to. A child
 * finds its parent by the rules found in VMware's and other products: the hint as it is, then its
 * base name beside the child (both were moved), then the hint's last folder beside the child's
 * (linked clones moved together), then where the caller says.
 */
#include "vmdk/resolve-names.h"

#include <string.h>

#include "base/path.h"
#include "vmdk/ascii.h"

/* A name as written and as bytes, each with backslashes as they are and turned, without datastore.
 */
#define MAX_FORMS 4

struct name_forms {
    char *texts[MAX_FORMS];
    size_t count;
    bool
        foreign; /* absolute, or written by another host: the folders in it may mean nothing here */
};

static void forms_done(struct name_forms *forms)
{
    for (size_t i = 0; i < forms->count; i++)
        free(forms->texts[i]);
}

/* "[ds] dir/file" -> "dir/file"; others stay. */
static const char *without_datastore(const char *name)
{
    const char *end = name[0] == '[' ? strchr(name, ']') : NULL;
    if (end == NULL)
        return name;
    end++;
    while (vd_ascii_is_blank(*end))
        end++;
    return *end != '\0' ? end : name;
}

static bool has_drive(const char *name)
{
    char drive = vd_ascii_lower(name[0]);
    return drive >= 'a' && drive <= 'z' && name[1] == ':';
}

static int add_forms_of(struct name_forms *forms, const char *name, struct vd_error *err)
{
    const char *plain = without_datastore(name);
    forms->foreign |= plain != name || plain[0] == '/' || plain[0] == '\\' || has_drive(plain);
    char *literal = strdup(plain);
    char *turned = vd_path_from_windows(plain);
    if (literal == NULL || turned == NULL) {
        free(literal);
        free(turned);
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to resolve '%s'", name);
    }
    forms->texts[forms->count++] = literal;
    if (strcmp(literal, turned) == 0)
        free(turned);
    else
        forms->texts[forms->count++] = turned;
    return 0;
}

static int forms_init(struct name_forms *forms, const char *name, const char *raw,
                      struct vd_error *err)
{
    *forms = (struct name_forms){0};
    int r = add_forms_of(forms, name, err);
    if (r >= 0 && raw != NULL)
        r = add_forms_of(forms, raw, err);
    if (r < 0)
        forms_done(forms);
    return r;
}

static int add_in_folders(const struct vd_folders *folders, const char *name,
                          struct vd_path_list *list, struct vd_error *err)
{
    int r = vd_path_list_take(list, vd_path_join(folders->given, name), err);
    if (r >= 0)
        r = vd_path_list_take(list, vd_path_join(folders->real, name), err);
    return r;
}

static int add_whole(const struct name_forms *forms, const struct vd_folders *folders,
                     struct vd_path_list *list, struct vd_error *err)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < forms->count; i++)
        r = add_in_folders(folders, forms->texts[i], list, err);
    return r;
}

/* A name that ends in a slash has no base name. */
static int add_base_names(const struct name_forms *forms, const struct vd_folders *folders,
                          struct vd_path_list *list, struct vd_error *err)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < forms->count; i++) {
        const char *name = vd_path_name(forms->texts[i]);
        if (name[0] != '\0')
            r = add_in_folders(folders, name, list, err);
    }
    return r;
}

/* "/a/b/c.vmdk" -> "b/c.vmdk"; NULL where there is no folder. Points into `path`. */
static const char *last_folder_and_name(const char *path)
{
    const char *name = vd_path_name(path);
    if (name == path || name - 1 == path || name[0] == '\0')
        return NULL;
    const char *start = name - 1;
    while (start > path && start[-1] != '/')
        start--;
    return start;
}

static int add_sibling_folders(const struct name_forms *forms, const struct vd_folders *folders,
                               struct vd_path_list *list, struct vd_error *err)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < forms->count; i++) {
        const char *tail = last_folder_and_name(forms->texts[i]);
        if (tail == NULL)
            continue;
        VD_FREE char *beside = vd_path_join("..", tail);
        if (beside == NULL)
            return vd_path_list_take(list, NULL, err);
        r = add_in_folders(folders, beside, list, err);
    }
    return r;
}

/* What the caller names is relative to where the caller is. */
static int add_caller_folder(const struct name_forms *forms, const char *folder,
                             struct vd_path_list *list, struct vd_error *err)
{
    VD_FREE char *copy = strdup(folder);
    if (copy == NULL)
        return vd_path_list_take(list, NULL, err);
    const struct vd_folders here = {copy, copy};
    int r = add_base_names(forms, &here, list, err);
    for (size_t i = 0; r >= 0 && i < forms->count; i++) {
        const char *tail = last_folder_and_name(forms->texts[i]);
        if (tail != NULL)
            r = add_in_folders(&here, tail, list, err);
    }
    return r;
}

int vd_resolve_extent_paths(const struct vd_extent_line *line, const struct vd_folders *folders,
                            struct vd_path_list *ret, struct vd_error *err)
{
    struct name_forms forms;
    int r = forms_init(&forms, line->file, line->file_raw, err);
    if (r < 0)
        return r;
    r = add_whole(&forms, folders, ret, err);
    if (r >= 0 && forms.foreign)
        r = add_base_names(&forms, folders, ret, err);
    forms_done(&forms);
    return r;
}

int vd_resolve_parent_paths(const struct vd_descriptor *child, const struct vd_folders *folders,
                            const char *const *parent_folders, struct vd_path_list *ret,
                            struct vd_error *err)
{
    struct name_forms forms;
    int r = forms_init(&forms, child->parent_hint, child->parent_hint_raw, err);
    if (r < 0)
        return r;
    r = add_whole(&forms, folders, ret, err);
    if (r >= 0)
        r = add_base_names(&forms, folders, ret, err);
    if (r >= 0)
        r = add_sibling_folders(&forms, folders, ret, err);
    for (; r >= 0 && parent_folders != NULL && *parent_folders != NULL; parent_folders++)
        r = add_caller_folder(&forms, *parent_folders, ret, err);
    forms_done(&forms);
    return r;
}

int vd_resolve_any_case(const struct vd_fs *fs, struct vd_path_list *list, struct vd_error *err)
{
    size_t exact = list->count;
    int r = 0;
    for (size_t i = 0; r >= 0 && i < exact; i++) {
        VD_FREE char *folder = vd_path_folder(list->paths[i]);
        if (folder == NULL)
            return vd_path_list_take(list, NULL, err);
        VD_FREE char *found = NULL;
        int missing = vd_fs_match_name(fs, folder, vd_path_name(list->paths[i]), &found, NULL);
        if (missing >= 0)
            r = vd_path_list_take(list, vd_path_join(folder, found), err);
    }
    return r;
}
