/* SPDX-License-Identifier: Apache-2.0 */
/* What attach.c shares with rebase.c and commit.c. */
#ifndef VD_OPS_ATTACH_INT_H
#define VD_OPS_ATTACH_INT_H

#include "ops/disk-files.h"

/* A parent to be, with its own chain. VD_E_PARENT_TYPE where that cannot be opened. */
VD_MUST_CHECK int vd_attach_look_at(const char *path, const struct vd_vmdk_options *options,
                                    struct vd_report **ret, struct vd_error *err);

/* Enters in the model of the child where its parent is, and which content that has. */
VD_MUST_CHECK int vd_attach_describe(struct vd_disk_files *child, const char *parent,
                                     uint32_t parent_cid, struct vd_error *err);

/* As vd_attach_check and vd_attach, for a child whose files are open, and so locked, already. */
VD_MUST_CHECK int vd_attach_files_check(const char *parent, const struct vd_disk_files *child,
                                        const struct vd_vmdk_options *options,
                                        struct vd_error *err);
VD_MUST_CHECK int vd_attach_files(const char *parent, struct vd_disk_files *child,
                                  const struct vd_vmdk_options *options, struct vd_error *err);

#endif
