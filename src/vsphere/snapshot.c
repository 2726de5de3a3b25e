/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "vsphere/task.h"
#include "vsphere/vsphere-int.h"

#define CREATE_LIMIT_MS (15u * 60u * 1000u)
#define REMOVE_LIMIT_MS (24u * 3600u * 1000u) /* what was written since is copied */

static int create(struct vd_vsphere *session, const struct vd_vsphere_snapshot_request *request,
                  bool quiesce, struct vd_task *task, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    vd_soap_begin(&call, "CreateSnapshot_Task", "VirtualMachine", request->vm_moid);
    vd_soap_what(&call, "making the snapshot '%s' of the VM '%s'", request->name, request->vm_moid);
    vd_xml_leaf(&call.body, "name", request->name);
    vd_xml_leaf(&call.body, "description", request->description);
    vd_xml_leaf_bool(&call.body, "memory", false);
    vd_xml_leaf_bool(&call.body, "quiesce", quiesce);
    int r = vd_task_run(session, &call, task, err);
    return r == VD_OK && task->moid[0] == '\0'
               ? vd_soap_broken(&call, "does not name the snapshot", err)
               : r;
}

static bool is_quiesce_fault(const struct vd_fault *fault)
{
    return vd_fault_is(fault, "ApplicationQuiesceFault") ||
           vd_fault_is(fault, "FilesystemQuiesceFault");
}

int vd_vsphere_snapshot_create(struct vd_vsphere *session,
                               const struct vd_vsphere_snapshot_request *request,
                               const struct vd_progress *progress, char moid[VD_MOID_BYTES],
                               struct vd_error *err)
{
    struct vd_task task = {.progress = progress, .limit_ms = CREATE_LIMIT_MS};
    struct vd_error why = VD_ERROR_INIT;
    int r = create(session, request, request->quiesce, &task, &why);
    if (r < 0 && request->quiesce && is_quiesce_fault(&task.fault)) {
        vd_log(session->log, VD_LOG_WARNING,
               "%s; the snapshot is made without: its file systems are as after a power cut",
               why.text);
        vd_error_clear(&why);
        r = create(session, request, false, &task, &why);
    }
    if (r < 0)
        return vd_error_set(err, r, "%s", vd_error_message(&why, r));
    memcpy(moid, task.moid, sizeof task.moid);
    return VD_OK;
}

int vd_vsphere_snapshot_remove(struct vd_vsphere *session, const char *moid,
                               const struct vd_progress *progress, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    struct vd_task task = {.progress = progress, .limit_ms = REMOVE_LIMIT_MS};
    struct vd_error why = VD_ERROR_INIT;
    vd_soap_begin(&call, "RemoveSnapshot_Task", "VirtualMachineSnapshot", moid);
    vd_soap_what(&call, "removing the snapshot '%s'", moid);
    vd_xml_leaf_bool(&call.body, "removeChildren", false);
    vd_xml_leaf_bool(&call.body, "consolidate", true);
    int r = vd_task_run(session, &call, &task, &why);
    if (r < 0 && vd_fault_is(&task.fault, "ManagedObjectNotFound"))
        return vd_error_set(err, VD_E_SNAPSHOT_GONE, "%s: there is no such snapshot (any more)",
                            call.what);
    return r < 0 ? vd_error_set(err, r, "%s", vd_error_message(&why, r)) : VD_OK;
}

int vd_vsphere_consolidate(struct vd_vsphere *session, const char *vm_moid,
                           const struct vd_progress *progress, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    struct vd_task task = {.progress = progress, .limit_ms = REMOVE_LIMIT_MS};
    vd_soap_begin(&call, "ConsolidateVMDisks_Task", "VirtualMachine", vm_moid);
    vd_soap_what(&call, "consolidating the disks of the VM '%s'", vm_moid);
    return vd_task_run(session, &call, &task, err);
}
