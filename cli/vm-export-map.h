/* SPDX-License-Identifier: Apache-2.0 */
/* Which file of an export is which disk. */
#ifndef VD_CLI_VM_EXPORT_MAP_H
#define VD_CLI_VM_EXPORT_MAP_H

#include "vsphere/vsphere.h"

/* `ret_files`: for each of the machine's disks that is `wanted` the number of the lease's file, by
 * its place, else by the order, which is a guess: the stream's capacity is to be compared.
 * VD_E_PROTOCOL where that cannot be told. */
VD_MUST_CHECK int cli_export_map(const struct vd_vsphere_lease *lease,
                                 const struct vd_vsphere_vm *vm, const bool *wanted,
                                 size_t *ret_files, struct vd_error *err);

#endif
