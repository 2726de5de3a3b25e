/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of the form "[datastore] folder/file". For this floor. */
#ifndef VD_VSPHERE_DATASTORE_H
#define VD_VSPHERE_DATASTORE_H

#include "vsphere/vsphere.h"

/* Where a path's datastore is. */
struct vd_datastore_place {
    char *name;                     /* of the datastore */
    char *datacenter_path;          /* "Folder/DC" */
    char datacenter[VD_MOID_BYTES]; /* its id */
};

/* VD_E_NAME_INVALID where it is no such path, VD_E_NOT_FOUND, VD_E_INVALID_ARG where several
 * datacenters have such a datastore. */
VD_MUST_CHECK int vd_datastore_place(struct vd_vsphere *session, const char *path,
                                     struct vd_datastore_place *ret, struct vd_error *err);
void vd_datastore_place_done(struct vd_datastore_place *place);
/* The file within the datastore: "dir/x.vmdk" of "[ds] dir/x.vmdk"; points into `path`. NULL where
 * it is no such path. */
const char *vd_datastore_file(const char *path);

#endif
