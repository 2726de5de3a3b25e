/* SPDX-License-Identifier: Apache-2.0 */
/* An open disk behind a handle, counted by its node. `disk` and `attached` are changed only by who
 * has claimed it; otherwise all is immutable but its requests. */
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
    struct vd_disk *disk;                 /* NULL when the handle is spent */
    struct vd_vix_connection *connection; /* a reference */
    unsigned open_flags;                  /* as it was opened: enum vd_vmdk_flag */
    bool single_link;
    bool remote;   /* on a server */
    bool attached; /* a parent was put under it */
    struct vd_vix_requests requests;
};

/* Opens a disk where the connection leads, for a handle or for the library's own use; `flags` are
 * those of VixDiskLib_Open. */
VD_MUST_CHECK int vd_vix_disk_find(const struct vd_vix_connection *connection, const char *path,
                                   uint32 flags, struct vd_disk **ret, struct vd_error *err);

/* With a reference, which vd_vix_put of its node gives back. VD_E_INVALID_ARG where it is none,
 * VD_E_BUSY while it is claimed. */
VD_MUST_CHECK int vd_vix_disk_get(VixDiskLibHandle handle, struct vd_vix_disk **ret,
                                  struct vd_error *err);

/* For the caller alone, when everything under way on it has ended: others find it busy until it is
 * released. `doing` is the head of a sentence: "shrinking". */
VD_MUST_CHECK int vd_vix_disk_claim(VixDiskLibHandle handle, const char *doing,
                                    struct vd_vix_disk **ret, struct vd_error *err);
/* For what files of this machine alone can do: VD_E_NOT_SUPPORTED. `doing` as above. */
VD_MUST_CHECK int vd_vix_disk_check_local(const struct vd_vix_disk *disk, const char *doing,
                                          struct vd_error *err);
/* A disk without `disk` becomes spent: its handle is good for VixDiskLib_Close only. */
void vd_vix_disk_release(struct vd_vix_disk *disk);

/* Ends every one, when the library ends. */
void vd_vix_disks_end(void);

#endif
