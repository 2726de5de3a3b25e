/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/vm-decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/checked.h"
#include "vsphere/props.h"
#include "vsphere/question.h"

#define MAX_DISKS     1024u /* 4 controllers of 64, and room for more */
#define MAX_SNAPSHOTS 4096u
#define MAX_CHAIN     256u /* as deep as XML goes */
#define MAX_METHODS   512u

const char *const VD_VM_PATHS[] = {
    "name",
    "parent",
    "parentVApp",
    "config.uuid",
    "config.instanceUuid",
    "config.files.vmPathName",
    "config.guestId",
    "config.template",
    "config.changeTrackingEnabled",
    "capability.changeTrackingSupported",
    "runtime.host",
    "runtime.powerState",
    "runtime.connectionState",
    "runtime.consolidationNeeded",
    "runtime.question",
    "disabledMethod",
    "config.hardware.device",
    "snapshot",
};
_Static_assert(VD_ARRAY_SIZE(VD_VM_PATHS) == VD_VM_PATHS_ALL, "counts of the header");

char *vd_name_unescape(const char *name)
{
    char *text = strdup(name);
    char *to = text;
    static const char *const escapes[] = {"%25", "%2f", "%5c"};
    for (const char *from = name; text && *from; from++) {
        *to = *from;
        for (size_t i = 0; i < VD_ARRAY_SIZE(escapes); i++)
            if (strncasecmp(from, escapes[i], 3) == 0) {
                *to = "%/\\"[i];
                from += 2;
                break;
            }
        to++;
    }
    if (text)
        *to = '\0';
    return text;
}

static int no_memory(struct vd_error *err)
{
    return vd_error_set(err, VD_E_NO_MEMORY, "reading what a VM is made of: out of memory");
}

/* Absent stays NULL. */
static int copy(const char *text, char **ret)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret ? VD_OK : VD_E_NO_MEMORY;
}

static size_t count_of(const xmlNode *node)
{
    size_t count = 0;
    for (; node; node = vd_xml_next(node))
        count++;
    return count;
}

/* --- disks --- */

static const struct {
    const char *part, *bus;
} BUSES[] = {{"NVME", "nvme"}, {"AHCI", "sata"}, {"SATA", "sata"},    {"IDE", "ide"},
             {"SCSI", "scsi"}, {"Lsi", "scsi"},  {"BusLogic", "scsi"}};

static const xmlNode *next_device(const xmlNode *device)
{
    for (device = device->next; device; device = device->next)
        if (device->type == XML_ELEMENT_NODE)
            return device;
    return NULL;
}

static const xmlNode *controller_of(const xmlNode *devices, int32_t key)
{
    const xmlNode *device = vd_xml_first(devices);
    int32_t found;
    while (device && !(vd_xml_i32(vd_xml_child(device, "key"), &found) && found == key))
        device = next_device(device);
    return device;
}

static const char *bus_of(const xmlNode *controller)
{
    const char *type = vd_xml_type(controller);
    for (size_t i = 0; i < VD_ARRAY_SIZE(BUSES); i++)
        if (strstr(type, BUSES[i].part))
            return BUSES[i].bus;
    return "disk";
}

static int name_place(const xmlNode *devices, const xmlNode *device, struct vd_vsphere_disk *disk)
{
    int32_t key = 0, unit = 0, number = 0;
    if (!vd_xml_i32(vd_xml_child(device, "controllerKey"), &key))
        return VD_OK;
    const xmlNode *controller = controller_of(devices, key);
    bool known = vd_xml_i32(vd_xml_child(device, "unitNumber"), &unit) &&
                 vd_xml_i32(vd_xml_child(controller, "busNumber"), &number);
    if (!known)
        return VD_OK;
    return asprintf(&disk->controller, "%s%d:%d", bus_of(controller), number, unit) < 0
               ? VD_E_NO_MEMORY
               : VD_OK;
}

static const char *file_of(const xmlNode *backing)
{
    const char *file = vd_xml_child_text(backing, "fileName");
    return file ? file : vd_xml_child_text(backing, "descriptorFileName");
}

static int decode_chain(const xmlNode *backing, struct vd_vsphere_disk *disk)
{
    size_t count = 0;
    for (const xmlNode *b = backing; b && count < MAX_CHAIN; b = vd_xml_child(b, "parent"))
        count++;
    disk->chain = calloc(count + 1, sizeof *disk->chain);
    if (!disk->chain)
        return VD_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++, backing = vd_xml_child(backing, "parent")) {
        const char *file = file_of(backing);
        if (!file)
            break;
        if (copy(file, &disk->chain[i]) < 0)
            return VD_E_NO_MEMORY;
    }
    return VD_OK;
}

static int decode_capacity(const xmlNode *device, uint64_t *ret)
{
    uint64_t kib;
    if (vd_xml_u64(vd_xml_child(device, "capacityInBytes"), ret) && *ret > 0)
        return VD_OK;
    if (vd_xml_u64(vd_xml_child(device, "capacityInKB"), &kib) && vd_mul_u64(kib, 1024, ret))
        return VD_OK;
    return VD_E_PROTOCOL;
}

static bool is_snapshottable(const xmlNode *backing, const char *mode)
{
    const char *compatibility = vd_xml_child_text(backing, "compatibilityMode");
    return !(mode && strncmp(mode, "independent", 11) == 0) &&
           !(compatibility && strcmp(compatibility, "physicalMode") == 0) &&
           strcmp(vd_xml_type(backing), "VirtualDiskLocalPMemBackingInfo") != 0;
}

static int decode_disk(const xmlNode *devices, const xmlNode *device, struct vd_vsphere_disk *disk,
                       struct vd_error *err)
{
    const xmlNode *backing = vd_xml_child(device, "backing");
    const char *label = vd_xml_text(vd_xml_at(device, "deviceInfo/label"));
    const char *mode = vd_xml_child_text(backing, "diskMode");
    const char *change_id = vd_xml_child_text(backing, "changeId");
    if (!vd_xml_i32(vd_xml_child(device, "key"), &disk->key))
        return vd_error_set(err, VD_E_PROTOCOL, "a disk in the server's answer has no key");
    if (decode_capacity(device, &disk->capacity_bytes) < 0)
        return vd_error_set(err, VD_E_PROTOCOL,
                            "the disk with key %d has no usable capacity in the server's answer",
                            disk->key);
    disk->thin = vd_xml_true(vd_xml_child(backing, "thinProvisioned"));
    disk->snapshottable = is_snapshottable(backing, mode);
    if (copy(label ? label : "", &disk->label) < 0 || copy(mode, &disk->mode) < 0 ||
        copy(change_id && change_id[0] ? change_id : NULL, &disk->change_id) < 0 ||
        copy(vd_xml_child_text(backing, "uuid"), &disk->uuid) < 0 ||
        decode_chain(backing, disk) < 0 || name_place(devices, device, disk) < 0)
        return no_memory(err);
    return VD_OK;
}

static bool is_disk(const xmlNode *device)
{
    return strcmp(vd_xml_type(device), "VirtualDisk") == 0;
}

static void disks_free(struct vd_vsphere_vm *vm)
{
    for (size_t i = 0; i < vm->disk_count; i++) {
        struct vd_vsphere_disk *disk = &vm->disks[i];
        for (size_t link = 0; disk->chain && disk->chain[link]; link++)
            free(disk->chain[link]);
        free((void *)disk->chain);
        free(disk->label);
        free(disk->change_id);
        free(disk->uuid);
        free(disk->mode);
        free(disk->controller);
    }
    free(VD_TAKE_PTR(vm->disks));
    vm->disk_count = 0;
}

int vd_vm_decode_disks(const xmlNode *devices, struct vd_vsphere_vm *vm, struct vd_error *err)
{
    size_t count = 0;
    disks_free(vm);
    for (const xmlNode *d = vd_xml_first(devices); d; d = next_device(d))
        count += is_disk(d);
    if (count > MAX_DISKS)
        return vd_error_set(err, VD_E_PROTOCOL, "the VM has %zu disks, expected at most %u", count,
                            MAX_DISKS);
    vm->disks = calloc(count + 1, sizeof *vm->disks);
    if (!vm->disks)
        return no_memory(err);
    for (const xmlNode *d = vd_xml_first(devices); d; d = next_device(d)) {
        if (!is_disk(d))
            continue;
        int r = decode_disk(devices, d, &vm->disks[vm->disk_count++], err);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

/* --- snapshots --- */

static size_t count_snapshots(const xmlNode *list)
{
    size_t count = 0;
    for (; list; list = vd_xml_next(list))
        count += 1 + count_snapshots(vd_xml_child(list, "childSnapshotList"));
    return count;
}

static int decode_tree(const xmlNode *list, int32_t parent, const char *current,
                       struct vd_vsphere_vm *vm)
{
    for (; list; list = vd_xml_next(list)) {
        const char *moid = vd_xml_child_text(list, "snapshot");
        const char *name = vd_xml_child_text(list, "name");
        int32_t here = (int32_t)vm->snapshot_count++;
        struct vd_vsphere_snapshot *snapshot = &vm->snapshots[here];
        snapshot->parent = parent;
        snapshot->current = moid && strcmp(moid, current) == 0;
        snapshot->name = vd_name_unescape(name ? name : "");
        if (!snapshot->name || copy(moid ? moid : "", &snapshot->moid) < 0 ||
            copy(vd_xml_child_text(list, "description"), &snapshot->description) < 0 ||
            copy(vd_xml_child_text(list, "createTime"), &snapshot->created) < 0)
            return VD_E_NO_MEMORY;
        int r = decode_tree(vd_xml_child(list, "childSnapshotList"), here, current, vm);
        if (r < 0)
            return r;
    }
    return VD_OK;
}

static int decode_snapshots(const xmlNode *info, struct vd_vsphere_vm *vm, struct vd_error *err)
{
    const xmlNode *roots = vd_xml_child(info, "rootSnapshotList");
    const char *current = vd_xml_child_text(info, "currentSnapshot");
    size_t count = count_snapshots(roots);
    if (count > MAX_SNAPSHOTS)
        return vd_error_set(err, VD_E_PROTOCOL, "the VM has %zu snapshots, expected at most %u",
                            count, MAX_SNAPSHOTS);
    vm->snapshots = calloc(count + 1, sizeof *vm->snapshots);
    if (!vm->snapshots || decode_tree(roots, -1, current ? current : "", vm) < 0)
        return no_memory(err);
    return VD_OK;
}

/* --- the rest --- */

static bool is_text(const xmlNode *object, const char *path, const char *expected)
{
    const char *text = vd_props_text(object, path);
    return text && strcmp(text, expected) == 0;
}

static int decode_methods(const xmlNode *list, struct vd_vsphere_vm *vm)
{
    const xmlNode *method = vd_xml_child(list, "string");
    size_t count = VD_MIN(count_of(method), MAX_METHODS);
    vm->disabled_methods = calloc(count + 1, sizeof *vm->disabled_methods);
    if (!vm->disabled_methods)
        return VD_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++, method = vd_xml_next(method))
        if (copy(vd_xml_text(method), &vm->disabled_methods[i]) < 0)
            return VD_E_NO_MEMORY;
    return VD_OK;
}

static int decode_texts(const xmlNode *object, struct vd_vsphere_vm *vm)
{
    const char *moid = vd_xml_child_text(object, "obj");
    const char *name = vd_props_text(object, "name");
    char question[VD_QUESTION_BYTES];
    vm->name = vd_name_unescape(name ? name : "");
    if (!vm->name || copy(moid ? moid : "", &vm->moid) < 0 ||
        copy(vd_props_text(object, "config.uuid"), &vm->uuid) < 0 ||
        copy(vd_props_text(object, "config.instanceUuid"), &vm->instance_uuid) < 0 ||
        copy(vd_props_text(object, "runtime.host"), &vm->host) < 0 ||
        copy(vd_props_text(object, "config.files.vmPathName"), &vm->vmx_path) < 0 ||
        copy(vd_props_text(object, "config.guestId"), &vm->guest_id) < 0)
        return VD_E_NO_MEMORY;
    vd_question_decode(vd_props_get(object, "runtime.question"), question);
    if (question[0] && copy(question, &vm->question) < 0)
        return VD_E_NO_MEMORY;
    return decode_methods(vd_props_get(object, "disabledMethod"), vm);
}

int vd_vm_decode(const xmlNode *object, struct vd_vsphere_vm **ret, struct vd_error *err)
{
    VD_CLEANUP(vd_vsphere_vm_free_cleanup) struct vd_vsphere_vm *vm = calloc(1, sizeof *vm);
    if (!vm || decode_texts(object, vm) < 0)
        return no_memory(err);
    vm->powered_on = is_text(object, "runtime.powerState", "poweredOn");
    vm->connected = is_text(object, "runtime.connectionState", "connected");
    vm->template = vd_xml_true(vd_props_get(object, "config.template"));
    vm->change_tracking = vd_xml_true(vd_props_get(object, "config.changeTrackingEnabled"));
    const xmlNode *able = vd_props_get(object, "capability.changeTrackingSupported");
    vm->change_tracking_supported = !able || vd_xml_true(able); /* unset: trying it tells */
    vm->consolidation_needed = vd_xml_true(vd_props_get(object, "runtime.consolidationNeeded"));
    int r = vd_vm_decode_disks(vd_props_get(object, "config.hardware.device"), vm, err);
    if (r == VD_OK)
        r = decode_snapshots(vd_props_get(object, "snapshot"), vm, err);
    if (r < 0)
        return r;
    *ret = VD_TAKE_PTR(vm);
    return VD_OK;
}

void vd_vsphere_vm_free(struct vd_vsphere_vm *vm)
{
    if (!vm)
        return;
    disks_free(vm);
    for (size_t i = 0; i < vm->snapshot_count; i++) {
        free(vm->snapshots[i].moid);
        free(vm->snapshots[i].name);
        free(vm->snapshots[i].description);
        free(vm->snapshots[i].created);
    }
    free(vm->snapshots);
    for (size_t i = 0; vm->disabled_methods && vm->disabled_methods[i]; i++)
        free(vm->disabled_methods[i]);
    free((void *)vm->disabled_methods);
    free(vm->moid);
    free(vm->name);
    free(vm->inventory_path);
    free(vm->uuid);
    free(vm->instance_uuid);
    free(vm->host);
    free(vm->vmx_path);
    free(vm->guest_id);
    free(vm->question);
    free(vm);
}

const char *vd_vsphere_disk_file(const struct vd_vsphere_disk *disk, const char *path)
{
    for (char *const *link = disk->chain; link && *link; link++)
        if (strcmp(*link, path) == 0)
            return *link;
    return NULL;
}

const struct vd_vsphere_disk *vd_vsphere_vm_disk(const struct vd_vsphere_vm *vm, const char *path)
{
    for (size_t i = 0; i < vm->disk_count; i++)
        if (vd_vsphere_disk_file(&vm->disks[i], path))
            return &vm->disks[i];
    return NULL;
}
