/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/server-disk.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "transport/remote-file.h"

static bool given(const char *text)
{
    return text && text[0] != '\0';
}

static int check_place(const struct vd_transport_place *place, const char *path, const char *doing,
                       struct vd_error *err)
{
    if (given(place->disk_id))
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "%s '%s': not possible with a first-class disk, whose catalogue is the "
                            "server's",
                            doing, place->disk_id);
    if (given(place->snapshot))
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "%s '%s': not possible on a connection to the snapshot '%s'", doing,
                            path ? path : "", place->snapshot);
    return VD_OK;
}

/* `task` without its path. */
static int run(struct vd_server *server, const char *path, const char *doing,
               struct vd_vsphere_disk_task task, const struct vd_progress *progress,
               struct vd_error *err)
{
    struct vd_transport_place place;
    VD_FREE char *whole = NULL;
    int r = vd_server_place(server, &place, err);

    if (r == VD_OK)
        r = check_place(&place, path, doing, err);
    if (r == VD_OK)
        r = vd_remote_path(&place, path, doing, &whole, err);
    if (r < 0)
        return r;
    task.path = whole;
    return vd_vsphere_disk_run(place.session, &task, progress, err);
}

/* Servers count in KiB. */
static int check_capacity(const char *path, const char *doing, uint64_t sectors,
                          uint64_t *ret_bytes, struct vd_error *err)
{
    if (sectors > 0 && sectors % 2 == 0 && vd_sectors_to_bytes_checked(sectors, ret_bytes))
        return VD_OK;
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "%s '%s': the capacity is %" PRIu64
                        " sectors, expected an even number up to %" PRIu64,
                        doing, path ? path : "", sectors, VD_MAX_SECTORS);
}

static const char *adapter_there(const char *adapter)
{
    static const char *const names[][2] = {
        {"ide", "ide"}, {"buslogic", "busLogic"}, {"lsilogic", "lsiLogic"}};

    for (size_t i = 0; adapter && i < VD_ARRAY_SIZE(names); i++)
        if (strcmp(adapter, names[i][0]) == 0)
            return names[i][1];
    return NULL;
}

int vd_server_disk_create(struct vd_server *server, const char *path,
                          const struct vd_vmdk_create_params *params,
                          const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_vsphere_disk_task task = {
        .verb = VD_VSPHERE_DISK_CREATE,
        .type = params->type == VD_DISK_VMFS_THIN ? "thin" : "preallocated",
        .adapter = adapter_there(params->adapter),
    };

    if (params->type != VD_DISK_VMFS_THIN && params->type != VD_DISK_VMFS_FLAT)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "creating '%s': on a server a disk is of the type vmfs (5) or vmfsThin "
                            "(7)",
                            path ? path : "");
    int r = check_capacity(path, "creating", params->capacity_sectors, &task.capacity_bytes, err);
    return r < 0 ? r : run(server, path, "creating", task, progress, err);
}

int vd_server_disk_grow(struct vd_server *server, const char *path, uint64_t capacity_sectors,
                        const struct vd_progress *progress, struct vd_error *err)
{
    struct vd_vsphere_disk_task task = {.verb = VD_VSPHERE_DISK_EXTEND};
    int r = check_capacity(path, "growing", capacity_sectors, &task.capacity_bytes, err);

    return r < 0 ? r : run(server, path, "growing", task, progress, err);
}

int vd_server_disk_unlink(struct vd_server *server, const char *path, struct vd_error *err)
{
    const struct vd_vsphere_disk_task task = {.verb = VD_VSPHERE_DISK_DELETE};

    return run(server, path, "removing", task, NULL, err);
}
