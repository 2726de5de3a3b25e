/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/server.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STRINGS 16u /* of the options */

struct vd_server {
    struct vd_server_options options;
    char *strings[STRINGS]; /* those of the options, to be wiped */
    unsigned num_strings;

    pthread_mutex_t lock;       /* guards what follows; held while the server is asked */
    struct vd_vsphere *session; /* NULL: not logged in; never changes afterwards */
    char vm_moid[VD_MOID_BYTES];
};

static bool own(struct vd_server *server, const char **text)
{
    if (!*text || **text == '\0') {
        *text = NULL;
        return true;
    }
    char *copy = strdup(*text);
    *text = copy;
    if (copy)
        server->strings[server->num_strings++] = copy;
    return copy != NULL;
}

static bool own_strings(struct vd_server *server)
{
    struct vd_server_options *options = &server->options;
    struct vd_vsphere_options *login = &options->login;
    const char **const all[] = {
        &login->server.host,
        &login->server.trust.host_name,
        &login->server.trust.thumbprint,
        &login->server.trust.ca_file,
        &login->server.proxy,
        &login->server.user_agent,
        &login->user,
        &login->password,
        &login->cookie,
        &login->ticket,
        &options->vm,
        &options->snapshot,
        &options->datastore_moid,
        &options->disk_id,
        &options->folder,
        &options->modes,
    };
    _Static_assert(VD_ARRAY_SIZE(all) == STRINGS, "each has its place");
    bool complete = true;
    for (size_t i = 0; i < VD_ARRAY_SIZE(all); i++)
        if (!complete || !own(server, all[i])) {
            complete = false;
            *all[i] = NULL;
        }
    return complete;
}

static void wipe_strings(struct vd_server *server)
{
    for (unsigned i = 0; i < server->num_strings; i++) {
        explicit_bzero(server->strings[i], strlen(server->strings[i]));
        free(server->strings[i]);
    }
}

int vd_server_new(const struct vd_server_options *options, struct vd_server **ret,
                  struct vd_error *err)
{
    struct vd_server *server = calloc(1, sizeof *server);
    if (server)
        server->options = *options;
    if (!server || !own_strings(server)) {
        if (server)
            wipe_strings(server);
        free(server);
        return vd_error_set(err, VD_E_NO_MEMORY, "connecting to '%s': out of memory",
                            options->login.server.host);
    }
    (void)pthread_mutex_init(&server->lock, NULL); /* cannot fail for a default mutex */
    *ret = server;
    return VD_OK;
}

void vd_server_free(struct vd_server *server)
{
    if (!server)
        return;
    vd_vsphere_free(server->session);
    wipe_strings(server);
    (void)pthread_mutex_destroy(&server->lock); /* nobody holds it */
    free(server);
}

const char *vd_server_host(const struct vd_server *server)
{
    return server->options.login.server.host;
}

static int arrive_locked(struct vd_server *server, struct vd_error *err)
{
    int r = VD_OK;
    if (!server->session)
        r = vd_vsphere_connect(&server->options.login, &server->session, err);
    if (r == VD_OK && server->options.vm && server->vm_moid[0] == '\0')
        r = vd_vsphere_find_vm(server->session, server->options.vm, server->vm_moid, err);
    return r;
}

/* vm_moid does not change any more once it is found. */
static int arrive(struct vd_server *server, struct vd_error *err)
{
    (void)pthread_mutex_lock(&server->lock); /* a default mutex, never misused */
    int r = arrive_locked(server, err);
    (void)pthread_mutex_unlock(&server->lock);
    return r;
}

int vd_server_place(struct vd_server *server, struct vd_transport_place *ret, struct vd_error *err)
{
    const struct vd_server_options *options = &server->options;
    int r = arrive(server, err);
    if (r < 0)
        return r;
    *ret = (struct vd_transport_place){
        .session = server->session,
        .vm_moid = options->vm ? server->vm_moid : NULL,
        .snapshot = options->snapshot,
        .datastore_moid = options->datastore_moid,
        .disk_id = options->disk_id,
        .modes = options->modes,
        .folder = options->folder,
    };
    return VD_OK;
}

int vd_server_prepare_access(struct vd_server *server, const char *identity, struct vd_error *err)
{
    if (!server->options.vm)
        return VD_OK;
    int r = arrive(server, err);
    return r < 0 ? r : vd_vsphere_prepare_access(server->session, server->vm_moid, identity, err);
}

int vd_server_end_access(struct vd_server *server, const char *identity, struct vd_error *err)
{
    if (!server->options.vm)
        return VD_OK;
    int r = arrive(server, err);
    return r < 0 ? r : vd_vsphere_end_access(server->session, server->vm_moid, identity, err);
}
