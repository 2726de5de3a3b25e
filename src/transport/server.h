/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server and the place on it that a program named, before anybody asked the server: the login
 * comes with the first question, and its session is shared by everything asked later. Thread-safe,
 * but for vd_server_free.
 */
#ifndef VD_TRANSPORT_SERVER_H
#define VD_TRANSPORT_SERVER_H

#include "transport/transport.h"
#include "vsphere/vsphere.h"

struct vd_server;

/* Copied, all strings with it. NULL and "" are the same. */
struct vd_server_options {
    struct vd_vsphere_options login;
    const char *vm; /* any form that vd_vsphere_find_vm takes; NULL: none */
    const char *snapshot;
    const char *datastore_moid, *disk_id, *folder, *modes; /* as vd_transport_place has them */
};

/* Asks nothing yet. */
VD_MUST_CHECK int vd_server_new(const struct vd_server_options *options, struct vd_server **ret,
                                struct vd_error *err);
/* Logs out, wipes and frees; no disk of it may be open. */
void vd_server_free(struct vd_server *server);
VD_DEFINE_CLEANUP(struct vd_server *, vd_server_free)

const char *vd_server_host(const struct vd_server *server);
/* Logs in and finds the machine, unless that was done before; a failure is tried again the next
 * time. What `ret` points to is the server's. */
VD_MUST_CHECK int vd_server_place(struct vd_server *server, struct vd_transport_place *ret,
                                  struct vd_error *err);
/* Keeps the machine where it is, and lets it go. Where no machine is named there is nothing to
 * keep. */
VD_MUST_CHECK int vd_server_prepare_access(struct vd_server *server, const char *identity,
                                           struct vd_error *err);
VD_MUST_CHECK int vd_server_end_access(struct vd_server *server, const char *identity,
                                       struct vd_error *err);

#endif
