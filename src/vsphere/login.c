/* SPDX-License-Identifier: Apache-2.0 */
/* Into a session and out of it. */
#include <stdlib.h>
#include <string.h>

#include "vsphere/vsphere-int.h"

#define LOGOUT_MS 5000u
static const char COOKIE_NAME[] = "vmware_soap_session=";

/* The new session; the old cookie, if any, is wiped. Takes the cookie. */
static void install(struct vd_vsphere *session, char *cookie, bool ours)
{
    (void)pthread_mutex_lock(&session->lock);
    char *old = session->cookie;
    session->cookie = cookie;
    session->ours = ours;
    session->generation++;
    (void)pthread_mutex_unlock(&session->lock);
    vd_secret_free(old);
}

/* Sends a call that opens a session: without a cookie, for one. */
static int open_session(struct vd_vsphere *session, struct vd_soap_call *call, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    VD_CLEANUP(vd_secret_free_cleanup) char *cookie = NULL;
    int r = vd_soap_exchange(session, call, NULL, &reply, &cookie, err);
    if (r < 0)
        return r;
    if (reply.fault.type[0])
        return vd_fault_tell(&reply.fault, call->what, err);
    if (!cookie || strncmp(cookie, COOKIE_NAME, sizeof COOKIE_NAME - 1) != 0)
        return vd_soap_broken(call, "sets no session cookie", err);
    install(session, VD_TAKE_PTR(cookie), true);
    return VD_OK;
}

/* Nothing of a password is left behind by a buffer that grows: it is large enough at once. */
static void reserve(struct vd_soap_call *call, const char *secret)
{
    call->body.result = vd_buf_reserve(&call->body.buf, 4096 + 6 * strlen(secret));
}

static int login_by_password(struct vd_vsphere *session, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    reserve(&call, session->password);
    vd_soap_begin(&call, "Login", "SessionManager", session->content.session_manager);
    vd_soap_what(&call, "logging in to '%s' as '%s'", session->host, session->user);
    vd_xml_leaf(&call.body, "userName", session->user);
    vd_xml_leaf(&call.body, "password", session->password);
    vd_xml_leaf(&call.body, "locale", "en_US");
    return open_session(session, &call, err);
}

static int login_by_ticket(struct vd_vsphere *session, const char *ticket, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    struct vd_error why = VD_ERROR_INIT;
    reserve(&call, ticket);
    vd_soap_begin(&call, "CloneSession", "SessionManager", session->content.session_manager);
    vd_soap_what(&call, "logging in to '%s' by a clone ticket", session->host);
    vd_xml_leaf(&call.body, "cloneTicket", ticket);
    int r = open_session(session, &call, &why);
    if (r == VD_E_LOGIN)
        return vd_error_set(err, r,
                            "%s: the server does not know the ticket; each is good for one login "
                            "only, and not for long",
                            call.what);
    return r < 0 ? vd_error_set(err, r, "%s", why.text) : r;
}

/* Any form of the caller's cookie, as a Cookie header wants it; NULL: out of memory. Quotes are
 * part of the value. */
static char *cookie_from(const char *text)
{
    text += strspn(text, " \t");
    size_t length = strcspn(text, ";\r\n");
    while (length > 0 && strchr(" \t", text[length - 1]))
        length--;
    const char *name = memchr(text, '=', length) ? "" : COOKIE_NAME;
    size_t name_length = strlen(name);
    char *cookie = malloc(name_length + length + 1);
    if (!cookie)
        return NULL;
    memcpy(cookie, name, name_length);
    memcpy(cookie + name_length, text, length);
    cookie[name_length + length] = '\0';
    return cookie;
}

/* Is anybody logged in by this cookie? A positive answer is VD_OK, a negative VD_E_LOGIN. */
static int try_cookie(struct vd_vsphere *session, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    uint64_t generation;
    VD_CLEANUP(vd_secret_free_cleanup)
    char *cookie = vd_session_cookie(session, &generation);
    vd_soap_begin(&call, "CurrentTime", "ServiceInstance", "ServiceInstance");
    vd_soap_what(&call, "using a session of '%s' by its cookie", session->host);
    int r = vd_soap_exchange(session, &call, cookie, &reply, NULL, err);
    if (r == VD_OK && vd_fault_is(&reply.fault, "NotAuthenticated"))
        return vd_error_set(err, VD_E_LOGIN,
                            "%s: the server does not know it; the session has ended, or the cookie "
                            "is another server's",
                            call.what);
    if (r == VD_OK && reply.fault.type[0])
        return vd_fault_tell(&reply.fault, call.what, err);
    return r;
}

static bool may_login(const struct vd_vsphere *session)
{
    return session->user && session->user[0] && session->password;
}

static int login_by_cookie(struct vd_vsphere *session, const char *text, struct vd_error *err)
{
    struct vd_error why = VD_ERROR_INIT;
    char *cookie = cookie_from(text);
    if (!cookie)
        return vd_error_set(err, VD_E_NO_MEMORY, "using a cookie: out of memory");
    install(session, cookie, false);
    int r = try_cookie(session, &why);
    if (r == VD_E_LOGIN && may_login(session))
        return login_by_password(session, err);
    return r < 0 ? vd_error_set(err, r, "%s", why.text) : r;
}

int vd_session_login(struct vd_vsphere *session, const struct vd_vsphere_options *options,
                     struct vd_error *err)
{
    switch (session->credential) {
    case VD_VSPHERE_COOKIE:
        return login_by_cookie(session, options->cookie, err);
    case VD_VSPHERE_CLONE_TICKET:
        return login_by_ticket(session, options->ticket, err);
    case VD_VSPHERE_PASSWORD:
    default:
        return login_by_password(session, err);
    }
}

int vd_session_renew(struct vd_vsphere *session, uint64_t generation, struct vd_error *err)
{
    if (!may_login(session))
        return vd_error_set(err, VD_E_LOGIN,
                            "the session with '%s' has ended, and without a user name and a "
                            "password there is no other; get a new one and start again",
                            session->host);
    (void)pthread_mutex_lock(&session->login_lock);
    bool stale = vd_session_generation(session) == generation;
    int r = stale ? login_by_password(session, err) : VD_OK; /* or another thread was faster */
    (void)pthread_mutex_unlock(&session->login_lock);
    if (r == VD_OK && stale)
        vd_log(session->log, VD_LOG_INFO, "the session with '%s' had ended; logged in again",
               session->host);
    return r;
}

void vd_session_logout(struct vd_vsphere *session)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    if (!session->cookie || !session->ours)
        return;
    vd_soap_begin(&call, "Logout", "SessionManager", session->content.session_manager);
    vd_soap_what(&call, "logging out of '%s'", session->host);
    call.io_ms = LOGOUT_MS;
    /* A session that cannot be ended ends by itself after a while. */
    VD_DISCARD(vd_soap_exchange(session, &call, session->cookie, &reply, NULL, NULL));
}
