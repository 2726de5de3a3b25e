/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/machine.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define MAX_LIST_BYTES 600u /* of names in a sentence */

/* "vm-66" on a vCenter, "12" on a host. */
static bool may_be_moref(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (!isalnum((unsigned char)*c) && *c != '-')
            return false;
    }
    return true;
}

/* A name first: a VM may be called "vm-66", and whoever means the other writes moref=vm-66. */
static int find_vm(struct vd_vsphere *session, const char *text, char moid[VD_MOID_BYTES],
                   struct vd_error *err)
{
    struct vd_error as_moref_err = VD_ERROR_INIT;
    char as_moref[VD_MOID_BYTES + 8];
    int r = vd_vsphere_find_vm(session, text, moid, err);

    if (!vd_error_is(r, VD_E_NOT_FOUND) || !may_be_moref(text) || strlen(text) >= VD_MOID_BYTES)
        return r;
    (void)snprintf(as_moref, sizeof as_moref, "moref=%s", text);
    if (vd_vsphere_find_vm(session, as_moref, moid, &as_moref_err) < 0)
        return r;
    vd_error_clear(err);
    return VD_OK;
}

static int find_snapshot(const struct vd_url *url, struct vd_machine *machine, struct vd_error *err)
{
    const struct vd_vsphere_snapshot *snapshot;
    int r = vd_machine_snapshot(machine->vm, url->snapshot, &snapshot, err);

    if (r < 0)
        return r;
    (void)snprintf(machine->snapshot, sizeof machine->snapshot, "%s", snapshot->moid);
    vd_vsphere_vm_free(VD_TAKE_PTR(machine->vm));
    return vd_vsphere_vm_get(machine->session, machine->moid, machine->snapshot, &machine->vm, err);
}

int vd_machine_find(struct vd_vsphere *session, const struct vd_url *url, struct vd_machine *ret,
                    struct vd_error *err)
{
    int r;

    *ret = (struct vd_machine){.session = session};
    r = find_vm(session, url->vm, ret->moid, err);
    if (r == VD_OK)
        r = vd_vsphere_vm_get(ret->session, ret->moid, NULL, &ret->vm, err);
    if (r == VD_OK && url->snapshot)
        r = find_snapshot(url, ret, err);
    return r;
}

void vd_machine_done(struct vd_machine *machine)
{
    vd_vsphere_vm_free(machine->vm);
    machine->vm = NULL;
}

int vd_machine_snapshot(const struct vd_vsphere_vm *vm, const char *text,
                        const struct vd_vsphere_snapshot **ret, struct vd_error *err)
{
    const struct vd_vsphere_snapshot *named = NULL;

    for (size_t i = 0; i < vm->snapshot_count; i++) {
        const struct vd_vsphere_snapshot *snapshot = &vm->snapshots[i];

        if (strcmp(snapshot->moid, text) == 0) {
            *ret = snapshot;
            return VD_OK;
        }
        if (!snapshot->name || strcmp(snapshot->name, text) != 0)
            continue;
        if (named)
            return vd_error_set(err, VD_E_INVALID_ARG,
                                "'%s' has several snapshots called '%s': say %s or %s", vm->name,
                                text, named->moid, snapshot->moid);
        named = snapshot;
    }
    if (!named)
        return vd_error_set(err, VD_E_SNAPSHOT_GONE,
                            "'%s' has no snapshot '%s'; 'vdisk vm snapshot list' shows the %zu it "
                            "has",
                            vm->name, text, vm->snapshot_count);
    *ret = named;
    return VD_OK;
}

/* --- disks --- */

static bool is_called(const struct vd_vsphere_disk *disk, size_t index, const char *text)
{
    char number[32];

    if ((disk->label && strcmp(disk->label, text) == 0) ||
        (disk->controller && strcmp(disk->controller, text) == 0))
        return true;
    (void)snprintf(number, sizeof number, "%zu", index + 1);
    if (strcmp(number, text) == 0)
        return true;
    (void)snprintf(number, sizeof number, "%" PRId32, disk->key);
    return strcmp(number, text) == 0;
}

static const struct vd_vsphere_disk *find_disk(const struct vd_vsphere_vm *vm, const char *text,
                                               const char **ret_path)
{
    for (size_t i = 0; i < vm->disk_count; i++) {
        const struct vd_vsphere_disk *disk = &vm->disks[i];
        const char *path = text ? vd_vsphere_disk_file(disk, text) : NULL;
        bool called = text ? is_called(disk, i, text) : vm->disk_count == 1;

        if (!path && called && disk->chain)
            path = disk->chain[0];
        if (path) {
            *ret_path = path;
            return disk;
        }
    }
    return NULL;
}

/* Of another machine than this one's names it comes in the sentence; cut where it is long. */
static void list_disks(const struct vd_vsphere_vm *vm, struct vd_buf *list)
{
    for (size_t i = 0; i < vm->disk_count; i++) {
        const struct vd_vsphere_disk *disk = &vm->disks[i];
        const char *path = disk->chain && disk->chain[0] ? disk->chain[0] : "no file";

        if (vd_buf_printf(list, "%s%zu '%s' %s", i ? ", " : "", i + 1, disk->label, path) < 0)
            return;
    }
}

int vd_machine_disk(const struct vd_vsphere_vm *vm, const char *text,
                    const struct vd_vsphere_disk **ret, const char **ret_path, struct vd_error *err)
{
    VD_CLEANUP(vd_buf_done) struct vd_buf list = VD_BUF_INIT(MAX_LIST_BYTES);
    const struct vd_vsphere_disk *disk = find_disk(vm, text, ret_path);

    if (disk) {
        *ret = disk;
        return VD_OK;
    }
    if (vm->disk_count == 0)
        return vd_error_set(err, VD_E_NOT_FOUND, "'%s' has no disk", vm->name);
    list_disks(vm, &list);
    if (!text)
        return vd_error_set(err, VD_E_INVALID_ARG, "'%s' has %zu disks, so say which: %s", vm->name,
                            vm->disk_count, vd_buf_text(&list));
    return vd_error_set(err, VD_E_NOT_FOUND, "'%s' has no disk '%s'; there are: %s", vm->name, text,
                        vd_buf_text(&list));
}
