/* SPDX-License-Identifier: Apache-2.0 */
/* What a VM is made of, now or when a snapshot was taken; and all VMs there are. */
#include <stdlib.h>
#include <string.h>

#include "vsphere/inventory.h"
#include "vsphere/props.h"
#include "vsphere/vm-decode.h"
#include "vsphere/vsphere-int.h"

/* One round trip: the VM, its ancestors, the snapshot, in whatever order they come. */
struct wanted {
    const struct vd_soap_call *call;
    const char *vm_moid, *snapshot;
    struct vd_entities entities;
    struct vd_vsphere_vm *frozen; /* holds the snapshot's disks; NULL: no snapshot seen */
    struct vd_error *err;
};

static int check_readable(struct wanted *wanted, const xmlNode *object)
{
    struct vd_fault fault;
    return vd_props_withheld(object, "config.hardware.device", &fault) &&
                   vd_fault_is(&fault, "NoPermission")
               ? vd_fault_tell(&fault, wanted->call->what, wanted->err)
               : VD_OK;
}

static int take_snapshot(struct wanted *wanted, const xmlNode *object)
{
    const char *vm = vd_props_text(object, "vm");
    if (vm && strcmp(vm, wanted->vm_moid) != 0)
        return vd_error_set(wanted->err, VD_E_SNAPSHOT_GONE,
                            "%s: the snapshot '%s' is of another VM ('%s')", wanted->call->what,
                            wanted->snapshot, vm);
    int r = check_readable(wanted, object);
    if (r < 0 || wanted->frozen)
        return r;
    wanted->frozen = calloc(1, sizeof *wanted->frozen);
    if (!wanted->frozen)
        return vd_error_set(wanted->err, VD_E_NO_MEMORY, "%s: out of memory", wanted->call->what);
    return vd_vm_decode_disks(vd_props_get(object, "config.hardware.device"), wanted->frozen,
                              wanted->err);
}

static int take(void *data, const xmlNode *object)
{
    struct wanted *wanted = data;
    const char *type = vd_xml_ref_type(vd_xml_child(object, "obj"));
    const char *moid = vd_xml_child_text(object, "obj");
    if (strcmp(type, "VirtualMachineSnapshot") == 0)
        return wanted->snapshot && moid && strcmp(moid, wanted->snapshot) == 0
                   ? take_snapshot(wanted, object)
                   : VD_OK;
    int r = check_readable(wanted, object);
    return r < 0 ? r : vd_entities_take(&wanted->entities, object);
}

static int ask(struct vd_vsphere *session, struct wanted *wanted, struct vd_soap_call *call,
               struct vd_error *err)
{
    static const char *const place[] = {"name", "parent"};
    static const char *const frozen[] = {"vm", "config.hardware.device"};
    vd_props_begin(session, call);
    vd_props_set(call, "VirtualMachine", VD_VM_PATHS, VD_VM_PATHS_ALL);
    vd_props_set(call, "ManagedEntity", place, VD_ARRAY_SIZE(place));
    if (wanted->snapshot)
        vd_props_set(call, "VirtualMachineSnapshot", frozen, VD_ARRAY_SIZE(frozen));
    vd_props_object(call, "VirtualMachine", wanted->vm_moid);
    vd_props_traverse(call, "up", "ManagedEntity", "parent", true);
    vd_props_object_end(call);
    if (wanted->snapshot) {
        vd_props_object(call, "VirtualMachineSnapshot", wanted->snapshot);
        vd_props_object_end(call);
    }
    return vd_props_run(session, call, take, wanted, err);
}

/* The table's VM, with its path and the snapshot's disks. */
static int finish(struct wanted *wanted, struct vd_vsphere_vm **ret, struct vd_error *err)
{
    const char *what = wanted->call->what;
    vd_entities_sort(&wanted->entities);
    const struct vd_entity *found = vd_entities_find(&wanted->entities, wanted->vm_moid);
    if (!found || !found->vm)
        return vd_error_set(err, VD_E_VM_NOT_FOUND, "%s: there is no VM '%s' (any more)", what,
                            wanted->vm_moid);
    if (wanted->snapshot && !wanted->frozen)
        return vd_error_set(err, VD_E_SNAPSHOT_GONE, "%s: there is no snapshot '%s' (any more)",
                            what, wanted->snapshot);
    struct vd_entity *entity = &wanted->entities.items[found - wanted->entities.items];
    struct vd_vsphere_vm *vm = entity->vm;
    vm->inventory_path = vd_entities_path(&wanted->entities, entity);
    if (!vm->inventory_path)
        return vd_error_set(err, VD_E_NO_MEMORY, "%s: out of memory", what);
    if (wanted->frozen) {
        struct vd_vsphere_vm now = *vm;
        vm->disks = wanted->frozen->disks;
        vm->disk_count = wanted->frozen->disk_count;
        wanted->frozen->disks = now.disks;
        wanted->frozen->disk_count = now.disk_count;
    }
    *ret = VD_TAKE_PTR(entity->vm);
    return VD_OK;
}

int vd_vsphere_vm_get(struct vd_vsphere *session, const char *vm_moid, const char *snapshot,
                      struct vd_vsphere_vm **ret, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    struct vd_error why = VD_ERROR_INIT;
    struct wanted wanted = {.call = &call, .vm_moid = vm_moid, .snapshot = snapshot, .err = &why};
    wanted.entities.err = &why;
    vd_soap_what(&call, "reading what the VM '%s' is made of", vm_moid);
    int r = ask(session, &wanted, &call, &why);
    if (r == VD_OK)
        r = finish(&wanted, ret, &why);
    vd_vsphere_vm_free(wanted.frozen);
    vd_entities_done(&wanted.entities);
    return r < 0 ? vd_error_set(err, r, "%s", vd_error_message(&why, r)) : VD_OK;
}

int vd_vsphere_vm_list(struct vd_vsphere *session,
                       int (*each)(void *data, const struct vd_vsphere_vm *vm), void *data,
                       struct vd_error *err)
{
    VD_CLEANUP(vd_entities_done) struct vd_entities all = {.items = NULL};
    const struct vd_entities_want want = {.vm_paths = VD_VM_PATHS_SHORT};
    int r = vd_entities_load(session, &want, &all, err);
    for (size_t i = 0; r >= 0 && i < all.count; i++) {
        struct vd_vsphere_vm *vm = all.items[i].vm;
        if (!vm)
            continue;
        vm->inventory_path = vd_entities_path(&all, &all.items[i]);
        r = vm->inventory_path ? each(data, vm)
                               : vd_error_set(err, VD_E_NO_MEMORY, "listing VMs: out of memory");
    }
    return r < 0 ? r : VD_OK;
}
