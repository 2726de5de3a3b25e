/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of a disk, from its configuration file and its params. */
#ifndef VD_VDISK_ENGINE_SETTINGS_H
#define VD_VDISK_ENGINE_SETTINGS_H

#include "transport/settings.h"
#include "vdisk/export.h"

/* Those of the params count where both have one. What is wrong with a line of the file goes to the
 * log, what is wrong with one of the params fails. `ret` holds nothing after a failure. */
VD_MUST_CHECK int vd_native_settings_take(const struct vdisk_params *params,
                                          struct vd_settings *ret, struct vdisk_error *err);

#endif
