/* SPDX-License-Identifier: Apache-2.0 */
/* A way to disks. The registry in transport.c holds them all. */
#ifndef VD_TRANSPORT_TRANSPORT_INT_H
#define VD_TRANSPORT_TRANSPORT_INT_H

#include "transport/transport.h"

struct vd_transport {
    const char *name;
    /* Can it lead to that place at all? Costs nothing; *ret_why is static, for a sentence. */
    bool (*usable)(const struct vd_transport_request *request, const char **ret_why);
    int (*open)(const struct vd_transport_request *request, struct vd_disk **ret,
                struct vd_error *err);
};

struct vd_transports {
    const struct vd_transport *const *all;
    size_t count;
};

/* What vd_transport_open does for a disk on another machine, over any registry. */
VD_MUST_CHECK int vd_transport_walk(const struct vd_transports *transports,
                                    const struct vd_transport_request *request,
                                    struct vd_disk **ret, struct vd_error *err);

extern const struct vd_transport vd_transport_file;
extern const struct vd_transport vd_transport_nbdssl;
extern const struct vd_transport vd_transport_nbd;

#endif
