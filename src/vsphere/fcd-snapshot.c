/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of first-class disks. */
#include <stdlib.h>
#include <string.h>

#include "vsphere/fcd-call.h"
#include "vsphere/task.h"

#define CREATE_LIMIT_MS (15u * 60u * 1000u)
#define DELETE_LIMIT_MS (24u * 3600u * 1000u) /* what was written since is copied */

static int take_details(const struct vd_soap_call *call, const xmlNode *details, char **ret_path,
                        char **ret_change_id, struct vd_error *err)
{
    const char *path = vd_xml_child_text(details, "path");
    const char *change_id = vd_xml_child_text(details, "changedBlockTrackingId");
    if (!path || path[0] == '\0')
        return vd_soap_broken(call, "does not say which file it is", err);
    VD_FREE char *path_copy = strdup(path);
    VD_FREE char *id_copy = change_id ? strdup(change_id) : NULL;
    if (!path_copy || (change_id && !id_copy))
        return vd_error_set(err, VD_E_NO_MEMORY, "%s: out of memory", call->what);
    *ret_path = VD_TAKE_PTR(path_copy);
    *ret_change_id = VD_TAKE_PTR(id_copy);
    return VD_OK;
}

int vd_vsphere_fcd_snapshot(struct vd_vsphere *session, const char *datastore_moid,
                            const char *disk_id, const char *snapshot_id, char **ret_path,
                            char **ret_change_id, struct vd_error *err)
{
    const struct vd_fcd_place place = {datastore_moid, disk_id};
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    vd_soap_what(&call, "looking for the snapshot '%s' of the first-class disk '%s'", snapshot_id,
                 disk_id);
    int r = vd_fcd_begin(session, &call, VD_FCD_SNAPSHOT_DETAILS, &place, err);
    if (r < 0)
        return r;
    vd_fcd_write_id(&call, "snapshotId", snapshot_id);
    r = vd_soap_run(session, &call, &reply, err);
    return r < 0 ? r : take_details(&call, vd_soap_value(&reply), ret_path, ret_change_id, err);
}

int vd_vsphere_fcd_snapshot_list(struct vd_vsphere *session, const char *datastore_moid,
                                 const char *disk_id,
                                 int (*each)(void *data,
                                             const struct vd_vsphere_fcd_snapshot_info *snapshot),
                                 void *data, struct vd_error *err)
{
    const struct vd_fcd_place place = {datastore_moid, disk_id};
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    vd_soap_what(&call, "listing the snapshots of the first-class disk '%s'", disk_id);
    int r = vd_fcd_begin(session, &call, VD_FCD_SNAPSHOT_LIST, &place, err);
    if (r == VD_OK)
        r = vd_soap_run(session, &call, &reply, err);
    if (r < 0)
        return r;
    const xmlNode *entry = vd_xml_child(vd_soap_value(&reply), "snapshots");
    for (; entry && r >= 0; entry = vd_xml_next(entry)) {
        const char *id = vd_xml_text(vd_xml_at(entry, "id/id"));
        const char *created = vd_xml_child_text(entry, "createTime");
        const char *description = vd_xml_child_text(entry, "description");
        const struct vd_vsphere_fcd_snapshot_info snapshot = {
            .id = id,
            .created = created ? created : "",
            .description = description ? description : "",
        };
        /* One that is being made has no id yet. */
        r = id && id[0] ? each(data, &snapshot) : VD_OK;
    }
    return r < 0 ? r : VD_OK;
}

int vd_vsphere_fcd_snapshot_create(struct vd_vsphere *session,
                                   const struct vd_vsphere_fcd_snapshot_request *request,
                                   const struct vd_progress *progress, char id[VD_MOID_BYTES],
                                   struct vd_error *err)
{
    const struct vd_fcd_place place = {request->datastore_moid, request->disk_id};
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    struct vd_task task = {.progress = progress, .limit_ms = CREATE_LIMIT_MS};
    vd_soap_what(&call, "making a snapshot of the first-class disk '%s'", request->disk_id);
    int r = vd_fcd_begin(session, &call, VD_FCD_SNAPSHOT_CREATE, &place, err);
    if (r < 0)
        return r;
    vd_xml_leaf(&call.body, "description", request->description ? request->description : "");
    r = vd_task_run(session, &call, &task, err);
    if (r == VD_OK && task.moid[0] == '\0')
        return vd_soap_broken(&call, "does not name the snapshot", err);
    if (r == VD_OK)
        memcpy(id, task.moid, sizeof task.moid);
    return r;
}

/* A disk that is gone took its snapshots along. */
static bool is_gone(const struct vd_fault *fault)
{
    return vd_fault_is(fault, "NotFound") || vd_fault_is(fault, "ManagedObjectNotFound");
}

int vd_vsphere_fcd_snapshot_delete(struct vd_vsphere *session, const char *datastore_moid,
                                   const char *disk_id, const char *snapshot_id,
                                   const struct vd_progress *progress, struct vd_error *err)
{
    const struct vd_fcd_place place = {datastore_moid, disk_id};
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    struct vd_task task = {.progress = progress, .limit_ms = DELETE_LIMIT_MS};
    struct vd_error why = VD_ERROR_INIT;
    vd_soap_what(&call, "deleting the snapshot '%s' of the first-class disk '%s'", snapshot_id,
                 disk_id);
    int r = vd_fcd_begin(session, &call, VD_FCD_SNAPSHOT_DELETE, &place, err);
    if (r < 0)
        return r;
    vd_fcd_write_id(&call, "snapshotId", snapshot_id);
    r = vd_task_run(session, &call, &task, &why);
    if (r < 0 && is_gone(&task.fault))
        return vd_error_set(err, VD_E_SNAPSHOT_GONE, "%s: there is no such snapshot (any more)",
                            call.what);
    return r < 0 ? vd_error_set(err, r, "%s", vd_error_message(&why, r)) : VD_OK;
}
