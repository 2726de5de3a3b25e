/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/server-machine.h"

#include <string.h>

static int machine_place(struct vd_server *server, struct vd_transport_place *ret,
                         struct vd_error *err)
{
    int r = vd_server_place(server, ret, err);

    if (r == VD_OK && !ret->vm_moid)
        r = vd_error_set(err, VD_E_INVALID_ARG,
                         "asking '%s' about a virtual machine: none is named",
                         vd_server_host(server));
    return r;
}

int vd_server_machine_get(struct vd_server *server, struct vd_vsphere_vm **ret,
                          struct vd_error *err)
{
    struct vd_transport_place place;
    int r = machine_place(server, &place, err);

    return r < 0 ? r : vd_vsphere_vm_get(place.session, place.vm_moid, place.snapshot, ret, err);
}

int vd_server_machine_snapshot(struct vd_server *server, const char *name, char moid[VD_MOID_BYTES],
                               struct vd_error *err)
{
    struct vd_transport_place place;
    int r = machine_place(server, &place, err);

    if (r < 0)
        return r;
    const struct vd_vsphere_snapshot_request request = {.vm_moid = place.vm_moid, .name = name};
    return vd_vsphere_snapshot_create(place.session, &request, NULL, moid, err);
}

int vd_server_machine_remove_snapshot(struct vd_server *server, struct vd_error *err)
{
    struct vd_transport_place place;
    int r = machine_place(server, &place, err);

    if (r == VD_OK && !place.snapshot)
        r = vd_error_set(err, VD_E_INVALID_ARG, "removing a snapshot: none is named");
    return r < 0 ? r : vd_vsphere_snapshot_remove(place.session, place.snapshot, NULL, err);
}

int vd_server_machine_track_changes(struct vd_server *server, bool on, struct vd_error *err)
{
    struct vd_transport_place place;
    int r = machine_place(server, &place, err);

    return r < 0 ? r : vd_vsphere_track_changes(place.session, place.vm_moid, on, err);
}

/* In the machine of then, and if that has no such file in the one of now. */
static int disk_key(const struct vd_transport_place *place, const char *path, int32_t *ret,
                    struct vd_error *err)
{
    const char *snapshots[] = {place->snapshot, NULL};

    for (size_t i = place->snapshot ? 0 : 1; i < VD_ARRAY_SIZE(snapshots); i++) {
        VD_CLEANUP(vd_vsphere_vm_free_cleanup) struct vd_vsphere_vm *vm = NULL;
        int r = vd_vsphere_vm_get(place->session, place->vm_moid, snapshots[i], &vm, err);
        const struct vd_vsphere_disk *disk = r == VD_OK ? vd_vsphere_vm_disk(vm, path) : NULL;

        if (r < 0)
            return r;
        if (disk) {
            *ret = disk->key;
            return VD_OK;
        }
    }
    return vd_error_set(err, VD_E_NOT_FOUND,
                        "asking what changed on '%s': no disk of the virtual machine '%s' has that "
                        "file",
                        path, place->vm_moid);
}

int vd_server_changed_areas(struct vd_server *server, const char *path, const char *change_id,
                            int (*each)(void *data, uint64_t start_bytes, uint64_t length_bytes),
                            void *data, struct vd_error *err)
{
    struct vd_transport_place place;
    struct vd_vsphere_changes question = {.change_id = change_id, .each = each, .data = data};
    int r = vd_server_place(server, &place, err);

    if (r == VD_OK && !place.disk_id)
        r = machine_place(server, &place, err);
    if (r == VD_OK && !place.disk_id)
        r = disk_key(&place, path, &question.disk_key, err);
    if (r < 0)
        return r;
    question.snapshot = place.snapshot;
    question.vm_moid = place.disk_id ? NULL : place.vm_moid;
    question.datastore_moid = place.datastore_moid;
    question.disk_id = place.disk_id;
    return vd_vsphere_changed_areas(place.session, &question, err);
}
