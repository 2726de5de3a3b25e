/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/machine-disk.h"

#include <stdio.h>

static void place_fill(struct vd_machine_place *place, const struct vd_machine *machine,
                       const struct vd_url *url)
{
    *place = (struct vd_machine_place){.moid = ""};
    (void)snprintf(place->moid, sizeof place->moid, "%s", machine->moid);
    (void)snprintf(place->snapshot, sizeof place->snapshot, "%s", machine->snapshot);
    (void)snprintf(place->modes, sizeof place->modes, "%s",
                   url->transport ? url->transport : "nbdssl");
    place->place = (struct vd_transport_place){
        .session = machine->session,
        .vm_moid = place->moid,
        .snapshot = place->snapshot[0] ? place->snapshot : NULL,
        .modes = place->modes,
    };
}

static enum vd_transport_compression compression_of(const struct vd_url *url)
{
    switch (url->compression) {
    case VD_URL_ZLIB:
        return VD_TRANSPORT_ZLIB;
    case VD_URL_FASTLZ:
        return VD_TRANSPORT_FASTLZ;
    case VD_URL_SKIPZ:
        return VD_TRANSPORT_SKIPZ;
    case VD_URL_PLAIN:
        break;
    }
    return VD_TRANSPORT_PLAIN;
}

/* What it needs, unless something else ended the attempt. */
static void explain(const struct vd_machine *machine, int code, struct vd_error *err)
{
    if (machine->vm->powered_on && !machine->snapshot[0] && code != VD_E_CANCELLED)
        vd_error_prefix(err,
                        "'%s' is running, so its disks can be opened only as a snapshot froze them "
                        "('vdisk vm snapshot create', then ?snapshot=NAME)",
                        machine->vm->name);
}

int vd_machine_disk_open(const struct vd_machine *machine, const struct vd_url *url,
                         const struct vd_vmdk_options *local, const struct vd_net_stop *stop,
                         struct vd_machine_place *place, struct vd_disk **ret, struct vd_error *err)
{
    struct vd_transport_request request = {
        .place = &place->place,
        .local = local,
        .compression = compression_of(url),
        .legacy_tls = url->legacy_tls,
        .unverified_tls = url->insecure,
        .stop = stop,
        .log = local->log,
    };
    const struct vd_vsphere_disk *disk;
    int r = vd_machine_disk(machine->vm, url->disk, &disk, &request.path, err);

    if (r < 0)
        return r;
    if (!(local->flags & VD_VMDK_READ_ONLY) && machine->snapshot[0])
        return vd_error_set(err, VD_E_READ_ONLY,
                            "a snapshot is not written to; leave snapshot= out of the URL");
    place_fill(place, machine, url);
    r = vd_transport_open(&request, ret, err);
    if (r < 0)
        explain(machine, r, err);
    return r;
}
