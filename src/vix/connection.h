/* SPDX-License-Identifier: Apache-2.0 */
/* A connection: where disks are, and whether they may be written. Immutable, counted by its node:
 * it lives until it is disconnected and the last disk opened on it is closed. */
#ifndef VD_VIX_CONNECTION_H
#define VD_VIX_CONNECTION_H

#include <stdbool.h>

#include "vix/export.h"
#include "vix/params.h"
#include "vix/registry.h"

struct vd_server;

struct vd_vix_connection {
    struct vd_vix_node node;
    bool read_only;
    struct vd_vix_params params; /* as they were given */
    struct vd_server *server;    /* NULL: this machine */
};

/* With a reference, which vd_vix_put of its node gives back. */
VD_MUST_CHECK int vd_vix_connection_get(VixDiskLibConnection handle, struct vd_vix_connection **ret,
                                        struct vd_error *err);
/* May files be made, changed or removed there? A connection to a server that is for reading:
 * VD_E_READ_ONLY; on this machine it says how disks are opened, no more. `doing` is the head of a
 * sentence: "removing". */
VD_MUST_CHECK int vd_vix_connection_check_change(const struct vd_vix_connection *connection,
                                                 const char *doing, const char *path,
                                                 struct vd_error *err);
/* Ends every one, when the library ends. */
void vd_vix_connections_end(void);

#endif
