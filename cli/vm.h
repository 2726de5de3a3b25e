/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `vdisk vm`, one file each: vm-<verb>.c. `operand` is HOST or HOST/VM, `rest` what
 * stands behind it (NULL: nothing);
 * what more there is, is in the operands. */
#ifndef VD_CLI_VM_H
#define VD_CLI_VM_H

#include "base/json.h"
#include "connection.h"

typedef int (*cli_vm_verb)(const struct cli_args *args, const char *operand, const char *rest,
                           struct vd_error *err);

VD_MUST_CHECK int cli_vm_list(const struct cli_args *args, const char *operand, const char *rest,
                              struct vd_error *err);
VD_MUST_CHECK int cli_vm_show(const struct cli_args *args, const char *operand, const char *rest,
                              struct vd_error *err);
VD_MUST_CHECK int cli_vm_disks(const struct cli_args *args, const char *operand, const char *rest,
                               struct vd_error *err);
VD_MUST_CHECK int cli_vm_changed(const struct cli_args *args, const char *operand, const char *rest,
                                 struct vd_error *err);
VD_MUST_CHECK int cli_vm_tracking(const struct cli_args *args, const char *operand,
                                  const char *rest, struct vd_error *err);
VD_MUST_CHECK int cli_vm_snapshot_list(const struct cli_args *args, const char *operand,
                                       const char *rest, struct vd_error *err);
VD_MUST_CHECK int cli_vm_snapshot_create(const struct cli_args *args, const char *operand,
                                         const char *rest, struct vd_error *err);
VD_MUST_CHECK int cli_vm_snapshot_remove(const struct cli_args *args, const char *operand,
                                         const char *rest, struct vd_error *err);
VD_MUST_CHECK int cli_vm_snapshot_consolidate(const struct cli_args *args, const char *operand,
                                              const char *rest, struct vd_error *err);
VD_MUST_CHECK int cli_vm_export(const struct cli_args *args, const char *operand, const char *rest,
                                struct vd_error *err);
VD_MUST_CHECK int cli_vm_file_get(const struct cli_args *args, const char *operand,
                                  const char *rest, struct vd_error *err);
VD_MUST_CHECK int cli_vm_file_put(const struct cli_args *args, const char *operand,
                                  const char *rest, struct vd_error *err);

/* Pieces of the answers: what a machine is, each of its disks, each of its snapshots. */
void cli_vm_json_facts(struct vd_json *json, const struct vd_vsphere_vm *vm);
void cli_vm_json_disks(struct vd_json *json, const struct vd_vsphere_vm *vm);
void cli_vm_json_snapshots(struct vd_json *json, const struct vd_vsphere_vm *vm);
void cli_vm_print_disks(const struct vd_vsphere_vm *vm);
void cli_vm_print_snapshots(const struct vd_vsphere_vm *vm);

/* Parses `operand` as VD_URL_VM and finds the machine; done with also on failure. */
VD_MUST_CHECK int cli_vm_find(const struct cli_args *args, const char *operand,
                              struct vd_machine *ret, struct vd_error *err);

#endif
