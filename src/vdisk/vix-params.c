/* SPDX-License-Identifier: Apache-2.0 */
#include "vdisk/vix-params.h"

#include <string.h>

#include "vdisk/failure.h"
#include "vdisk/params.h"

/* The interface has no const, and changes no string. */
static char *text(const char *string)
{
    return (char *)(uintptr_t)string;
}

static void fill_credentials(VixDiskLibConnectParams *to, const struct vdisk_params *from)
{
    if (from->cookie) {
        to->credType = VIXDISKLIB_CRED_SESSIONID;
        to->creds.sessionId.cookie = text(from->cookie);
        to->creds.sessionId.userName = text(from->user);
        to->creds.sessionId.key = text(from->session_key);
    } else if (from->ticket) {
        to->credType = VIXDISKLIB_CRED_TICKETID;
        to->creds.ticketId = from->ticket;
    } else {
        to->credType = VIXDISKLIB_CRED_UID;
        to->creds.uid.userName = text(from->user);
        to->creds.uid.password = text(from->password);
    }
}

static void fill(VixDiskLibConnectParams *to, const struct vdisk_params *from)
{
    if (!vd_native_params_remote(from))
        return; /* all zero: this machine */
    to->serverName = text(from->server);
    to->thumbPrint = text(from->thumbprint);
    to->port = from->port;
    to->nfcHostPort = from->nfc_port;
    to->vmxSpec = text(from->vmx_spec);
    fill_credentials(to, from);
    if (!from->fcd_id)
        return;
    to->specType = VIXDISKLIB_SPEC_VSTORAGE_OBJECT;
    to->spec.vStorageObjSpec.id = text(from->fcd_id);
    to->spec.vStorageObjSpec.datastoreMoRef = text(from->fcd_datastore);
    to->spec.vStorageObjSpec.ssId = text(from->fcd_snapshot);
}

/* A library that does not allocate params reads no further than their older half. */
int vd_native_vix_params_new(const struct vd_native_vix *vix, const struct vdisk_params *params,
                             VixDiskLibConnectParams **ret, struct vdisk_error *err)
{
    if (params->fcd_id && !vix->AllocateConnectParams)
        return vd_native_vix_lacks(vix, "AllocateConnectParams", "opening the first-class disk",
                                   params->fcd_id, err);
    VixDiskLibConnectParams *made =
        vix->AllocateConnectParams ? vix->AllocateConnectParams() : calloc(1, sizeof *made);
    if (!made)
        return vd_native_fail(err, VD_E_NO_MEMORY, "opening '%s': out of memory",
                              vd_native_params_name(params));
    fill(made, params);
    *ret = made;
    return 0;
}

void vd_native_vix_params_free(const struct vd_native_vix *vix, VixDiskLibConnectParams *params)
{
    if (vix->AllocateConnectParams)
        vix->FreeConnectParams(params);
    else
        free(params);
}
