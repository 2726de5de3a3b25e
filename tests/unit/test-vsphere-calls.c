/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked, element by element in the order of the WSDL, and what is made of the answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nfc/client.h"
#include "soap-server.h"
#include "tests/harness.h"

static struct soap_server *server;
static struct vd_vsphere *session;
static struct vd_error err;

static void start(void)
{
    server = soap_server_new();
    struct vd_vsphere_options options = soap_server_options(server);
    vd_error_clear(&err);
    check_code_err(vd_vsphere_connect(&options, &session, &err), VD_OK, &err);
}

static void end(void)
{
    vd_vsphere_free(session);
    soap_server_free(server);
}

static void again(const char *method, const char *answer)
{
    soap_server_forget(server, method);
    soap_server_on(server, method, answer);
    vd_error_clear(&err);
}

#define VAL(name, value)       "<propSet><name>" name "</name><val>" value "</val></propSet>"
#define OBJ(type, moid, props) "<objects><obj type=\"" type "\">" moid "</obj>" props "</objects>"

static const char VM[] = "<returnval>" OBJ("Folder", "group-v3",
                                           VAL("name", "vm") VAL("parent", "datacenter-2"))
    OBJ("VirtualMachine", "vm-66",
        VAL("name", "a%2fb%25") VAL("parent", "group-v3") VAL("config.uuid", "42")
            VAL("runtime.host", "host-9") VAL("runtime.powerState", "poweredOn") VAL(
                "runtime.connectionState", "connected") VAL("config.changeTrackingEnabled", "true")
                VAL("disabledMethod", "<string>RelocateVM_Task</string><string>X</string>")
                    VAL("config.hardware.device",
                        "<VirtualDevice xmlns:q=\"http://www.w3.org/2001/XMLSchema-instance\" "
                        "q:type=\"v:ParaVirtualSCSIController\"><key>1000</key>"
                        "<busNumber>1</busNumber></VirtualDevice>"
                        "<VirtualDevice xmlns:q=\"http://www.w3.org/2001/XMLSchema-instance\" "
                        "q:type=\"v:VirtualDisk\"><key>2000</key><deviceInfo><label>Hard disk 1"
                        "</label></deviceInfo><backing "
                        "xsi:type=\"VirtualDiskFlatVer2BackingInfo\">"
                        "<fileName>[ds] a/a-000002.vmdk</fileName><diskMode>persistent"
                        "</diskMode><thinProvisioned>true</thinProvisioned><uuid>6000C29"
                        "</uuid><changeId>52 de/4</changeId><parent><fileName>[ds] "
                        "a/a-000001.vmdk</fileName><parent><fileName>[ds] a/a.vmdk</fileName>"
                        "</parent></parent></backing><controllerKey>1000</controllerKey>"
                        "<unitNumber>2</unitNumber><capacityInKB>1024</capacityInKB>"
                        "<capacityInBytes>1048576</capacityInBytes></VirtualDevice>"
                        "<VirtualDevice xsi:type=\"VirtualDisk\"><key>2001</key><backing>"
                        "<descriptorFileName>[ds] a/b.vmdk</descriptorFileName><diskMode>"
                        "independent_persistent</diskMode></backing><capacityInKB>8"
                        "</capacityInKB></VirtualDevice>")
                        VAL("snapshot",
                            "<currentSnapshot>snapshot-81</currentSnapshot><rootSnapshotList>"
                            "<snapshot>snapshot-80</snapshot><name>s%5c1</name><createTime>"
                            "2026-11-22T08:46:05.27Z</createTime><childSnapshotList><snapshot>"
                            "snapshot-81</snapshot><name>s2</name></childSnapshotList>"
                            "</rootSnapshotList>"))
        OBJ("Folder", "group-d1", VAL("name", "Datacenters"))
            OBJ("Datacenter", "datacenter-2", VAL("name", "DC") VAL("parent", "group-d1"))
                OBJ("VirtualMachineSnapshot", "snapshot-80",
                    VAL("vm", "vm-66")
                        VAL("config.hardware.device",
                            "<VirtualDevice xsi:type=\"VirtualDisk\"><key>2000</key><backing>"
                            "<fileName>[ds] a/a.vmdk</fileName><changeId>52 de/1</changeId>"
                            "</backing><capacityInBytes>1048576</capacityInBytes>"
                            "</VirtualDevice>")) "</returnval>";

VD_TEST(a_vm_and_what_it_is_made_of)
{
    struct vd_vsphere_vm *vm = NULL;
    start();
    soap_server_on(server, "RetrievePropertiesEx", VM);
    check_code_err(vd_vsphere_vm_get(session, "vm-66", NULL, &vm, &err), VD_OK, &err);
    check_str_eq(vm->name, "a/b%");
    check_str_eq(vm->inventory_path, "DC/vm/a%2fb%25");
    check(vm->powered_on && vm->connected && vm->change_tracking && !vm->template);
    check_str_eq(vm->disabled_methods[1], "X");
    check(!vm->disabled_methods[2]);
    check_u64_eq(vm->disk_count, 2);
    check_str_eq(vm->disks[0].controller, "scsi1:2");
    check_str_eq(vm->disks[0].chain[2], "[ds] a/a.vmdk");
    check(!vm->disks[0].chain[3]);
    check(vm->disks[0].thin && vm->disks[0].snapshottable && !vm->disks[1].snapshottable);
    check_u64_eq(vm->disks[1].capacity_bytes, 8192);
    check(vd_vsphere_vm_disk(vm, "[ds] a/a-000001.vmdk") == &vm->disks[0]);
    check(vd_vsphere_vm_disk(vm, "[ds] a/b.vmdk") == &vm->disks[1]);
    check(!vd_vsphere_vm_disk(vm, "[ds] a/c.vmdk"));
    check_u64_eq(vm->snapshot_count, 2);
    check_str_eq(vm->snapshots[0].name, "s\\1");
    check(vm->snapshots[1].parent == 0 && vm->snapshots[1].current && !vm->snapshots[0].current);
    vd_vsphere_vm_free(vm);
    end();
}

VD_TEST(a_vm_as_a_snapshot_froze_it)
{
    struct vd_vsphere_vm *vm = NULL;
    start();
    soap_server_on(server, "RetrievePropertiesEx", VM);
    check_code_err(vd_vsphere_vm_get(session, "vm-66", "snapshot-80", &vm, &err), VD_OK, &err);
    check_u64_eq(vm->disk_count, 1);
    check_str_eq(vm->disks[0].change_id, "52 de/1");
    check_str_eq(vm->disks[0].chain[0], "[ds] a/a.vmdk");
    vd_vsphere_vm_free(vm);
    check_str_has(soap_server_asked(server, "RetrievePropertiesEx"),
                  "<propSet><type>ManagedEntity</type><pathSet>name</pathSet><pathSet>parent"
                  "</pathSet></propSet><propSet><type>VirtualMachineSnapshot</type><pathSet>vm"
                  "</pathSet><pathSet>config.hardware.device</pathSet></propSet><objectSet>"
                  "<obj type=\"VirtualMachine\">vm-66</obj><skip>false</skip>"
                  "<selectSet xsi:type=\"TraversalSpec\"><name>up</name><type>ManagedEntity</type>"
                  "<path>parent</path><skip>false</skip><selectSet><name>up</name></selectSet>"
                  "</selectSet></objectSet><objectSet><obj type=\"VirtualMachineSnapshot\">"
                  "snapshot-80</obj><skip>false</skip></objectSet>"
                  "<reportMissingObjectsInResults>true</reportMissingObjectsInResults></specSet>"
                  "<options><maxObjects>100</maxObjects></options></RetrievePropertiesEx>");
    end();
}

VD_TEST(what_is_gone_is_told)
{
    struct vd_vsphere_vm *vm = NULL;
    start();
    soap_server_on(server, "RetrievePropertiesEx", "");
    check_code(vd_vsphere_vm_get(session, "vm-66", NULL, &vm, &err), VD_E_VM_NOT_FOUND);
    check_str_has(err.text, "no VM 'vm-66'");
    again("RetrievePropertiesEx",
          "<returnval>" OBJ("VirtualMachine", "vm-66", VAL("name", "a")) "</returnval>");
    check_code(vd_vsphere_vm_get(session, "vm-66", "snapshot-9", &vm, &err), VD_E_SNAPSHOT_GONE);
    again("RetrievePropertiesEx",
          "<returnval>" OBJ("VirtualMachineSnapshot", "snapshot-9", VAL("vm", "vm-7"))
              OBJ("VirtualMachine", "vm-66", "") "</returnval>");
    check_code(vd_vsphere_vm_get(session, "vm-66", "snapshot-9", &vm, &err), VD_E_SNAPSHOT_GONE);
    check_str_has(err.text, "another VM ('vm-7')");
    again("RetrievePropertiesEx",
          "<returnval>" OBJ("VirtualMachine", "vm-66",
                            "<missingSet><path>config.hardware.device</path><fault><fault "
                            "xsi:type=\"NoPermission\"><object type=\"VirtualMachine\">vm-66"
                            "</object><privilegeId>System.Read</privilegeId></fault></fault>"
                            "</missingSet>") "</returnval>");
    check_code(vd_vsphere_vm_get(session, "vm-66", NULL, &vm, &err), VD_E_NO_PERMISSION);
    check_str_has(err.text, "'System.Read' on the VirtualMachine 'vm-66'");
    again("RetrievePropertiesEx",
          "<returnval>" OBJ(
              "VirtualMachine", "vm-66",
              VAL("config.hardware.device",
                  "<VirtualDevice xsi:type=\"VirtualDisk\"><key>1</key>"
                  "<capacityInBytes>-5</capacityInBytes></VirtualDevice>")) "</returnval>");
    check_code(vd_vsphere_vm_get(session, "vm-66", NULL, &vm, &err), VD_E_PROTOCOL);
    check_str_has(err.text, "no usable capacity");
    end();
}

static int count_vm(void *data, const struct vd_vsphere_vm *vm)
{
    check_str_has(vm->name, "v");
    ++*(unsigned *)data;
    return VD_OK;
}

#define PAGE_1                                                                            \
    "<returnval><token>t0k</token>" OBJ("VirtualMachine", "vm-1", VAL("name", "v1")) "</" \
                                                                                     "returnval>"
#define PAGE_2 "<returnval>" OBJ("VirtualMachine", "vm-2", VAL("name", "v2")) "</returnval>"

VD_TEST(lists_are_read_page_by_page_and_anew_where_the_session_ended)
{
    unsigned count = 0;
    start();
    soap_server_on(server, "CreateContainerView",
                   "<returnval type=\"ContainerView\">v-1</returnval>");
    soap_server_on(server, "DestroyView", "");
    soap_server_on(server, "RetrievePropertiesEx", PAGE_1);
    soap_server_on(server, "ContinueRetrievePropertiesEx", SOAP_FAULT("NotAuthenticated", ""));
    soap_server_on(server, "ContinueRetrievePropertiesEx",
                   SOAP_FAULT("InvalidProperty", "<name>token</name>"));
    soap_server_on(server, "ContinueRetrievePropertiesEx", PAGE_2);
    check_code_err(vd_vsphere_vm_list(session, count_vm, &count, &err), VD_OK, &err);
    check_u64_eq(count, 2);
    check_u64_eq(soap_server_count(server, "Login"), 2);
    check_u64_eq(soap_server_count(server, "CreateContainerView"), 2);
    check_str_eq(soap_server_asked(server, "ContinueRetrievePropertiesEx"),
                 "<ContinueRetrievePropertiesEx xmlns=\"urn:vim25\"><_this "
                 "type=\"PropertyCollector\">pc</_this><token>t0k</token>"
                 "</ContinueRetrievePropertiesEx>");
    check_str_eq(soap_server_asked(server, "CreateContainerView"),
                 "<CreateContainerView xmlns=\"urn:vim25\"><_this type=\"ViewManager\">views"
                 "</_this><container type=\"Folder\">group-d1</container><type>Folder</type>"
                 "<type>Datacenter</type><type>VirtualApp</type><type>VirtualMachine</type>"
                 "<recursive>true</recursive></CreateContainerView>");
    end();
}

/* The view was the old session's; in the new one it looks empty. */
VD_TEST(an_inventory_is_not_empty_because_the_session_ended)
{
    unsigned count = 0;
    start();
    soap_server_on(server, "CreateContainerView",
                   "<returnval type=\"ContainerView\">v-1</returnval>");
    soap_server_on(server, "DestroyView", "");
    soap_server_on(server, "RetrievePropertiesEx", SOAP_FAULT("NotAuthenticated", ""));
    soap_server_on(server, "RetrievePropertiesEx", "");
    soap_server_on(server, "RetrievePropertiesEx", PAGE_2);
    check_code_err(vd_vsphere_vm_list(session, count_vm, &count, &err), VD_OK, &err);
    check_u64_eq(count, 1);
    check_u64_eq(soap_server_count(server, "CreateContainerView"), 2);
    end();
}

static void views(const char *objects)
{
    soap_server_on(server, "CreateContainerView",
                   "<returnval type=\"ContainerView\">v</returnval>");
    soap_server_on(server, "DestroyView", "");
    soap_server_on(server, "RetrievePropertiesEx", objects);
}

VD_TEST(vms_are_found_by_name_or_the_sentence_lists_them)
{
    char moid[VD_MOID_BYTES];
    start();
    views("<returnval>" OBJ("VirtualMachine", "vm-1", VAL("name", "twin"))
              OBJ("VirtualMachine", "vm-2", VAL("name", "twin"))
                  OBJ("VirtualMachine", "vm-3", VAL("name", "a%2fb")) "</returnval>");
    soap_server_on(server, "FindByInventoryPath", "");
    check_code_err(vd_vsphere_find_vm(session, "a/b", moid, &err), VD_OK, &err);
    check_str_eq(moid, "vm-3");
    check_code(vd_vsphere_find_vm(session, "twin", moid, &err), VD_E_INVALID_ARG);
    check_str_has(err.text, "2 VMs are called 'twin': moref=vm-1");
    check_str_has(err.text, "moref=vm-2");
    end();
}

VD_TEST(vmx_specs_are_decoded_once_and_then_twice)
{
    char moid[VD_MOID_BYTES];
    start();
    soap_server_on(server, "FindByInventoryPath", "");
    soap_server_on(server, "FindByInventoryPath",
                   "<returnval type=\"Datacenter\">datacenter-2</returnval>");
    soap_server_on(server, "FindByDatastorePath",
                   "<returnval type=\"VirtualMachine\">vm-66</returnval>");
    check_code_err(
        vd_vsphere_find_vm(session, "d 1/v.vmx?dcPath=F%252fDC&dsName=s%201", moid, &err), VD_OK,
        &err);
    check_str_eq(moid, "vm-66");
    check_str_has(soap_server_asked(server, "FindByInventoryPath"),
                  "<inventoryPath>F/DC</inventoryPath>");
    check_str_eq(soap_server_asked(server, "FindByDatastorePath"),
                 "<FindByDatastorePath xmlns=\"urn:vim25\"><_this type=\"SearchIndex\">search"
                 "</_this><datacenter type=\"Datacenter\">datacenter-2</datacenter>"
                 "<path>[s 1] d 1/v.vmx</path></FindByDatastorePath>");
    check_code(vd_vsphere_find_vm(session, "v.vmx?dcPath=DC", moid, &err), VD_E_INVALID_ARG);
    vd_error_clear(&err);
    again("FindByInventoryPath", "");
    check_code(vd_vsphere_find_vm(session, "v.vmx?dcPath=DC&dsName=s", moid, &err),
               VD_E_VM_NOT_FOUND);
    again("FindByUuid", "<returnval type=\"VirtualMachine\">vm-5</returnval>");
    check_code_err(vd_vsphere_find_vm(session, "42000000-1111-2222-3333-444444444444", moid, &err),
                   VD_OK, &err);
    check_str_eq(soap_server_asked(server, "FindByUuid"),
                 "<FindByUuid xmlns=\"urn:vim25\"><_this type=\"SearchIndex\">search</_this>"
                 "<uuid>42000000-1111-2222-3333-444444444444</uuid><vmSearch>true</vmSearch>"
                 "<instanceUuid>true</instanceUuid></FindByUuid>");
    end();
}

/* --- tasks --- */

#define TASK "<returnval type=\"Task\">task-1</returnval>"
#define INFO(state, members)                                              \
    "<returnval>" OBJ("Task", "task-1",                                   \
                      "<propSet><name>info</name><val>"                   \
                      "<key>task-1</key><state>" state "</state>" members \
                      "</val></propSet>") "</returnval>"
#define MADE                                                                                  \
    "<result xsi:type=\"ManagedObjectReference\" type=\"VirtualMachineSnapshot\">snapshot-80" \
    "</result>"
#define FAILED(type) \
    "<error><fault xsi:type=\"" type "\"/><localizedMessage>why</localizedMessage></error>"

static const struct vd_vsphere_snapshot_request REQUEST = {
    .vm_moid = "vm-66", .name = "s<1>", .description = "d", .quiesce = true};

struct watcher {
    uint64_t last;
    unsigned calls, stop_at;
};

static bool watch(void *data, uint64_t done, uint64_t total)
{
    struct watcher *watcher = data;
    check(done >= watcher->last && total == 100);
    watcher->last = done;
    return ++watcher->calls != watcher->stop_at;
}

VD_TEST(a_snapshot_is_made_and_removed)
{
    char moid[VD_MOID_BYTES];
    struct watcher watcher = {0, 0, 0};
    const struct vd_progress progress = {watch, &watcher};
    start();
    soap_server_on(server, "CreateSnapshot_Task", TASK);
    soap_server_on(server, "RetrievePropertiesEx", INFO("queued", ""));
    soap_server_on(server, "RetrievePropertiesEx", INFO("running", "<progress>40</progress>"));
    soap_server_on(server, "RetrievePropertiesEx", INFO("success", MADE));
    check_code_err(vd_vsphere_snapshot_create(session, &REQUEST, &progress, moid, &err), VD_OK,
                   &err);
    check_str_eq(moid, "snapshot-80");
    check_u64_eq(watcher.last, 100);
    check_str_eq(soap_server_asked(server, "CreateSnapshot_Task"),
                 "<CreateSnapshot_Task xmlns=\"urn:vim25\"><_this type=\"VirtualMachine\">vm-66"
                 "</_this><name>s&lt;1&gt;</name><description>d</description>"
                 "<memory>false</memory><quiesce>true</quiesce></CreateSnapshot_Task>");
    soap_server_on(server, "RemoveSnapshot_Task", TASK);
    check_code_err(vd_vsphere_snapshot_remove(session, moid, NULL, &err), VD_OK, &err);
    check_str_eq(soap_server_asked(server, "RemoveSnapshot_Task"),
                 "<RemoveSnapshot_Task xmlns=\"urn:vim25\"><_this "
                 "type=\"VirtualMachineSnapshot\">snapshot-80</_this><removeChildren>false"
                 "</removeChildren><consolidate>true</consolidate></RemoveSnapshot_Task>");
    again("RemoveSnapshot_Task",
          SOAP_FAULT("ManagedObjectNotFound", "<obj type=\"VirtualMachineSnapshot\">snapshot-80"
                                              "</obj>"));
    check_code(vd_vsphere_snapshot_remove(session, moid, NULL, &err), VD_E_SNAPSHOT_GONE);
    end();
}

VD_TEST(a_guest_that_cannot_be_quiesced_is_frozen_as_it_is)
{
    char moid[VD_MOID_BYTES];
    start();
    soap_server_on(server, "CreateSnapshot_Task", TASK);
    soap_server_on(server, "RetrievePropertiesEx",
                   INFO("error", FAILED("ApplicationQuiesceFault")));
    soap_server_on(server, "RetrievePropertiesEx", INFO("success", MADE));
    check_code_err(vd_vsphere_snapshot_create(session, &REQUEST, NULL, moid, &err), VD_OK, &err);
    check_str_has(soap_server_asked(server, "CreateSnapshot_Task"), "<quiesce>false</quiesce>");
    check_u64_eq(soap_server_count(server, "CreateSnapshot_Task"), 2);
    end();
}

VD_TEST(tasks_that_are_busy_cancelled_failed_or_forgotten)
{
    char moid[VD_MOID_BYTES];
    struct watcher watcher = {0, 0, 2};
    const struct vd_progress progress = {watch, &watcher};
    start();
    soap_server_on(server, "CreateSnapshot_Task",
                   SOAP_FAULT("TaskInProgress", "<task type=\"Task\">task-0</task>"));
    soap_server_on(server, "CreateSnapshot_Task", TASK);
    soap_server_on(server, "CancelTask", "");
    soap_server_on(server, "RetrievePropertiesEx", INFO("running", ""));
    soap_server_on(server, "RetrievePropertiesEx", INFO("running", ""));
    soap_server_on(server, "RetrievePropertiesEx",
                   INFO("error", FAILED("RequestCanceled") "<cancelled>true</cancelled>"));
    check_code(vd_vsphere_snapshot_create(session, &REQUEST, &progress, moid, &err),
               VD_E_CANCELLED);
    check_u64_eq(soap_server_count(server, "CancelTask"), 1);
    check_u64_eq(soap_server_count(server, "CreateSnapshot_Task"), 2);
    again("RetrievePropertiesEx", INFO("error", FAILED("NoDiskSpace")));
    check_code(vd_vsphere_snapshot_create(session, &REQUEST, NULL, moid, &err), VD_E_DISK_FULL);
    check_str_has(err.text, "making the snapshot 's<1>' of the VM 'vm-66': the datastore is full");
    again("RetrievePropertiesEx", "");
    check_code(vd_vsphere_snapshot_create(session, &REQUEST, NULL, moid, &err), VD_E_NOT_FOUND);
    check_str_has(err.text, "forgotten the task");
    again("RetrievePropertiesEx", INFO("success", ""));
    check_code(vd_vsphere_snapshot_create(session, &REQUEST, NULL, moid, &err), VD_E_PROTOCOL);
    end();
}

VD_TEST(a_session_that_ends_in_a_task_does_not_end_the_task)
{
    char moid[VD_MOID_BYTES];
    start();
    soap_server_on(server, "CreateSnapshot_Task", TASK);
    soap_server_on(server, "RetrievePropertiesEx", SOAP_FAULT("NotAuthenticated", ""));
    soap_server_on(server, "RetrievePropertiesEx", INFO("success", MADE));
    check_code_err(vd_vsphere_snapshot_create(session, &REQUEST, NULL, moid, &err), VD_OK, &err);
    check_u64_eq(soap_server_count(server, "CreateSnapshot_Task"), 1);
    check_u64_eq(soap_server_count(server, "Login"), 2);
    end();
}

VD_TEST(change_tracking)
{
    start();
    soap_server_on(server, "RetrievePropertiesEx", VM);
    check_code_err(vd_vsphere_track_changes(session, "vm-66", true, &err), VD_OK, &err);
    check_u64_eq(soap_server_count(server, "ReconfigVM_Task"), 0);
    again("RetrievePropertiesEx",
          "<returnval>" OBJ("VirtualMachine", "vm-66",
                            VAL("name", "v")
                                VAL("snapshot", "<rootSnapshotList/>")) "</returnval>");
    check_code(vd_vsphere_track_changes(session, "vm-66", true, &err), VD_E_BUSY);
    check_str_has(err.text, "while it has snapshots (1)");
    again("RetrievePropertiesEx",
          "<returnval>" OBJ("VirtualMachine", "vm-66",
                            VAL("name", "v")
                                VAL("capability.changeTrackingSupported", "false")) "</returnval>");
    check_code(vd_vsphere_track_changes(session, "vm-66", true, &err), VD_E_NOT_SUPPORTED);
    again("RetrievePropertiesEx",
          "<returnval>" OBJ("VirtualMachine", "vm-66", VAL("name", "v")) "</returnval>");
    soap_server_on(server, "RetrievePropertiesEx", INFO("success", ""));
    soap_server_on(server, "ReconfigVM_Task", TASK);
    check_code_err(vd_vsphere_track_changes(session, "vm-66", true, &err), VD_OK, &err);
    check_str_eq(soap_server_asked(server, "ReconfigVM_Task"),
                 "<ReconfigVM_Task xmlns=\"urn:vim25\"><_this type=\"VirtualMachine\">vm-66"
                 "</_this><spec><changeTrackingEnabled>true</changeTrackingEnabled></spec>"
                 "</ReconfigVM_Task>");
    end();
}

/* --- changed areas: the disk has 1 MiB --- */

static int sum_area(void *data, uint64_t start_bytes, uint64_t length_bytes)
{
    (void)start_bytes;
    *(uint64_t *)data += length_bytes;
    return VD_OK;
}

static int changed(const char *snapshot, const char *change_id, uint64_t *sum)
{
    const struct vd_vsphere_changes question = {.vm_moid = "vm-66",
                                                .disk_key = 2000,
                                                .snapshot = snapshot,
                                                .change_id = change_id,
                                                .each = sum_area,
                                                .data = sum};
    *sum = 0;
    vd_error_clear(&err);
    return vd_vsphere_changed_areas(session, &question, &err);
}

#define DESCRIBED(start, length, areas)                                                \
    "<returnval><startOffset>" start "</startOffset><length>" length "</length>" areas \
    "</returnval>"
#define AREA(start, length) \
    "<changedArea><start>" start "</start><length>" length "</length></changedArea>"

VD_TEST(changed_areas_are_asked_until_the_disk_is_described)
{
    uint64_t sum;
    start();
    soap_server_on(server, "RetrievePropertiesEx", VM);
    soap_server_on(server, "QueryChangedDiskAreas",
                   DESCRIBED("0", "524288", AREA("0", "65536") AREA("65536", "65536")));
    soap_server_on(server, "QueryChangedDiskAreas",
                   DESCRIBED("524288", "524288", AREA("983040", "65536")));
    check_code_err(changed("snapshot-80", "52 de/0", &sum), VD_OK, &err);
    check_u64_eq(sum, 3 * 65536);
    check_str_eq(soap_server_asked(server, "QueryChangedDiskAreas"),
                 "<QueryChangedDiskAreas xmlns=\"urn:vim25\"><_this type=\"VirtualMachine\">vm-66"
                 "</_this><snapshot type=\"VirtualMachineSnapshot\">snapshot-80</snapshot>"
                 "<deviceKey>2000</deviceKey><startOffset>524288</startOffset>"
                 "<changeId>52 de/0</changeId></QueryChangedDiskAreas>");
    end();
}

static const char *const BAD_AREAS[] = {
    "",
    DESCRIBED("0", "0", ""),
    DESCRIBED("65536", "983040", ""),
    DESCRIBED("0", "1048577", ""),
    DESCRIBED("-1", "5", ""),
    DESCRIBED("0", "99999999999999999999", ""),
    DESCRIBED("0", "1048576", AREA("0", "0")),
    DESCRIBED("0", "1048576", AREA("0", "1048577")),
    DESCRIBED("0", "1048576", AREA("65536", "9") AREA("0", "9")),
    DESCRIBED("0", "1048576", AREA("0", "10") AREA("9", "1")),
    DESCRIBED("0", "1048576", AREA("9223372036854775807", "9223372036854775807")),
    DESCRIBED("0", "65536", AREA("65536", "1")),
    DESCRIBED("0", "1048576", AREA("x", "1"))};

VD_TEST(changed_areas_that_cannot_be_are_refused)
{
    uint64_t sum;
    start();
    soap_server_on(server, "RetrievePropertiesEx", VM);
    for (size_t i = 0; i < VD_ARRAY_SIZE(BAD_AREAS); i++) {
        again("QueryChangedDiskAreas", BAD_AREAS[i]);
        check_code_err(changed("snapshot-80", "*", &sum), VD_E_PROTOCOL, &err);
    }
    again("QueryChangedDiskAreas", SOAP_FAULT("FileFault", "<file>x</file>"));
    check_code(changed("snapshot-80", "52 de/0", &sum), VD_E_CHANGE_ID);
    check_str_has(err.text, "make a full backup");
    check_code(changed(NULL, "52 de/0", &sum), VD_E_SNAPSHOT_NEEDED);
    check_code(changed("snapshot-80", "99 ff/0", &sum), VD_E_CHANGE_ID);
    check_str_has(err.text, "tracking was reset");
    end();
}

/* --- access and tickets --- */

VD_TEST(access_is_held_and_given_back)
{
    start();
    soap_server_on(server, "DisableMethods", "");
    soap_server_on(server, "EnableMethods", "");
    check_code_err(vd_vsphere_prepare_access(session, "vm-66", "me & you", &err), VD_OK, &err);
    check_str_eq(soap_server_asked(server, "DisableMethods"),
                 "<DisableMethods xmlns=\"urn:internalvim25\"><_this "
                 "type=\"AuthorizationManager\">auth</_this><entity type=\"VirtualMachine\">vm-66"
                 "</entity><method><method>RelocateVM_Task</method><reasonId>me &amp; you"
                 "</reasonId></method><sourceId>me &amp; you</sourceId></DisableMethods>");
    check_code_err(vd_vsphere_end_access(session, "vm-66", "me & you", &err), VD_OK, &err);
    check_str_eq(soap_server_asked(server, "EnableMethods"),
                 "<EnableMethods xmlns=\"urn:internalvim25\"><_this "
                 "type=\"AuthorizationManager\">auth</_this><entity type=\"VirtualMachine\">vm-66"
                 "</entity><method>RelocateVM_Task</method><sourceId>me &amp; you</sourceId>"
                 "</EnableMethods>");
    again("DisableMethods", SOAP_FAULT("MethodAlreadyDisabledFault", "<sourceId>me</sourceId>"));
    check_code_err(vd_vsphere_prepare_access(session, "vm-66", "me", &err), VD_OK, &err);
    check_code(vd_vsphere_prepare_access(session, "vm-66", "you", &err), VD_E_DISABLED);
    check_str_has(err.text, "somebody else holds the VM");
    check_str_has(err.text, "'me'");
    check_u64_eq(vd_error_vix(VD_E_DISABLED), 20005);
    end();
}

#define PRINT "BE:22:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:01"
#define TICKET(members, id)                                                                 \
    "<returnval>" members "<service>vpxa-nfc</service><serviceVersion>1.1</serviceVersion>" \
    "<sessionId>" id "</sessionId></returnval>"

static int read_ticket(const char *answer, struct vd_nfc_ticket *ticket)
{
    again("NfcGetVmFiles", answer);
    *ticket = (struct vd_nfc_ticket){.port = 0};
    return vd_vsphere_ticket(session, "vm-66", 0, false, ticket, &err);
}

VD_TEST(tickets_for_reading_writing_and_files)
{
    struct vd_nfc_ticket ticket;
    int version;
    start();
    soap_server_on(
        server, "RetrieveInternalContent",
        "<returnval><nfcService type=\"NfcService\">nfcService</nfcService></returnval>");
    check_code_err(read_ticket(TICKET("<host>10.1.2.3</host><port>903</port><sslThumbprint>" PRINT
                                      "</sslThumbprint>",
                                      "52cd"),
                               &ticket),
                   VD_OK, &err);
    check_str_eq(ticket.host, "10.1.2.3");
    check_u64_eq(ticket.port, 903);
    check_str_eq(ticket.thumbprint, PRINT);
    check_str_eq(ticket.session_id, "52cd");
    check_str_eq(soap_server_asked(server, "NfcGetVmFiles"),
                 "<NfcGetVmFiles xmlns=\"urn:vim25\"><_this type=\"NfcService\">nfcService</_this>"
                 "<vm type=\"VirtualMachine\">vm-66</vm></NfcGetVmFiles>");
    check_code_err(read_ticket(TICKET("", "52cd"), &ticket), VD_OK, &err);
    check_str_eq(ticket.host, "127.0.0.1");
    check_u64_eq(ticket.port, 902);
    check_str_eq(ticket.thumbprint, "");
    soap_server_on(server, "RetrievePropertiesEx", VM);
    soap_server_on(server, "NfcRandomAccessOpenDisk", TICKET("", "52ce"));
    check_code_err(vd_vsphere_ticket(session, "vm-66", 2000, true, &ticket, &err), VD_OK, &err);
    check_str_eq(soap_server_asked(server, "NfcRandomAccessOpenDisk"),
                 "<NfcRandomAccessOpenDisk xmlns=\"urn:vim25\"><_this type=\"NfcService\">"
                 "nfcService</_this><vm type=\"VirtualMachine\">vm-66</vm><diskDeviceKey>2000"
                 "</diskDeviceKey><hostForAccess type=\"HostSystem\">host-9</hostForAccess>"
                 "</NfcRandomAccessOpenDisk>");
    soap_server_on(server, "NfcFileManagement", TICKET("", "52cf"));
    check_code_err(vd_vsphere_file_ticket(session, "datastore-3", &ticket, &err), VD_OK, &err);
    soap_server_on(server, "NfcGetServerNfcLibVersion", "<returnval>11</returnval>");
    check_code_err(vd_vsphere_nfc_version(session, "vm-66", &version, &err), VD_OK, &err);
    check_int_eq(version, 11);
    again("NfcGetServerNfcLibVersion", SOAP_FAULT("InvalidRequest", ""));
    check_code_err(vd_vsphere_nfc_version(session, "vm-66", &version, &err), VD_OK, &err);
    check_int_eq(version, 0);
    check_u64_eq(soap_server_count(server, "RetrieveInternalContent"), 1);
    end();
}

VD_TEST(tickets_that_cannot_be_used_are_refused_without_their_secret)
{
    struct vd_nfc_ticket ticket;
    static const char *const bad[] = {TICKET("<port>0</port>", "s3cr3t"),
                                      TICKET("<port>70000</port>", "s3cr3t"),
                                      TICKET("<sslThumbprint>AA</sslThumbprint>", "s3cr3t"),
                                      TICKET("<sslCertificate>no</sslCertificate>", "s3cr3t"),
                                      TICKET("<host>a b</host>", "s3cr3t"),
                                      TICKET("", "s3cr3t\r\nPROXY x"),
                                      TICKET("", ""),
                                      "<returnval><sessionId>s3cr3t</sessionId></returnval>",
                                      ""};
    start();
    soap_server_on(server, "RetrieveInternalContent",
                   "<returnval><nfcService type=\"NfcService\">n</nfcService></returnval>");
    for (size_t i = 0; i < VD_ARRAY_SIZE(bad); i++) {
        int r = read_ticket(bad[i], &ticket);
        check(r == VD_E_PROTOCOL || r == VD_E_INVALID_ARG || r == VD_E_FILE_TYPE);
        check(!strstr(err.text, "s3cr3t"));
        check_str_eq(ticket.session_id, "");
    }
    end();
}

VD_TEST(a_certificate_stands_for_its_thumbprint)
{
    struct vd_nfc_ticket ticket;
    struct vd_tls_peer peer;
    char pem[4000] = "", answer[6000];
    start();
    FILE *file = fopen(test_path("c.pem"), "re");
    check(file && fread(pem, 1, sizeof pem - 1, file) > 0);
    (void)fclose(file);
    check_code(vd_tls_file_thumbprints(test_path("c.pem"), &peer, NULL), VD_OK);
    soap_server_on(server, "RetrieveInternalContent",
                   "<returnval><nfcService type=\"NfcService\">n</nfcService></returnval>");
    (void)snprintf(answer, sizeof answer, TICKET("<sslCertificate>%s</sslCertificate>", "52"), pem);
    check_code_err(read_ticket(answer, &ticket), VD_OK, &err);
    check_str_eq(ticket.thumbprint, peer.sha256);
    end();
}

/* --- first-class disks, managed disks, files --- */

VD_TEST(first_class_disks)
{
    struct vd_vsphere_fcd *disk = NULL;
    char *path = NULL, *change_id = NULL;
    uint64_t sum = 0;
    start();
    soap_server_on(server, "RetrieveVStorageObject",
                   "<returnval><config><id><id>5e43</id></id><name>n</name>"
                   "<changedBlockTrackingEnabled>true</changedBlockTrackingEnabled><backing>"
                   "<filePath>[ds] fcd/5e43.vmdk</filePath></backing><capacityInMB>1</capacityInMB>"
                   "<consumerId><id>vm-7</id></consumerId></config></returnval>");
    check_code_err(vd_vsphere_fcd_get(session, "datastore-3", "5e43", &disk, &err), VD_OK, &err);
    check_str_eq(disk->path, "[ds] fcd/5e43.vmdk");
    check_str_eq(disk->consumers[0], "vm-7");
    check_u64_eq(disk->capacity_bytes, 1 << 20);
    vd_vsphere_fcd_free(disk);
    check_str_eq(soap_server_asked(server, "RetrieveVStorageObject"),
                 "<RetrieveVStorageObject xmlns=\"urn:vim25\"><_this "
                 "type=\"VcenterVStorageObjectManager\">fcds</_this><id><id>5e43</id></id>"
                 "<datastore type=\"Datastore\">datastore-3</datastore></RetrieveVStorageObject>");
    soap_server_on(server, "RetrieveSnapshotDetails",
                   "<returnval><path>[ds] fcd/s.vmdk</path><changedBlockTrackingId>52/1"
                   "</changedBlockTrackingId></returnval>");
    check_code_err(
        vd_vsphere_fcd_snapshot(session, "datastore-3", "5e43", "6056", &path, &change_id, &err),
        VD_OK, &err);
    check_str_eq(path, "[ds] fcd/s.vmdk");
    check_str_eq(change_id, "52/1");
    free(path);
    free(change_id);
    soap_server_on(server, "VstorageObjectVCenterQueryChangedDiskAreas",
                   DESCRIBED("0", "1048576", AREA("0", "65536")));
    const struct vd_vsphere_changes question = {.datastore_moid = "datastore-3",
                                                .disk_id = "5e43",
                                                .snapshot = "6056",
                                                .change_id = "*",
                                                .each = sum_area,
                                                .data = &sum};
    check_code_err(vd_vsphere_changed_areas(session, &question, &err), VD_OK, &err);
    check_u64_eq(sum, 65536);
    check_str_eq(soap_server_asked(server, "VstorageObjectVCenterQueryChangedDiskAreas"),
                 "<VstorageObjectVCenterQueryChangedDiskAreas xmlns=\"urn:vim25\"><_this "
                 "type=\"VcenterVStorageObjectManager\">fcds</_this><id><id>5e43</id></id>"
                 "<datastore type=\"Datastore\">datastore-3</datastore><snapshotId><id>6056</id>"
                 "</snapshotId><startOffset>0</startOffset><changeId>*</changeId>"
                 "</VstorageObjectVCenterQueryChangedDiskAreas>");
    end();
}

static const struct {
    struct vd_vsphere_disk_task task;
    const char *method, *parameters;
} DISK_TASKS[] = {
    {{.verb = VD_VSPHERE_DISK_CREATE, .path = "[ds] a.vmdk", .capacity_bytes = 4u << 20},
     "CreateVirtualDisk_Task",
     "<name>[ds] a.vmdk</name><datacenter type=\"Datacenter\">datacenter-2</datacenter>"
     "<spec xsi:type=\"FileBackedVirtualDiskSpec\"><diskType>thin</diskType><adapterType>lsiLogic"
     "</adapterType><capacityKb>4096</capacityKb></spec>"},
    {{.verb = VD_VSPHERE_DISK_COPY, .path = "[ds] a.vmdk", .to = "[ds] b.vmdk"},
     "CopyVirtualDisk_Task",
     "<sourceName>[ds] a.vmdk</sourceName><sourceDatacenter type=\"Datacenter\">datacenter-2"
     "</sourceDatacenter><destName>[ds] b.vmdk</destName><destDatacenter type=\"Datacenter\">"
     "datacenter-2</destDatacenter><force>false</force>"},
    {{.verb = VD_VSPHERE_DISK_EXTEND, .path = "[ds] a.vmdk", .capacity_bytes = 8u << 20},
     "ExtendVirtualDisk_Task",
     "<name>[ds] a.vmdk</name><datacenter type=\"Datacenter\">datacenter-2</datacenter>"
     "<newCapacityKb>8192</newCapacityKb><eagerZero>false</eagerZero>"},
    {{.verb = VD_VSPHERE_DISK_SHRINK, .path = "[ds] a.vmdk"},
     "ShrinkVirtualDisk_Task",
     "<name>[ds] a.vmdk</name><datacenter type=\"Datacenter\">datacenter-2</datacenter>"
     "<copy>false</copy>"},
    {{.verb = VD_VSPHERE_DISK_DEFRAGMENT, .path = "[ds] a.vmdk"},
     "DefragmentVirtualDisk_Task",
     "<name>[ds] a.vmdk</name><datacenter type=\"Datacenter\">datacenter-2</datacenter>"},
};

static const char STORES[] =
    "<returnval>" OBJ("Datacenter", "datacenter-2", VAL("name", "D C") VAL("parent", "group-d1"))
        OBJ("Folder", "group-s4", VAL("name", "datastore") VAL("parent", "datacenter-2"))
            OBJ("Datastore", "datastore-3",
                VAL("name", "ds") VAL("parent", "group-s4")
                    VAL("summary.capacity", "100")) "</returnval>";

VD_TEST(managed_disks)
{
    start();
    soap_server_on(server, "CreateContainerView",
                   "<returnval type=\"ContainerView\">v</returnval>");
    soap_server_on(server, "DestroyView", "");
    for (size_t i = 0; i < VD_ARRAY_SIZE(DISK_TASKS); i++) {
        char expected[1000];
        again("RetrievePropertiesEx", STORES);
        if (DISK_TASKS[i].task.to)
            soap_server_on(server, "RetrievePropertiesEx", STORES);
        soap_server_on(server, "RetrievePropertiesEx", INFO("success", ""));
        soap_server_on(server, DISK_TASKS[i].method, TASK);
        check_code_err(vd_vsphere_disk_run(session, &DISK_TASKS[i].task, NULL, &err), VD_OK, &err);
        (void)snprintf(expected, sizeof expected,
                       "<%s xmlns=\"urn:vim25\"><_this type=\"VirtualDiskManager\">vdm</_this>%s"
                       "</%s>",
                       DISK_TASKS[i].method, DISK_TASKS[i].parameters, DISK_TASKS[i].method);
        check_str_eq(soap_server_asked(server, DISK_TASKS[i].method), expected);
    }
    again("RetrievePropertiesEx", STORES);
    struct vd_vsphere_disk_task task = {.verb = VD_VSPHERE_DISK_DELETE, .path = "[other] a.vmdk"};
    check_code(vd_vsphere_disk_run(session, &task, NULL, &err), VD_E_NOT_FOUND);
    vd_error_clear(&err);
    task.path = "a.vmdk";
    check_code(vd_vsphere_disk_run(session, &task, NULL, &err), VD_E_NAME_INVALID);
    vd_error_clear(&err);
    end();
}

VD_TEST(the_address_of_a_file)
{
    char *url = NULL;
    start();
    soap_server_on(server, "CreateContainerView",
                   "<returnval type=\"ContainerView\">v</returnval>");
    soap_server_on(server, "DestroyView", "");
    soap_server_on(server, "RetrievePropertiesEx", STORES);
    check_code(vd_vsphere_file_url(session, "[other] a.vmdk", &url, &err), VD_E_NOT_FOUND);
    vd_error_clear(&err);
    check_code(vd_vsphere_file_url(session, "a.vmdk", &url, &err), VD_E_NAME_INVALID);
    vd_error_clear(&err);
    check_code_err(vd_vsphere_file_url(session, "[ds] x y/a.vmdk", &url, &err), VD_OK, &err);
    check_str_eq(url, "/folder/x%20y/a.vmdk?dcPath=D%20C&dsName=ds");
    free(url);
    end();
}
