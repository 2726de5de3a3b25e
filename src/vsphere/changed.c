/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/changed.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "vsphere/fcd-call.h"

/* A server that describes next to nothing per answer would keep us for ever. Answers hold thousands
 * of areas, so this is enough for disks of any size and fragmentation. */
#define MAX_ROUNDS 16384u

/* The disk and how it is asked for. */
struct tracked {
    const struct vd_vsphere_changes *question;
    uint64_t capacity_bytes;
    bool running; /* a running VM's disks, without a snapshot */
    char what[256];
};

static int take_area(const xmlNode *area, uint64_t *end, uint64_t limit, uint64_t ret[2],
                     struct vd_error *err)
{
    if (!vd_xml_u64(vd_xml_child(area, "start"), &ret[0]) ||
        !vd_xml_u64(vd_xml_child(area, "length"), &ret[1]))
        return vd_error_set(err, VD_E_PROTOCOL, "a changed area has no numbers");
    if (ret[0] < *end || ret[1] == 0 || !vd_range_inside(ret[0], ret[1], limit))
        return vd_error_set(err, VD_E_PROTOCOL,
                            "a changed area has %" PRIu64 " bytes from %" PRIu64
                            " on, expected some between %" PRIu64 " and %" PRIu64,
                            ret[1], ret[0], *end, limit);
    *end = ret[0] + ret[1];
    return VD_OK;
}

int vd_changed_page_take(const xmlNode *value, struct vd_changed_page *page,
                         int (*each)(void *data, uint64_t start_bytes, uint64_t length_bytes),
                         void *data, struct vd_error *err)
{
    uint64_t start, length;
    if (!vd_xml_u64(vd_xml_child(value, "startOffset"), &start) ||
        !vd_xml_u64(vd_xml_child(value, "length"), &length))
        return vd_error_set(err, VD_E_PROTOCOL, "the list of changed areas has no numbers");
    if (start != page->from_bytes || length == 0 ||
        !vd_range_inside(start, length, page->capacity_bytes))
        return vd_error_set(err, VD_E_PROTOCOL,
                            "the list of changed areas describes %" PRIu64 " bytes from %" PRIu64
                            " on, expected some from %" PRIu64 " on, of a disk of %" PRIu64,
                            length, start, page->from_bytes, page->capacity_bytes);
    page->end_bytes = start + length;
    uint64_t end = start;
    const xmlNode *area = vd_xml_child(value, "changedArea");
    for (; area; area = vd_xml_next(area)) {
        uint64_t range[2];
        int r = take_area(area, &end, page->end_bytes, range, err);
        if (r == VD_OK)
            r = each(data, range[0], range[1]);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

static void write_vm_question(struct vd_soap_call *call, const struct vd_vsphere_changes *question,
                              uint64_t from)
{
    vd_soap_begin(call, "QueryChangedDiskAreas", "VirtualMachine", question->vm_moid);
    vd_xml_ref(&call->body, "snapshot", "VirtualMachineSnapshot", question->snapshot);
    vd_xml_leaf_i64(&call->body, "deviceKey", question->disk_key);
    vd_xml_leaf_i64(&call->body, "startOffset", (int64_t)from);
    vd_xml_leaf(&call->body, "changeId", question->change_id);
}

static int write_fcd_question(struct vd_vsphere *session, struct vd_soap_call *call,
                              const struct vd_vsphere_changes *question, uint64_t from,
                              struct vd_error *err)
{
    const struct vd_fcd_place place = {question->datastore_moid, question->disk_id};
    int r = vd_fcd_begin(session, call, VD_FCD_CHANGED, &place, err);
    vd_fcd_write_id(call, "snapshotId", question->snapshot);
    vd_xml_leaf_i64(&call->body, "startOffset", (int64_t)from);
    vd_xml_leaf(&call->body, "changeId", question->change_id);
    return r;
}

/* The one fault of many reasons. */
static int tell_file_fault(const struct tracked *tracked, struct vd_error *err)
{
    if (tracked->running)
        return vd_error_set(err, VD_E_SNAPSHOT_NEEDED,
                            "%s: the VM is running; make a snapshot and ask about that",
                            tracked->what);
    return vd_error_set(err, VD_E_CHANGE_ID,
                        "%s: the server does not know what changed since '%s'; tracking is off, or "
                        "was reset (a revert, a crash of the host): make a full backup",
                        tracked->what, tracked->question->change_id);
}

static int ask(struct vd_vsphere *session, const struct tracked *tracked,
               struct vd_changed_page *page, struct vd_error *err)
{
    const struct vd_vsphere_changes *question = tracked->question;
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    struct vd_error why = VD_ERROR_INIT;
    int r = VD_OK;
    vd_soap_what(&call, "%s", tracked->what);
    if (question->vm_moid)
        write_vm_question(&call, question, page->from_bytes);
    else
        r = write_fcd_question(session, &call, question, page->from_bytes, &why);
    if (r == VD_OK)
        r = vd_soap_run(session, &call, &reply, &why);
    if (r < 0 && vd_fault_is(&reply.fault, "FileFault"))
        return tell_file_fault(tracked, err);
    if (r < 0)
        return vd_error_set(err, r, "%s", why.text);
    r = vd_changed_page_take(vd_soap_value(&reply), page, question->each, question->data, &why);
    if (r < 0 && why.code)
        return vd_error_set(err, r, "%s: %s", tracked->what, why.text);
    return r < 0 ? r : VD_OK;
}

static int ask_all(struct vd_vsphere *session, const struct tracked *tracked, struct vd_error *err)
{
    struct vd_changed_page page = {.capacity_bytes = tracked->capacity_bytes};
    for (unsigned round = 0; page.from_bytes < page.capacity_bytes; round++) {
        if (round >= MAX_ROUNDS)
            return vd_error_set(err, VD_E_PROTOCOL,
                                "%s: the server describes only %" PRIu64 " of %" PRIu64
                                " bytes in %u answers",
                                tracked->what, page.from_bytes, page.capacity_bytes, MAX_ROUNDS);
        int r = ask(session, tracked, &page, err);
        if (r < 0)
            return r;
        page.from_bytes = page.end_bytes;
    }
    return VD_OK;
}

/* A change id is "<uuid of the tracking>/<counter>": another uuid is another tracking. */
static int check_change_id(const struct tracked *tracked, const char *now, struct vd_error *err)
{
    const char *then = tracked->question->change_id;
    if (!now)
        return vd_error_set(err, VD_E_CHANGE_ID,
                            "%s: changes of the disk are not tracked; turn change tracking on and "
                            "make a full backup",
                            tracked->what);
    size_t length = strcspn(then, "/");
    if (strcmp(then, "*") != 0 && (strncmp(now, then, length) != 0 || now[length] != '/'))
        return vd_error_set(err, VD_E_CHANGE_ID,
                            "%s: tracking was reset since: the disk's change id is '%s', the one "
                            "given is '%s'; make a full backup",
                            tracked->what, now, then);
    return VD_OK;
}

static int prepare_vm(struct vd_vsphere *session, struct tracked *tracked, struct vd_error *err)
{
    const struct vd_vsphere_changes *question = tracked->question;
    VD_CLEANUP(vd_vsphere_vm_free_cleanup) struct vd_vsphere_vm *vm = NULL;
    const struct vd_vsphere_disk *disk = NULL;
    (void)snprintf(tracked->what, sizeof tracked->what,
                   "asking what changed on the disk %d of the VM '%s'", question->disk_key,
                   question->vm_moid);
    int r = vd_vsphere_vm_get(session, question->vm_moid, question->snapshot, &vm, err);
    for (size_t i = 0; r == VD_OK && i < vm->disk_count; i++)
        if (vm->disks[i].key == question->disk_key)
            disk = &vm->disks[i];
    if (r < 0)
        return r;
    if (!disk)
        return vd_error_set(err, VD_E_NOT_FOUND, "%s: it has no such disk%s%s%s", tracked->what,
                            question->snapshot ? " in the snapshot '" : "",
                            question->snapshot ? question->snapshot : "",
                            question->snapshot ? "'" : "");
    tracked->capacity_bytes = disk->capacity_bytes;
    tracked->running = vm->powered_on && !question->snapshot;
    return check_change_id(tracked, disk->change_id, err);
}

static int prepare_fcd(struct vd_vsphere *session, struct tracked *tracked, struct vd_error *err)
{
    const struct vd_vsphere_changes *question = tracked->question;
    VD_CLEANUP(vd_vsphere_fcd_free_cleanup) struct vd_vsphere_fcd *disk = NULL;
    (void)snprintf(tracked->what, sizeof tracked->what,
                   "asking what changed on the first-class disk '%s'", question->disk_id);
    if (!session->content.vcenter)
        return vd_error_set(err, VD_E_NOT_SUPPORTED, "%s: only a vCenter tells", tracked->what);
    if (!question->snapshot)
        return vd_error_set(err, VD_E_SNAPSHOT_NEEDED, "%s: it is told of its snapshots only",
                            tracked->what);
    int r = vd_vsphere_fcd_get(session, question->datastore_moid, question->disk_id, &disk, err);
    if (r == VD_OK)
        tracked->capacity_bytes = disk->capacity_bytes;
    return r;
}

int vd_vsphere_changed_areas(struct vd_vsphere *session, const struct vd_vsphere_changes *question,
                             struct vd_error *err)
{
    struct tracked tracked = {.question = question};
    int r = question->vm_moid ? prepare_vm(session, &tracked, err)
                              : prepare_fcd(session, &tracked, err);
    return r < 0 ? r : ask_all(session, &tracked, err);
}
