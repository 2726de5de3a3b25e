/* SPDX-License-Identifier: Apache-2.0 */
/* Which file on which datastore a request means, and what a ticket for it is asked with. */
#ifndef VD_TRANSPORT_REMOTE_FILE_H
#define VD_TRANSPORT_REMOTE_FILE_H

#include "transport/transport.h"
#include "vsphere/vsphere.h"

struct vd_remote_file {
    char *path;                  /* "[ds] vm/vm.vmdk" */
    char vm_moid[VD_MOID_BYTES]; /* "": the ticket is for the datastore */
    char datastore_moid[VD_MOID_BYTES];
    int32_t key;             /* of the VM's disk; 0: it is none, as far as known */
    uint64_t capacity_bytes; /* 0: unknown */
    bool live;               /* a running machine writes to it */
    bool thick;              /* as far as known */
};

/* Asks the inventory. A path that is no disk's of the VM is passed on for reading, since the host
 * decides, and is VD_E_NOT_FOUND for writing. With a snapshot, a path that is the VM's own now
 * means the file that the snapshot froze. `ret` is the caller's to end, also on failure. */
VD_MUST_CHECK int vd_remote_file_find(const struct vd_transport_request *request,
                                      struct vd_remote_file *ret, struct vd_error *err);
/* The whole path, "[ds] vm/vm.vmdk", of one on a place; malloc'd. `doing` is the head of a
 * sentence: "removing". */
VD_MUST_CHECK int vd_remote_path(const struct vd_transport_place *place, const char *path,
                                 const char *doing, char **ret, struct vd_error *err);
void vd_remote_file_done(struct vd_remote_file *file);

#endif
