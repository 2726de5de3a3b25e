/* SPDX-License-Identifier: Apache-2.0 */
#include "vm-export-map.h"

#include <string.h>
#include <strings.h>

/* A disk's place, "scsi0:1", and how an export calls it: ".../VirtualLsiLogicController0:1",
 * ".../VirtualIDEController1:0", ".../scsi0:1". */
enum bus { BUS_SCSI, BUS_IDE, BUS_SATA, BUS_NVME };

struct place {
    enum bus bus;
    unsigned number, unit;
};

/* NULL where there is none, or a larger one than buses and units have. */
static const char *number_parse(const char *text, unsigned *ret)
{
    const char *start = text;

    for (*ret = 0; *text >= '0' && *text <= '9'; text++)
        *ret = *ret * 10 + (unsigned)(*text - '0');
    return text > start && text - start <= 3 ? text : NULL;
}

static bool place_parse(const char *text, struct place *ret)
{
    static const struct {
        const char *word;
        enum bus bus;
    } buses[] = {{"ide", BUS_IDE}, {"sata", BUS_SATA}, {"ahci", BUS_SATA}, {"nvme", BUS_NVME}};
    const char *name = strrchr(text, '/') ? strrchr(text, '/') + 1 : text;
    size_t letters = strcspn(name, "0123456789:");
    const char *rest = number_parse(name + letters, &ret->number);

    if (!rest || *rest != ':')
        return false;
    rest = number_parse(rest + 1, &ret->unit);
    if (!rest || *rest != '\0')
        return false;
    ret->bus = BUS_SCSI; /* whatever it is called: PVSCSI, LsiLogic, BusLogic */
    for (size_t i = 0; i < VD_ARRAY_SIZE(buses); i++) {
        size_t length = strlen(buses[i].word);
        for (size_t at = 0; at + length <= letters; at++) {
            if (strncasecmp(name + at, buses[i].word, length) == 0)
                ret->bus = buses[i].bus;
        }
    }
    return true;
}

/* The one file that is at the disk's place; SIZE_MAX: none, or several. */
static size_t file_at(const struct vd_vsphere_lease *lease, const char *controller)
{
    struct place want, have;
    size_t found = SIZE_MAX;

    if (!controller || !place_parse(controller, &want))
        return SIZE_MAX;
    for (size_t i = 0; i < vd_vsphere_lease_count(lease); i++) {
        struct vd_vsphere_lease_file file = vd_vsphere_lease_file(lease, i);
        if (!file.disk || !place_parse(file.key, &have) || have.bus != want.bus ||
            have.number != want.number || have.unit != want.unit)
            continue;
        if (found != SIZE_MAX)
            return SIZE_MAX;
        found = i;
    }
    return found;
}

/* False where the place of a disk that is wanted is not told, or not exported. */
static bool map_by_place(const struct vd_vsphere_lease *lease, const struct vd_vsphere_vm *vm,
                         const bool *wanted, size_t *ret_files, size_t *ret_found)
{
    bool all = true;

    *ret_found = 0;
    for (size_t i = 0; i < vm->disk_count; i++) {
        ret_files[i] = file_at(lease, vm->disks[i].controller);
        *ret_found += ret_files[i] != SIZE_MAX;
        all = all && (ret_files[i] != SIZE_MAX || !wanted[i]);
    }
    return all;
}

/* Servers list disks in the order the machine has them. */
static size_t map_by_order(const struct vd_vsphere_lease *lease, const struct vd_vsphere_vm *vm,
                           size_t *ret_files)
{
    size_t disks = 0;

    for (size_t i = 0; i < vd_vsphere_lease_count(lease); i++) {
        if (!vd_vsphere_lease_file(lease, i).disk)
            continue;
        if (disks < vm->disk_count)
            ret_files[disks] = i;
        disks++;
    }
    return disks;
}

int cli_export_map(const struct vd_vsphere_lease *lease, const struct vd_vsphere_vm *vm,
                   const bool *wanted, size_t *ret_files, struct vd_error *err)
{
    size_t disks, found;

    if (map_by_place(lease, vm, wanted, ret_files, &found))
        return VD_OK;
    disks = map_by_order(lease, vm, ret_files);
    if (disks == vm->disk_count)
        return VD_OK;
    return vd_error_set(err, VD_E_PROTOCOL,
                        "the server exports %zu disks of '%s', which has %zu, and does not say "
                        "which%s",
                        disks, vm->name, vm->disk_count,
                        found > 0 ? " for all of them; name those to export with --disk" : "");
}
