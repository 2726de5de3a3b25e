/* SPDX-License-Identifier: Apache-2.0 */
/* Paths on this machine, and how the disks there are opened. Threads: any. */
#ifndef VD_VIX_LOCAL_H
#define VD_VIX_LOCAL_H

#include "vix/export.h"
#include "vmdk/vmdk.h"

/* Is it one? VD_E_INVALID_ARG for none, VD_E_NOT_FOUND for one on a datastore. `doing` is the head
 * of the sentence: "opening". */
VD_MUST_CHECK int vd_vix_local_path(const char *doing, const char *path, struct vd_error *err);
/* Is the connection one to this machine, and the path on it? For functions that need nothing else
 * of a connection. VD_E_NOT_SUPPORTED for a connection to a server. */
VD_MUST_CHECK int vd_vix_local_target(const char *doing, VixDiskLibConnection connection,
                                      const char *path, struct vd_error *err);

/* With the library's log; `flags` of enum vd_vmdk_flag, to which the configuration adds its own. */
struct vd_vmdk_options vd_vix_local_options(unsigned flags);

#endif
