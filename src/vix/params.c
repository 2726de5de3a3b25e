/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/params.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "vix/registry.h"
#include "vix/report.h"

struct allocated_params {
    struct vd_vix_node node;
    struct vd_vix_params own; /* without strings where the program puts its own */
};

static void params_destroy(struct vd_vix_node *node)
{
    vd_vix_params_done(&((struct allocated_params *)node)->own);
}

static struct allocated_params *params_new(void)
{
    struct allocated_params *allocated = calloc(1, sizeof *allocated);
    if (!allocated)
        return NULL;
    allocated->node.kind = VD_VIX_PARAMS;
    allocated->node.destroy = params_destroy;
    return allocated;
}

/* Takes it over; NULL, and it is gone, when it cannot be. */
static VixDiskLibConnectParams *params_register(struct allocated_params *allocated)
{
    if (vd_vix_add(&allocated->node, &allocated->own.params) == VD_OK)
        return &allocated->own.params;
    vd_vix_params_done(&allocated->own);
    free(allocated);
    return NULL;
}

VD_VIX_EXPORT VixDiskLibConnectParams *VixDiskLib_AllocateConnectParams(void)
{
    struct allocated_params *allocated = params_new();
    return allocated ? params_register(allocated) : NULL;
}

VD_VIX_EXPORT void VixDiskLib_FreeConnectParams(VixDiskLibConnectParams *connectParams)
{
    struct vd_vix_node *node = vd_vix_take(connectParams, VD_VIX_PARAMS);
    if (node)
        vd_vix_put(node);
    else if (connectParams)
        vd_vix_warn("VixDiskLib: VixDiskLib_FreeConnectParams: %p was not allocated by the "
                    "library, or was freed before.",
                    (const void *)connectParams);
}

/* Is all of the structure there, or may it be one of an old generation? */
static bool is_whole(const VixDiskLibConnectParams *params)
{
    struct vd_vix_node *node = vd_vix_get(params, VD_VIX_PARAMS);
    if (node)
        vd_vix_put(node);
    return node != NULL;
}

static bool given(const char *text)
{
    return text && text[0] != '\0';
}

/* VMX where the structure is too old to say, and for values nobody defined. DATASTORE has the
 * number that meant UNKNOWN in 6.7, and is meant where a datastore is named. */
static VixDiskLibSpecType spec_type(const VixDiskLibConnectParams *params)
{
    if (!is_whole(params))
        return VIXDISKLIB_SPEC_VMX;
    VixDiskLibSpecType type = params->specType;
    if (type == VIXDISKLIB_SPEC_DATASTORE && !given(params->spec.dsSpec.datastoreMoRef))
        return VIXDISKLIB_SPEC_VMX;
    bool known = type == VIXDISKLIB_SPEC_VSTORAGE_OBJECT || type == VIXDISKLIB_SPEC_DATASTORE;
    return known ? type : VIXDISKLIB_SPEC_VMX;
}

bool vd_vix_params_remote(const VixDiskLibConnectParams *params)
{
    return params && (given(params->serverName) || given(params->vmxSpec) ||
                      spec_type(params) != VIXDISKLIB_SPEC_VMX);
}

static const char *missing_credential(const VixDiskLibConnectParams *params)
{
    if (params->credType == VIXDISKLIB_CRED_SESSIONID)
        return given(params->creds.sessionId.cookie) ? NULL : "a session cookie";
    if (!params->creds.uid.userName)
        return "a user name";
    return params->creds.uid.password ? NULL : "a password";
}

static const char *missing_spec(const VixDiskLibConnectParams *params)
{
    if (spec_type(params) != VIXDISKLIB_SPEC_VSTORAGE_OBJECT)
        return NULL;
    if (!given(params->spec.vStorageObjSpec.id))
        return "the id of a first-class disk";
    return given(params->spec.vStorageObjSpec.datastoreMoRef)
               ? NULL
               : "the datastore of the first-class disk";
}

static const char *missing_part(const VixDiskLibConnectParams *params)
{
    if (!given(params->serverName))
        return "a server name";
    const char *missing = missing_credential(params);
    return missing ? missing : missing_spec(params);
}

static bool known_credentials(const VixDiskLibConnectParams *params)
{
    return params->credType == VIXDISKLIB_CRED_UID || params->credType == VIXDISKLIB_CRED_SESSIONID;
}

int vd_vix_params_check(const char *doing, const VixDiskLibConnectParams *params,
                        struct vd_error *err)
{
    const char *server = given(params->serverName) ? params->serverName : "";
    if (server[0] != '\0' && !known_credentials(params))
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "%s '%s': credentials of type %u, where only a user name with a "
                            "password (1) and a session cookie (2) can be used",
                            doing, server, (unsigned)params->credType);
    const char *missing = missing_part(params);
    if (missing)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "%s '%s': the connect params lack %s, which a connection to another "
                            "machine needs",
                            doing, server, missing);
    if (params->port > UINT16_MAX)
        return vd_error_set(err, VD_E_INVALID_ARG, "%s '%s': port %u, where 65535 is the last",
                            doing, server, params->port);
    return VD_OK;
}

/* Replaces the pointer at `place` by one to a copy; false when out of memory. */
static bool own_string(struct vd_vix_params *own, char **place)
{
    if (!*place)
        return true;
    *place = strdup(*place);
    if (*place)
        own->strings[own->num_strings++] = *place;
    return *place != NULL;
}

static bool own_credentials(struct vd_vix_params *own)
{
    VixDiskLibConnectParams *params = &own->params;
    union VixDiskLibCreds from = params->creds;
    memset(&params->creds, 0, sizeof params->creds);
    if (params->credType == VIXDISKLIB_CRED_UID) {
        params->creds.uid = from.uid;
        return own_string(own, &params->creds.uid.userName) &&
               own_string(own, &params->creds.uid.password);
    }
    if (params->credType != VIXDISKLIB_CRED_SESSIONID)
        return true;
    params->creds.sessionId = from.sessionId;
    return own_string(own, &params->creds.sessionId.cookie) &&
           own_string(own, &params->creds.sessionId.userName) &&
           own_string(own, &params->creds.sessionId.key);
}

static bool own_spec(struct vd_vix_params *own)
{
    VixDiskLibConnectParams *params = &own->params;
    if (params->specType == VIXDISKLIB_SPEC_VSTORAGE_OBJECT)
        return own_string(own, &params->spec.vStorageObjSpec.id) &&
               own_string(own, &params->spec.vStorageObjSpec.datastoreMoRef) &&
               own_string(own, &params->spec.vStorageObjSpec.ssId);
    if (params->specType == VIXDISKLIB_SPEC_DATASTORE)
        return own_string(own, &params->spec.dsSpec.datastoreMoRef) &&
               own_string(own, &params->spec.dsSpec.diskFolder);
    memset(&params->spec, 0, sizeof params->spec);
    return true;
}

/* `own->params` still points at strings of somebody else. */
static int own_strings(struct vd_vix_params *own, struct vd_error *err)
{
    VixDiskLibConnectParams *params = &own->params;
    bool owned = own_string(own, &params->vmxSpec) && own_string(own, &params->serverName) &&
                 own_string(own, &params->thumbPrint) && own_string(own, &params->vimApiVer) &&
                 own_credentials(own) && own_spec(own);
    if (owned)
        return VD_OK;
    vd_vix_params_done(own);
    return vd_error_set(err, VD_E_NO_MEMORY, "copying connect params: out of memory");
}

int vd_vix_params_copy(const VixDiskLibConnectParams *from, struct vd_vix_params *ret,
                       struct vd_error *err)
{
    *ret = (struct vd_vix_params){0};
    if (!from)
        return VD_OK;
    if (is_whole(from)) {
        ret->params = *from;
        ret->params.state = NULL; /* nobody else's */
    } else {
        memcpy(&ret->params, from, offsetof(VixDiskLibConnectParams, vimApiVer));
        if (ret->params.nfcHostPort > UINT16_MAX)
            ret->params.nfcHostPort = 0; /* of 5.0, where padding is at its place */
    }
    return own_strings(ret, err);
}

void vd_vix_params_done(struct vd_vix_params *params)
{
    for (unsigned i = 0; i < params->num_strings; i++) {
        explicit_bzero(params->strings[i], strlen(params->strings[i]));
        free(params->strings[i]);
    }
    *params = (struct vd_vix_params){0};
}

VixDiskLibConnectParams *vd_vix_params_hand_out(const struct vd_vix_params *from)
{
    struct allocated_params *allocated = params_new();
    if (!allocated)
        return NULL;
    allocated->own.params = from->params;
    if (own_strings(&allocated->own, NULL) < 0) {
        free(allocated);
        return NULL;
    }
    return params_register(allocated);
}
