/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of a server around the use of its disks: to keep a virtual machine where it is, and
 * to take back what a crashed program left. Disks on this machine need neither.
 */
#include "vix/export.h"
#include "vix/params.h"
#include "vix/registry.h"
#include "vix/report.h"
#include "vix/server.h"

/* Of a program that gives none; the server's list of who holds the machine shows it. */
#define DEFAULT_IDENTITY "VixDiskLib"

typedef int access_fn(struct vd_server *server, const char *identity, struct vd_error *err);

/* Logs in for this one question. */
static int ask(const VixDiskLibConnectParams *params, access_fn *question, const char *identity,
               struct vd_error *err)
{
    const struct vd_vix_access access = {0};
    struct vd_vix_params own;
    VD_CLEANUP(vd_server_free_cleanup) struct vd_server *server = NULL;
    int r = vd_vix_params_copy(params, &own, err);
    if (r < 0)
        return r;
    r = vd_vix_server_new(&own, &access, &server, err);
    vd_vix_params_done(&own); /* the server has its own copies */
    if (r == VD_OK)
        r = question(server, identity && identity[0] ? identity : DEFAULT_IDENTITY, err);
    if (r < 0)
        vd_vix_server_tell(r, err);
    return r;
}

static int check(const char *doing, const VixDiskLibConnectParams *params, struct vd_error *err)
{
    if (!vd_vix_registry_is_open())
        return vd_error_set(err, VD_E_NOT_INITIALISED, "the library is not initialised");
    return vd_vix_params_remote(params) ? vd_vix_params_check(doing, params, err) : VD_OK;
}

static VixError access_result(const char *function, const char *doing,
                              const VixDiskLibConnectParams *params, access_fn *question,
                              const char *identity)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = check(doing, params, &err);
    if (r == VD_OK && vd_vix_params_remote(params))
        r = ask(params, question, identity, &err);
    return vd_vix_result(function, r, &err);
}

VD_VIX_EXPORT VixError VixDiskLib_PrepareForAccess(const VixDiskLibConnectParams *connectParams,
                                                   const char *identity)
{
    return access_result("VixDiskLib_PrepareForAccess", "preparing access through", connectParams,
                         vd_server_prepare_access, identity);
}

/* Also what another process prepared may be ended, so that a server which cannot be asked is an
 * error here too. */
VD_VIX_EXPORT VixError VixDiskLib_EndAccess(const VixDiskLibConnectParams *connectParams,
                                            const char *identity)
{
    return access_result("VixDiskLib_EndAccess", "ending access through", connectParams,
                         vd_server_end_access, identity);
}

/* A program that crashed leaves nothing behind that could be found and taken back: its disks are
 * closed by the hosts, its sessions end by themselves, nothing was attached anywhere, and what it
 * holds on a server may be held for another program that goes on. */
VD_VIX_EXPORT VixError VixDiskLib_Cleanup(const VixDiskLibConnectParams *connectParams,
                                          uint32 *numCleanedUp, uint32 *numRemaining)
{
    struct vd_error err = VD_ERROR_INIT;
    if (numCleanedUp)
        *numCleanedUp = 0;
    if (numRemaining)
        *numRemaining = 0;
    int r = check("cleaning up through", connectParams, &err);
    return vd_vix_result("VixDiskLib_Cleanup", r, &err);
}
