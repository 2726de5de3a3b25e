/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connect params. The structure carries no size, and grew from 72 bytes in 5.0 to 80 in 6.5 and 128
 * in 6.7: what lies past the 80th byte is read only in structures allocated here.
 */
#include "vix/params.h"

#include <stddef.h>
#include <stdlib.h>

#include "vix/registry.h"

struct allocated_params {
    struct vd_vix_node node;
    VixDiskLibConnectParams params;
};

static void params_destroy(struct vd_vix_node *node)
{
    (void)node; /* the strings are the caller's */
}

VD_VIX_EXPORT VixDiskLibConnectParams *VixDiskLib_AllocateConnectParams(void)
{
    struct allocated_params *allocated = calloc(1, sizeof *allocated);
    if (!allocated)
        return NULL;
    allocated->node.kind = VD_VIX_PARAMS;
    allocated->node.destroy = params_destroy;
    if (vd_vix_add(&allocated->node, &allocated->params) < 0) {
        free(allocated);
        return NULL;
    }
    return &allocated->params;
}

VD_VIX_EXPORT void VixDiskLib_FreeConnectParams(VixDiskLibConnectParams *connectParams)
{
    struct vd_vix_node *node = vd_vix_take(connectParams, VD_VIX_PARAMS);
    if (node)
        vd_vix_put(node);
}

/* VMX where the structure is too old to say, and for values nobody defined. */
static VixDiskLibSpecType spec_type(const VixDiskLibConnectParams *params)
{
    struct vd_vix_node *node = vd_vix_get(params, VD_VIX_PARAMS);
    if (!node)
        return VIXDISKLIB_SPEC_VMX;
    VixDiskLibSpecType type = params->specType;
    vd_vix_put(node);
    bool known = type == VIXDISKLIB_SPEC_VSTORAGE_OBJECT || type == VIXDISKLIB_SPEC_DATASTORE;
    return known ? type : VIXDISKLIB_SPEC_VMX;
}

static bool given(const char *text)
{
    return text && text[0] != '\0';
}

bool vd_vix_params_remote(const VixDiskLibConnectParams *params)
{
    return params && (given(params->serverName) || given(params->vmxSpec) ||
                      spec_type(params) != VIXDISKLIB_SPEC_VMX);
}

static const char *missing_credential(const VixDiskLibConnectParams *params)
{
    if (params->credType == VIXDISKLIB_CRED_SESSIONID)
        return params->creds.sessionId.cookie ? NULL : "a session cookie";
    if (params->credType != VIXDISKLIB_CRED_UID)
        return NULL;
    if (!params->creds.uid.userName)
        return "a user name";
    return params->creds.uid.password ? NULL : "a password";
}

int vd_vix_params_check(const VixDiskLibConnectParams *params, struct vd_error *err)
{
    const char *missing = "a server name";
    if (given(params->serverName))
        missing = missing_credential(params);
    if (!missing)
        return VD_OK;
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "connecting to '%s': the connect params lack %s, which a connection to "
                        "another machine needs",
                        given(params->serverName) ? params->serverName : "", missing);
}
