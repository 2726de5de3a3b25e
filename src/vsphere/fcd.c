/* SPDX-License-Identifier: Apache-2.0 */
/* First-class disks: disks without a VM, known by an id. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "vsphere/vsphere-int.h"

#define MAX_CONSUMERS 1024u

/* Method names of a vCenter's manager; a host's begin with "Host". */
static int begin(struct vd_vsphere *session, struct vd_soap_call *call, const char *const names[2],
                 struct vd_error *err)
{
    bool vcenter = session->content.vcenter;
    if (session->content.storage_objects[0] == '\0')
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "'%s' has no first-class disks; they came with vSphere 6.5",
                            session->host);
    vd_soap_begin(call, names[!vcenter],
                  vcenter ? "VcenterVStorageObjectManager" : "HostVStorageObjectManager",
                  session->content.storage_objects);
    return VD_OK;
}

static void write_id(struct vd_soap_call *call, const char *name, const char *id)
{
    vd_xml_begin(&call->body, name);
    vd_xml_leaf(&call->body, "id", id);
    vd_xml_end(&call->body, name);
}

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
    static const char *const names[] = {"RetrieveVStorageObject", "HostRetrieveVStorageObject"};
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    VD_CLEANUP(vd_vsphere_fcd_free_cleanup) struct vd_vsphere_fcd *disk = NULL;
    int r = begin(session, &call, names, err);
    if (r < 0)
        return r;
    vd_soap_what(&call, "looking for the first-class disk '%s' on the datastore '%s'", disk_id,
                 datastore_moid);
    write_id(&call, "id", disk_id);
    vd_xml_ref(&call.body, "datastore", "Datastore", datastore_moid);
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
    static const char *const names[] = {"ListVStorageObject", "HostListVStorageObject"};
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    int r = begin(session, &call, names, err);
    if (r < 0)
        return r;
    vd_soap_what(&call, "listing first-class disks of the datastore '%s'", datastore_moid);
    vd_xml_ref(&call.body, "datastore", "Datastore", datastore_moid);
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

int vd_vsphere_fcd_snapshot(struct vd_vsphere *session, const char *datastore_moid,
                            const char *disk_id, const char *snapshot_id, char **ret_path,
                            char **ret_change_id, struct vd_error *err)
{
    static const char *const names[] = {"RetrieveSnapshotDetails", "RetrieveSnapshotDetails"};
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    if (!session->content.vcenter)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "'%s' is a host; only a vCenter tells of snapshots of first-class "
                            "disks",
                            session->host);
    int r = begin(session, &call, names, err);
    if (r < 0)
        return r;
    vd_soap_what(&call, "looking for the snapshot '%s' of the first-class disk '%s'", snapshot_id,
                 disk_id);
    write_id(&call, "id", disk_id);
    vd_xml_ref(&call.body, "datastore", "Datastore", datastore_moid);
    write_id(&call, "snapshotId", snapshot_id);
    r = vd_soap_run(session, &call, &reply, err);
    if (r < 0)
        return r;
    const char *path = vd_xml_child_text(vd_soap_value(&reply), "path");
    const char *change_id = vd_xml_child_text(vd_soap_value(&reply), "changedBlockTrackingId");
    if (!path || path[0] == '\0')
        return vd_soap_broken(&call, "does not say which file it is", err);
    VD_FREE char *path_copy = strdup(path);
    VD_FREE char *id_copy = change_id ? strdup(change_id) : NULL;
    if (!path_copy || (change_id && !id_copy))
        return vd_error_set(err, VD_E_NO_MEMORY, "%s: out of memory", call.what);
    *ret_path = VD_TAKE_PTR(path_copy);
    *ret_change_id = VD_TAKE_PTR(id_copy);
    return VD_OK;
}
