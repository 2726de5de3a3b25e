/* SPDX-License-Identifier: Apache-2.0 */
/* Two disks that are open become one chain, wherever their files are. Both from vd_vmdk_open. */
#ifndef VD_VMDK_JOIN_H
#define VD_VMDK_JOIN_H

#include "disk/disk.h"

/* May `parent`, with its chain, go under `child`? VD_E_ATTACH_ROOT for a child that is a base disk,
 * VD_E_INVALID_ARG for one whose parents are open already, VD_E_CAPACITY_DIFFERS,
 * VD_E_CID_MISMATCH, VD_E_CHAIN_LOOP, VD_E_CHAIN_TOO_LONG, and what forbids writing the chain where
 * the child is open for writing. Changes nothing. From any thread. */
VD_MUST_CHECK int vd_vmdk_check_join(struct vd_disk *parent, struct vd_disk *child,
                                     struct vd_error *err);

/* Does it: `child` is the chain, and owns `parent`, which is gone for everybody else; it is only
 * read from now on, and its locks stay until the child is closed. What was written to either is
 * flushed. Nothing on disk says who the parent is that did not before. After a failure both are as
 * they were. No other call may be under way on either. */
VD_MUST_CHECK int vd_vmdk_join(struct vd_disk *parent, struct vd_disk *child, struct vd_error *err);

#endif
