/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to servers, and the disks there. Threads: any. */
#ifndef VD_VIX_SERVER_H
#define VD_VIX_SERVER_H

#include <stdbool.h>

#include "transport/server.h"
#include "vix/params.h"

/* What ConnectEx is told besides the params; both may be NULL or "". */
struct vd_vix_access {
    const char *snapshot;
    const char *modes;
};

/* The server that params lead to, which nothing is asked yet; `params` were checked. Settings of
 * the configuration are taken as they are now. */
VD_MUST_CHECK int vd_vix_server_new(const struct vd_vix_params *params,
                                    const struct vd_vix_access *access, struct vd_server **ret,
                                    struct vd_error *err);

/* A disk there: `flags` are those of VixDiskLib_Open. Tells the log what was opened, in the words
 * that programs look for. */
VD_MUST_CHECK int vd_vix_server_open(struct vd_server *server, const struct vd_vix_params *params,
                                     const char *path, uint32 flags, struct vd_disk **ret,
                                     struct vd_error *err);

/* Tells of a certificate that is not trusted, in the words that programs look for. */
void vd_vix_server_tell(int code, const struct vd_error *err);

#endif
