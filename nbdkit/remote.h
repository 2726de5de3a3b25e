/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk of a vCenter or a host, for the plugin: the session with the server, the machine held in
 * its place, and the disk. Starts threads when it is opened, so nbdkit must have forked before.
 */
#ifndef VD_NBDKIT_REMOTE_H
#define VD_NBDKIT_REMOTE_H

#include "transport/login.h"
#include "transport/machine-disk.h"

#define REMOTE_HOLDER_BYTES 320u
#define REMOTE_KEY_BYTES    (VD_MOID_BYTES + 512u)

struct remote {
    struct vd_url url;
    char *thumbprint; /* stated beside the URL; or NULL */
    struct vd_secret secret;
    bool is_session;
    const struct vd_log *log;
    struct vd_net_stop stop; /* ends waits for the server, in remote_open and later */
    struct vd_vsphere *session;
    struct vd_machine_place place;
    char holder[REMOTE_HOLDER_BYTES]; /* under which name the machine is, or may be, held; "": it is
                                         not */
    char key[REMOTE_KEY_BYTES];       /* of the machine, for fellows.h */
    int fellows;                      /* -1: none are known of */
};

/* The next call may read relative names only where this was called in the same folder. */
VD_MUST_CHECK int remote_init(struct remote *remote, const char *url, const struct vd_log *log,
                              struct vd_error *err);
/* `local`: flags. Holds the machine, so that its vCenter does not move it; where that is not
 * allowed a warning says so. */
VD_MUST_CHECK int remote_open(struct remote *remote, const struct vd_vmdk_options *local,
                              struct vd_disk **ret, struct vd_error *err);
/* The disk must be closed. Lets the machine go, logs out, wipes, frees; also what was never opened,
 * and twice. */
void remote_close(struct remote *remote);

#endif
