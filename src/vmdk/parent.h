/* SPDX-License-Identifier: Apache-2.0 */
/* From a child to its parent: the search, and the proof by content ID. */
#ifndef VD_VMDK_PARENT_H
#define VD_VMDK_PARENT_H

#include "vmdk/link-int.h"

/* Loads (vd_link_load) the parent of `child`, whose descriptor has one: the first of the places its
 * hint may mean that holds a descriptor with the right CID. Otherwise one sentence tells what each
 * place had: VD_E_CID_MISMATCH, VD_E_PARENT_OPEN, VD_E_OUTSIDE_FOLDER, VD_E_PARENT_MISSING. With
 * VD_VMDK_IGNORE_CID a parent with another CID will do, and is logged. */
VD_MUST_CHECK int vd_parent_load(const struct vd_link *child, const struct vd_link_context *context,
                                 const char *const *parent_folders, struct vd_link **ret,
                                 struct vd_error *err);

#endif
