/* SPDX-License-Identifier: Apache-2.0 */
/* What a backup asks about a virtual machine: its disks, a snapshot, what changed. */
#include <stdlib.h>
#include <string.h>

#include "transport/server-machine.h"
#include "vdisk/disk.h"
#include "vdisk/failure.h"
#include "vdisk/params.h"

/* `provider` was loaded. VD_E_NOT_SUPPORTED where it leads to no server that could be asked. */
static int server_of(const struct vd_native_session *session, struct vd_server **ret,
                     struct vdisk_error *err)
{
    const char *name = vd_native_params_name(&session->params);
    if (!session->provider->server)
        return vd_native_fail(err, VD_E_NOT_SUPPORTED,
                              "asking about '%s': a VixDiskLib knows disks only; the built-in "
                              "engine answers",
                              name);
    *ret = session->provider->server(session->self);
    if (!*ret)
        return vd_native_fail(err, VD_E_NOT_SUPPORTED,
                              "asking about '%s': it is on this machine, and only a server knows "
                              "that",
                              name);
    return 0;
}

/* On success the session is to be ended. */
static int begin(struct vd_native_session *session, const struct vdisk_params *params,
                 struct vd_server **ret, struct vdisk_error *err)
{
    int r = vd_native_session_begin(session, params, VD_NATIVE_LOADED, err);
    if (r < 0)
        return r;
    r = server_of(session, ret, err);
    if (r < 0)
        (void)vd_native_session_end(session, err); /* the failure is told */
    return r;
}

/* What was told first stays told. */
static int end(struct vd_native_session *session, int r, const struct vd_error *told,
               struct vdisk_error *err)
{
    if (r < 0)
        r = vd_native_fail_from(err, r, told);
    int ended = vd_native_session_end(session, err);
    return r < 0 ? r : ended;
}

static const char *known(const char *text)
{
    return text && text[0] != '\0' ? text : NULL;
}

static int tell_disks(const struct vd_vsphere_vm *vm, vdisk_vm_disk_fn *found, void *data)
{
    int answer = 0;
    for (size_t i = 0; answer == 0 && i < vm->disk_count; i++) {
        const struct vd_vsphere_disk *disk = &vm->disks[i];
        const struct vdisk_vm_disk told = {
            .size = sizeof told,
            .path = disk->chain ? disk->chain[0] : NULL,
            .label = known(disk->label),
            .uuid = known(disk->uuid),
            .change_id = disk->change_id,
            .capacity_bytes = disk->capacity_bytes,
            .in_snapshots = disk->snapshottable,
        };
        if (told.path)
            answer = found(data, &told);
    }
    return answer;
}

VD_NATIVE_EXPORT int vdisk_vm_disks(const struct vdisk_params *params, vdisk_vm_disk_fn *found,
                                    void *data, struct vdisk_error *error)
{
    VD_CLEANUP(vd_vsphere_vm_free_cleanup) struct vd_vsphere_vm *vm = NULL;
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    struct vd_error told = VD_ERROR_INIT;
    struct vd_native_session session;
    struct vd_server *server;
    if (!found)
        return vd_native_fail(err, VD_E_INVALID_ARG, "listing disks: the function is NULL");
    int r = begin(&session, params, &server, err);
    if (r < 0)
        return r;
    r = end(&session, vd_server_machine_get(server, &vm, &told), &told, err);
    return r < 0 ? r : tell_disks(vm, found, data);
}

VD_NATIVE_EXPORT int vdisk_vm_snapshot(const struct vdisk_params *params, const char *name,
                                       char **ret_snapshot, struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    struct vd_error told = VD_ERROR_INIT;
    struct vd_native_session session;
    struct vd_server *server;
    char moid[VD_MOID_BYTES];
    if (!name || name[0] == '\0' || !ret_snapshot)
        return vd_native_fail(err, VD_E_INVALID_ARG, "making a snapshot: no %s given",
                              ret_snapshot ? "name" : "place for its reference");
    *ret_snapshot = NULL;
    VD_FREE char *snapshot = malloc(sizeof moid); /* so that nothing fails once it is there */
    if (!snapshot)
        return vd_native_fail(err, VD_E_NO_MEMORY, "making a snapshot: out of memory");
    int r = begin(&session, params, &server, err);
    if (r < 0)
        return r;
    r = vd_server_machine_snapshot(server, name, moid, &told);
    if (r >= 0) {
        memcpy(snapshot, moid, sizeof moid);
        *ret_snapshot = VD_TAKE_PTR(snapshot);
    }
    return end(&session, r, &told, err);
}

VD_NATIVE_EXPORT int vdisk_vm_remove_snapshot(const struct vdisk_params *params,
                                              struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    struct vd_error told = VD_ERROR_INIT;
    struct vd_native_session session;
    struct vd_server *server;
    int r = begin(&session, params, &server, err);
    if (r < 0)
        return r;
    return end(&session, vd_server_machine_remove_snapshot(server, &told), &told, err);
}

VD_NATIVE_EXPORT int vdisk_vm_track_changes(const struct vdisk_params *params, int on,
                                            struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    struct vd_error told = VD_ERROR_INIT;
    struct vd_native_session session;
    struct vd_server *server;
    int r = begin(&session, params, &server, err);
    if (r < 0)
        return r;
    return end(&session, vd_server_machine_track_changes(server, on != 0, &told), &told, err);
}

/* --- changes --- */

struct changes {
    vdisk_block_fn *found;
    void *data;
    int answer; /* what `found` answered, when not 0 */
};

static int tell_area(void *data, uint64_t start_bytes, uint64_t length_bytes)
{
    struct changes *changes = data;
    changes->answer = changes->found(changes->data, start_bytes, length_bytes);
    return changes->answer == 0 ? VD_OK : VD_E_CANCELLED;
}

VD_NATIVE_EXPORT int vdisk_changed(struct vdisk *disk, const char *change_id, vdisk_block_fn *found,
                                   void *data, struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    struct changes changes = {.found = found, .data = data};
    struct vd_error told = VD_ERROR_INIT;
    struct vd_server *server;
    int r = vd_native_disk_check(disk, err);
    if (r >= 0 && (!found || !change_id || change_id[0] == '\0'))
        r = vd_native_fail(err, VD_E_INVALID_ARG, "asking what changed on '%s': no %s given",
                           disk->name, found ? "change ID" : "function");
    if (r >= 0)
        r = server_of(&disk->session, &server, err);
    if (r < 0)
        return r;
    r = vd_server_changed_areas(server, disk->session.params.path, change_id, tell_area, &changes,
                                &told);
    if (changes.answer != 0)
        return changes.answer;
    return r < 0 ? vd_native_fail_from(err, r, &told) : 0;
}
