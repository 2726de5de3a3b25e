/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual machine of a server's place: its disks, snapshots, and what changed on a disk.
 * VD_E_INVALID_ARG where the place names no machine. */
#ifndef VD_TRANSPORT_SERVER_MACHINE_H
#define VD_TRANSPORT_SERVER_MACHINE_H

#include "transport/server.h"

/* As it is, or as the place's snapshot froze it. */
VD_MUST_CHECK int vd_server_machine_get(struct vd_server *server, struct vd_vsphere_vm **ret,
                                        struct vd_error *err);
VD_MUST_CHECK int vd_server_machine_snapshot(struct vd_server *server, const char *name,
                                             char moid[VD_MOID_BYTES], struct vd_error *err);
/* The place's snapshot. */
VD_MUST_CHECK int vd_server_machine_remove_snapshot(struct vd_server *server, struct vd_error *err);
VD_MUST_CHECK int vd_server_machine_track_changes(struct vd_server *server, bool on,
                                                  struct vd_error *err);

/* What changed on the disk that has the file `path`, or on the place's first-class disk, since
 * `change_id`, until now or the place's snapshot; `each` as in vd_vsphere_changes. */
VD_MUST_CHECK int vd_server_changed_areas(struct vd_server *server, const char *path,
                                          const char *change_id,
                                          int (*each)(void *data, uint64_t start_bytes,
                                                      uint64_t length_bytes),
                                          void *data, struct vd_error *err);

#endif
