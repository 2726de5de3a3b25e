/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor of a leaf as it changes while the disk is open: a new content ID before the first
 * write, and keys of the disk database.
 *
 * Threads: all functions from any thread at once. What was told stays valid until the leaf is
 * freed: a text that is replaced is kept till then.
 */
#ifndef VD_VMDK_LEAF_H
#define VD_VMDK_LEAF_H

#include "vmdk/link.h"

struct vd_leaf;

/* `link`, which outlives the leaf, has been loaded from `fs`. */
VD_MUST_CHECK int vd_leaf_new(const struct vd_link *link, const struct vd_fs *fs,
                              const struct vd_log *log, struct vd_leaf **ret, struct vd_error *err);
void vd_leaf_free(struct vd_leaf *leaf);

/* The newest. */
const struct vd_descriptor *vd_leaf_descriptor(struct vd_leaf *leaf);
/* Keys of its disk database, each once, in its order; NULL past the last. */
const char *vd_leaf_key(struct vd_leaf *leaf, size_t index);

/* Gives the disk a new CID, and a longContentID that goes with it where it has one, so that
 * children and copies of the old content can be told; drops a change tracking file, which would not
 * know of the writes to come. Durable on return. Every call gives another CID. */
VD_MUST_CHECK int vd_leaf_new_content(struct vd_leaf *leaf, struct vd_error *err);
/* `value` in UTF-8; NULL removes the key. Durable on return. */
VD_MUST_CHECK int vd_leaf_set(struct vd_leaf *leaf, const char *key, const char *value,
                              struct vd_error *err);

#endif
