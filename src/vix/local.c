/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/local.h"

#include "vix/config.h"
#include "vix/connection.h"
#include "vix/report.h"

int vd_vix_local_path(const char *doing, const char *path, struct vd_error *err)
{
    if (!path || path[0] == '\0')
        return vd_error_set(err, VD_E_INVALID_ARG, "%s a disk: no path is given", doing);
    if (path[0] == '[')
        return vd_error_set(err, VD_E_NOT_FOUND,
                            "%s '%s': a path on a datastore, on a connection to this machine",
                            doing, path);
    return VD_OK;
}

int vd_vix_local_target(const char *doing, VixDiskLibConnection connection, const char *path,
                        struct vd_error *err)
{
    struct vd_vix_connection *found;
    int r = vd_vix_connection_get(connection, &found, err);
    if (r < 0)
        return r;
    bool local = found->server == NULL;
    vd_vix_put(&found->node);
    if (!local)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "%s '%s': not possible on a connection to a server", doing,
                            path ? path : "");
    return vd_vix_local_path(doing, path, err);
}

struct vd_vmdk_options vd_vix_local_options(unsigned flags)
{
    /* Unset, a descriptor names files in the disk's own folder tree only, since a disk can come
     * from anywhere. */
    if (vd_vix_config_number(VD_SETTING_ALLOW_OUTSIDE, 0) != 0)
        flags |= VD_VMDK_ALLOW_OUTSIDE;
    return (struct vd_vmdk_options){.log = vd_vix_log(), .flags = flags};
}
