/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/fcd-call.h"

#include <string.h>

/* NULL: not to be had there. */
static const struct names {
    const char *vcenter, *host, *catalogue;
} NAMES[] = {
    [VD_FCD_GET] = {"RetrieveVStorageObject", "HostRetrieveVStorageObject",
                    "VslmRetrieveVStorageObject"},
    [VD_FCD_LIST] = {"ListVStorageObject", "HostListVStorageObject", NULL},
    [VD_FCD_CHANGED] = {"VstorageObjectVCenterQueryChangedDiskAreas", NULL,
                        "VslmQueryChangedDiskAreas"},
    [VD_FCD_SNAPSHOT_CREATE] = {"VStorageObjectCreateSnapshot_Task",
                                "HostVStorageObjectCreateSnapshot_Task", "VslmCreateSnapshot_Task"},
    [VD_FCD_SNAPSHOT_LIST] = {"RetrieveSnapshotInfo", "HostVStorageObjectRetrieveSnapshotInfo",
                              "VslmRetrieveSnapshotInfo"},
    [VD_FCD_SNAPSHOT_DETAILS] = {"RetrieveSnapshotDetails", NULL, "VslmRetrieveSnapshotDetails"},
    [VD_FCD_SNAPSHOT_DELETE] = {"DeleteSnapshot_Task", "HostVStorageObjectDeleteSnapshot_Task",
                                "VslmDeleteSnapshot_Task"},
};

void vd_fcd_write_id(struct vd_soap_call *call, const char *name, const char *id)
{
    vd_xml_begin(&call->body, name);
    vd_xml_leaf(&call->body, "id", id);
    vd_xml_end(&call->body, name);
}

static int ask_catalogue(struct vd_vsphere *session, const char *what, char moid[VD_MOID_BYTES],
                         struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    vd_soap_begin_catalogue(&call, "RetrieveContent", "VslmServiceInstance", "ServiceInstance");
    vd_soap_what(&call, "%s", what);
    int r = vd_soap_run(session, &call, &reply, err);
    const xmlNode *manager = vd_xml_child(vd_soap_value(&reply), "vStorageObjectManager");
    return r < 0 ? r : vd_soap_moid(&call, manager, moid, err);
}

/* Asked once per session. */
static int catalogue_of(struct vd_vsphere *session, const char *what, char moid[VD_MOID_BYTES],
                        struct vd_error *err)
{
    (void)pthread_mutex_lock(&session->lock);
    memcpy(moid, session->catalogue, VD_MOID_BYTES);
    (void)pthread_mutex_unlock(&session->lock);
    if (moid[0])
        return VD_OK;
    int r = ask_catalogue(session, what, moid, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&session->lock);
    memcpy(session->catalogue, moid, VD_MOID_BYTES);
    (void)pthread_mutex_unlock(&session->lock);
    return VD_OK;
}

static int begin_in_catalogue(struct vd_vsphere *session, struct vd_soap_call *call,
                              const char *method, struct vd_error *err)
{
    char moid[VD_MOID_BYTES];
    if (!session->content.vcenter)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "%s: '%s' is a host, and only a vCenter has a global catalogue; name "
                            "the datastore",
                            call->what, session->host);
    int r = catalogue_of(session, call->what, moid, err);
    if (r == VD_OK)
        vd_soap_begin_catalogue(call, method, "VslmVStorageObjectManager", moid);
    return r;
}

static int begin_at_manager(struct vd_vsphere *session, struct vd_soap_call *call,
                            const struct names *names, struct vd_error *err)
{
    bool vcenter = session->content.vcenter;
    const char *method = vcenter ? names->vcenter : names->host;
    if (!method)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "%s: '%s' is a host, and only a vCenter tells that", call->what,
                            session->host);
    if (session->content.storage_objects[0] == '\0')
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "%s: '%s' has no first-class disks; they came with vSphere 6.5",
                            call->what, session->host);
    vd_soap_begin(call, method,
                  vcenter ? "VcenterVStorageObjectManager" : "HostVStorageObjectManager",
                  session->content.storage_objects);
    return VD_OK;
}

int vd_fcd_begin(struct vd_vsphere *session, struct vd_soap_call *call, enum vd_fcd_verb verb,
                 const struct vd_fcd_place *place, struct vd_error *err)
{
    const struct names *names = &NAMES[verb];
    int r = place->datastore_moid ? begin_at_manager(session, call, names, err)
                                  : begin_in_catalogue(session, call, names->catalogue, err);
    if (r < 0)
        return r;
    if (place->disk_id)
        vd_fcd_write_id(call, "id", place->disk_id);
    vd_xml_ref(&call->body, "datastore", "Datastore", place->datastore_moid);
    return VD_OK;
}
