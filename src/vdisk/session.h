/* SPDX-License-Identifier: Apache-2.0 */
/* The steps that lead to a disk, and back. */
#ifndef VD_VDISK_SESSION_H
#define VD_VDISK_SESSION_H

#include "vdisk/provider.h"

enum vd_native_step { VD_NATIVE_LOADED, VD_NATIVE_PREPARED, VD_NATIVE_CONNECTED, VD_NATIVE_OPEN };

struct vd_native_session {
    const struct vd_native_provider *provider;
    void *self;
    struct vdisk_params params; /* a copy */
    enum vd_native_step reached;
};

/* Goes as far as `goal`: VD_NATIVE_LOADED for a machine, further for a disk. When a step fails
 * those before it are undone, in reverse order, and its failure is the one told; what fails
 * meanwhile goes to the log. */
VD_MUST_CHECK int vd_native_session_begin(struct vd_native_session *session,
                                          const struct vdisk_params *params,
                                          enum vd_native_step goal, struct vdisk_error *err);
/* Undoes every step, in reverse order, whatever fails. Tells the first failure, unless `err` holds
 * one already; the others go to the log. */
int vd_native_session_end(struct vd_native_session *session, struct vdisk_error *err);

#endif
