/* SPDX-License-Identifier: Apache-2.0 */
/* An open disk behind a handle. Immutable but for its requests; counted by its node. */
#ifndef VD_VIX_DISK_H
#define VD_VIX_DISK_H

#include <stdbool.h>

#include "disk/disk.h"
#include "vix/async.h"
#include "vix/connection.h"
#include "vix/export.h"
#include "vix/registry.h"

struct vd_vix_disk {
    struct vd_vix_node node;
    struct vd_disk *disk;
    struct vd_vix_connection *connection; /* a reference */
    bool single_link;
    struct vd_vix_requests requests;
};

/* With a reference, which vd_vix_put of its node gives back. VD_E_INVALID_ARG where it is none. */
VD_MUST_CHECK int vd_vix_disk_get(VixDiskLibHandle handle, struct vd_vix_disk **ret,
                                  struct vd_error *err);
/* Ends every one, when the library ends. */
void vd_vix_disks_end(void);

#endif
