/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsphere-peer HOST PORT USER THUMBPRINT, with VSPHERE_PASSWORD in its environment: goes through
 * everything src/vsphere does with the first VM of a server nobody here wrote (govmomi's simulator,
 * behind vsphere-sim). Speaks TAP. What the server does not know is a skip.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nfc/client.h"
#include "vsphere/vsphere.h"

static unsigned count, failed;

/* Returns whether it went well. */
static bool tell(int r, const struct vd_error *err, const char *what)
{
    bool skipped = r == VD_E_NOT_SUPPORTED;
    count++;
    failed += r < 0 && !skipped;
    if (r < 0)
        (void)printf("# %s: %s\n", vd_error_name(r), vd_error_message(err, r));
    (void)printf("%sok %u - %s%s\n", r < 0 && !skipped ? "not " : "", count, what,
                 skipped ? " # SKIP the server does not know it" : "");
    return r >= 0;
}

static bool tell_if(bool good, const char *what)
{
    struct vd_error err = VD_ERROR_INIT;
    return tell(good ? VD_OK : vd_error_set(&err, VD_E_FAIL, "it is not so"), &err, what);
}

struct first {
    char moid[VD_MOID_BYTES];
    unsigned vms;
};

static int keep_first(void *data, const struct vd_vsphere_vm *vm)
{
    struct first *first = data;
    (void)printf("# VM %s '%s' %s %s\n", vm->moid, vm->name, vm->inventory_path,
                 vm->vmx_path ? vm->vmx_path : "-");
    if (first->vms++ == 0)
        (void)snprintf(first->moid, sizeof first->moid, "%s", vm->moid);
    return VD_OK;
}

static void find_by(struct vd_vsphere *session, const char *spec, const char *expected)
{
    char moid[VD_MOID_BYTES] = "", what[400];
    struct vd_error err = VD_ERROR_INIT;
    int r = vd_vsphere_find_vm(session, spec, moid, &err);
    (void)snprintf(what, sizeof what, "found by '%s'", spec);
    if (r == VD_OK && strcmp(moid, expected) != 0)
        r = vd_error_set(&err, VD_E_FAIL, "found '%s', expected '%s'", moid, expected);
    (void)tell(r, &err, what);
}

static void find_in_every_way(struct vd_vsphere *session, const struct vd_vsphere_vm *vm)
{
    char spec[1024], moid[VD_MOID_BYTES];
    struct vd_error err = VD_ERROR_INIT;
    const char *file = strstr(vm->vmx_path, "] ");
    (void)snprintf(spec, sizeof spec, "moref=%s", vm->moid);
    find_by(session, spec, vm->moid);
    find_by(session, vm->moid, vm->moid);
    find_by(session, vm->name, vm->moid);
    find_by(session, vm->inventory_path, vm->moid);
    find_by(session, vm->uuid, vm->moid);
    if (vm->instance_uuid)
        find_by(session, vm->instance_uuid, vm->moid);
    find_by(session, vm->vmx_path, vm->moid);
    (void)snprintf(spec, sizeof spec, "%s?dcPath=%.*s&dsName=%.*s", file ? file + 2 : "",
                   (int)strcspn(vm->inventory_path, "/"), vm->inventory_path,
                   (int)strcspn(vm->vmx_path + 1, "]"), vm->vmx_path + 1);
    find_by(session, spec, vm->moid);
    tell_if(vd_vsphere_find_vm(session, "moref=vm-none", moid, &err) == VD_E_VM_NOT_FOUND,
            "a moref that is not there is told");
    vd_error_clear(&err);
    tell_if(vd_vsphere_find_vm(session, "no/such/vm", moid, &err) == VD_E_VM_NOT_FOUND,
            "a path that is not there is told");
}

static int count_area(void *data, uint64_t start, uint64_t length)
{
    (void)printf("# changed: %llu bytes from %llu on\n", (unsigned long long)length,
                 (unsigned long long)start);
    ++*(unsigned *)data;
    return VD_OK;
}

static void snapshots(struct vd_vsphere *session, const struct vd_vsphere_vm *vm)
{
    const struct vd_vsphere_snapshot_request request = {
        .vm_moid = vm->moid, .name = "s <1> & \"2\"", .description = "d", .quiesce = true};
    char moid[VD_MOID_BYTES];
    unsigned areas = 0;
    struct vd_error err = VD_ERROR_INIT;
    if (!tell(vd_vsphere_snapshot_create(session, &request, NULL, moid, &err), &err,
              "snapshot made"))
        return;
    VD_CLEANUP(vd_vsphere_vm_free_cleanup) struct vd_vsphere_vm *frozen = NULL;
    if (tell(vd_vsphere_vm_get(session, vm->moid, moid, &frozen, &err), &err, "snapshot read")) {
        tell_if(frozen->snapshot_count == 1 && frozen->snapshots[0].current &&
                    strcmp(frozen->snapshots[0].name, request.name) == 0,
                "the snapshot is in the VM's tree");
        tell_if(frozen->disk_count == vm->disk_count, "the snapshot has the VM's disks");
    }
    if (frozen && frozen->disk_count) {
        const struct vd_vsphere_changes question = {.vm_moid = vm->moid,
                                                    .disk_key = frozen->disks[0].key,
                                                    .snapshot = moid,
                                                    .change_id = "*",
                                                    .each = count_area,
                                                    .data = &areas};
        int r = vd_vsphere_changed_areas(session, &question, &err);
        (void)tell(r == VD_E_CHANGE_ID ? VD_E_NOT_SUPPORTED : r, &err, "changed areas");
        vd_error_clear(&err);
    }
    (void)tell(vd_vsphere_snapshot_remove(session, moid, NULL, &err), &err, "snapshot removed");
    tell_if(vd_vsphere_snapshot_remove(session, moid, NULL, NULL) == VD_E_SNAPSHOT_GONE,
            "a snapshot that is gone is told");
}

static void access_and_tickets(struct vd_vsphere *session, const struct vd_vsphere_vm *vm)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_nfc_ticket ticket = {.port = 0};
    int version = -1;
    (void)tell(vd_vsphere_prepare_access(session, vm->moid, "peer-test", &err), &err, "held");
    vd_error_clear(&err);
    (void)tell(vd_vsphere_end_access(session, vm->moid, "peer-test", &err), &err, "given back");
    vd_error_clear(&err);
    if (tell(vd_vsphere_ticket(session, vm->moid, 0, false, &ticket, &err), &err, "read ticket"))
        tell_if(ticket.host[0] && ticket.port && ticket.session_id[0], "the ticket is whole");
    vd_error_clear(&err);
    if (vm->disk_count)
        (void)tell(vd_vsphere_ticket(session, vm->moid, vm->disks[0].key, true, &ticket, &err),
                   &err, "write ticket");
    vd_error_clear(&err);
    (void)tell(vd_vsphere_nfc_version(session, vm->moid, &version, &err), &err, "NFC version");
    vd_error_clear(&err);
    explicit_bzero(&ticket, sizeof ticket);
}

struct store {
    char name[200], moid[VD_MOID_BYTES];
};

static int keep_store(void *data, const struct vd_vsphere_datastore *datastore)
{
    struct store *store = data;
    (void)printf("# datastore %s '%s' %s in '%s'\n", datastore->moid, datastore->name,
                 datastore->type, datastore->datacenter_path);
    (void)snprintf(store->name, sizeof store->name, "%s", datastore->name);
    (void)snprintf(store->moid, sizeof store->moid, "%s", datastore->moid);
    return VD_OK;
}

static int no_disk(void *data, const char *disk_id)
{
    (void)data;
    (void)disk_id;
    return VD_OK;
}

static void disks(struct vd_vsphere *session)
{
    struct vd_error err = VD_ERROR_INIT;
    struct store store = {.name = ""};
    char path[300], other[300];
    if (!tell(vd_vsphere_datastore_list(session, keep_store, &store, &err), &err, "datastores"))
        return;
    (void)snprintf(path, sizeof path, "[%s] peer-test.vmdk", store.name);
    (void)snprintf(other, sizeof other, "[%s] peer-test-2.vmdk", store.name);
    struct vd_vsphere_disk_task task = {
        .verb = VD_VSPHERE_DISK_CREATE, .path = path, .capacity_bytes = 4u << 20};
    (void)tell(vd_vsphere_disk_run(session, &task, NULL, &err), &err, "disk created");
    vd_error_clear(&err);
    tell_if(vd_vsphere_disk_run(session, &task, NULL, &err) == VD_E_EXISTS, "but only once");
    vd_error_clear(&err);
    task.verb = VD_VSPHERE_DISK_COPY;
    task.to = other;
    (void)tell(vd_vsphere_disk_run(session, &task, NULL, &err), &err, "disk copied");
    vd_error_clear(&err);
    task.verb = VD_VSPHERE_DISK_DELETE;
    (void)tell(vd_vsphere_disk_run(session, &task, NULL, &err), &err, "disk deleted");
    task.path = other;
    (void)tell(vd_vsphere_disk_run(session, &task, NULL, &err), &err, "copy deleted");
}

static int give(void *data, uint64_t offset_bytes, void *bytes, size_t size, size_t *ret)
{
    const char *text = data;
    *ret = VD_MIN(size, strlen(text) - (size_t)offset_bytes);
    memcpy(bytes, text + offset_bytes, *ret);
    return VD_OK;
}

struct got {
    char text[64];
    size_t length;
};

static int take(void *data, const void *bytes, size_t size)
{
    struct got *got = data;
    if (got->length + size >= sizeof got->text)
        return VD_E_TOO_BIG;
    memcpy(got->text + got->length, bytes, size);
    got->length += size;
    return VD_OK;
}

static bool reads(struct vd_vsphere *session, const char *path,
                  const struct vd_vsphere_range *range, const char *want)
{
    struct got got = {.length = 0};
    struct vd_error err = VD_ERROR_INIT;
    const struct vd_vsphere_sink sink = {take, &got};
    return tell(vd_vsphere_file_get(session, path, range, &sink, NULL, &err), &err, "file read") &&
           tell_if(strcmp(got.text, want) == 0, "as it was written");
}

static void files(struct vd_vsphere *session)
{
    static const char words[] = "a file of a peer";
    const struct vd_vsphere_content_source source = {give, (char *)(uintptr_t)words,
                                                     sizeof words - 1};
    struct vd_error err = VD_ERROR_INIT;
    struct store store = {.name = ""};
    char path[300];
    if (!tell(vd_vsphere_datastore_list(session, keep_store, &store, &err), &err, "datastores"))
        return;
    (void)snprintf(path, sizeof path, "[%s] peer-test & more.bin", store.name);
    if (tell(vd_vsphere_file_put(session, path, &source, NULL, &err), &err, "file written")) {
        (void)reads(session, path, NULL, words);
        (void)reads(session, path, &(const struct vd_vsphere_range){2, 4}, "file");
    }
    vd_error_clear(&err);
    (void)tell(vd_vsphere_fcd_list(session, store.moid, no_disk, NULL, &err), &err,
               "first-class disks listed");
}

static void with_vm(struct vd_vsphere *session, const char *moid)
{
    VD_CLEANUP(vd_vsphere_vm_free_cleanup) struct vd_vsphere_vm *vm = NULL;
    struct vd_error err = VD_ERROR_INIT;
    if (!tell(vd_vsphere_vm_get(session, moid, NULL, &vm, &err), &err, "VM read"))
        return;
    for (size_t i = 0; i < vm->disk_count; i++)
        (void)printf("# disk %d '%s' %s %s %llu bytes\n", vm->disks[i].key, vm->disks[i].label,
                     vm->disks[i].controller ? vm->disks[i].controller : "-", vm->disks[i].chain[0],
                     (unsigned long long)vm->disks[i].capacity_bytes);
    if (vm->disk_count)
        tell_if(vd_vsphere_vm_disk(vm, vm->disks[0].chain[0]) == &vm->disks[0],
                "a disk is found by its file");
    find_in_every_way(session, vm);
    (void)tell(vd_vsphere_track_changes(session, moid, true, &err), &err, "change tracking on");
    vd_error_clear(&err);
    snapshots(session, vm);
    access_and_tickets(session, vm);
}

int main(int argc, char **argv)
{
    const char *password = getenv("VSPHERE_PASSWORD");
    if (argc != 5 || !password)
        return 2;
    struct vd_vsphere_options options = {
        .server = {.host = argv[1],
                   .port = (uint16_t)strtoul(argv[2], NULL, 10),
                   .trust = {.thumbprint = argv[4]}},
        .user = argv[3],
        .password = password,
    };
    VD_CLEANUP(vd_vsphere_free_cleanup) struct vd_vsphere *session = NULL;
    struct vd_error err = VD_ERROR_INIT;
    struct first first = {.moid = ""};
    if (tell(vd_vsphere_connect(&options, &session, &err), &err, "connected") &&
        tell(vd_vsphere_vm_list(session, keep_first, &first, &err), &err, "VMs listed") &&
        tell_if(first.vms > 0, "there is a VM")) {
        with_vm(session, first.moid);
        disks(session);
        files(session);
    }
    (void)printf("1..%u\n", count);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
