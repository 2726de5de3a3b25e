/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "password.h"
#include "terminal.h"
#include "transport/login.h"

struct connection {
    struct connection *next;
    struct vd_vsphere *session;
    char *user; /* or NULL */
    char *host;
    uint16_t port;
    char *thumbprint; /* or NULL */
    char *ca_file;    /* or NULL */
    bool unverified;
    bool legacy;
    struct vd_secret secret; /* what was logged in with */
};

static struct connection *connections;

static struct vd_login login_of(const struct cli_args *args, const struct vd_url *url)
{
    return (struct vd_login){
        .url = url,
        .thumbprint = args->thumbprint,
        .default_thumbprint = getenv("VDISK_THUMBPRINT"),
        .is_session = args->session_file != NULL,
        .log = &cli_log,
        .stop = cli_interrupt_stop(),
    };
}

int cli_connection_trust(const struct cli_args *args, const struct vd_url *url,
                         struct vd_tls_trust *ret, struct vd_error *err)
{
    struct vd_login login = login_of(args, url);

    return vd_login_trust(&login, ret, err);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_trust(const struct connection *connection, const struct vd_tls_trust *trust)
{
    return same_text(connection->thumbprint, trust->thumbprint) &&
           same_text(connection->ca_file, trust->ca_file) &&
           connection->unverified == trust->unverified && connection->legacy == trust->legacy;
}

/* `trust`: NULL: any. Another one makes another session: the server may not be the same then. */
static struct connection *find(const struct vd_url *url, const struct vd_tls_trust *trust)
{
    for (struct connection *c = connections; c; c = c->next) {
        if (same_text(c->user, url->user) && same_text(c->host, url->host) &&
            c->port == url->port && (!trust || same_trust(c, trust)))
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
    free(connection->thumbprint);
    free(connection->ca_file);
    vd_secret_wipe(&connection->secret);
    free(connection);
}
VD_DEFINE_CLEANUP(struct connection *, connection_free)

static int get_secret(const struct cli_args *args, const struct vd_url *url, struct vd_secret *ret,
                      struct vd_error *err)
{
    if (args->session_file)
        return vd_secret_from_file(args->session_file, &cli_log, cli_interrupt_stop(), ret, err);
    if (url->user)
        return cli_password_get(args, url->user, url->host, ret, err);
    return vd_error_set(err, VD_E_LOGIN,
                        "no user for '%s'; write vsphere://USER@%s/..., or give a session with "
                        "--session-file",
                        url->host, url->host);
}

static bool copy(const char *text, char **ret)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret;
}

static struct connection *connection_new(const struct vd_url *url, const struct vd_tls_trust *trust)
{
    VD_CLEANUP(connection_free_cleanup) struct connection *made = calloc(1, sizeof *made);

    if (!made || !copy(url->host, &made->host) || !copy(url->user, &made->user) ||
        !copy(trust->thumbprint, &made->thumbprint) || !copy(trust->ca_file, &made->ca_file))
        return NULL;
    made->port = url->port;
    made->unverified = trust->unverified;
    made->legacy = trust->legacy;
    return VD_TAKE_PTR(made);
}

/* Nobody is asked twice for one password. */
static int log_in(const struct cli_args *args, const struct vd_url *url, struct connection *made,
                  struct vd_error *err)
{
    const struct connection *known = find(url, NULL);
    struct vd_login login = login_of(args, url);
    int r = VD_OK;

    login.secret = &made->secret;
    if (known)
        made->secret = known->secret;
    else
        r = get_secret(args, url, &made->secret, err);
    return r < 0 ? r : vd_login_run(&login, &made->session, err);
}

int cli_connect(const struct cli_args *args, const struct vd_url *url, struct vd_vsphere **ret,
                struct vd_error *err)
{
    VD_CLEANUP(connection_free_cleanup) struct connection *made = NULL;
    const struct connection *known;
    struct vd_tls_trust trust;
    int r = cli_connection_trust(args, url, &trust, err); /* before a password is asked for */

    if (r < 0)
        return r;
    known = find(url, &trust);
    if (known) {
        *ret = known->session;
        return VD_OK;
    }
    made = connection_new(url, &trust);
    if (!made)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a connection");
    cli_interrupt_catch(); /* whatever comes from here on is logged out of */
    r = log_in(args, url, made, err);
    if (r < 0)
        return r;
    *ret = made->session;
    made->next = connections;
    connections = VD_TAKE_PTR(made);
    return VD_OK;
}

int cli_connection_hand_on(const struct vd_url *url, int *ret_fd, struct vd_error *err)
{
    const struct connection *known = find(url, NULL);
    VD_CLOSE int from = -1;
    VD_CLOSE int to = -1;
    size_t length;
    int fds[2];

    assert(known);
    length = strlen(known->secret.text);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return vd_error_set_errno(err, errno, "cannot make a pipe");
    from = fds[0];
    to = fds[1];
    /* A pipe that is empty takes PIPE_BUF bytes, which a secret is not longer than, at once. */
    if (write(to, known->secret.text, length) != (ssize_t)length || write(to, "\n", 1) != 1 ||
        fcntl(from, F_SETFD, 0) < 0)
        return vd_error_set_errno(err, errno, "cannot hand on the secret");
    *ret_fd = from;
    from = -1;
    return VD_OK;
}

int cli_machine_find(const struct cli_args *args, const struct vd_url *url, struct vd_machine *ret,
                     struct vd_error *err)
{
    struct vd_vsphere *session = NULL;
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
