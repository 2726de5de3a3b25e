/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

static int out_of_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
}

int sim_stores_add(struct sim_stores *stores, const char *text, struct vd_error *err)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || memchr(text, ']', (size_t)(equals - text)))
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "--datastore is '%s', expected NAME=DIR with a NAME without ']'", text);
    VD_FREE char *name = strndup(text, (size_t)(equals - text));
    VD_FREE char *folder = realpath(equals + 1, NULL);
    VD_FREE char *moref = NULL;
    if (!folder)
        return vd_error_set_errno(err, errno, "opening the datastore '%s'", text);
    if (asprintf(&moref, "datastore-%zu", stores->count + 1) < 0)
        moref = NULL;
    struct sim_store *list = realloc(stores->list, (stores->count + 1) * sizeof *list);
    if (list)
        stores->list = list;
    if (!name || !moref || !list)
        return out_of_memory(err);
    if (sim_stores_find(stores, name))
        return vd_error_set(err, VD_E_EXISTS, "the datastore '%s' is given twice", name);
    list[stores->count++] =
        (struct sim_store){VD_TAKE_PTR(name), VD_TAKE_PTR(folder), VD_TAKE_PTR(moref)};
    return VD_OK;
}

void sim_stores_done(struct sim_stores *stores)
{
    for (size_t i = 0; i < stores->count; i++) {
        free(stores->list[i].name);
        free(stores->list[i].folder);
        free(stores->list[i].moref);
    }
    free(stores->list);
}

const struct sim_store *sim_stores_find(const struct sim_stores *stores, const char *name)
{
    for (size_t i = 0; i < stores->count; i++) {
        if (strcmp(stores->list[i].name, name) == 0)
            return &stores->list[i];
    }
    return NULL;
}

const struct sim_store *sim_stores_by_moref(const struct sim_stores *stores, const char *moref)
{
    for (size_t i = 0; i < stores->count; i++) {
        if (strcmp(stores->list[i].moref, moref) == 0)
            return &stores->list[i];
    }
    return NULL;
}

static bool is_below(const char *folder, const char *path)
{
    size_t length = strlen(folder);

    return strcmp(folder, "/") == 0 ||
           (strncmp(folder, path, length) == 0 && (path[length] == '/' || !path[length]));
}

/* Where `path` really is, or where its nearest folder that exists is. */
static bool is_really_below(const char *folder, const char *path)
{
    VD_FREE char *at = strdup(path);

    while (at) {
        VD_FREE char *real = realpath(at, NULL);
        if (real)
            return is_below(folder, real);
        if (errno != ENOENT)
            return false;
        char *up = vd_path_folder(at);
        free(at);
        at = up;
        if (up && (strcmp(up, "/") == 0 || strcmp(up, ".") == 0))
            return is_below(folder, up);
    }
    return false;
}

static int split(const struct sim_stores *stores, const char *path, const struct sim_store **ret,
                 const char **ret_rest, struct vd_error *err)
{
    const char *end = path[0] == '[' ? strchr(path, ']') : NULL;
    if (!end)
        return vd_error_set(err, VD_E_NAME_INVALID,
                            "'%.200s' is no path of a datastore, expected '[name] folder/file'",
                            path);
    VD_FREE char *name = strndup(path + 1, (size_t)(end - path - 1));
    if (!name)
        return out_of_memory(err);
    *ret = sim_stores_find(stores, name);
    if (!*ret)
        return vd_error_set(err, VD_E_NOT_FOUND, "there is no datastore '%.80s'", name);
    *ret_rest = end + 1 + strspn(end + 1, " ");
    return VD_OK;
}

int sim_store_resolve(const struct sim_stores *stores, const char *path, bool deep, char **ret,
                      struct vd_error *err)
{
    const struct sim_store *store = NULL;
    const char *rest = NULL;
    int r = split(stores, path, &store, &rest, err);

    if (r < 0)
        return r;
    if (vd_path_leaves_folder(rest))
        return vd_error_set(err, VD_E_OUTSIDE_FOLDER, "'%.200s' leaves its datastore", path);
    VD_FREE char *clean = vd_path_normalise(rest);
    VD_FREE char *joined = clean ? vd_path_join(store->folder, clean) : NULL;
    VD_FREE char *folder = joined ? vd_path_folder(joined) : NULL;
    if (!folder)
        return out_of_memory(err);
    if (!is_really_below(store->folder, joined))
        return vd_error_set(err, VD_E_OUTSIDE_FOLDER, "'%.200s' leaves its datastore", path);
    if (!deep && access(folder, F_OK) != 0)
        return vd_error_set(err, VD_E_NOT_FOUND, "'%.200s': there is no such folder", path);
    *ret = *clean && strcmp(clean, ".") != 0 ? VD_TAKE_PTR(joined) : strdup(store->folder);
    return *ret ? VD_OK : out_of_memory(err);
}

const struct sim_store *sim_store_of(const struct sim_stores *stores, const char *host_path)
{
    VD_FREE char *clean = vd_path_normalise(host_path);

    for (size_t i = 0; clean && i < stores->count; i++) {
        if (is_below(stores->list[i].folder, clean))
            return &stores->list[i];
    }
    return NULL;
}

char *sim_store_name(const struct sim_stores *stores, const char *host_path)
{
    const struct sim_store *store = sim_store_of(stores, host_path);
    VD_FREE char *clean = vd_path_normalise(host_path);
    char *name = NULL;

    if (!store || !clean)
        return NULL;
    const char *rest = clean + strlen(store->folder);
    if (asprintf(&name, "[%s] %s", store->name, rest + (*rest == '/')) < 0)
        return NULL;
    return name;
}
