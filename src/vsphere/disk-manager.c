/* SPDX-License-Identifier: Apache-2.0 */
/* What a server does with disks by itself. */
#include <stdlib.h>
#include <string.h>

#include "vsphere/datastore.h"
#include "vsphere/task.h"
#include "vsphere/vsphere-int.h"

#define TASK_LIMIT_MS (24u * 3600u * 1000u) /* disks are copied and zeroed whole */
#define MANAGER       "VirtualDiskManager"

static const struct verb {
    const char *method, *text;
    bool sized, two;
} VERBS[] = {
    [VD_VSPHERE_DISK_CREATE] = {"CreateVirtualDisk_Task", "creating", true, false},
    [VD_VSPHERE_DISK_COPY] = {"CopyVirtualDisk_Task", "copying", false, true},
    [VD_VSPHERE_DISK_MOVE] = {"MoveVirtualDisk_Task", "moving", false, true},
    [VD_VSPHERE_DISK_DELETE] = {"DeleteVirtualDisk_Task", "deleting", false, false},
    [VD_VSPHERE_DISK_EXTEND] = {"ExtendVirtualDisk_Task", "extending", true, false},
    [VD_VSPHERE_DISK_SHRINK] = {"ShrinkVirtualDisk_Task", "shrinking", false, false},
    [VD_VSPHERE_DISK_DEFRAGMENT] = {"DefragmentVirtualDisk_Task", "defragmenting", false, false},
    [VD_VSPHERE_DISK_INFLATE] = {"InflateVirtualDisk_Task", "inflating", false, false},
};

static int check_task(const struct vd_vsphere *session, const struct vd_vsphere_disk_task *task,
                      struct vd_error *err)
{
    const struct verb *verb = &VERBS[task->verb];
    if (session->content.disk_manager[0] == '\0')
        return vd_error_set(err, VD_E_NOT_SUPPORTED, "'%s' has no virtual disk manager",
                            session->host);
    if (verb->sized && (task->capacity_bytes == 0 || task->capacity_bytes % 1024 ||
                        task->capacity_bytes > INT64_MAX))
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "%s '%s': the capacity is %llu bytes, expected whole KiB", verb->text,
                            task->path, (unsigned long long)task->capacity_bytes);
    if (verb->two && !task->to)
        return vd_error_set(err, VD_E_INVALID_ARG, "%s '%s': where to is not said", verb->text,
                            task->path);
    return VD_OK;
}

static void write_spec(struct vd_soap_call *call, const struct vd_vsphere_disk_task *task)
{
    vd_xml_begin_typed(&call->body, "spec", "FileBackedVirtualDiskSpec");
    vd_xml_leaf(&call->body, "diskType", task->type ? task->type : "thin");
    vd_xml_leaf(&call->body, "adapterType", task->adapter ? task->adapter : "lsiLogic");
    vd_xml_leaf_i64(&call->body, "capacityKb", (int64_t)(task->capacity_bytes / 1024));
    vd_xml_end(&call->body, "spec");
}

static void write_one(struct vd_soap_call *call, const struct vd_vsphere_disk_task *task,
                      const char *datacenter)
{
    vd_xml_leaf(&call->body, "name", task->path);
    vd_xml_ref(&call->body, "datacenter", "Datacenter", datacenter);
    if (task->verb == VD_VSPHERE_DISK_CREATE)
        write_spec(call, task);
    if (task->verb == VD_VSPHERE_DISK_EXTEND) {
        vd_xml_leaf_i64(&call->body, "newCapacityKb", (int64_t)(task->capacity_bytes / 1024));
        vd_xml_leaf_bool(&call->body, "eagerZero", task->eager_zero);
    }
    if (task->verb == VD_VSPHERE_DISK_SHRINK)
        vd_xml_leaf_bool(&call->body, "copy", false);
}

static int write_two(struct vd_vsphere *session, struct vd_soap_call *call,
                     const struct vd_vsphere_disk_task *task, const char *datacenter,
                     struct vd_error *err)
{
    VD_CLEANUP(vd_datastore_place_done) struct vd_datastore_place to = {.name = NULL};
    int r = vd_datastore_place(session, task->to, &to, err);
    if (r < 0)
        return r;
    vd_xml_leaf(&call->body, "sourceName", task->path);
    vd_xml_ref(&call->body, "sourceDatacenter", "Datacenter", datacenter);
    vd_xml_leaf(&call->body, "destName", task->to);
    vd_xml_ref(&call->body, "destDatacenter", "Datacenter", to.datacenter);
    vd_xml_leaf_bool(&call->body, "force", task->force);
    return VD_OK;
}

int vd_vsphere_disk_run(struct vd_vsphere *session, const struct vd_vsphere_disk_task *task,
                        const struct vd_progress *progress, struct vd_error *err)
{
    VD_CLEANUP(vd_datastore_place_done) struct vd_datastore_place place = {.name = NULL};
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    struct vd_task run = {.progress = progress, .limit_ms = TASK_LIMIT_MS};
    const struct verb *verb = &VERBS[task->verb];
    int r = check_task(session, task, err);
    if (r == VD_OK)
        r = vd_datastore_place(session, task->path, &place, err);
    if (r < 0)
        return r;
    vd_soap_begin(&call, verb->method, MANAGER, session->content.disk_manager);
    vd_soap_what(&call, "%s the disk '%s'", verb->text, task->path);
    if (verb->two)
        r = write_two(session, &call, task, place.datacenter, err);
    else
        write_one(&call, task, place.datacenter);
    return r < 0 ? r : vd_task_run(session, &call, &run, err);
}
