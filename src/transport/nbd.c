/* SPDX-License-Identifier: Apache-2.0 */
/* Disks on hosts, over NFC: with its data in TLS, or in the clear. */
#include "transport/remote-disk.h"
#include "transport/transport-int.h"

static bool nbd_usable(const struct vd_transport_request *request, const char **ret_why)
{
    *ret_why = "leads to disks on hosts only";
    return request->place->session != NULL;
}

static int nbd_open(const struct vd_transport_request *request, struct vd_disk **ret,
                    struct vd_error *err)
{
    return vd_remote_disk_open(request, false, ret, err);
}

static int nbdssl_open(const struct vd_transport_request *request, struct vd_disk **ret,
                       struct vd_error *err)
{
    return vd_remote_disk_open(request, true, ret, err);
}

const struct vd_transport vd_transport_nbd = {
    .name = "nbd",
    .usable = nbd_usable,
    .open = nbd_open,
};

const struct vd_transport vd_transport_nbdssl = {
    .name = "nbdssl",
    .usable = nbd_usable,
    .open = nbdssl_open,
};
