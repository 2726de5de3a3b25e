/* SPDX-License-Identifier: Apache-2.0 */
/* What the session's user may do. */
#ifndef VD_VSPHERE_PRIVILEGE_H
#define VD_VSPHERE_PRIVILEGE_H

#include "vsphere/vsphere.h"

/* Asks for `count` privileges ("Datastore.Browse", ...) on a VM, or on the root folder where
 * `vm_moid` is NULL, in one call. `granted` has one entry for each; false where the server does not
 * say. */
VD_MUST_CHECK int vd_vsphere_privileges(struct vd_vsphere *session, const char *vm_moid,
                                        const char *const *privileges, size_t count, bool *granted,
                                        struct vd_error *err);

#endif
