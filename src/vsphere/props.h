/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of managed objects, read by the property collector, page by page.
 *
 *     vd_props_begin(session, &call);
 *     vd_props_set(&call, "VirtualMachine", PATHS, PATH_COUNT);
 *     vd_props_object(&call, "VirtualMachine", moid);
 *     vd_props_object_end(&call);
 *     vd_soap_what(&call, "...");
 *     r = vd_props_run(session, &call, take, data, err);
 */
#ifndef VD_VSPHERE_PROPS_H
#define VD_VSPHERE_PROPS_H

#include "vsphere/soap.h"

void vd_props_begin(struct vd_vsphere *session, struct vd_soap_call *call);
void vd_props_set(struct vd_soap_call *call, const char *type, const char *const *paths,
                  size_t count);
/* From where to look, and whether that object itself is wanted. */
void vd_props_object(struct vd_soap_call *call, const char *type, const char *moid);
void vd_props_object_skipped(struct vd_soap_call *call, const char *type, const char *moid);
/* On the way: `path` of a `type` leads to more objects; `again`: from those on, too. */
void vd_props_traverse(struct vd_soap_call *call, const char *name, const char *type,
                       const char *path, bool again);
void vd_props_object_end(struct vd_soap_call *call);

/* `take` is given each ObjectContent; a negative code ends the walk. Objects that are gone are left
 * out. */
VD_MUST_CHECK int vd_props_run(struct vd_vsphere *session, struct vd_soap_call *call,
                               int (*take)(void *data, const xmlNode *object), void *data,
                               struct vd_error *err);

/* The value of a property of an ObjectContent; NULL where it is unset or withheld. */
const xmlNode *vd_props_get(const xmlNode *object, const char *path);
const char *vd_props_text(const xmlNode *object, const char *path);
/* Why the server withholds a property; false where it does not. */
bool vd_props_withheld(const xmlNode *object, const char *path, struct vd_fault *ret);

/* One property of one object, as text: VD_E_NOT_FOUND (or SNAPSHOT_GONE, VM_NOT_FOUND) where the
 * object is gone; "" where the property is unset. */
VD_MUST_CHECK int vd_props_one(struct vd_vsphere *session, const char *type, const char *moid,
                               const char *path, char ret[VD_MOID_BYTES], struct vd_error *err);

#endif
