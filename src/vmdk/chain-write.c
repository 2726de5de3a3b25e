/* SPDX-License-Identifier: Apache-2.0 */
/* What forbids writing a leaf, although all of its chain can be read. */
#include <inttypes.h>

#include "vmdk/chain-int.h"

static int refuse_compressed(const struct vd_link *leaf, struct vd_error *err)
{
    for (size_t i = 0; i < leaf->num_extents; i++) {
        if (leaf->extents[i].extent->facts.compressed)
            return vd_error_set(err, VD_E_NOT_SUPPORTED,
                                "cannot open '%s' for writing: the grains of '%s' are compressed "
                                "(streamOptimized), and such a disk is only written as a whole; "
                                "convert it to another type first",
                                leaf->path, leaf->extents[i].path);
    }
    return 0;
}

/* Single extents that cannot be written are refused when somebody tries. */
static int refuse_without_extent(const struct vd_link *leaf, struct vd_error *err)
{
    for (size_t i = 0; i < leaf->num_extents; i++) {
        if (vd_extent_is_writable(leaf->extents[i].extent))
            return 0;
    }
    if (leaf->num_extents == 0)
        return 0; /* a disk of no sectors */
    const struct vd_extent_line *line = &leaf->descriptor->extents[leaf->extents[0].line];
    return vd_error_set(err, VD_E_READ_ONLY,
                        "cannot open '%s' for writing: none of its extents can be written (the "
                        "first is %s %s)",
                        leaf->path, vd_extent_access_text(line->access),
                        vd_extent_type_text(line->type));
}

/* A part of a grain would be filled with zeros instead of what the array's snapshot shows. */
static int refuse_native(const struct vd_link *leaf, struct vd_error *err)
{
    if (!leaf->descriptor->native_snapshot)
        return 0;
    return vd_error_set(err, VD_E_NOT_SUPPORTED,
                        "cannot open '%s' for writing: it is a snapshot of a storage array "
                        "(isNativeSnapshot), whose parent's data only the array has",
                        leaf->path);
}

/* VMware opens no chain whose links differ; what is written past the end of a parent would be cut
 * off when the chain is consolidated. */
static int refuse_capacities(const struct vd_chain *chain, struct vd_error *err)
{
    const struct vd_link *leaf = chain->links[0];
    for (size_t i = 1; i < chain->num_links; i++) {
        const struct vd_link *parent = chain->links[i];
        if (parent->capacity_sectors != leaf->capacity_sectors)
            return vd_error_set(
                err, VD_E_NOT_SUPPORTED,
                "cannot open '%s' for writing: it has %" PRIu64
                " sectors and its parent '%s' %" PRIu64 ", expected the same in every link",
                leaf->path, leaf->capacity_sectors, parent->path, parent->capacity_sectors);
    }
    return 0;
}

static bool same_file(const struct vd_block *a, const struct vd_block *b)
{
    return a != NULL && b != NULL && a->identity.device == b->identity.device &&
           a->identity.inode == b->identity.inode;
}

/* Writing the child would change the parent under it. */
static int refuse_shared(const struct vd_link *leaf, const struct vd_link *parent,
                         struct vd_error *err)
{
    for (size_t i = 0; i < leaf->num_extents; i++) {
        for (size_t j = 0; j < parent->num_extents; j++) {
            if (!same_file(leaf->extents[i].block, parent->extents[j].block))
                continue;
            return vd_error_set(err, VD_E_DESC_EXTENT,
                                "cannot open '%s' for writing: its extent '%s' is also one of its "
                                "parent '%s'",
                                leaf->path, leaf->extents[i].path, parent->path);
        }
    }
    return 0;
}

static void tell_unlocked(const struct vd_link *leaf, const struct vd_log *log)
{
    for (size_t i = 0; i < leaf->num_extents; i++) {
        const struct vd_block *block = leaf->extents[i].block;
        if (block == NULL ||
            (block->capabilities & (VD_BLOCK_WRITABLE | VD_BLOCK_LOCKED)) != VD_BLOCK_WRITABLE)
            continue;
        vd_log(log, VD_LOG_WARNING,
               "'%s' is written without a lock, for its file system has none: nothing keeps a "
               "second writer out",
               leaf->extents[i].path);
        return; /* the others lie beside it */
    }
}

int vd_chain_check_write(const struct vd_chain *chain, const struct vd_log *log,
                         struct vd_error *err)
{
    const struct vd_link *leaf = chain->links[0];
    int r = refuse_compressed(leaf, err);
    if (r >= 0)
        r = refuse_without_extent(leaf, err);
    if (r >= 0)
        r = refuse_native(leaf, err);
    if (r >= 0)
        r = refuse_capacities(chain, err);
    for (size_t i = 1; r >= 0 && i < chain->num_links; i++)
        r = refuse_shared(leaf, chain->links[i], err);
    if (r >= 0)
        tell_unlocked(leaf, log);
    return r;
}
