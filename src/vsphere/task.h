/* SPDX-License-Identifier: Apache-2.0 */
/* What a server does over time. For this floor. */
#ifndef VD_VSPHERE_TASK_H
#define VD_VSPHERE_TASK_H

#include "vsphere/soap.h"

struct vd_task {
    const struct vd_progress *progress; /* or NULL */
    uint32_t limit_ms;                  /* how long it may take */
    /* Result: */
    char moid[VD_MOID_BYTES]; /* of the object the task made, or the id of a first-class one; "" */
    struct vd_fault fault;    /* what it ended with */
};

/* Starts the task `call` asks for and waits until it has ended. While another task holds the object
 * (TaskInProgress), it tries again for two minutes. Where the VM the task is about waits for an
 * answer, a warning says so, and so does the sentence of a task that took too long. Tasks of the
 * global catalogue (VslmTask) are followed there. */
VD_MUST_CHECK int vd_task_run(struct vd_vsphere *session, struct vd_soap_call *call,
                              struct vd_task *task, struct vd_error *err);

#endif
