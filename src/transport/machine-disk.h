/* SPDX-License-Identifier: Apache-2.0 */
/* A disk of a virtual machine, opened over the network as its URL wants it. */
#ifndef VD_TRANSPORT_MACHINE_DISK_H
#define VD_TRANSPORT_MACHINE_DISK_H

#include "transport/machine.h"
#include "transport/transport.h"

/* Where a disk is: it refers to this as long as it is open. */
struct vd_machine_place {
    struct vd_transport_place place;
    char moid[VD_MOID_BYTES];
    char snapshot[VD_MOID_BYTES];
    char modes[16];
};

/* For reading, or where `local` lacks READ_ONLY for writing. What `local` says of files of this
 * machine plays no part. Without a wish of the user's what goes over the network is encrypted.
 * `place` is filled. */
VD_MUST_CHECK int vd_machine_disk_open(const struct vd_machine *machine, const struct vd_url *url,
                                       const struct vd_vmdk_options *local,
                                       const struct vd_net_stop *stop,
                                       struct vd_machine_place *place, struct vd_disk **ret,
                                       struct vd_error *err);

#endif
