/* SPDX-License-Identifier: Apache-2.0 */
/* Another name for a disk. */
#ifndef VD_OPS_RENAME_H
#define VD_OPS_RENAME_H

#include "vmdk/vmdk.h"

/* Gives the link at `from` the name `to`, in the same folder or another one of the same file
 * system: descriptor, extents, change tracking file and the names inside; a relative parent hint
 * becomes absolute when the folder changes. Children are not changed: who names the old one is
 * found with vd_children_find before. VD_E_EXISTS where any of the new names is taken,
 * VD_E_LOCKED, VD_E_NOT_SUPPORTED for extents that are in another folder than the descriptor.
 *
 * At every moment, also after a crash, the disk is complete under the old name or the new: files
 * get their second names first, then the new descriptor is made, then the old names go. Where
 * files cannot have two names they are renamed, and a failure, not a crash, undoes that. */
VD_MUST_CHECK int vd_rename(const char *from, const char *to, const struct vd_vmdk_options *options,
                            struct vd_error *err);

#endif
