/* SPDX-License-Identifier: Apache-2.0 */
/* A file that takes the place of a disk of several files: they are found before, since only the old
 * descriptor tells them, and go when the new one is there. */
#include "ops/disk-files.h"
#include "ops/target-int.h"
#include "ops/unlink.h"

int vd_target_disk_publish(struct vd_target *target, struct vd_error *err)
{
    struct vd_error reason = VD_ERROR_INIT;
    struct vd_disk_files old = {0};
    int r = vd_disk_files_open(target->path, NULL, true, &old, &reason);
    if (r == VD_E_NOT_FOUND || (r < 0 && vd_error_is(r, VD_E_NOT_A_DISK)))
        return vd_target_temp_publish(target, err);
    if (r < 0)
        return vd_error_set(err, r, "cannot replace '%s': %s", target->path,
                            vd_error_message(&reason, r));
    r = vd_target_temp_publish(target, err);
    if (r == VD_OK)
        r = vd_unlink_parts(&old, err);
    vd_disk_files_done(&old);
    return r;
}
