/* SPDX-License-Identifier: Apache-2.0 */
/* The structures of callers, of whatever size theirs have, as ours. */
#ifndef VD_VDISK_PARAMS_H
#define VD_VDISK_PARAMS_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "vdisk/export.h"

/* A copy with strings of its own, NULL for those that are empty. Checks what needs no provider:
 * sizes, flags, and that what a connection needs is there: a path too, unless they are those
 * `of_machine`, not of a disk of it. The copy holds nothing after a failure. */
VD_MUST_CHECK int vd_native_params_take(const struct vdisk_params *from, bool of_machine,
                                        struct vdisk_params *ret, struct vdisk_error *err);
/* Wipes and frees the strings. */
void vd_native_params_done(struct vdisk_params *params);

/* Is the disk on another machine? */
bool vd_native_params_remote(const struct vdisk_params *params);

/* The path, the first-class disk's id or the machine, for sentences; belongs to the params. */
const char *vd_native_params_name(const struct vdisk_params *params);

VD_MUST_CHECK int vd_native_create_params_take(const struct vdisk_create_params *from,
                                               struct vdisk_create_params *ret,
                                               struct vdisk_error *err);

#endif
