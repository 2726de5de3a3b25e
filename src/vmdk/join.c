/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/join.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmdk/chain-int.h"
#include "vmdk/vmdk-int.h"

static int check_lineage(struct vmdk_disk *parent, struct vmdk_disk *child, struct vd_error *err)
{
    const struct vd_descriptor *above = vd_leaf_descriptor(child->leaf);
    const struct vd_descriptor *below = vd_leaf_descriptor(parent->leaf);
    const char *parent_path = parent->base.path;
    const char *child_path = child->base.path;
    if (!vd_descriptor_has_parent(above))
        return vd_error_set(err, VD_E_ATTACH_ROOT,
                            "cannot attach '%s' to '%s': it is a base disk, not a child",
                            child_path, parent_path);
    if (vd_descriptor_disk_type(below) == VD_DISK_STREAM_OPTIMIZED)
        return vd_error_set(err, VD_E_PARENT_TYPE,
                            "cannot attach '%s' to '%s': that is a streamOptimized disk, which is "
                            "for transport",
                            child_path, parent_path);
    if (!child->chain->missing_parent)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "cannot attach '%s' to '%s': its parents are open already", child_path,
                            parent_path);
    if (child->base.capacity_sectors != parent->base.capacity_sectors)
        return vd_error_set(
            err, VD_E_CAPACITY_DIFFERS,
            "cannot attach '%s' to '%s': it has %" PRIu64 " sectors, the parent %" PRIu64,
            child_path, parent_path, child->base.capacity_sectors, parent->base.capacity_sectors);
    uint32_t wanted = child->chain->links[child->chain->num_links - 1]->descriptor->parent_cid;
    if (wanted != below->cid)
        return vd_error_set(err, VD_E_CID_MISMATCH,
                            "cannot attach '%s' to '%s': it was made for a parent with content ID "
                            "%08" PRIx32 ", and this one has %08" PRIx32,
                            child_path, parent_path, wanted, below->cid);
    return VD_OK;
}

static bool same_link(const struct vd_link *a, const struct vd_link *b)
{
    return a->identity.device == b->identity.device && a->identity.inode == b->identity.inode;
}

static int check_links(const struct vd_chain *parent, const struct vd_chain *child,
                       struct vd_error *err)
{
    if (parent->num_links + child->num_links > VD_VMDK_MAX_LINKS)
        return vd_error_set(err, VD_E_CHAIN_TOO_LONG,
                            "cannot attach '%s' to '%s': the chain would have %zu links, and may "
                            "have %d",
                            child->links[0]->path, parent->links[0]->path,
                            parent->num_links + child->num_links, VD_VMDK_MAX_LINKS);
    for (size_t i = 0; i < child->num_links; i++)
        for (size_t j = 0; j < parent->num_links; j++)
            if (same_link(child->links[i], parent->links[j]))
                return vd_error_set(err, VD_E_CHAIN_LOOP,
                                    "cannot attach '%s' to '%s': the parent rests on '%s' itself",
                                    child->links[0]->path, parent->links[0]->path,
                                    child->links[i]->path);
    return VD_OK;
}

/* A chain of the links of both, which stay theirs; malloc'd. */
static int links_of_both(const struct vd_chain *parent, const struct vd_chain *child,
                         struct vd_link ***ret, struct vd_error *err)
{
    size_t count = parent->num_links + child->num_links;
    struct vd_link **links = calloc(count, sizeof(struct vd_link *));
    if (links == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory for a chain of links");
    memcpy(links, child->links, child->num_links * sizeof(struct vd_link *));
    memcpy(links + child->num_links, parent->links, parent->num_links * sizeof(struct vd_link *));
    *ret = links;
    return VD_OK;
}

static int check(struct vmdk_disk *parent, struct vmdk_disk *child, struct vd_link ***ret,
                 struct vd_error *err)
{
    VD_FREE struct vd_link **links = NULL;
    int r = check_lineage(parent, child, err);
    if (r >= 0)
        r = check_links(parent->chain, child->chain, err);
    if (r >= 0)
        r = links_of_both(parent->chain, child->chain, &links, err);
    if (r < 0)
        return r;
    if (!child->base.read_only) {
        const struct vd_chain both = {
            .links = links,
            .num_links = parent->chain->num_links + child->chain->num_links,
        };
        r = vd_chain_check_write(&both, NULL, err);
    }
    if (r >= 0)
        *ret = VD_TAKE_PTR(links);
    return r;
}

int vd_vmdk_check_join(struct vd_disk *parent, struct vd_disk *child, struct vd_error *err)
{
    VD_FREE struct vd_link **links = NULL;
    return check(vmdk_disk_of(parent), vmdk_disk_of(child), &links, err);
}

static int finish(struct vmdk_disk *disk, struct vd_error *err)
{
    return disk->base.read_only ? 0 : vd_mover_finish(disk->mover, err);
}

/* The parent's links move; its table cache, which they use, stays with it. */
static void merge(struct vmdk_disk *parent, struct vmdk_disk *child, struct vd_link **links,
                  struct vd_mover *mover)
{
    struct vd_chain *chain = child->chain;
    vd_mover_free(child->mover);
    vd_mover_free(VD_TAKE_PTR(parent->mover));
    free(chain->links);
    chain->links = links;
    chain->num_links += parent->chain->num_links;
    chain->allocated = chain->num_links;
    chain->missing_parent = parent->chain->missing_parent;
    parent->chain->num_links = 0;
    child->mover = mover;
    child->writing = false; /* to the new mover nothing was said yet */
    child->below = parent;
}

int vd_vmdk_join(struct vd_disk *parent, struct vd_disk *child, struct vd_error *err)
{
    struct vmdk_disk *below = vmdk_disk_of(parent);
    struct vmdk_disk *above = vmdk_disk_of(child);
    VD_FREE struct vd_link **links = NULL;
    struct vd_mover *mover = NULL;
    int r = check(below, above, &links, err);
    if (r < 0)
        return r;
    size_t count = below->chain->num_links + above->chain->num_links;
    r = vd_mover_new(links, count, below->chain->missing_parent, &mover, err);
    if (r >= 0)
        r = finish(below, err);
    if (r >= 0)
        r = finish(above, err);
    if (r < 0) {
        vd_mover_free(mover);
        return r;
    }
    merge(below, above, VD_TAKE_PTR(links), mover);
    return VD_OK;
}
