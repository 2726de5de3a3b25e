/* SPDX-License-Identifier: Apache-2.0 */
/* A leaf and its parents, all open. */
#ifndef VD_VMDK_CHAIN_H
#define VD_VMDK_CHAIN_H

#include "vmdk/link.h"

struct vd_chain {
    struct vd_link **links; /* the leaf first; at least one */
    size_t num_links;
    size_t allocated;
    bool missing_parent; /* the last link has a parent that was not asked for */
    struct vd_table_cache *cache;
};

/* Without VD_VMDK_READ_ONLY the leaf is opened for writing; parents never are. */
VD_MUST_CHECK int vd_chain_open(const char *path, const struct vd_vmdk_options *options,
                                struct vd_chain **ret, struct vd_error *err);
void vd_chain_free(struct vd_chain *chain);
/* Closes the files of the leaf and tells the first late write error; the rest is left to
 * vd_chain_free, which must follow. */
VD_MUST_CHECK int vd_chain_close_leaf(struct vd_chain *chain, struct vd_error *err);
VD_DEFINE_CLEANUP(struct vd_chain *, vd_chain_free)

/* Value of a ddb key: the leaf's, else the nearest parent's that has one; NULL when none has. */
const char *vd_chain_ddb(const struct vd_chain *chain, const char *key);

#endif
