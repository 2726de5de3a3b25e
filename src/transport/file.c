/* SPDX-License-Identifier: Apache-2.0 */
/* Disks on this machine. */
#include "transport/transport-int.h"

static bool file_usable(const struct vd_transport_request *request, const char **ret_why)
{
    *ret_why = "leads to disks on this machine only";
    return request->place->session == NULL;
}

static int file_open(const struct vd_transport_request *request, struct vd_disk **ret,
                     struct vd_error *err)
{
    return vd_vmdk_open(request->path, request->local, ret, err);
}

const struct vd_transport vd_transport_file = {
    .name = "file",
    .usable = file_usable,
    .open = file_open,
};
