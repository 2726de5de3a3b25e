/* SPDX-License-Identifier: Apache-2.0 */
/* Joining a child to its parent by hand. */
#ifndef VD_OPS_ATTACH_H
#define VD_OPS_ATTACH_H

#include "vmdk/vmdk.h"

/* Could `child` be attached to `parent`? VD_E_ATTACH_ROOT when the child is a base disk,
 * VD_E_CAPACITY_DIFFERS, VD_E_CID_MISMATCH (not with VD_VMDK_IGNORE_CID in the options),
 * VD_E_CHAIN_LOOP when the parent is the child or rests on it, VD_E_PARENT_TYPE for a parent whose
 * own chain cannot be opened. Changes nothing. */
VD_MUST_CHECK int vd_attach_check(const char *parent, const char *child,
                                  const struct vd_vmdk_options *options, struct vd_error *err);

/* The same, and writes into the child where its parent is: its name in the same folder, else its
 * path. With VD_VMDK_IGNORE_CID the parent's content ID too: who asks for that vouches that the
 * parent has not changed. Only the child's descriptor is written. */
VD_MUST_CHECK int vd_attach(const char *parent, const char *child,
                            const struct vd_vmdk_options *options, struct vd_error *err);

#endif
