/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VD_VSPHERE_LEASE_INT_H
#define VD_VSPHERE_LEASE_INT_H

#include <stdatomic.h>

#include "vsphere/lease-decode.h"
#include "vsphere/vsphere-int.h"

struct vd_vsphere_lease {
    struct vd_vsphere *session;
    char moid[VD_MOID_BYTES];
    char what[160]; /* "exporting the VM 'vm-66'" */
    struct vd_lease_info info;
    bool ended; /* completed or aborted */
    bool keeper_runs;
    pthread_t keeper;
    atomic_int percent; /* told to the server */

    pthread_mutex_t lock;    /* guards the rest */
    pthread_cond_t stopping; /* with `stop`; on the monotonic clock */
    bool stop;
    struct vd_error lost; /* why the server gave the lease up; code 0: it did not */
};

/* Why the server gave it up, as far as it is known: then the code, and `err` is set; VD_OK
 * otherwise. `ask`: asks the server too. */
int vd_lease_why(struct vd_vsphere_lease *lease, bool ask, struct vd_error *err);

#endif
