/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program's progress callback as the floors below see one. It is called on the thread of the
 * call, with no lock held, with a percentage that only rises, and with 100 when the call has
 * succeeded, not before. What it returns is ignored. One call at a time.
 */
#ifndef VD_VIX_PROGRESS_H
#define VD_VIX_PROGRESS_H

#include "base/progress.h"
#include "vix/export.h"

struct vd_vix_progress {
    struct vd_progress progress; /* for the operation */
    VixDiskLibProgressFunc function;
    void *data;
    int told; /* the latest percentage; -1 before the first */
};

/* `function` may be NULL. Must stay in place until the operation is over. */
void vd_vix_progress_init(struct vd_vix_progress *progress, VixDiskLibProgressFunc function,
                          void *data);
/* After the operation: tells the end of a success, and passes its result on. */
int vd_vix_progress_end(struct vd_vix_progress *progress, int code);

#endif
