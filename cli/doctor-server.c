/* SPDX-License-Identifier: Apache-2.0 */
/* What a logged-in user sees: version, privileges, change tracking. */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "doctor.h"
#include "vsphere/privilege.h"

#define MAX_LIST_BYTES 900u

/* API versions this program was written for: 5.5 to 9. */
static void check_version(struct doctor *doctor)
{
    const char *version = vd_vsphere_api_version(doctor->session);
    const char *product = vd_vsphere_is_vcenter(doctor->session) ? "vCenter" : "ESXi host";
    char *end;
    unsigned long major = strtoul(version, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;

    if (major < 5 || (major == 5 && minor < 5))
        doctor_tell(doctor, DOCTOR_FAILED, "version", "5.5 is the oldest that is supported",
                    "%s, API %s", product, version);
    else if (major > 9)
        doctor_tell(doctor, DOCTOR_WARNING, "version", "newer than anything this was written for",
                    "%s, API %s", product, version);
    else
        doctor_tell(doctor, DOCTOR_OK, "version", NULL, "%s, API %s", product, version);
}

/* The first machine that is connected stands for all where none is named. */
static int take_first(void *data, const struct vd_vsphere_vm *vm)
{
    char *moid = data;

    if (!vm->connected || vm->template || moid[0])
        return VD_OK;
    (void)snprintf(moid, VD_MOID_BYTES, "%s", vm->moid);
    return VD_OK;
}

static int find_any(struct doctor *doctor, struct vd_error *err)
{
    struct vd_machine *machine = &doctor->machine;
    int r = vd_vsphere_vm_list(doctor->session, take_first, machine->moid, err);

    machine->session = doctor->session;
    if (r < 0 || !machine->moid[0])
        return r;
    return vd_vsphere_vm_get(doctor->session, machine->moid, NULL, &machine->vm, err);
}

static void check_machine(struct doctor *doctor)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = doctor->url.vm ? cli_machine_find(doctor->args, &doctor->url, &doctor->machine, &err)
                           : find_any(doctor, &err);
    const struct vd_vsphere_vm *vm = doctor->machine.vm;

    if (r < 0)
        doctor_fail(doctor, "machine", &err, r);
    else if (!vm)
        doctor_tell(doctor, DOCTOR_WARNING, "machine",
                    "give the user's role at least System.View and System.Read on the machines",
                    "the user sees no connected machine");
    else if (!vm->connected)
        doctor_tell(doctor, DOCTOR_FAILED, "machine", "look after its host",
                    "'%s' (%s) is not connected", vm->name, vm->moid);
    else
        doctor_tell(doctor, DOCTOR_OK, "machine", NULL, "'%s' (%s), %zu disks, %zu snapshots%s",
                    vm->name, vm->moid, vm->disk_count, vm->snapshot_count,
                    doctor->url.vm ? "" : ", looked at in place of all");
}

void doctor_check_login(struct doctor *doctor)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = cli_connect(doctor->args, &doctor->url, &doctor->session, &err);

    if (r < 0) {
        doctor->session = NULL;
        doctor_fail(doctor, "login", &err, r);
        return;
    }
    doctor_tell(doctor, DOCTOR_OK, "login", NULL, "%s%s%s",
                doctor->url.user ? "'" : "with the session given",
                doctor->url.user ? doctor->url.user : "", doctor->url.user ? "' is logged in" : "");
    check_version(doctor);
    check_machine(doctor);
}

/* --- privileges --- */

/* What a backup role has: the ones of the whole inventory, of reading, of writing and restoring. */
static const char *const of_all[] = {"Global.DisableMethods", "Global.EnableMethods",
                                     "Global.Licenses", "Sessions.ValidateSession"};
static const char *const of_reading[] = {
    "Datastore.Browse",
    "Datastore.FileManagement",
    "VirtualMachine.Config.ChangeTracking",
    "VirtualMachine.Config.DiskLease",
    "VirtualMachine.State.CreateSnapshot",
    "VirtualMachine.State.RemoveSnapshot",
    "VirtualMachine.Provisioning.DiskRandomRead",
    "VirtualMachine.Provisioning.GetVmFiles",
};
static const char *const of_writing[] = {
    "Datastore.AllocateSpace",
    "VirtualMachine.Config.AddExistingDisk",
    "VirtualMachine.Config.AddNewDisk",
    "VirtualMachine.Config.RemoveDisk",
    "VirtualMachine.Config.AddRemoveDevice",
    "VirtualMachine.Config.AdvancedConfig",
    "VirtualMachine.Config.Settings",
    "VirtualMachine.Config.RawDevice",
    "VirtualMachine.State.RevertToSnapshot",
    "VirtualMachine.Provisioning.DiskRandomAccess",
    "VirtualMachine.Provisioning.PutVmFiles",
    "VirtualMachine.Inventory.Create",
    "VirtualMachine.Inventory.Register",
    "VirtualMachine.Inventory.Unregister",
    "VirtualMachine.Inventory.Delete",
    "VirtualMachine.Interact.PowerOn",
    "VirtualMachine.Interact.PowerOff",
    "VirtualMachine.Interact.Backup",
    "Resource.AssignVMToPool",
    "Network.Assign",
    "VApp.Export",
    "VApp.Import",
};
#define MAX_PRIVILEGES VD_ARRAY_SIZE(of_writing)

struct role {
    const char *check;
    const char *const *privileges;
    size_t count;
    enum doctor_outcome outcome; /* where one is missing */
    const char *advice;
    bool of_root;
};

static void check_role(struct doctor *doctor, const struct role *role)
{
    VD_CLEANUP(vd_buf_done) struct vd_buf missing = VD_BUF_INIT(MAX_LIST_BYTES);
    const char *moid =
        role->of_root || !doctor->machine.vm || !doctor->url.vm ? NULL : doctor->machine.moid;
    struct vd_error err = VD_ERROR_INIT;
    bool granted[MAX_PRIVILEGES];
    int r =
        vd_vsphere_privileges(doctor->session, moid, role->privileges, role->count, granted, &err);

    if (r < 0) {
        doctor_fail(doctor, role->check, &err, r);
        return;
    }
    for (size_t i = 0; i < role->count; i++) {
        if (!granted[i] &&
            vd_buf_printf(&missing, "%s%s", missing.length ? ", " : "", role->privileges[i]) < 0)
            break; /* a list that is cut is still true */
    }
    if (missing.length > 0)
        doctor_tell(doctor, role->outcome, role->check, role->advice, "on %s missing are %s",
                    moid ? "the machine" : "the root folder", vd_buf_text(&missing));
    else
        doctor_tell(doctor, DOCTOR_OK, role->check, NULL, "all %zu are granted on %s", role->count,
                    moid ? "the machine" : "the root folder");
}

void doctor_check_privileges(struct doctor *doctor)
{
    static const struct role roles[] = {
        {"general privileges", of_all, VD_ARRAY_SIZE(of_all), DOCTOR_WARNING,
         "without them a vCenter may move a machine while it is read", true},
        {"privileges to read", of_reading, VD_ARRAY_SIZE(of_reading), DOCTOR_FAILED,
         "give them to the user's role", false},
        {"privileges to write", of_writing, VD_ARRAY_SIZE(of_writing), DOCTOR_WARNING,
         "needed only to write disks and to restore machines", false},
    };

    for (size_t i = 0; i < VD_ARRAY_SIZE(roles); i++)
        check_role(doctor, &roles[i]);
}

/* --- tracking and what stands in the way of a snapshot --- */

struct tally {
    uint64_t machines, tracked, unable;
};

static int count_vm(void *data, const struct vd_vsphere_vm *vm)
{
    struct tally *tally = data;

    tally->machines++;
    tally->tracked += vm->change_tracking;
    tally->unable += !vm->change_tracking && !vm->change_tracking_supported;
    return VD_OK;
}

static void check_all_tracking(struct doctor *doctor)
{
    struct vd_error err = VD_ERROR_INIT;
    struct tally tally = {0};
    int r = vd_vsphere_vm_list(doctor->session, count_vm, &tally, &err);

    if (r < 0)
        doctor_fail(doctor, "change tracking", &err, r);
    else
        doctor_tell(doctor, DOCTOR_OK, "change tracking", NULL,
                    "on for %" PRIu64 " of %" PRIu64 " machines, %" PRIu64 " cannot", tally.tracked,
                    tally.machines, tally.unable);
}

static void check_disks(struct doctor *doctor)
{
    const struct vd_vsphere_vm *vm = doctor->machine.vm;
    size_t outside = 0;

    for (size_t i = 0; i < vm->disk_count; i++)
        outside += !vm->disks[i].snapshottable;
    if (outside > 0)
        doctor_tell(doctor, DOCTOR_WARNING, "disks", "they can be read only while it is off",
                    "%zu of %zu disks are independent or raw devices, which no snapshot holds",
                    outside, vm->disk_count);
    if (vm->consolidation_needed)
        doctor_tell(doctor, DOCTOR_WARNING, "consolidation",
                    "consolidate its disks before the next snapshot",
                    "'%s' has files of removed snapshots", vm->name);
}

void doctor_check_tracking(struct doctor *doctor)
{
    const struct vd_vsphere_vm *vm = doctor->machine.vm;

    if (!doctor->url.vm || !vm) {
        check_all_tracking(doctor);
        return;
    }
    if (vm->change_tracking)
        doctor_tell(doctor, DOCTOR_OK, "change tracking", NULL, "on for '%s'", vm->name);
    else if (vm->change_tracking_supported)
        doctor_tell(doctor, DOCTOR_WARNING, "change tracking",
                    "'vdisk vm tracking HOST/VM on' switches it on, for backups of what changed",
                    "off for '%s'", vm->name);
    else
        doctor_tell(doctor, DOCTOR_WARNING, "change tracking",
                    "raise its hardware version to 7 or later", "'%s' cannot track changes",
                    vm->name);
    check_disks(doctor);
}
