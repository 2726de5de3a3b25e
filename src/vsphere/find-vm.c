/* SPDX-License-Identifier: Apache-2.0 */
/* From any way of naming a VM to its id. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vsphere/inventory.h"
#include "vsphere/props.h"
#include "vsphere/vm-decode.h"
#include "vsphere/vsphere-int.h"

/* Runs a call of the search index; "" where it found nothing of that type. */
static int search(struct vd_vsphere *session, struct vd_soap_call *call, const char *type,
                  char moid[VD_MOID_BYTES], struct vd_error *err)
{
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    int r = vd_soap_run(session, call, &reply, err);
    if (r < 0)
        return r;
    moid[0] = '\0';
    const xmlNode *value = vd_soap_value(&reply);
    if (!value || strcmp(vd_xml_ref_type(value), type) != 0)
        return VD_OK;
    return vd_soap_moid(call, value, moid, err);
}

static void begin(struct vd_vsphere *session, struct vd_soap_call *call, const char *method,
                  const char *spec)
{
    vd_soap_begin(call, method, "SearchIndex", session->content.search_index);
    vd_soap_what(call, "looking for '%s'", spec);
}

static int by_inventory_path(struct vd_vsphere *session, const char *path, const char *type,
                             char moid[VD_MOID_BYTES], struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    begin(session, &call, "FindByInventoryPath", path);
    vd_xml_leaf(&call.body, "inventoryPath", path);
    return search(session, &call, type, moid, err);
}

/* A datacenter without such a datastore is no error here. */
static int by_datastore_path(struct vd_vsphere *session, const char *datacenter, const char *path,
                             char moid[VD_MOID_BYTES], struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    struct vd_error why = VD_ERROR_INIT;
    begin(session, &call, "FindByDatastorePath", path);
    vd_xml_ref(&call.body, "datacenter", "Datacenter", datacenter);
    vd_xml_leaf(&call.body, "path", path);
    int r = search(session, &call, "VirtualMachine", moid, &why);
    if (r >= 0)
        return r;
    moid[0] = '\0';
    return r == VD_E_NOT_FOUND ? VD_OK : vd_error_set(err, r, "%s", why.text);
}

static int by_uuid(struct vd_vsphere *session, const char *uuid, bool instance,
                   char moid[VD_MOID_BYTES], struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    begin(session, &call, "FindByUuid", uuid);
    vd_xml_leaf(&call.body, "uuid", uuid);
    vd_xml_leaf_bool(&call.body, "vmSearch", true);
    vd_xml_leaf_bool(&call.body, "instanceUuid", instance);
    return search(session, &call, "VirtualMachine", moid, err);
}

static int not_found(const struct vd_vsphere *session, const char *spec, struct vd_error *err)
{
    return vd_error_set(err, VD_E_VM_NOT_FOUND,
                        "'%s' has no VM '%s', or the user may not see it; VMs are named by name, "
                        "inventory path, moref=ID, UUID or \"[datastore] folder/file.vmx\"",
                        session->host, spec);
}

/* --- moref=vm-1 --- */

/* The id itself, once the server has confirmed it; "" where there is no such VM. */
static int by_moid(struct vd_vsphere *session, const char *id, char moid[VD_MOID_BYTES],
                   struct vd_error *err)
{
    char name[VD_MOID_BYTES];
    struct vd_error why = VD_ERROR_INIT;
    moid[0] = '\0';
    size_t length = strlen(id);
    if (length == 0 || length >= VD_MOID_BYTES)
        return VD_OK;
    int r = vd_props_one(session, "VirtualMachine", id, "runtime.powerState", name, &why);
    if (r == VD_E_VM_NOT_FOUND || r == VD_E_NOT_FOUND)
        return VD_OK;
    if (r < 0)
        return vd_error_set(err, r, "%s", why.text);
    memcpy(moid, id, length + 1);
    return VD_OK;
}

static const char *id_of(const char *spec)
{
    static const char *const keys[] = {"moref=", "moid="};
    for (size_t i = 0; i < VD_ARRAY_SIZE(keys); i++)
        if (strncasecmp(spec, keys[i], strlen(keys[i])) == 0)
            return spec + strlen(keys[i]);
    return NULL;
}

/* --- dir/vm.vmx?dcPath=..&dsName=.. --- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void url_decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++, to++) {
        int high = *from == '%' ? hex(from[1]) : -1;
        int low = high >= 0 ? hex(from[2]) : -1;
        *to = *from;
        if (low >= 0 && (high | low) != 0) {
            *to = (char)(high << 4 | low);
            from += 2;
        }
    }
    *to = '\0';
}

/* The value of `key` in "a=b&c=d", malloc'd; NULL: absent, or out of memory. */
static char *query_value(const char *query, const char *key)
{
    size_t length = strlen(key);
    while (*query) {
        size_t end = strcspn(query, "&");
        if (end > length && strncasecmp(query, key, length) == 0 && query[length] == '=') {
            char *value = strndup(query + length + 1, end - length - 1);
            if (value)
                url_decode(value);
            return value;
        }
        query += end + (query[end] == '&');
    }
    return NULL;
}

static int find_in_datastore(struct vd_vsphere *session, const char *file, const char *dc_path,
                             const char *ds_name, char moid[VD_MOID_BYTES], struct vd_error *err)
{
    char datacenter[VD_MOID_BYTES];
    VD_FREE char *path = NULL;
    int r = by_inventory_path(session, dc_path, "Datacenter", datacenter, err);
    moid[0] = '\0';
    if (r < 0 || datacenter[0] == '\0')
        return r;
    if (asprintf(&path, "[%s] %s", ds_name, file) < 0) {
        path = NULL;
        return vd_error_set(err, VD_E_NO_MEMORY, "looking for '%s': out of memory", file);
    }
    return by_datastore_path(session, datacenter, path, moid, err);
}

/* Some servers have such text decoded once, some twice: what is not found is decoded once more. */
static int by_vmx_spec(struct vd_vsphere *session, const char *spec, char moid[VD_MOID_BYTES],
                       struct vd_error *err)
{
    const char *question = strrchr(spec, '?');
    VD_FREE char *file = strndup(spec, (size_t)(question - spec));
    VD_FREE char *dc_path = query_value(question + 1, "dcPath");
    VD_FREE char *ds_name = query_value(question + 1, "dsName");
    if (!file || !dc_path || !ds_name)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "'%s' is not of the form \"folder/file.vmx?dcPath=DATACENTER&"
                            "dsName=DATASTORE\"",
                            spec);
    int r = find_in_datastore(session, file, dc_path, ds_name, moid, err);
    if (r < 0 || moid[0] || (!strchr(dc_path, '%') && !strchr(ds_name, '%')))
        return r;
    url_decode(dc_path);
    url_decode(ds_name);
    return find_in_datastore(session, file, dc_path, ds_name, moid, err);
}

/* --- [ds] dir/vm.vmx, in whatever datacenter --- */

static int in_any_datacenter(struct vd_vsphere *session, const char *path, char moid[VD_MOID_BYTES],
                             struct vd_error *err)
{
    VD_CLEANUP(vd_entities_done) struct vd_entities all = {.items = NULL};
    const struct vd_entities_want want = {.vm_paths = 0};
    int r = vd_entities_load(session, &want, &all, err);
    moid[0] = '\0';
    for (size_t i = 0; r == VD_OK && i < all.count; i++) {
        char found[VD_MOID_BYTES];
        if (strcmp(all.items[i].type, "Datacenter") != 0)
            continue;
        r = by_datastore_path(session, all.items[i].moid, path, found, err);
        if (r < 0 || found[0] == '\0')
            continue;
        if (moid[0] && strcmp(moid, found) != 0)
            return vd_error_set(err, VD_E_INVALID_ARG,
                                "'%s' is in several datacenters ('%s', '%s', ...); name the VM by "
                                "moref=ID",
                                path, moid, found);
        memcpy(moid, found, sizeof found);
    }
    return r;
}

/* --- a name --- */

static int append_path(struct vd_buf *list, const struct vd_entities *all,
                       const struct vd_entity *entity)
{
    VD_FREE char *path = vd_entities_path(all, entity);
    return path ? vd_buf_printf(list, "%smoref=%s ('%s')", list->length ? ", " : "", entity->moid,
                                path)
                : VD_E_NO_MEMORY;
}

static int by_name(struct vd_vsphere *session, const char *name, char moid[VD_MOID_BYTES],
                   struct vd_error *err)
{
    VD_CLEANUP(vd_entities_done) struct vd_entities all = {.items = NULL};
    VD_CLEANUP(vd_buf_done) struct vd_buf list = VD_BUF_INIT(600);
    const struct vd_entities_want want = {.vm_paths = 3}; /* name and parents */
    int r = vd_entities_load(session, &want, &all, err);
    size_t found = 0;
    moid[0] = '\0';
    for (size_t i = 0; r == VD_OK && i < all.count; i++) {
        const struct vd_entity *entity = &all.items[i];
        if (!entity->vm || strcmp(entity->vm->name, name) != 0 ||
            strlen(entity->moid) >= VD_MOID_BYTES)
            continue;
        found++;
        memcpy(moid, entity->moid, strlen(entity->moid) + 1);
        VD_DISCARD(append_path(&list, &all, entity)); /* a list that is too long is cut */
    }
    if (found > 1)
        return vd_error_set(err, VD_E_INVALID_ARG, "%zu VMs are called '%s': %s; say which", found,
                            name, vd_buf_text(&list));
    return r;
}

static bool is_uuid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (strlen(text) != sizeof form - 1)
        return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'x' ? hex(text[i]) < 0 : text[i] != '-')
            return false;
    return true;
}

/* Names may look like anything, so every reading of the text is tried, the surest first. */
static int by_any(struct vd_vsphere *session, const char *spec, char moid[VD_MOID_BYTES],
                  struct vd_error *err)
{
    int r = VD_OK;
    moid[0] = '\0';
    if (is_uuid(spec)) {
        r = by_uuid(session, spec, true, moid, err);
        if (r == VD_OK && !moid[0])
            r = by_uuid(session, spec, false, moid, err);
    } else if (strchr(spec, '/')) {
        r = by_inventory_path(session, spec, "VirtualMachine", moid, err);
    }
    if (r == VD_OK && !moid[0])
        r = by_name(session, spec, moid, err);
    if (r == VD_OK && !moid[0] && !strpbrk(spec, "/ "))
        r = by_moid(session, spec, moid, err);
    return r;
}

int vd_vsphere_find_vm(struct vd_vsphere *session, const char *spec, char moid[VD_MOID_BYTES],
                       struct vd_error *err)
{
    char found[VD_MOID_BYTES];
    const char *id = id_of(spec);
    const char *question = strrchr(spec, '?');
    int r;
    if (id)
        r = by_moid(session, id, found, err);
    else if (question && (strcasestr(question, "dcPath=") || strcasestr(question, "dsName=")))
        r = by_vmx_spec(session, spec, found, err);
    else if (spec[0] == '[')
        r = in_any_datacenter(session, spec, found, err);
    else
        r = by_any(session, spec, found, err);
    if (r < 0)
        return r;
    if (found[0] == '\0')
        return not_found(session, spec, err);
    memcpy(moid, found, sizeof found);
    return VD_OK;
}
