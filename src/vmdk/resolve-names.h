/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths a name in a descriptor may mean. Text only, but for vd_resolve_any_case. */
#ifndef VD_VMDK_RESOLVE_NAMES_H
#define VD_VMDK_RESOLVE_NAMES_H

#include "vmdk/resolve.h"

/* The places where the file of an extent may be, best first. */
VD_MUST_CHECK int vd_resolve_extent_paths(const struct vd_extent_line *line,
                                          const struct vd_folders *folders,
                                          struct vd_path_list *ret, struct vd_error *err);

#endif
