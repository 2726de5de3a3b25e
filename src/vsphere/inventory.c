/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One view of all objects of the wanted types, read page by page into a table. A view ends with its
 * session: where that was renewed on the way, the walk is made once more.
 */
#include "vsphere/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "vsphere/props.h"
#include "vsphere/vm-decode.h"
#include "vsphere/vsphere-int.h"

#define MAX_ENTITIES (1u << 20)
#define MAX_DEPTH    64

static int copy(const char *text, char **ret)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret ? VD_OK : VD_E_NO_MEMORY;
}

static int no_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "reading the inventory: out of memory");
}

static int grow(struct vd_entities *entities)
{
    if (entities->count < entities->allocated)
        return VD_OK;
    if (entities->count >= MAX_ENTITIES)
        return vd_error_set(entities->err, VD_E_TOO_BIG, "the inventory has more than %u objects",
                            MAX_ENTITIES);
    size_t more = entities->allocated ? 2 * entities->allocated : 64;
    struct vd_entity *items = reallocarray(entities->items, more, sizeof *items);
    if (!items)
        return no_memory(entities->err);
    entities->items = items;
    entities->allocated = more;
    return VD_OK;
}

static int take_datastore(const xmlNode *object, struct vd_entity *entity)
{
    /* A datastore that is not reachable has no usable figures: they stay 0. */
    if (!vd_xml_u64(vd_props_get(object, "summary.capacity"), &entity->capacity_bytes))
        entity->capacity_bytes = 0;
    if (!vd_xml_u64(vd_props_get(object, "summary.freeSpace"), &entity->free_bytes))
        entity->free_bytes = 0;
    entity->accessible = vd_xml_true(vd_props_get(object, "summary.accessible"));
    return copy(vd_props_text(object, "summary.type"), &entity->kind);
}

int vd_entities_take(void *data, const xmlNode *object)
{
    struct vd_entities *entities = data;
    const xmlNode *reference = vd_xml_child(object, "obj");
    const char *type = vd_xml_ref_type(reference);
    const char *moid = vd_xml_text(reference);
    const char *name = vd_props_text(object, "name");
    const char *parent = vd_props_text(object, "parent");
    if (!parent)
        parent = vd_props_text(object, "parentVApp");
    if (!parent)
        parent = vd_props_text(object, "parentFolder");
    int r = grow(entities);
    if (r < 0)
        return r;
    struct vd_entity *entity = &entities->items[entities->count++];
    *entity = (struct vd_entity){.type = NULL};
    if (copy(type, &entity->type) < 0 || copy(moid ? moid : "", &entity->moid) < 0 ||
        copy(name ? name : "", &entity->name) < 0 || copy(parent, &entity->parent) < 0)
        return no_memory(entities->err);
    if (strcmp(type, "Datastore") == 0 && take_datastore(object, entity) < 0)
        return no_memory(entities->err);
    return strcmp(type, "VirtualMachine") == 0 ? vd_vm_decode(object, &entity->vm, entities->err)
                                               : VD_OK;
}

static void forget(struct vd_entities *entities)
{
    for (size_t i = 0; i < entities->count; i++) {
        struct vd_entity *entity = &entities->items[i];
        free(entity->type);
        free(entity->moid);
        free(entity->name);
        free(entity->parent);
        free(entity->kind);
        vd_vsphere_vm_free(entity->vm);
    }
    entities->count = 0;
}

void vd_entities_done(struct vd_entities *entities)
{
    forget(entities);
    free(entities->items);
    *entities = (struct vd_entities){.items = NULL};
}

/* --- the walk --- */

static int view_create(struct vd_vsphere *session, const struct vd_entities_want *want,
                       char view[VD_MOID_BYTES], struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    vd_soap_begin(&call, "CreateContainerView", "ViewManager", session->content.view_manager);
    vd_soap_what(&call, "looking through the inventory of '%s'", session->host);
    vd_xml_ref(&call.body, "container", "Folder", session->content.root_folder);
    vd_xml_leaf(&call.body, "type", "Folder");
    vd_xml_leaf(&call.body, "type", "Datacenter");
    if (want->datastores)
        vd_xml_leaf(&call.body, "type", "Datastore");
    if (want->datastores)
        vd_xml_leaf(&call.body, "type", "StoragePod");
    if (want->vm_paths)
        vd_xml_leaf(&call.body, "type", "VirtualApp");
    if (want->vm_paths)
        vd_xml_leaf(&call.body, "type", "VirtualMachine");
    vd_xml_leaf_bool(&call.body, "recursive", true);
    int r = vd_soap_run(session, &call, &reply, err);
    return r < 0 ? r : vd_soap_moid(&call, vd_soap_value(&reply), view, err);
}

static void view_destroy(struct vd_vsphere *session, const char *view)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    vd_soap_begin(&call, "DestroyView", "ContainerView", view);
    VD_DISCARD(vd_soap_run(session, &call, &reply, NULL)); /* it ends with the session at last */
}

static int view_read(struct vd_vsphere *session, const struct vd_entities_want *want,
                     const char *view, struct vd_entities *ret, struct vd_error *err)
{
    static const char *const place[] = {"name", "parent"};
    static const char *const app[] = {"name", "parent", "parentFolder"};
    static const char *const datastore[] = {
        "name",        "parent", "summary.capacity", "summary.freeSpace", "summary.accessible",
        "summary.type"};
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    vd_props_begin(session, &call);
    vd_props_set(&call, "Folder", place, VD_ARRAY_SIZE(place));
    vd_props_set(&call, "Datacenter", place, VD_ARRAY_SIZE(place));
    if (want->datastores)
        vd_props_set(&call, "Datastore", datastore, VD_ARRAY_SIZE(datastore));
    if (want->vm_paths)
        vd_props_set(&call, "VirtualApp", app, VD_ARRAY_SIZE(app));
    if (want->vm_paths)
        vd_props_set(&call, "VirtualMachine", VD_VM_PATHS, want->vm_paths);
    vd_props_object_skipped(&call, "ContainerView", view);
    vd_props_traverse(&call, "v", "ContainerView", "view", false);
    vd_props_object_end(&call);
    vd_soap_what(&call, "looking through the inventory of '%s'", session->host);
    return vd_props_run(session, &call, vd_entities_take, ret, err);
}

static int load_once(struct vd_vsphere *session, const struct vd_entities_want *want,
                     struct vd_entities *ret, struct vd_error *err)
{
    char view[VD_MOID_BYTES];
    int r = view_create(session, want, view, err);
    if (r < 0)
        return r;
    ret->err = err;
    r = view_read(session, want, view, ret, err);
    ret->err = NULL;
    view_destroy(session, view);
    return r;
}

static int by_moid(const void *a, const void *b)
{
    const struct vd_entity *one = a, *other = b;
    return strcmp(one->moid, other->moid);
}

void vd_entities_sort(struct vd_entities *entities)
{
    if (entities->count > 0)
        qsort(entities->items, entities->count, sizeof *entities->items, by_moid);
}

int vd_entities_load(struct vd_vsphere *session, const struct vd_entities_want *want,
                     struct vd_entities *ret, struct vd_error *err)
{
    struct vd_error why = VD_ERROR_INIT;
    if (session->content.view_manager[0] == '\0')
        return vd_error_set(err, VD_E_NOT_SUPPORTED, "'%s' has no view manager", session->host);
    uint64_t generation = vd_session_generation(session);
    int r = load_once(session, want, ret, &why);
    /* A view ends with its session. Asked about afterwards it may look as if it were empty, which
     * an inventory is not: the datacenter is in it. */
    if ((r < 0 || ret->count == 0) && generation != vd_session_generation(session)) {
        forget(ret);
        vd_error_clear(&why);
        r = load_once(session, want, ret, &why);
    }
    if (r < 0)
        return vd_error_set(err, r, "%s", vd_error_message(&why, r));
    vd_entities_sort(ret);
    return VD_OK;
}

/* --- the table --- */

const struct vd_entity *vd_entities_find(const struct vd_entities *entities, const char *moid)
{
    size_t low = 0, high = moid ? entities->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(entities->items[middle].moid, moid);
        if (order == 0)
            return &entities->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct vd_entity *vd_entities_above(const struct vd_entities *entities,
                                          const struct vd_entity *entity, const char *type)
{
    for (int depth = 0; entity && depth < MAX_DEPTH; depth++) {
        if (strcmp(entity->type, type) == 0)
            return entity;
        entity = vd_entities_find(entities, entity->parent);
    }
    return NULL;
}

char *vd_entities_path(const struct vd_entities *entities, const struct vd_entity *entity)
{
    char *path = strdup("");
    bool first = true;
    for (int depth = 0; path && entity && depth < MAX_DEPTH; depth++) {
        char *longer = NULL;
        /* The root folder has no parent, and no place in a path. */
        if (!entity->parent && !first)
            break;
        int r = asprintf(&longer, "%s%s%s", entity->name, first ? "" : "/", path);
        free(path);
        path = r < 0 ? NULL : longer;
        first = false;
        entity = vd_entities_find(entities, entity->parent);
    }
    return path;
}
