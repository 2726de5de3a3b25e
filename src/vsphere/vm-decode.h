/* SPDX-License-Identifier: Apache-2.0 */
/* A VM's properties, as a page of the property collector has them, made a struct vd_vsphere_vm. For
 * this floor and its tests. */
#ifndef VD_VSPHERE_VM_DECODE_H
#define VD_VSPHERE_VM_DECODE_H

#include "vsphere/vsphere.h"
#include "vsphere/xml.h"

/* What vd_vm_decode reads of a VM; VD_VM_PATHS_SHORT of them without disks and snapshots. */
extern const char *const VD_VM_PATHS[];
#define VD_VM_PATHS_SHORT 16
#define VD_VM_PATHS_ALL   18

/* `object`: an ObjectContent of a VirtualMachine. Without inventory_path. */
VD_MUST_CHECK int vd_vm_decode(const xmlNode *object, struct vd_vsphere_vm **ret,
                               struct vd_error *err);
/* Replaces the VM's disks: `devices` holds the devices, as members of an array or of a structure.
 */
VD_MUST_CHECK int vd_vm_decode_disks(const xmlNode *devices, struct vd_vsphere_vm *vm,
                                     struct vd_error *err);
/* Names come with %, / and \ as %25, %2f and %5c; malloc'd. */
char *vd_name_unescape(const char *name);

#endif
