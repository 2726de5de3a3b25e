/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory as a table of objects with their names and parents. For this floor. */
#ifndef VD_VSPHERE_INVENTORY_H
#define VD_VSPHERE_INVENTORY_H

#include "vsphere/vsphere.h"
#include "vsphere/xml.h"

struct vd_entity {
    char *type, *moid, *name; /* the name as the server writes it: %, / and \ escaped */
    char *parent;             /* NULL: none that may be seen */
    struct vd_vsphere_vm *vm; /* of a VirtualMachine */
    char *kind;               /* of a Datastore, as the rest: "VMFS", ... */
    uint64_t capacity_bytes, free_bytes;
    bool accessible;
};

struct vd_entities {
    struct vd_entity *items; /* by moid, once loaded */
    size_t count, allocated;
    struct vd_error *err; /* of the walk under way */
};

/* Beside folders and datacenters. */
struct vd_entities_want {
    bool datastores;
    size_t vm_paths; /* so many of VD_VM_PATHS; 0: no VMs */
};

/* Everything below the root folder. `ret` is to be given to vd_entities_done, also on failure. */
VD_MUST_CHECK int vd_entities_load(struct vd_vsphere *session, const struct vd_entities_want *want,
                                   struct vd_entities *ret, struct vd_error *err);
/* For a walk of another kind: takes an ObjectContent; `data` is the struct vd_entities. */
VD_MUST_CHECK int vd_entities_take(void *data, const xmlNode *object);
void vd_entities_sort(struct vd_entities *entities);
const struct vd_entity *vd_entities_find(const struct vd_entities *entities, const char *moid);
/* Names from below the root to the object, joined by '/'; malloc'd, NULL: out of memory. */
char *vd_entities_path(const struct vd_entities *entities, const struct vd_entity *entity);
/* The object itself or the nearest above it of that type; NULL: none. */
const struct vd_entity *vd_entities_above(const struct vd_entities *entities,
                                          const struct vd_entity *entity, const char *type);
void vd_entities_done(struct vd_entities *entities);

#endif
