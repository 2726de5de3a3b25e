/* SPDX-License-Identifier: Apache-2.0 */
/* What a child takes from its parent. */
#include <string.h>

#include "base/path.h"
#include "vmdk/chain.h"
#include "vmdk/create-int.h"

#define MAX_HW_VERSION 999u

static int no_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "no memory to look at the parent");
}

/* The folder of `path`, links resolved. */
static int real_folder(const struct vd_fs *fs, const char *path, char **ret, struct vd_error *err)
{
    VD_FREE char *folder = vd_path_folder(path);
    return folder == NULL ? no_memory(err) : vd_fs_real_path(fs, folder, ret, err);
}

/* The name alone when both are in one folder, so that the two can be moved together; else the whole
 * path, so that the child can be moved alone. */
static int name_parent(const struct vd_create *create, char **ret, struct vd_error *err)
{
    const char *parent_path = create->params->parent_path;
    VD_FREE char *child_folder = NULL;
    VD_FREE char *parent_folder = NULL;
    int r = real_folder(create->fs, create->path, &child_folder, err);
    if (r >= 0)
        r = real_folder(create->fs, parent_path, &parent_folder, err);
    if (r < 0)
        return r;
    const char *name = vd_path_name(parent_path);
    bool together = strcmp(child_folder, parent_folder) == 0;
    *ret = together ? strdup(name) : vd_path_join(parent_folder, name);
    return *ret == NULL ? no_memory(err) : 0;
}

static struct vd_geometry chain_geometry(const struct vd_chain *chain)
{
    struct vd_geometry geometry = {0, 0, 0};
    for (size_t i = 0; i < chain->num_links && geometry.cylinders == 0; i++)
        geometry = vd_descriptor_geometry(chain->links[i]->descriptor);
    return geometry;
}

static uint32_t chain_hw_version(const struct vd_chain *chain)
{
    const char *text = vd_chain_ddb(chain, "virtualHWVersion");
    uint32_t number = 0;
    for (; text != NULL && *text >= '0' && *text <= '9' && number <= MAX_HW_VERSION; text++)
        number = number * 10 + (uint32_t)(*text - '0');
    return text != NULL && *text == '\0' && number <= MAX_HW_VERSION ? number : 0;
}

static int take_facts(const struct vd_chain *chain, const char *path, struct vd_create_parent *ret,
                      struct vd_error *err)
{
    const struct vd_descriptor *descriptor = chain->links[0]->descriptor;
    const char *adapter = vd_chain_ddb(chain, "adapterType");
    if (!descriptor->has_cid || descriptor->cid == VD_CID_NONE)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "the parent '%s' has no CID by which a child could know it", path);
    ret->capacity_sectors = chain->links[0]->capacity_sectors;
    ret->cid = descriptor->cid;
    ret->geometry = chain_geometry(chain);
    ret->hw_version = chain_hw_version(chain);
    if (adapter == NULL)
        return 0;
    ret->adapter = strdup(adapter);
    return ret->adapter == NULL ? no_memory(err) : 0;
}

int vd_create_parent_read(const struct vd_create *create, struct vd_create_parent *ret,
                          struct vd_error *err)
{
    const char *path = create->params->parent_path;
    /* Its own chain may leave the folder: nothing is read of it but what is told about the disk. */
    struct vd_vmdk_options options = {.fs = create->fs,
                                      .flags = VD_VMDK_READ_ONLY | VD_VMDK_ALLOW_OUTSIDE};
    VD_CLEANUP(vd_chain_free_cleanup) struct vd_chain *chain = NULL;
    int r = vd_chain_open(path, &options, &chain, err);
    if (r < 0)
        return r;
    *ret = (struct vd_create_parent){0};
    r = take_facts(chain, path, ret, err);
    if (r >= 0)
        r = name_parent(create, &ret->hint, err);
    if (r < 0)
        vd_create_parent_done(ret);
    return r;
}

void vd_create_parent_done(struct vd_create_parent *parent)
{
    free(parent->hint);
    free(parent->adapter);
    *parent = (struct vd_create_parent){0};
}
