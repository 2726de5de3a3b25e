/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of a server around the use of its disks: to keep a virtual machine where it is, and
 * to take back what a crashed program left. Disks on this machine need neither.
 */
#include "vix/export.h"
#include "vix/params.h"
#include "vix/registry.h"
#include "vix/report.h"

static int local_only(const char *doing, const VixDiskLibConnectParams *params,
                      struct vd_error *err)
{
    if (!vd_vix_registry_is_open())
        return vd_error_set(err, VD_E_NOT_INITIALISED, "the library is not initialised");
    return vd_vix_params_remote(params) ? vd_vix_params_refuse(doing, params, err) : VD_OK;
}

VD_VIX_EXPORT VixError VixDiskLib_PrepareForAccess(const VixDiskLibConnectParams *connectParams,
                                                   const char *identity)
{
    struct vd_error err = VD_ERROR_INIT;
    (void)identity; /* for the server's list of who holds the machine */
    int r = local_only("preparing access through", connectParams, &err);
    return vd_vix_result("VixDiskLib_PrepareForAccess", r, &err);
}

/* Also what another process prepared may be ended, so that a server which cannot be asked is an
 * error here too. */
VD_VIX_EXPORT VixError VixDiskLib_EndAccess(const VixDiskLibConnectParams *connectParams,
                                            const char *identity)
{
    struct vd_error err = VD_ERROR_INIT;
    (void)identity; /* see above */
    int r = local_only("ending access through", connectParams, &err);
    return vd_vix_result("VixDiskLib_EndAccess", r, &err);
}

VD_VIX_EXPORT VixError VixDiskLib_Cleanup(const VixDiskLibConnectParams *connectParams,
                                          uint32 *numCleanedUp, uint32 *numRemaining)
{
    struct vd_error err = VD_ERROR_INIT;
    if (numCleanedUp)
        *numCleanedUp = 0;
    if (numRemaining)
        *numRemaining = 0;
    int r = local_only("cleaning up through", connectParams, &err);
    return vd_vix_result("VixDiskLib_Cleanup", r, &err);
}
