/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/props.h"

#include <stdlib.h>
#include <string.h>

#include "vsphere/vsphere-int.h"

#define PAGE_OBJECTS    100
#define MAX_PAGES       10000u          /* a million objects */
#define MAX_WALK_BYTES  (1024ull << 20) /* and the text that describes them */
#define MAX_TOKEN_BYTES 4096u

void vd_props_begin(struct vd_vsphere *session, struct vd_soap_call *call)
{
    vd_soap_begin(call, "RetrievePropertiesEx", "PropertyCollector",
                  session->content.property_collector);
    vd_xml_begin(&call->body, "specSet");
}

void vd_props_set(struct vd_soap_call *call, const char *type, const char *const *paths,
                  size_t count)
{
    vd_xml_begin(&call->body, "propSet");
    vd_xml_leaf(&call->body, "type", type);
    for (size_t i = 0; i < count; i++)
        vd_xml_leaf(&call->body, "pathSet", paths[i]);
    vd_xml_end(&call->body, "propSet");
}

static void object_begin(struct vd_soap_call *call, const char *type, const char *moid, bool skip)
{
    vd_xml_begin(&call->body, "objectSet");
    vd_xml_ref(&call->body, "obj", type, moid);
    vd_xml_leaf_bool(&call->body, "skip", skip);
}

void vd_props_object(struct vd_soap_call *call, const char *type, const char *moid)
{
    object_begin(call, type, moid, false);
}

void vd_props_object_skipped(struct vd_soap_call *call, const char *type, const char *moid)
{
    object_begin(call, type, moid, true);
}

void vd_props_traverse(struct vd_soap_call *call, const char *name, const char *type,
                       const char *path, bool again)
{
    struct vd_xml_writer *body = &call->body;
    vd_xml_begin_typed(body, "selectSet", "TraversalSpec");
    vd_xml_leaf(body, "name", name);
    vd_xml_leaf(body, "type", type);
    vd_xml_leaf(body, "path", path);
    vd_xml_leaf_bool(body, "skip", false);
    if (again) {
        vd_xml_begin(body, "selectSet");
        vd_xml_leaf(body, "name", name);
        vd_xml_end(body, "selectSet");
    }
    vd_xml_end(body, "selectSet");
}

void vd_props_object_end(struct vd_soap_call *call)
{
    vd_xml_end(&call->body, "objectSet");
}

/* The objects of one page; the token of the next, malloc'd, or NULL at the end. */
static int take_page(const struct vd_soap_call *call, const struct vd_soap_reply *reply,
                     int (*take)(void *data, const xmlNode *object), void *data, char **ret_token,
                     struct vd_error *err)
{
    const xmlNode *value = vd_soap_value(reply);
    const xmlNode *object = vd_xml_child(value, "objects");
    for (; object; object = vd_xml_next(object)) {
        int r = take(data, object);
        if (r < 0)
            return r;
    }
    const char *token = vd_xml_child_text(value, "token");
    if (token && strlen(token) > MAX_TOKEN_BYTES)
        return vd_soap_broken(call, "has too long a page token", err);
    *ret_token = token && token[0] ? strdup(token) : NULL;
    if (token && token[0] && !*ret_token)
        return vd_error_set(err, VD_E_NO_MEMORY, "%s: out of memory", call->what);
    return VD_OK;
}

static int next_page(struct vd_vsphere *session, const struct vd_soap_call *first,
                     const char *token, struct vd_soap_reply *reply, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    vd_soap_begin(&call, "ContinueRetrievePropertiesEx", "PropertyCollector",
                  session->content.property_collector);
    vd_soap_what(&call, "%s", first->what);
    vd_xml_leaf(&call.body, "token", token);
    return vd_soap_run(session, &call, reply, err);
}

int vd_props_run(struct vd_vsphere *session, struct vd_soap_call *call,
                 int (*take)(void *data, const xmlNode *object), void *data, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    vd_xml_leaf_bool(&call->body, "reportMissingObjectsInResults", true);
    vd_xml_end(&call->body, "specSet");
    vd_xml_begin(&call->body, "options");
    vd_xml_leaf_i64(&call->body, "maxObjects", PAGE_OBJECTS);
    vd_xml_end(&call->body, "options");
    int r = vd_soap_run(session, call, &reply, err);
    uint64_t bytes = 0;
    for (unsigned page = 0; r == VD_OK; page++) {
        VD_FREE char *token = NULL;
        bytes += reply.bytes;
        r = take_page(call, &reply, take, data, &token, err);
        if (r < 0 || !token)
            return r;
        if (page >= MAX_PAGES || bytes > MAX_WALK_BYTES)
            return vd_soap_broken(call, "does not end", err);
        r = next_page(session, call, token, &reply, err);
    }
    return r;
}

const xmlNode *vd_props_get(const xmlNode *object, const char *path)
{
    const xmlNode *set = vd_xml_child(object, "propSet");
    for (; set; set = vd_xml_next(set)) {
        const char *name = vd_xml_child_text(set, "name");
        if (name && strcmp(name, path) == 0)
            return vd_xml_child(set, "val");
    }
    return NULL;
}

const char *vd_props_text(const xmlNode *object, const char *path)
{
    return vd_xml_text(vd_props_get(object, path));
}

bool vd_props_withheld(const xmlNode *object, const char *path, struct vd_fault *ret)
{
    const xmlNode *set = vd_xml_child(object, "missingSet");
    for (; set; set = vd_xml_next(set)) {
        const char *name = vd_xml_child_text(set, "path");
        if (name && strcmp(name, path) == 0) {
            vd_fault_from_localized(vd_xml_child(set, "fault"), ret);
            return true;
        }
    }
    return false;
}

struct one {
    const struct vd_soap_call *call;
    const char *moid, *path;
    char *ret;
    struct vd_error *err;
    bool found;
};

static int take_one(void *data, const xmlNode *object)
{
    struct one *one = data;
    struct vd_fault fault;
    const xmlNode *value = vd_props_get(object, one->path);
    const char *moid = vd_xml_child_text(object, "obj");
    if (!moid || strcmp(moid, one->moid) != 0)
        return VD_OK;
    one->found = true;
    one->ret[0] = '\0';
    if (!value && vd_props_withheld(object, one->path, &fault) &&
        vd_fault_is(&fault, "NoPermission"))
        return vd_fault_tell(&fault, one->call->what, one->err);
    return value ? vd_soap_moid(one->call, value, one->ret, one->err) : VD_OK;
}

int vd_props_one(struct vd_vsphere *session, const char *type, const char *moid, const char *path,
                 char ret[VD_MOID_BYTES], struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    struct one one = {&call, moid, path, ret, err, false};
    vd_props_begin(session, &call);
    vd_props_set(&call, type, &path, 1);
    vd_props_object(&call, type, moid);
    vd_props_object_end(&call);
    vd_soap_what(&call, "reading '%s' of the %s '%s'", path, type, moid);
    int r = vd_props_run(session, &call, take_one, &one, err);
    if (r < 0 || one.found)
        return r;
    struct vd_fault gone = {.type = "ManagedObjectNotFound"};
    (void)snprintf(gone.object_type, sizeof gone.object_type, "%s", type);
    (void)snprintf(gone.object, sizeof gone.object, "%s", moid);
    return vd_fault_tell(&gone, call.what, err);
}
