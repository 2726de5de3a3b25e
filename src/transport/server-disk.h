/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server does by itself with disks that nobody has open, as tasks of its virtual disk
 * manager. Paths are as in vd_transport_place, whether a machine of the place has the disk or none.
 * Not with a first-class disk, nor on a place that is a snapshot: VD_E_NOT_SUPPORTED. Progress is
 * told in percent of 100, and its false cancels: VD_E_CANCELLED, unless the server finished all the
 * same, which is success. VD_E_LOCKED where a running machine has the disk.
 */
#ifndef VD_TRANSPORT_SERVER_DISK_H
#define VD_TRANSPORT_SERVER_DISK_H

#include "base/progress.h"
#include "transport/server.h"
#include "vmdk/create.h"

/* Of VD_DISK_VMFS_FLAT and VD_DISK_VMFS_THIN, which are what hosts have (others:
 * VD_E_NOT_SUPPORTED), of whole KiB; the server chooses sector sizes and hardware version.
 * VD_E_EXISTS. */
VD_MUST_CHECK int vd_server_disk_create(struct vd_server *server, const char *path,
                                        const struct vd_vmdk_create_params *params,
                                        const struct vd_progress *progress, struct vd_error *err);
/* Whole KiB, more than it has (VD_E_INVALID_ARG). The geometry is the server's to choose. */
VD_MUST_CHECK int vd_server_disk_grow(struct vd_server *server, const char *path,
                                      uint64_t capacity_sectors, const struct vd_progress *progress,
                                      struct vd_error *err);
/* One link; its parents stay. */
VD_MUST_CHECK int vd_server_disk_unlink(struct vd_server *server, const char *path,
                                        struct vd_error *err);

#endif
