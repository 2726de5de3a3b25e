/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "vm.h"

int cli_vm_tracking(const struct cli_args *args, const char *operand, const char *rest,
                    struct vd_error *err)
{
    VD_CLEANUP(vd_machine_done) struct vd_machine machine = {0};
    bool on = strcmp(rest, "on") == 0;
    int r = VD_OK;

    if (!on && strcmp(rest, "off") != 0)
        r = vd_error_set(err, VD_E_INVALID_ARG, "vm tracking: '%s', expected on or off", rest);
    if (r == VD_OK)
        r = cli_vm_find(args, operand, &machine, err);
    return r < 0 ? r : vd_vsphere_track_changes(machine.session, machine.moid, on, err);
}
