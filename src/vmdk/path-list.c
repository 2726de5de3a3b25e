/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/path-list.h"

#include <string.h>

static bool has(const struct vd_path_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->paths[i], path) == 0)
            return true;
    }
    return false;
}

static int no_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "no memory for a list of paths");
}

int vd_path_list_take(struct vd_path_list *list, char *path, struct vd_error *err)
{
    if (path == NULL)
        return no_memory(err);
    if (has(list, path)) {
        free(path);
        return 0;
    }
    if (list->count == list->allocated) {
        size_t wanted = list->allocated == 0 ? 8 : list->allocated * 2;
        char **grown = reallocarray(list->paths, wanted, sizeof *grown);
        if (grown == NULL) {
            free(path);
            return no_memory(err);
        }
        list->paths = grown;
        list->allocated = wanted;
    }
    list->paths[list->count++] = path;
    return 0;
}

void vd_path_note(struct vd_buf *places, const char *path)
{
    if (vd_buf_printf(places, "%s'%s'", places->length > 0 ? ", " : "", path) < 0)
        return; /* those that fit tell enough */
}

void vd_path_list_done(struct vd_path_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (struct vd_path_list){0};
}
