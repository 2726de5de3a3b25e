/* SPDX-License-Identifier: Apache-2.0 */
#include "machine-disk.h"

#include "connection.h"
#include "interrupt.h"
#include "terminal.h"
#include "transport/machine-disk.h"

/* Where a disk is, kept as long as it may be open. */
struct place {
    struct place *next;
    struct vd_machine_place place;
};

static struct place *places;

static int open_found(const struct cli_args *args, const struct vd_url *url,
                      const struct vd_machine *machine, bool read_only, struct vd_disk **ret,
                      struct vd_error *err)
{
    struct vd_source_options local = cli_source_options(args);
    struct place *place = calloc(1, sizeof *place);

    if (!place)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a disk");
    place->next = places;
    places = place;
    if (!read_only)
        local.vmdk.flags &= ~(unsigned)VD_VMDK_READ_ONLY;
    return vd_machine_disk_open(machine, url, &local.vmdk, cli_interrupt_stop(), &place->place, ret,
                                err);
}

int cli_machine_disk_open(const struct cli_args *args, const char *text, bool read_only,
                          struct vd_disk **ret, struct vd_error *err)
{
    VD_CLEANUP(vd_url_done) struct vd_url url = {0};
    VD_CLEANUP(vd_machine_done) struct vd_machine machine = {0};
    int r = vd_url_parse(text, VD_URL_DISK, &url, err);

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
