/* SPDX-License-Identifier: Apache-2.0 */
/* A session's birth and end. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "vsphere/load-xml-int.h"
#include "vsphere/vsphere-int.h"

#define KEEP_ALIVE_MS (5u * 60u * 1000u) /* servers end sessions idle for 30 minutes */

void vd_secret_free(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

char *vd_session_cookie(struct vd_vsphere *session, uint64_t *ret_generation)
{
    (void)pthread_mutex_lock(&session->lock);
    char *cookie = session->cookie ? strdup(session->cookie) : NULL;
    *ret_generation = session->generation;
    (void)pthread_mutex_unlock(&session->lock);
    return cookie;
}

uint64_t vd_session_generation(struct vd_vsphere *session)
{
    (void)pthread_mutex_lock(&session->lock);
    uint64_t generation = session->generation;
    (void)pthread_mutex_unlock(&session->lock);
    return generation;
}

/* NULL stays NULL. */
static bool copy(const char *from, char **to)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static void locks_init(struct vd_vsphere *session)
{
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic); /* none of these fail with these arguments */
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&session->stopping, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_init(&session->lock, NULL);
    (void)pthread_mutex_init(&session->login_lock, NULL);
}

static int session_new(const struct vd_vsphere_options *options, struct vd_vsphere **ret,
                       struct vd_error *err)
{
    struct vd_vsphere *session = calloc(1, sizeof *session);
    if (!session)
        return vd_error_set(err, VD_E_NO_MEMORY, "connecting to '%s': out of memory",
                            options->server.host);
    locks_init(session);
    session->log = options->log;
    session->wish = options->server.timeouts.stop;
    session->credential = options->credential;
    session->keep_alive_ms = options->keep_alive_ms ? options->keep_alive_ms : KEEP_ALIVE_MS;
    int r = VD_OK;
    if (!copy(options->server.host, &session->host) || !copy(options->user, &session->user) ||
        !copy(options->password, &session->password))
        r = vd_error_set(err, VD_E_NO_MEMORY, "connecting to '%s': out of memory",
                         options->server.host);
    if (r == VD_OK)
        r = vd_http_new(&options->server, &session->http, err);
    if (r < 0)
        vd_vsphere_free(session);
    else
        *ret = session;
    return r;
}

static int check_options(const struct vd_vsphere_options *options, struct vd_error *err)
{
    static const char *const missing[] = {
        [VD_VSPHERE_PASSWORD] = "a user name and a password",
        [VD_VSPHERE_COOKIE] = "a session's cookie",
        [VD_VSPHERE_CLONE_TICKET] = "a clone ticket",
    };
    assert(options->server.host);
    const char *needed = options->credential == VD_VSPHERE_PASSWORD ? options->user
                         : options->credential == VD_VSPHERE_COOKIE ? options->cookie
                                                                    : options->ticket;
    bool good = needed && needed[0] != '\0' &&
                (options->credential != VD_VSPHERE_PASSWORD || options->password);
    return good ? VD_OK
                : vd_error_set(err, VD_E_INVALID_ARG, "logging in to '%s' needs %s",
                               options->server.host, missing[options->credential]);
}

int vd_vsphere_connect(const struct vd_vsphere_options *options, struct vd_vsphere **ret,
                       struct vd_error *err)
{
    VD_CLEANUP(vd_vsphere_free_cleanup) struct vd_vsphere *session = NULL;
    int r = check_options(options, err);
    if (r == VD_OK)
        r = vd_xml_load(err);
    if (r == VD_OK)
        r = session_new(options, &session, err);
    if (r == VD_OK)
        r = vd_session_negotiate(session, err);
    if (r == VD_OK)
        r = vd_session_read_content(session, err);
    if (r == VD_OK)
        r = vd_session_login(session, options, err);
    if (r < 0)
        return r;
    vd_session_keep(session);
    *ret = VD_TAKE_PTR(session);
    return VD_OK;
}

void vd_vsphere_free(struct vd_vsphere *session)
{
    if (!session)
        return;
    vd_session_stop_keeping(session);
    vd_session_logout(session);
    vd_http_free(session->http);
    (void)pthread_cond_destroy(&session->stopping);
    (void)pthread_mutex_destroy(&session->lock);
    (void)pthread_mutex_destroy(&session->login_lock);
    vd_secret_free(session->cookie);
    vd_secret_free(session->password);
    free(session->user);
    free(session->host);
    free(session);
}

bool vd_vsphere_is_vcenter(const struct vd_vsphere *session)
{
    return session->content.vcenter;
}

const char *vd_vsphere_api_version(const struct vd_vsphere *session)
{
    return session->content.api_version;
}

const char *vd_vsphere_host(const struct vd_vsphere *session)
{
    return session->host;
}
