/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual machine a URL names, the snapshot, and its disks. */
#ifndef VD_TRANSPORT_MACHINE_H
#define VD_TRANSPORT_MACHINE_H

#include "transport/url.h"
#include "vsphere/vsphere.h"

struct vd_machine {
    struct vd_vsphere *session;
    struct vd_vsphere_vm *vm; /* as it is, or as it was frozen when the URL names a snapshot */
    char moid[VD_MOID_BYTES];
    char snapshot[VD_MOID_BYTES]; /* "": none named */
};

/* To be given to vd_machine_done also on failure. */
VD_MUST_CHECK int vd_machine_find(struct vd_vsphere *session, const struct vd_url *url,
                                  struct vd_machine *ret, struct vd_error *err);
void vd_machine_done(struct vd_machine *machine);

/* By moref or by name; VD_E_INVALID_ARG where several have the name. */
VD_MUST_CHECK int vd_machine_snapshot(const struct vd_vsphere_vm *vm, const char *text,
                                      const struct vd_vsphere_snapshot **ret, struct vd_error *err);
/* By label, number (1: the first), place ("scsi0:1"), key, or any file of its chain; NULL: the only
 * one. `ret_path` is the file meant: the leaf, or the file that was named. */
VD_MUST_CHECK int vd_machine_disk(const struct vd_vsphere_vm *vm, const char *text,
                                  const struct vd_vsphere_disk **ret, const char **ret_path,
                                  struct vd_error *err);

#endif
