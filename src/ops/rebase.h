/* SPDX-License-Identifier: Apache-2.0 */
/* A child put on another parent, or on none, keeping its content. */
#ifndef VD_OPS_REBASE_H
#define VD_OPS_REBASE_H

#include "base/progress.h"
#include "vmdk/vmdk.h"

/* Copies into the link at `child` what `parent` (NULL: no parent at all) does not have as the
 * present parents have it, makes that durable, and then names the new parent in the descriptor.
 * What is copied is content the child shows anyway, so it reads the same at every moment, also
 * after a failure or a crash, and the operation can be run again. Its content ID stays, so its own
 * children stay good; only a crash while there is something to copy leaves a new one, as writing
 * does. Other disks are only read.
 *
 * Refused before anything changes: VD_E_ATTACH_ROOT for a child that is a base disk,
 * VD_E_CAPACITY_DIFFERS, VD_E_CHAIN_LOOP when the parent is the child or rests on it,
 * VD_E_PARENT_TYPE for a parent whose chain cannot be opened, whatever forbids writing to the
 * child. Progress in bytes of the disk. */
VD_MUST_CHECK int vd_rebase(const char *child, const char *parent,
                            const struct vd_vmdk_options *options,
                            const struct vd_progress *progress, struct vd_error *err);

#endif
