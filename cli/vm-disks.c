/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/size-text.h"
#include "terminal.h"
#include "vm.h"

static void print_disk(size_t index, const struct vd_vsphere_disk *disk)
{
    char size[VD_SIZE_TEXT_BYTES];

    cli_print(stdout, "Disk %zu: %s, key %" PRId32 ", at %s, %s, %s, %s%s\n", index + 1,
              disk->label ? disk->label : "?", disk->key, disk->controller ? disk->controller : "?",
              vd_size_to_text(disk->capacity_bytes, size), disk->thin ? "thin" : "thick",
              disk->mode ? disk->mode : "?", disk->snapshottable ? "" : ", not in snapshots");
    for (char **file = disk->chain; file && *file; file++)
        cli_print(stdout, "  %-15s %s\n", file == disk->chain ? "file" : "parent", *file);
    cli_print(stdout, "  %-15s %s\n", "change ID", disk->change_id ? disk->change_id : "none");
    if (disk->uuid)
        cli_print(stdout, "  %-15s %s\n", "UUID", disk->uuid);
}

void cli_vm_print_disks(const struct vd_vsphere_vm *vm)
{
    for (size_t i = 0; i < vm->disk_count; i++)
        print_disk(i, &vm->disks[i]);
}

static void json_disk(struct vd_json *json, size_t index, const struct vd_vsphere_disk *disk)
{
    vd_json_object(json, NULL);
    vd_json_u64(json, "number", index + 1);
    vd_json_string(json, "label", disk->label);
    vd_json_u64(json, "key", (uint64_t)VD_MAX(disk->key, 0));
    vd_json_string(json, "controller", disk->controller);
    vd_json_u64(json, "capacity", disk->capacity_bytes);
    vd_json_bool(json, "thin", disk->thin);
    vd_json_string(json, "mode", disk->mode);
    vd_json_bool(json, "snapshottable", disk->snapshottable);
    vd_json_string(json, "changeId", disk->change_id);
    vd_json_string(json, "uuid", disk->uuid);
    vd_json_array(json, "chain");
    for (char **file = disk->chain; file && *file; file++)
        vd_json_string(json, NULL, *file);
    vd_json_end(json, ']');
    vd_json_end(json, '}');
}

void cli_vm_json_disks(struct vd_json *json, const struct vd_vsphere_vm *vm)
{
    vd_json_array(json, "disks");
    for (size_t i = 0; i < vm->disk_count; i++)
        json_disk(json, i, &vm->disks[i]);
    vd_json_end(json, ']');
}

static int disks_json(const struct vd_machine *machine, struct vd_error *err)
{
    struct vd_json json;

    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "vm", machine->vm->name);
    vd_json_string(&json, "moref", machine->moid);
    vd_json_string(&json, "snapshot", machine->snapshot[0] ? machine->snapshot : NULL);
    cli_vm_json_disks(&json, machine->vm);
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

int cli_vm_disks(const struct cli_args *args, const char *operand, const char *rest,
                 struct vd_error *err)
{
    VD_CLEANUP(vd_machine_done) struct vd_machine machine;
    int r = cli_vm_find(args, operand, &machine, err);

    (void)rest; /* there is none */
    if (r < 0)
        return r;
    if (cli_given(args, OPT_JSON))
        return disks_json(&machine, err);
    cli_vm_print_disks(machine.vm);
    return VD_OK;
}
