/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/datastore.h"

#include <stdlib.h>
#include <string.h>

#include "vsphere/inventory.h"
#include "vsphere/vm-decode.h"
#include "vsphere/vsphere-int.h"

static int no_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "looking for datastores: out of memory");
}

static int tell(const struct vd_entities *all, const struct vd_entity *entity,
                int (*each)(void *data, const struct vd_vsphere_datastore *datastore), void *data,
                struct vd_error *err)
{
    const struct vd_entity *center = vd_entities_above(all, entity, "Datacenter");
    VD_FREE char *name = vd_name_unescape(entity->name);
    VD_FREE char *path = center ? vd_entities_path(all, center) : strdup("");
    if (!name || !path)
        return no_memory(err);
    const struct vd_vsphere_datastore datastore = {
        .moid = entity->moid,
        .name = name,
        .type = entity->kind ? entity->kind : "",
        .datacenter_path = path,
        .capacity_bytes = entity->capacity_bytes,
        .free_bytes = entity->free_bytes,
        .accessible = entity->accessible,
    };
    return each(data, &datastore);
}

int vd_vsphere_datastore_list(struct vd_vsphere *session,
                              int (*each)(void *data, const struct vd_vsphere_datastore *datastore),
                              void *data, struct vd_error *err)
{
    VD_CLEANUP(vd_entities_done) struct vd_entities all = {.items = NULL};
    const struct vd_entities_want want = {.datastores = true};
    int r = vd_entities_load(session, &want, &all, err);
    for (size_t i = 0; r >= 0 && i < all.count; i++)
        if (strcmp(all.items[i].type, "Datastore") == 0)
            r = tell(&all, &all.items[i], each, data, err);
    return r < 0 ? r : VD_OK;
}

/* --- one path's place --- */

const char *vd_datastore_file(const char *path)
{
    const char *end = path[0] == '[' ? strchr(path, ']') : NULL;
    if (!end || end == path + 1)
        return NULL;
    end++;
    return end + strspn(end, " ");
}

/* The datacenter whose datastore is called `name`; NULL with a sentence where it is not one. */
static const struct vd_entity *center_of(const struct vd_vsphere *session,
                                         const struct vd_entities *all, const char *name,
                                         struct vd_error *err)
{
    const struct vd_entity *found = NULL;
    for (size_t i = 0; i < all->count; i++) {
        const struct vd_entity *entity = &all->items[i];
        VD_FREE char *plain = vd_name_unescape(entity->name);
        if (strcmp(entity->type, "Datastore") != 0 || !plain || strcmp(plain, name) != 0)
            continue;
        const struct vd_entity *center = vd_entities_above(all, entity, "Datacenter");
        if (found && center && center != found) {
            (void)vd_error_set(err, VD_E_INVALID_ARG,
                               "the datacenters '%s' and '%s' both have a datastore '%s'",
                               found->name, center->name, name);
            return NULL;
        }
        found = center ? center : found;
    }
    if (!found)
        (void)vd_error_set(err, VD_E_NOT_FOUND,
                           "'%s' has no datastore '%s', or the user may not see it", session->host,
                           name);
    return found;
}

int vd_datastore_place(struct vd_vsphere *session, const char *path, struct vd_datastore_place *ret,
                       struct vd_error *err)
{
    VD_CLEANUP(vd_entities_done) struct vd_entities all = {.items = NULL};
    struct vd_error why = VD_ERROR_INIT;
    const struct vd_entities_want want = {.datastores = true};
    if (!vd_datastore_file(path))
        return vd_error_set(err, VD_E_NAME_INVALID,
                            "'%s' is not of the form \"[datastore] folder/file\"", path);
    VD_FREE char *name = strndup(path + 1, strcspn(path + 1, "]"));
    int r = name ? vd_entities_load(session, &want, &all, err) : no_memory(err);
    if (r < 0)
        return r;
    const struct vd_entity *center = center_of(session, &all, name, &why);
    if (!center)
        return vd_error_set(err, why.code, "%s", why.text);
    if (strlen(center->moid) >= sizeof ret->datacenter)
        return vd_error_set(err, VD_E_PROTOCOL, "a datacenter has too long an id");
    char *center_path = vd_entities_path(&all, center);
    if (!center_path)
        return no_memory(err);
    memcpy(ret->datacenter, center->moid, strlen(center->moid) + 1);
    ret->datacenter_path = center_path;
    ret->name = VD_TAKE_PTR(name);
    return VD_OK;
}

void vd_datastore_place_done(struct vd_datastore_place *place)
{
    free(VD_TAKE_PTR(place->name));
    free(VD_TAKE_PTR(place->datacenter_path));
}

/* --- its address --- */

/* Every segment escaped, the slashes kept. */
static int append_segments(struct vd_buf *url, const char *file)
{
    int r = VD_OK;
    while (r == VD_OK && *file) {
        size_t length = strcspn(file, "/");
        VD_FREE char *segment = strndup(file, length);
        VD_FREE char *escaped = segment ? vd_http_escape(segment) : NULL;
        r = escaped ? vd_buf_printf(url, "/%s", escaped) : VD_E_NO_MEMORY;
        file += length + (file[length] == '/');
    }
    return r;
}

int vd_vsphere_file_url(struct vd_vsphere *session, const char *path, char **ret,
                        struct vd_error *err)
{
    VD_CLEANUP(vd_datastore_place_done) struct vd_datastore_place place = {.name = NULL};
    VD_CLEANUP(vd_buf_done) struct vd_buf url = VD_BUF_INIT(64u << 10);
    int r = vd_datastore_place(session, path, &place, err);
    if (r < 0)
        return r;
    VD_FREE char *center = vd_http_escape(place.datacenter_path);
    VD_FREE char *name = vd_http_escape(place.name);
    r = center && name ? vd_buf_printf(&url, "/folder") : VD_E_NO_MEMORY;
    if (r == VD_OK)
        r = append_segments(&url, vd_datastore_file(path));
    if (r == VD_OK)
        r = vd_buf_printf(&url, "?dcPath=%s&dsName=%s", center, name);
    char *text = r == VD_OK ? vd_buf_steal(&url) : NULL;
    if (!text)
        return vd_error_set(err, r < 0 ? r : VD_E_NO_MEMORY, "the address of '%s': %s", path,
                            vd_error_text(r < 0 ? r : VD_E_NO_MEMORY));
    *ret = text;
    return VD_OK;
}
