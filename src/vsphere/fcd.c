/* SPDX-License-Identifier: Apache-2.0 */
/* First-class disks: disks without a VM, known by an id. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "vsphere/fcd-call.h"

#define MAX_CONSUMERS 1024u

static int copy(const char *text, char **ret)
{
    *ret = strdup(text ? text : "");
    return *ret ? VD_OK : VD_E_NO_MEMORY;
}

static int take_consumers(const xmlNode *consumer, struct vd_vsphere_fcd *disk)
{
    size_t count = 0, room = 0;
    for (const xmlNode *c = consumer; c && room < MAX_CONSUMERS; c = vd_xml_next(c))
        room++;
    disk->consumers = calloc(room + 1, sizeof *disk->consumers);
    if (!disk->consumers)
        return VD_E_NO_MEMORY;
    for (; count < room; consumer = vd_xml_next(consumer))
        if (copy(vd_xml_child_text(consumer, "id"), &disk->consumers[count++]) < 0)
            return VD_E_NO_MEMORY;
    return VD_OK;
}

static int take_disk(const struct vd_soap_call *call, const xmlNode *config,
                     struct vd_vsphere_fcd *disk, struct vd_error *err)
{
    uint64_t mib;
    const char *path = vd_xml_text(vd_xml_at(config, "backing/filePath"));
    if (!path || path[0] == '\0')
        return vd_soap_broken(call, "does not say which file it is", err);
    if (!vd_xml_u64(vd_xml_child(config, "capacityInMB"), &mib) ||
        !vd_mul_u64(mib, 1u << 20, &disk->capacity_bytes))
        return vd_soap_broken(call, "has no usable capacity", err);
    disk->change_tracking = vd_xml_true(vd_xml_child(config, "changedBlockTrackingEnabled"));
    if (copy(vd_xml_text(vd_xml_at(config, "id/id")), &disk->id) < 0 ||
        copy(vd_xml_child_text(config, "name"), &disk->name) < 0 || copy(path, &disk->path) < 0 ||
        take_consumers(vd_xml_child(config, "consumerId"), disk) < 0)
        return vd_error_set(err, VD_E_NO_MEMORY, "%s: out of memory", call->what);
    return VD_OK;
}

int vd_vsphere_fcd_get(struct vd_vsphere *session, const char *datastore_moid, const char *disk_id,
                       struct vd_vsphere_fcd **ret, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    VD_CLEANUP(vd_vsphere_fcd_free_cleanup) struct vd_vsphere_fcd *disk = NULL;
    const struct vd_fcd_place place = {datastore_moid, disk_id};
    vd_soap_what(&call, "looking for the first-class disk '%s'%s%s%s", disk_id,
                 datastore_moid ? " on the datastore '" : "", datastore_moid ? datastore_moid : "",
                 datastore_moid ? "'" : "");
    int r = vd_fcd_begin(session, &call, VD_FCD_GET, &place, err);
    if (r < 0)
        return r;
    r = vd_soap_run(session, &call, &reply, err);
    if (r < 0)
        return r;
    disk = calloc(1, sizeof *disk);
    if (!disk)
        return vd_error_set(err, VD_E_NO_MEMORY, "%s: out of memory", call.what);
    r = take_disk(&call, vd_xml_child(vd_soap_value(&reply), "config"), disk, err);
    if (r == VD_OK)
        *ret = VD_TAKE_PTR(disk);
    return r;
}

void vd_vsphere_fcd_free(struct vd_vsphere_fcd *disk)
{
    if (!disk)
        return;
    for (size_t i = 0; disk->consumers && disk->consumers[i]; i++)
        free(disk->consumers[i]);
    free((void *)disk->consumers);
    free(disk->id);
    free(disk->name);
    free(disk->path);
    free(disk);
}

int vd_vsphere_fcd_list(struct vd_vsphere *session, const char *datastore_moid,
                        int (*each)(void *data, const char *disk_id), void *data,
                        struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    const struct vd_fcd_place place = {datastore_moid, NULL};
    assert(datastore_moid);
    vd_soap_what(&call, "listing first-class disks of the datastore '%s'", datastore_moid);
    int r = vd_fcd_begin(session, &call, VD_FCD_LIST, &place, err);
    if (r < 0)
        return r;
    r = vd_soap_run(session, &call, &reply, err);
    if (r < 0)
        return r;
    const xmlNode *value = vd_soap_value(&reply);
    for (; value && r >= 0; value = vd_xml_next(value)) {
        const char *id = vd_xml_child_text(value, "id");
        r = id && id[0] ? each(data, id) : vd_soap_broken(&call, "has a disk without an id", err);
    }
    return r < 0 ? r : VD_OK;
}
