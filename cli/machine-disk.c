/* SPDX-License-Identifier: Apache-2.0 */
#include "machine-disk.h"

#include <string.h>

#include "machine.h"
#include "terminal.h"
#include "transport/transport.h"

/* Where a disk is, which it refers to as long as it is open. */
struct place {
    struct place *next;
    struct vd_transport_place place;
    char moid[VD_MOID_BYTES];
    char snapshot[VD_MOID_BYTES];
    char modes[16];
};

static struct place *places;

/* Without a wish of the user's what goes over the network is encrypted. */
static struct place *place_add(const struct cli_machine *machine, const struct cli_url *url)
{
    struct place *place = calloc(1, sizeof *place);

    if (!place)
        return NULL;
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
    place->next = places;
    places = place;
    return place;
}

static enum vd_transport_compression compression_of(const struct cli_url *url)
{
    switch (url->compression) {
    case CLI_URL_ZLIB:
        return VD_TRANSPORT_ZLIB;
    case CLI_URL_FASTLZ:
        return VD_TRANSPORT_FASTLZ;
    case CLI_URL_SKIPZ:
        return VD_TRANSPORT_SKIPZ;
    case CLI_URL_PLAIN:
        break;
    }
    return VD_TRANSPORT_PLAIN;
}

static int open_found(const struct cli_args *args, const struct cli_url *url,
                      const struct cli_machine *machine, bool read_only, struct vd_disk **ret,
                      struct vd_error *err)
{
    struct vd_source_options local = cli_source_options(args);
    struct vd_transport_request request = {
        .local = &local.vmdk,
        .compression = compression_of(url),
        .legacy_tls = url->legacy_tls,
        .unverified_tls = url->insecure,
        .log = &cli_log,
    };
    const struct vd_vsphere_disk *disk;
    const struct place *place;
    int r = cli_machine_disk(machine->vm, url->disk, &disk, &request.path, err);

    if (r < 0)
        return r;
    if (!read_only && machine->snapshot[0])
        return vd_error_set(err, VD_E_READ_ONLY,
                            "a snapshot is not written to; leave snapshot= out of the URL");
    place = place_add(machine, url);
    if (!place)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a disk");
    request.place = &place->place;
    if (!read_only)
        local.vmdk.flags &= ~(unsigned)VD_VMDK_READ_ONLY;
    r = vd_transport_open(&request, ret, err);
    if (r < 0 && machine->vm->powered_on && !machine->snapshot[0])
        vd_error_prefix(err,
                        "'%s' is running, so its disks can be opened only as a snapshot froze them "
                        "('vdisk vm snapshot create', then ?snapshot=NAME)",
                        machine->vm->name);
    return r;
}

int cli_machine_disk_open(const struct cli_args *args, const char *text, bool read_only,
                          struct vd_disk **ret, struct vd_error *err)
{
    VD_CLEANUP(cli_url_done) struct cli_url url = {0};
    VD_CLEANUP(cli_machine_done) struct cli_machine machine = {0};
    int r = cli_url_parse(text, CLI_URL_DISK, &url, err);

    if (r == VD_OK)
        r = cli_machine_find(args, &url, &machine, err);
    return r < 0 ? r : open_found(args, &url, &machine, read_only, ret, err);
}

void cli_machine_disks_end(void)
{
    while (places) {
        struct place *next = places->next;

        free(places);
        places = next;
    }
}
