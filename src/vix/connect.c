/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/connection.h"

#include <stdlib.h>

#include "vix/report.h"
#include "vix/server.h"

/* Logs out of a server: nobody holds the lock of the registry. */
static void connection_destroy(struct vd_vix_node *node)
{
    struct vd_vix_connection *connection = (struct vd_vix_connection *)node;
    vd_server_free(connection->server);
    vd_vix_params_done(&connection->params);
}

int vd_vix_connection_get(VixDiskLibConnection handle, struct vd_vix_connection **ret,
                          struct vd_error *err)
{
    struct vd_vix_node *node = vd_vix_get(handle, VD_VIX_CONNECTION);
    if (!node && !vd_vix_registry_is_open())
        return vd_error_set(err, VD_E_NOT_INITIALISED, "the library is not initialised");
    if (!node)
        return vd_error_set(err, VD_E_INVALID_CONNECTION, "%p is not a connection%s",
                            (const void *)handle, handle ? ", or no longer one" : "");
    *ret = (struct vd_vix_connection *)node;
    return VD_OK;
}

int vd_vix_connection_check_change(const struct vd_vix_connection *connection, const char *doing,
                                   const char *path, struct vd_error *err)
{
    if (!connection->server || !connection->read_only)
        return VD_OK;
    return vd_error_set(err, VD_E_READ_ONLY, "%s '%s': the connection is for reading only", doing,
                        path ? path : "");
}

void vd_vix_connections_end(void)
{
    struct vd_vix_node *node;
    while ((node = vd_vix_take_any(VD_VIX_CONNECTION)))
        vd_vix_put(node);
}

/* A server is asked nothing here: what is wrong with it shows when a disk is opened. */
static int connection_fill(struct vd_vix_connection *connection,
                           const VixDiskLibConnectParams *params,
                           const struct vd_vix_access *access, struct vd_error *err)
{
    connection->node.kind = VD_VIX_CONNECTION;
    connection->node.destroy = connection_destroy;
    int r = vd_vix_params_copy(params, &connection->params, err);
    if (r == VD_OK && vd_vix_params_remote(params))
        r = vd_vix_server_new(&connection->params, access, &connection->server, err);
    if (r == VD_OK && vd_vix_add(&connection->node, connection) < 0)
        r = vd_error_set(err, VD_E_NOT_INITIALISED, "the library is not initialised");
    if (r < 0)
        connection_destroy(&connection->node);
    return r;
}

static int connection_new(const VixDiskLibConnectParams *params, bool read_only,
                          const struct vd_vix_access *access, VixDiskLibConnection *ret,
                          struct vd_error *err)
{
    int r = VD_OK;
    if (!vd_vix_registry_is_open())
        return vd_error_set(err, VD_E_NOT_INITIALISED, "the library is not initialised");
    if (vd_vix_params_remote(params))
        r = vd_vix_params_check("connecting to", params, err);
    if (r < 0)
        return r;

    VD_FREE struct vd_vix_connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return vd_error_set(err, VD_E_NO_MEMORY, "connecting: out of memory");
    connection->read_only = read_only;
    r = connection_fill(connection, params, access, err);
    if (r < 0)
        return r;
    *ret = (VixDiskLibConnection)(void *)VD_TAKE_PTR(connection);
    return VD_OK;
}

static VixError connect_as(const char *function, const VixDiskLibConnectParams *params,
                           bool read_only, const struct vd_vix_access *access,
                           VixDiskLibConnection *connection)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;
    if (connection) {
        *connection = NULL;
        r = connection_new(params, read_only, access, connection, &err);
    } else {
        r = vd_error_set(&err, VD_E_INVALID_ARG, "nowhere to put the connection: it is NULL");
    }
    return vd_vix_result(function, r, &err);
}

VD_VIX_EXPORT VixError VixDiskLib_Connect(const VixDiskLibConnectParams *connectParams,
                                          VixDiskLibConnection *connection)
{
    const struct vd_vix_access access = {0};
    return connect_as("VixDiskLib_Connect", connectParams, false, &access, connection);
}

/* A snapshot belongs to a virtual machine and a transport to a network; a disk on this machine has
 * neither, whatever is named. */
VD_VIX_EXPORT VixError VixDiskLib_ConnectEx(const VixDiskLibConnectParams *connectParams,
                                            Bool readOnly, const char *snapshotRef,
                                            const char *transportModes,
                                            VixDiskLibConnection *connection)
{
    const struct vd_vix_access access = {.snapshot = snapshotRef, .modes = transportModes};
    return connect_as("VixDiskLib_ConnectEx", connectParams, readOnly != 0, &access, connection);
}

VD_VIX_EXPORT VixError VixDiskLib_Disconnect(VixDiskLibConnection connection)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vix_connection *found = NULL;
    int r = vd_vix_connection_get(connection, &found, &err);
    if (r == VD_OK) {
        struct vd_vix_node *taken = vd_vix_take(connection, VD_VIX_CONNECTION);
        if (taken)
            vd_vix_put(taken);
        vd_vix_put(&found->node);
    }
    return vd_vix_result("VixDiskLib_Disconnect", r, &err);
}

static int params_get(VixDiskLibConnection handle, VixDiskLibConnectParams **ret,
                      struct vd_error *err)
{
    struct vd_vix_connection *connection = NULL;
    int r = vd_vix_connection_get(handle, &connection, err);
    if (connection == NULL)
        return r;
    *ret = vd_vix_params_hand_out(&connection->params);
    vd_vix_put(&connection->node);
    if (!*ret)
        return vd_error_set(err, VD_E_NO_MEMORY, "copying connect params: out of memory");
    return VD_OK;
}

VD_VIX_EXPORT VixError VixDiskLib_GetConnectParams(const VixDiskLibConnection connection,
                                                   VixDiskLibConnectParams **connectParams)
{
    struct vd_error err = VD_ERROR_INIT;
    int r;
    if (connectParams) {
        *connectParams = NULL;
        r = params_get(connection, connectParams, &err);
    } else {
        r = vd_error_set(&err, VD_E_INVALID_ARG, "nowhere to put the params: it is NULL");
    }
    return vd_vix_result("VixDiskLib_GetConnectParams", r, &err);
}
