/* SPDX-License-Identifier: Apache-2.0 */
/* A chain in steps, for chain.c and report.c. */
#ifndef VD_VMDK_CHAIN_INT_H
#define VD_VMDK_CHAIN_INT_H

#include "vmdk/chain.h"
#include "vmdk/link-int.h"

/* A chain without links; its cache as the options say. */
VD_MUST_CHECK int vd_chain_new(const struct vd_vmdk_options *options, struct vd_chain **ret,
                               struct vd_error *err);
/* Puts `link` at the end; the chain owns it on success. */
VD_MUST_CHECK int vd_chain_append(struct vd_chain *chain, struct vd_link *link,
                                  struct vd_error *err);
/* Loads the parent of the last link: 1, or 0 where there is none or the caller wants none, which
 * sets missing_parent. Besides the errors of vd_parent_load: VD_E_CHAIN_LOOP, VD_E_CHAIN_TOO_LONG,
 * VD_E_DISK_FEATURE for a VirtualBox differencing disk. */
VD_MUST_CHECK int vd_chain_load_parent(struct vd_chain *chain,
                                       const struct vd_link_context *context,
                                       const char *const *parent_folders, struct vd_link **ret,
                                       struct vd_error *err);

/* May the leaf of a chain opened for writing be written? VD_E_NOT_SUPPORTED, VD_E_READ_ONLY,
 * VD_E_DESC_EXTENT. */
VD_MUST_CHECK int vd_chain_check_write(const struct vd_chain *chain, const struct vd_log *log,
                                       struct vd_error *err);

#endif
