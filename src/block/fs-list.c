/* SPDX-License-Identifier: Apache-2.0 */
#include "block/fs-int.h"

#include <errno.h>
#include <stdlib.h>

#include "block/block-int.h"

int vd_fs_names_add(struct vd_fs_names *names, const char *name, struct vd_error *err)
{
    if (names->count == VD_FS_MAX_NAMES)
        return vd_error_set(err, VD_E_TOO_BIG, "it has more than %u names", VD_FS_MAX_NAMES);
    if (names->count == names->allocated) {
        size_t wanted = names->allocated ? 2 * names->allocated : 64;
        char **grown = reallocarray(names->items, wanted, sizeof *grown);
        if (!grown)
            return vd_block_reason(err, ENOMEM);
        names->items = grown;
        names->allocated = wanted;
    }
    char *copy = strdup(name);
    if (!copy)
        return vd_block_reason(err, ENOMEM);
    names->items[names->count++] = copy;
    return VD_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void vd_fs_names_sort(struct vd_fs_names *names)
{
    if (names->count > 1)
        qsort(names->items, names->count, sizeof *names->items, compare_names);
}

void vd_fs_names_done(struct vd_fs_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct vd_fs_names){0};
}
