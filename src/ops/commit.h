/* SPDX-License-Identifier: Apache-2.0 */
/* A child's content put into its parent ("delete snapshot"). */
#ifndef VD_OPS_COMMIT_H
#define VD_OPS_COMMIT_H

#include "base/progress.h"
#include "vmdk/vmdk.h"

/* Writes what the link at `child` holds into its parent, makes that durable, joins the child's own
 * children in its folder to the parent, and removes the child unless `keep`.
 *
 * Refused before anything changes: VD_E_ATTACH_ROOT for a disk without parent, VD_E_NOT_SUPPORTED
 * when another child of the parent is in its folder (it would see the content change, unless the
 * two already read the same: then the content is left alone),
 * VD_E_CAPACITY_DIFFERS, VD_E_LOCKED: the child, its parent and, unless `keep`, the child's
 * children are locked from the beginning. The child is whole until it is removed, so after a
 * failure or a crash the operation can be run again; a crash between the parent's new content ID
 * and its note in the child needs VD_VMDK_IGNORE_CID for that. */
VD_MUST_CHECK int vd_commit(const char *child, const struct vd_vmdk_options *options, bool keep,
                            const struct vd_progress *progress, struct vd_error *err);

#endif
