/* SPDX-License-Identifier: Apache-2.0 */
/* Change tracking on and off. */
#include "vsphere/task.h"
#include "vsphere/vsphere-int.h"

#define RECONFIGURE_LIMIT_MS (10u * 60u * 1000u)

static int reconfigure(struct vd_vsphere *session, const char *vm_moid, bool on,
                       struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    struct vd_task task = {.limit_ms = RECONFIGURE_LIMIT_MS};
    vd_soap_begin(&call, "ReconfigVM_Task", "VirtualMachine", vm_moid);
    vd_soap_what(&call, "turning change tracking of the VM '%s' %s", vm_moid, on ? "on" : "off");
    vd_xml_begin(&call.body, "spec");
    vd_xml_leaf_bool(&call.body, "changeTrackingEnabled", on);
    vd_xml_end(&call.body, "spec");
    return vd_task_run(session, &call, &task, err);
}

/* A running VM opens its disks anew with each snapshot, and that is when tracking starts. */
static int cycle(struct vd_vsphere *session, const char *vm_moid, struct vd_error *err)
{
    char moid[VD_MOID_BYTES];
    const struct vd_vsphere_snapshot_request request = {
        .vm_moid = vm_moid, .name = "change tracking", .description = "removed at once"};
    int r = vd_vsphere_snapshot_create(session, &request, NULL, moid, err);
    return r < 0 ? r : vd_vsphere_snapshot_remove(session, moid, NULL, err);
}

static int check_able(const struct vd_vsphere_vm *vm, struct vd_error *err)
{
    if (!vm->change_tracking_supported)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "the VM '%s' cannot track changes; its virtual hardware must be of "
                            "version 7 or later",
                            vm->name);
    if (vm->snapshot_count > 0)
        return vd_error_set(err, VD_E_BUSY,
                            "change tracking of the VM '%s' cannot be turned on while it has "
                            "snapshots (%zu); remove them first",
                            vm->name, vm->snapshot_count);
    return VD_OK;
}

int vd_vsphere_track_changes(struct vd_vsphere *session, const char *vm_moid, bool on,
                             struct vd_error *err)
{
    VD_CLEANUP(vd_vsphere_vm_free_cleanup) struct vd_vsphere_vm *vm = NULL;
    int r = vd_vsphere_vm_get(session, vm_moid, NULL, &vm, err);
    if (r < 0 || vm->change_tracking == on)
        return r;
    if (on)
        r = check_able(vm, err);
    if (r == VD_OK)
        r = reconfigure(session, vm_moid, on, err);
    if (r == VD_OK && vm->powered_on && vm->snapshot_count == 0)
        r = cycle(session, vm_moid, err);
    return r;
}
