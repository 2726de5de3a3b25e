/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/soap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vsphere/vsphere-int.h"

/* Where an API service is restarting, it answers 502 or 503 for a while. */
static const uint32_t PAUSES_MS[] = {200, 800, 2000};

static const char HEAD[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
    "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\""
    " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\""
    " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">";
static const char BODY[] = "<soapenv:Body>";
static const char TAIL[] = "</soapenv:Body></soapenv:Envelope>";
static const char ENVELOPE_SPACE[] = "http://schemas.xmlsoap.org/soap/envelope/";

static void begin(struct vd_soap_call *call, const char *space, const char *type, const char *moid)
{
    vd_xml_raw(&call->body, HEAD);
    vd_xml_raw(&call->body, BODY);
    vd_xml_raw(&call->body, "<");
    vd_xml_raw(&call->body, call->method);
    vd_xml_raw(&call->body, " xmlns=\"");
    vd_xml_raw(&call->body, space);
    vd_xml_raw(&call->body, "\">");
    vd_xml_ref(&call->body, "_this", type, moid);
}

void vd_soap_begin(struct vd_soap_call *call, const char *method, const char *type,
                   const char *moid)
{
    call->method = method;
    begin(call, "urn:vim25", type, moid);
}

void vd_soap_begin_internal(struct vd_soap_call *call, const char *method, const char *type,
                            const char *moid)
{
    call->method = method;
    begin(call, "urn:internalvim25", type, moid);
}

void vd_soap_begin_catalogue(struct vd_soap_call *call, const char *method, const char *type,
                             const char *moid)
{
    call->method = method;
    call->catalogue = true;
    begin(call, "urn:vslm", type, moid);
}

void vd_soap_what(struct vd_soap_call *call, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(call->what, sizeof call->what, fmt, args); /* long names are cut */
    va_end(args);
}

void vd_soap_call_done(struct vd_soap_call *call)
{
    vd_buf_done(&call->body.buf);
}

void vd_soap_reply_done(struct vd_soap_reply *reply)
{
    vd_xml_free(reply->doc);
    *reply = (struct vd_soap_reply)VD_SOAP_REPLY_INIT;
}

const xmlNode *vd_soap_value(const struct vd_soap_reply *reply)
{
    return vd_xml_child(reply->response, "returnval");
}

int vd_soap_broken(const struct vd_soap_call *call, const char *why, struct vd_error *err)
{
    return vd_error_set(err, VD_E_PROTOCOL, "%s: the server's answer to '%s' %s", call->what,
                        call->method, why);
}

int vd_soap_moid(const struct vd_soap_call *call, const xmlNode *value, char ret[VD_MOID_BYTES],
                 struct vd_error *err)
{
    const char *text = vd_xml_text(value);
    size_t length = text ? strlen(text) : 0;
    if (length == 0 || length >= VD_MOID_BYTES)
        return vd_soap_broken(call, length ? "has too long a reference" : "has no reference", err);
    memcpy(ret, text, length + 1);
    return VD_OK;
}

/* --- an answer --- */

static bool is_response(const xmlNode *node, const char *method)
{
    const char *name = node ? (const char *)node->name : "";
    size_t length = method ? strlen(method) : 0;
    return strncmp(name, method ? method : "", length) == 0 &&
           (!method || strcmp(name + length, "Response") == 0);
}

int vd_soap_parse(const char *method, const char *bytes, size_t size, struct vd_soap_reply *reply,
                  struct vd_error *err)
{
    VD_CLEANUP(vd_xml_free_cleanup) xmlDoc *doc = NULL;
    int r = vd_xml_parse(bytes, size, &doc, err);
    if (r < 0)
        return r;
    const xmlNode *root = vd_xml_root(doc);
    const xmlNode *content = vd_xml_first(vd_xml_child(root, "Body"));
    if (!vd_xml_is(root, "Envelope") || !root->ns ||
        strcmp((const char *)root->ns->href, ENVELOPE_SPACE) != 0 || !content)
        return vd_error_set(err, VD_E_PROTOCOL, "the answer is not a SOAP envelope");
    if (vd_xml_is(content, "Fault"))
        vd_fault_from_reply(content, &reply->fault);
    else if (!is_response(content, method))
        return vd_error_set(err, VD_E_PROTOCOL, "the answer holds '%.80s', expected '%sResponse'",
                            (const char *)content->name, method ? method : "");
    else
        reply->response = content;
    reply->bytes = size;
    reply->doc = VD_TAKE_PTR(doc);
    return VD_OK;
}

static int status_error(const struct vd_vsphere *session, const struct vd_soap_call *call,
                        int status, struct vd_error *err)
{
    const char *hint = "";
    if (status == 503 || status == 502)
        hint = "; its API service is down, restarting, or has too many sessions";
    else if (status == 404 || status == 403 || status == 401)
        hint = "; is it a vCenter or an ESXi host?";
    else if (status >= 300 && status < 400)
        hint = "; it points to another place, which is not followed: give the server's own name";
    return vd_error_set(err, VD_E_HTTP_STATUS, "%s: '%s' answers with HTTP status %d%s", call->what,
                        session->host, status, hint);
}

static int take_answer(struct vd_vsphere *session, const struct vd_soap_call *call,
                       const struct vd_http_reply *http, struct vd_soap_reply *reply,
                       struct vd_error *err)
{
    struct vd_error why = VD_ERROR_INIT;
    if (call->catalogue && http->status == 404)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "%s: '%s' has no global catalogue of first-class disks, which came "
                            "with vCenter 6.7.2; name the datastore",
                            call->what, session->host);
    if (http->status != 200 && http->status != 500)
        return status_error(session, call, http->status, err);
    int r = vd_soap_parse(call->method, vd_buf_text(&http->body), http->body.length, reply, &why);
    if (r < 0 && http->status == 500)
        return status_error(session, call, http->status, err);
    if (r < 0)
        return vd_error_set(err, r, "%s: '%s': %s", call->what, session->host, why.text);
    if (http->status == 500 && reply->response)
        return status_error(session, call, http->status, err);
    return VD_OK;
}

/* Questions may be asked twice; whatever changes something may have been done already. */
static bool is_question(const char *method)
{
    static const char *const starts[] = {"Retrieve",
                                         "Find",
                                         "Query",
                                         "CurrentTime",
                                         "ListVStorage",
                                         "Nfc",
                                         "HostList",
                                         "HostRetrieve",
                                         "VslmQuery",
                                         "VslmRetrieve",
                                         "HostVStorageObjectRetrieve",
                                         "HttpNfcLeaseProgress",
                                         "HttpNfcLeaseGetManifest"};
    for (size_t i = 0; i < VD_ARRAY_SIZE(starts); i++)
        if (strncmp(method, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

/* Whatever changes something at the server may have been done although nobody waits for the answer:
 * a session begun, a snapshot made. So the answer is waited for. */
static bool settles(const struct vd_soap_call *call)
{
    return call->settles ||
           (!is_question(call->method) && strncmp(call->method, "Continue", 8) != 0);
}

/* Sends until there is an answer that is not "try again". */
static int send_patiently(struct vd_vsphere *session, const struct vd_soap_call *call,
                          const struct vd_http_request *request, struct vd_http_reply *reply,
                          struct vd_error *err)
{
    for (size_t attempt = 0;; attempt++) {
        struct vd_error why = VD_ERROR_INIT;
        int r = vd_http_send(session->http, request, reply, &why);
        bool again = r == VD_OK ? reply->status == 502 || reply->status == 503
                                : r == VD_E_DISCONNECTED && is_question(call->method);
        again = again && !vd_net_stop_asked(session->wish);
        if (!again || attempt == VD_ARRAY_SIZE(PAUSES_MS))
            return r == VD_OK
                       ? r
                       : vd_error_set(err, r, "%s: %s", call->what, vd_error_message(&why, r));
        vd_http_reply_done(reply);
        vd_net_stop_pause(session->wish, PAUSES_MS[attempt]);
    }
}

static int close_envelope(struct vd_soap_call *call, struct vd_error *err)
{
    if (!call->closed)
        vd_xml_end(&call->body, call->method);
    if (!call->closed)
        vd_xml_raw(&call->body, TAIL);
    call->closed = true;
    if (call->body.result == VD_E_INVALID_ARG)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "%s: a control character in a name or a password cannot be sent",
                            call->what);
    if (call->body.result < 0)
        return vd_error_set(err, call->body.result, "%s: %s", call->what,
                            vd_error_text(call->body.result));
    return VD_OK;
}

static void note_peer(struct vd_vsphere *session, const struct vd_tls_peer *peer)
{
    if (peer->sha1[0] == '\0')
        return;
    (void)pthread_mutex_lock(&session->lock);
    session->peer = *peer;
    (void)pthread_mutex_unlock(&session->lock);
}

/* The value alone, without the quotes around it, which a Cookie header wants and this one does not.
 * NULL: out of memory. */
static char *session_of(const char *cookie)
{
    const char *value = strchr(cookie, '=');
    value = value ? value + 1 : cookie;
    value += *value == '"';
    size_t length = strlen(value);
    return strndup(value, length - (length > 0 && value[length - 1] == '"'));
}

/* The envelope once more, with the session in its header. */
static int write_catalogue_envelope(const struct vd_soap_call *call, const char *cookie,
                                    struct vd_xml_writer *to)
{
    VD_CLEANUP(vd_secret_free_cleanup) char *value = cookie ? session_of(cookie) : NULL;
    if (cookie && !value)
        return VD_E_NO_MEMORY;
    size_t room = call->body.buf.length + (cookie ? 6 * strlen(cookie) : 0) + 256;
    to->result = vd_buf_reserve(&to->buf, room); /* at once: no copies of the cookie are left */
    vd_xml_raw(to, HEAD);
    vd_xml_raw(to, "<soapenv:Header>");
    vd_xml_leaf(to, "vcSessionCookie", value);
    vd_xml_raw(to, "</soapenv:Header>");
    vd_xml_raw(to, vd_buf_text(&call->body.buf) + strlen(HEAD));
    return to->result;
}

static int send_to_catalogue(struct vd_vsphere *session, const struct vd_soap_call *call,
                             const char *cookie, struct vd_http_request *request,
                             struct vd_http_reply *reply, struct vd_error *err)
{
    struct vd_xml_writer envelope = {.buf = VD_BUF_INIT(VD_SOAP_MAX_REQUEST_BYTES)};
    int r = write_catalogue_envelope(call, cookie, &envelope);
    request->path = "/vslm/sdk";
    request->body = envelope.buf.data;
    request->body_bytes = envelope.buf.length;
    r = r < 0 ? vd_error_set(err, r, "%s: %s", call->what, vd_error_text(r))
              : send_patiently(session, call, request, reply, err);
    if (envelope.buf.data)
        explicit_bzero(envelope.buf.data, envelope.buf.length);
    vd_buf_done(&envelope.buf);
    return r;
}

static int send_call(struct vd_vsphere *session, const struct vd_soap_call *call,
                     const char *cookie, struct vd_http_reply *reply, struct vd_error *err)
{
    const char *headers[] = {"Content-Type: text/xml; charset=utf-8",
                             call->catalogue ? session->catalogue_action : session->action, NULL};
    struct vd_http_request request = {.method = "POST",
                                      .path = "/sdk",
                                      .headers = headers,
                                      .cookie = cookie,
                                      .body = call->body.buf.data,
                                      .body_bytes = call->body.buf.length,
                                      .io_ms = call->io_ms,
                                      .settles = settles(call)};
    if (!call->catalogue)
        return send_patiently(session, call, &request, reply, err);
    request.cookie = NULL;
    return send_to_catalogue(session, call, cookie, &request, reply, err);
}

int vd_soap_exchange(struct vd_vsphere *session, struct vd_soap_call *call, const char *cookie,
                     struct vd_soap_reply *reply, char **ret_cookie, struct vd_error *err)
{
    struct vd_http_reply http = {.status = 0};
    int r = close_envelope(call, err);
    if (r < 0)
        return r;
    r = send_call(session, call, cookie, &http, err);
    if (r == VD_OK)
        r = take_answer(session, call, &http, reply, err);
    if (r == VD_OK)
        note_peer(session, &http.peer);
    if (r == VD_OK && ret_cookie)
        *ret_cookie = VD_TAKE_PTR(http.set_cookie);
    vd_http_reply_done(&http);
    return r;
}

static int exchange_in_session(struct vd_vsphere *session, struct vd_soap_call *call,
                               struct vd_soap_reply *reply, uint64_t *ret_generation,
                               struct vd_error *err)
{
    VD_CLEANUP(vd_secret_free_cleanup) char *cookie = NULL;
    if (!call->sessionless)
        cookie = vd_session_cookie(session, ret_generation);
    vd_soap_reply_done(reply);
    return vd_soap_exchange(session, call, cookie, reply, NULL, err);
}

/* After a call of login number `generation` was told that nobody is logged in; `ret_new`: somebody
 * is now. The catalogue is a service of its own, so who asked it asks the server whether it is so:
 * a session that lives is not replaced, and left there without a logout. */
static int renew(struct vd_vsphere *session, const struct vd_soap_call *call, uint64_t generation,
                 bool *ret_new, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call probe = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply answer = VD_SOAP_REPLY_INIT;
    uint64_t now = generation;
    int r = VD_OK;
    if (call->catalogue) {
        vd_soap_begin(&probe, "CurrentTime", "ServiceInstance", "ServiceInstance");
        vd_soap_what(&probe, "%s", call->what);
        r = exchange_in_session(session, &probe, &answer, &now, err);
    }
    if (r == VD_OK && now == generation &&
        (!call->catalogue || vd_fault_is(&answer.fault, "NotAuthenticated")))
        r = vd_session_renew(session, generation, err);
    *ret_new = r == VD_OK && vd_session_generation(session) != generation;
    return r;
}

int vd_soap_run(struct vd_vsphere *session, struct vd_soap_call *call, struct vd_soap_reply *reply,
                struct vd_error *err)
{
    uint64_t generation = 0;
    int r = exchange_in_session(session, call, reply, &generation, err);
    if (r == VD_OK && vd_fault_is(&reply->fault, "NotAuthenticated") && !call->sessionless) {
        bool again;
        r = renew(session, call, generation, &again, err);
        if (again)
            r = exchange_in_session(session, call, reply, &generation, err);
    }
    vd_log(session->log, VD_LOG_DEBUG, "vSphere: %s: %s", call->method,
           r < 0                  ? vd_error_name(r)
           : reply->fault.type[0] ? reply->fault.type
                                  : "done");
    if (r == VD_OK && reply->fault.type[0])
        r = vd_fault_tell(&reply->fault, call->what, err);
    return r;
}
