/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/size-text.h"
#include "terminal.h"
#include "vm.h"

static void fact(const char *name, const char *value)
{
    if (value && value[0])
        cli_print(stdout, "%-16s %s\n", name, value);
}

static const char *tracking_text(const struct vd_vsphere_vm *vm)
{
    if (vm->change_tracking)
        return "on";
    return vm->change_tracking_supported ? "off" : "off, and the machine cannot";
}

static void print_methods(const struct vd_vsphere_vm *vm)
{
    for (char **method = vm->disabled_methods; method && *method; method++)
        fact("Disabled", *method);
}

static void print_vm(const struct vd_vsphere_vm *vm)
{
    fact("VM", vm->name);
    fact("Moref", vm->moid);
    fact("Path", vm->inventory_path);
    fact("Power", vm->powered_on ? "on" : "off");
    fact("Template", vm->template ? "yes" : NULL);
    fact("Connected", vm->connected ? "yes" : "no: its host is not reachable");
    fact("Host", vm->host);
    fact("Configuration", vm->vmx_path);
    fact("Guest", vm->guest_id);
    fact("UUID", vm->uuid);
    fact("Instance UUID", vm->instance_uuid);
    fact("Change tracking", tracking_text(vm));
    fact("Consolidation",
         vm->consolidation_needed ? "needed: 'vdisk vm snapshot consolidate' does it" : NULL);
    fact("Waits for", vm->question);
    print_methods(vm);
}

void cli_vm_json_facts(struct vd_json *json, const struct vd_vsphere_vm *vm)
{
    vd_json_string(json, "moref", vm->moid);
    vd_json_string(json, "name", vm->name);
    vd_json_string(json, "path", vm->inventory_path);
    vd_json_bool(json, "poweredOn", vm->powered_on);
    vd_json_bool(json, "template", vm->template);
    vd_json_bool(json, "connected", vm->connected);
    vd_json_string(json, "host", vm->host);
    vd_json_string(json, "vmx", vm->vmx_path);
    vd_json_string(json, "guestId", vm->guest_id);
    vd_json_string(json, "uuid", vm->uuid);
    vd_json_string(json, "instanceUuid", vm->instance_uuid);
    vd_json_bool(json, "changeTracking", vm->change_tracking);
    vd_json_bool(json, "changeTrackingSupported", vm->change_tracking_supported);
    vd_json_bool(json, "consolidationNeeded", vm->consolidation_needed);
    vd_json_string(json, "question", vm->question);
}

static int show_json(const struct vd_vsphere_vm *vm, struct vd_error *err)
{
    struct vd_json json;

    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    cli_vm_json_facts(&json, vm);
    vd_json_array(&json, "disabledMethods");
    for (char **method = vm->disabled_methods; method && *method; method++)
        vd_json_string(&json, NULL, *method);
    vd_json_end(&json, ']');
    cli_vm_json_disks(&json, vm);
    cli_vm_json_snapshots(&json, vm);
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

int cli_vm_show(const struct cli_args *args, const char *operand, const char *rest,
                struct vd_error *err)
{
    VD_CLEANUP(vd_machine_done) struct vd_machine machine;
    int r = cli_vm_find(args, operand, &machine, err);

    (void)rest; /* there is none */
    if (r < 0)
        return r;
    if (cli_given(args, OPT_JSON))
        return show_json(machine.vm, err);
    print_vm(machine.vm);
    putchar('\n');
    cli_vm_print_disks(machine.vm);
    if (machine.vm->snapshot_count > 0) {
        putchar('\n');
        cli_vm_print_snapshots(machine.vm);
    }
    return VD_OK;
}
