/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about first-class disks: to a vCenter's manager, a host's, or the global catalogue, which
 * differ in names and in who has to name the datastore. For this floor. */
#ifndef VD_VSPHERE_FCD_CALL_H
#define VD_VSPHERE_FCD_CALL_H

#include "vsphere/vsphere-int.h"

enum vd_fcd_verb {
    VD_FCD_GET,
    VD_FCD_LIST,
    VD_FCD_CHANGED,
    VD_FCD_SNAPSHOT_CREATE,
    VD_FCD_SNAPSHOT_LIST,
    VD_FCD_SNAPSHOT_DETAILS,
    VD_FCD_SNAPSHOT_DELETE,
};

struct vd_fcd_place {
    const char *datastore_moid; /* NULL: the global catalogue knows */
    const char *disk_id;        /* NULL: a call that is about none */
};

/* Begins the call and writes the disk and its datastore. VD_E_NOT_SUPPORTED where the server has no
 * such call. */
VD_MUST_CHECK int vd_fcd_begin(struct vd_vsphere *session, struct vd_soap_call *call,
                               enum vd_fcd_verb verb, const struct vd_fcd_place *place,
                               struct vd_error *err);
/* <name><id>ID</id></name> */
void vd_fcd_write_id(struct vd_soap_call *call, const char *name, const char *id);

#endif
