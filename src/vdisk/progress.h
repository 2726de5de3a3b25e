/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes done as percentages that rise, 100 after success only. */
#ifndef VD_VDISK_PROGRESS_H
#define VD_VDISK_PROGRESS_H

#include "base/progress.h"
#include "vdisk/export.h"

struct vd_native_progress {
    struct vd_progress progress; /* for the floors below */
    vdisk_progress_fn *function; /* may be NULL */
    void *data;
    int told; /* -1 before the first */
};

/* `create` NULL: nobody watches. */
void vd_native_progress_init(struct vd_native_progress *progress,
                             const struct vdisk_create_params *create);
/* Tells a percentage below 100 that is new; false asks to stop. */
bool vd_native_progress_tell(struct vd_native_progress *progress, int percent);
/* Tells 100 where `result` is a success, and gives it back. */
int vd_native_progress_end(struct vd_native_progress *progress, int result);

#endif
