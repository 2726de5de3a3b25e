/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTPS server of a few lines in this process that answers SOAP calls by their method's name
 * with what a test laid ready, and keeps what it was asked. Calls of several threads at once are
 * answered on several connections.
 */
#ifndef VD_TESTS_SOAP_SERVER_H
#define VD_TESTS_SOAP_SERVER_H

#include "net/tls.h"
#include "vsphere/vsphere.h"

struct soap_server;

/* Knows a vCenter's service content, versions 8.0.3.0 to 5.5, Login, Logout and CurrentTime. */
struct soap_server *soap_server_new(void);
void soap_server_free(struct soap_server *server);
/* The next answer to `method` ("GET": the list of versions; "GET /nfc", "PUT /folder": a request
 * that is no call, by the beginning of its path; such texts are whole answers, "HTTP/1.1 ...",
 * behind which the server hangs up where a header says "Connection: close"), behind those laid
 * ready before; the last one is given again and again. `text`: what is inside of
 * "<method>Response"; or a whole document where it begins with "<?xml"; "<soapenv:Fault" is put
 * into the body, with status 500. */
void soap_server_on(struct soap_server *server, const char *method, const char *text);
void soap_server_on_status(struct soap_server *server, const char *method, int status);
/* Forgets the answers to `method`. */
void soap_server_forget(struct soap_server *server, const char *method);
/* The body of the last request of that method, without the envelope; "" where there was none. */
const char *soap_server_asked(struct soap_server *server, const char *method);
/* All of that request's body. */
const char *soap_server_envelope(struct soap_server *server, const char *method);
/* The headers of that request. */
const char *soap_server_headers(struct soap_server *server, const char *method);
unsigned soap_server_count(struct soap_server *server, const char *method);
/* Options for connecting, as "user" with "secret&<"; the caller may change them. */
struct vd_vsphere_options soap_server_options(struct soap_server *server);

#define SOAP_FAULT(type, members)                                                             \
    "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>words of the server"   \
    "</faultstring><detail><" type "Fault xmlns=\"urn:vim25\" xsi:type=\"" type "\">" members \
    "</" type "Fault></detail></soapenv:Fault>"

#endif
