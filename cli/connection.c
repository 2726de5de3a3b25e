/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"

#include <string.h>

#include "interrupt.h"
#include "password.h"
#include "terminal.h"

struct connection {
    struct connection *next;
    struct vd_vsphere *session;
    char *user; /* or NULL */
    char *host;
    uint16_t port;
};

static struct connection *connections;

int cli_connection_trust(const struct cli_args *args, const struct vd_url *url,
                         struct vd_tls_trust *ret, struct vd_error *err)
{
    const char *thumbprint = url->thumbprint ? url->thumbprint : args->thumbprint;

    if (url->insecure && thumbprint)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "insecure=1 in the URL beside --thumbprint: either the server's "
                            "certificate is verified or it is not");
    if (!thumbprint && !url->ca && !url->insecure)
        thumbprint = getenv("VDISK_THUMBPRINT");
    *ret = (struct vd_tls_trust){
        .host_name = url->host,
        .thumbprint = thumbprint,
        .ca_file = url->ca,
        .unverified = url->insecure,
        .legacy = url->legacy_tls,
    };
    return thumbprint && thumbprint[0] ? vd_tls_thumbprint_check(thumbprint, err) : VD_OK;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct connection *find(const struct vd_url *url)
{
    for (struct connection *c = connections; c; c = c->next) {
        if (same_text(c->user, url->user) && same_text(c->host, url->host) && c->port == url->port)
            return c;
    }
    return NULL;
}

static void connection_free(struct connection *connection)
{
    if (!connection)
        return;
    vd_vsphere_free(connection->session);
    free(connection->user);
    free(connection->host);
    free(connection);
}
VD_DEFINE_CLEANUP(struct connection *, connection_free)

static int fill_credential(const struct cli_args *args, const struct vd_url *url,
                           struct vd_vsphere_options *options, struct vd_secret *secret,
                           struct vd_error *err)
{
    options->user = url->user;
    if (args->session_file) {
        options->credential = VD_VSPHERE_COOKIE;
        options->cookie = secret->text;
        return vd_secret_from_file(args->session_file, &cli_log, cli_interrupt_stop(), secret, err);
    }
    if (!url->user)
        return vd_error_set(err, VD_E_LOGIN,
                            "no user for '%s'; write vsphere://USER@%s/..., or give a session with "
                            "--session-file",
                            url->host, url->host);
    options->credential = VD_VSPHERE_PASSWORD;
    options->password = secret->text;
    return cli_password_get(args, url->user, url->host, secret, err);
}

static int log_in(const struct cli_args *args, const struct vd_url *url, struct vd_vsphere **ret,
                  struct vd_error *err)
{
    VD_CLEANUP(vd_secret_wipe) struct vd_secret secret = {""};
    struct vd_vsphere_options options = {
        .server = {.host = url->host,
                   .port = url->port,
                   .timeouts = {.stop = cli_interrupt_stop()}},
        .log = &cli_log,
    };
    int r = cli_connection_trust(args, url, &options.server.trust, err);

    if (r == VD_OK)
        r = fill_credential(args, url, &options, &secret, err);
    return r < 0 ? r : vd_vsphere_connect(&options, ret, err);
}

int cli_connect(const struct cli_args *args, const struct vd_url *url, struct vd_vsphere **ret,
                struct vd_error *err)
{
    VD_CLEANUP(connection_free_cleanup) struct connection *made = NULL;
    const struct connection *known = find(url);
    int r;

    if (known) {
        *ret = known->session;
        return VD_OK;
    }
    made = calloc(1, sizeof *made);
    if (made) {
        made->host = strdup(url->host);
        made->user = url->user ? strdup(url->user) : NULL;
        made->port = url->port;
    }
    cli_interrupt_catch(); /* whatever comes from here on is logged out of */
    if (!made || !made->host || (url->user && !made->user))
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a connection");
    r = log_in(args, url, &made->session, err);
    if (r < 0)
        return r;
    *ret = made->session;
    made->next = connections;
    connections = VD_TAKE_PTR(made);
    return VD_OK;
}

int cli_machine_find(const struct cli_args *args, const struct vd_url *url, struct vd_machine *ret,
                     struct vd_error *err)
{
    struct vd_vsphere *session;
    int r = cli_connect(args, url, &session, err);

    *ret = (struct vd_machine){0};
    return r < 0 ? r : vd_machine_find(session, url, ret, err);
}

void cli_connections_end(void)
{
    cli_password_wipe_environment();
    while (connections) {
        struct connection *next = connections->next;

        connection_free(connections);
        connections = next;
    }
}
