/* SPDX-License-Identifier: Apache-2.0 */
#include "soap-server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream.h"
#include "tests/harness.h"

#define REQUEST_BYTES 65536u
#define MAX_METHODS   48u
#define MAX_ANSWERS   32u
#define MAX_THREADS   64u
#define NAME_BYTES    64u

struct answer {
    int status;
    char *text;
};

struct method {
    char name[NAME_BYTES];
    struct answer answers[MAX_ANSWERS];
    size_t count, next;
    unsigned asked;
    char *headers, *body; /* of the last request */
};

struct soap_server {
    int listener;
    uint16_t port;
    struct vd_tls_peer peer;
    const char *certificate_file, *key_file;
    pthread_t acceptor;
    pthread_mutex_t lock; /* guards the rest */
    struct method methods[MAX_METHODS];
    size_t method_count;
    pthread_t threads[MAX_THREADS];
    struct vd_stream *streams[MAX_THREADS];
    size_t thread_count;
};

struct connection {
    struct soap_server *server;
    struct vd_stream *stream;
};

static const struct vd_net_timeouts SHORT = {.connect_ms = 5000, .io_ms = 30000};

static const char ENVELOPE[] =
    "<?xml version=\"1.0\"?><soapenv:Envelope "
    "xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>";

static const char CONTENT[] =
    "<returnval><rootFolder type=\"Folder\">group-d1</rootFolder>"
    "<propertyCollector type=\"PropertyCollector\">pc</propertyCollector>"
    "<viewManager type=\"ViewManager\">views</viewManager>"
    "<about><name>x</name><apiType>VirtualCenter</apiType><apiVersion>8.0.3.0</apiVersion></about>"
    "<sessionManager type=\"SessionManager\">sessions</sessionManager>"
    "<authorizationManager type=\"AuthorizationManager\">auth</authorizationManager>"
    "<virtualDiskManager type=\"VirtualDiskManager\">vdm</virtualDiskManager>"
    "<searchIndex type=\"SearchIndex\">search</searchIndex>"
    "<vStorageObjectManager type=\"VcenterVStorageObjectManager\">fcds</vStorageObjectManager>"
    "</returnval>";

static const char VERSIONS[] =
    "<?xml version=\"1.0\"?><namespaces version=\"1.0\"><namespace><name>urn:vim25</name>"
    "<version>uA046D008</version><priorVersions><version>9.0.0.0</version>"
    "<version>8.0.3.0</version><version>7.0</version><version>5.5</version></priorVersions>"
    "</namespace></namespaces>";

/* Under the lock. */
static struct method *method_of_locked(struct soap_server *server, const char *name)
{
    for (size_t i = 0; i < server->method_count; i++)
        if (strcmp(server->methods[i].name, name) == 0)
            return &server->methods[i];
    check(server->method_count < MAX_METHODS);
    struct method *method = &server->methods[server->method_count++];
    (void)snprintf(method->name, sizeof method->name, "%s", name);
    return method;
}

/* The element behind the body's start tag. */
static void name_of(const char *headers, const char *body, char name[NAME_BYTES])
{
    const char *start = strstr(body, "Body><");
    size_t length = start ? strcspn(start + 6, " >") : 0;
    check(length < NAME_BYTES);
    if (strncmp(headers, "GET /sdk", 8) == 0)
        (void)snprintf(name, NAME_BYTES, "GET");
    else if (strncmp(headers, "POST ", 5) != 0)
        (void)snprintf(name, NAME_BYTES, "%.*s", /* the verb and the first segment */
                       (int)(strcspn(headers, "/") + 1 + strcspn(strchr(headers, '/') + 1, "/? ")),
                       headers);
    else
        (void)snprintf(name, NAME_BYTES, "%.*s", (int)length, start ? start + 6 : "");
}

static char *http_answer(const char *name, const struct answer *answer)
{
    char *body = NULL, *whole = NULL;
    const char *text = answer->text;
    int n;
    if (strncmp(text, "HTTP/", 5) == 0) {
        whole = strdup(text);
        check(whole != NULL);
        return whole;
    }
    if (strncmp(text, "<?xml", 5) == 0 || answer->status == 503)
        n = asprintf(&body, "%s", text);
    else if (strncmp(text, "<soapenv:Fault", 14) == 0)
        n = asprintf(&body, "%s%s</soapenv:Body></soapenv:Envelope>", ENVELOPE, text);
    else
        n = asprintf(&body,
                     "%s<%sResponse xmlns=\"urn:vim25\">%s</%sResponse></soapenv:Body>"
                     "</soapenv:Envelope>",
                     ENVELOPE, name, text, name);
    check(n >= 0);
    n = asprintf(&whole, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n%s", answer->status,
                 strlen(body),
                 strcmp(name, "Login") == 0 || strcmp(name, "CloneSession") == 0
                     ? "Set-Cookie: vmware_soap_session=\"c00k1e\"; Path=/; HttpOnly\r\n"
                     : "",
                 body);
    check(n >= 0);
    free(body);
    return whole;
}

/* Keeps the request and makes its answer. */
static char *answer_to(struct soap_server *server, char *headers, char *body)
{
    static const struct answer unknown = {500, (char *)(uintptr_t)SOAP_FAULT("MethodNotFound", "")};
    char name[NAME_BYTES];
    name_of(headers, body, name);
    (void)pthread_mutex_lock(&server->lock);
    struct method *method = method_of_locked(server, name);
    free(method->headers);
    free(method->body);
    method->headers = headers;
    method->body = body;
    method->asked++;
    const struct answer *answer = method->count ? &method->answers[method->next] : &unknown;
    if (method->next + 1 < method->count)
        method->next++;
    char *text = http_answer(name, answer);
    (void)pthread_mutex_unlock(&server->lock);
    return text;
}

static bool take_request(struct vd_stream *stream, char *headers, char *body)
{
    size_t length = 0, got;
    headers[0] = '\0';
    while (!strstr(headers, "\r\n\r\n")) {
        if (length + 1 >= REQUEST_BYTES ||
            vd_stream_read(stream, headers + length, 1, &got, NULL) < 0 || got == 0)
            return false;
        headers[++length] = '\0';
    }
    const char *stated = strstr(headers, "Content-Length: ");
    size_t size = stated ? strtoul(stated + 16, NULL, 10) : 0;
    check(size < REQUEST_BYTES);
    body[size] = '\0';
    return vd_stream_read_all(stream, body, size, NULL) == VD_OK;
}

static void hang_up(struct soap_server *server, struct vd_stream *stream)
{
    (void)pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->thread_count; i++)
        if (server->streams[i] == stream)
            server->streams[i] = NULL;
    (void)pthread_mutex_unlock(&server->lock);
    vd_stream_free(stream);
}

static void *serve(void *data)
{
    struct connection *connection = data;
    struct soap_server *server = connection->server;
    struct vd_stream *stream = connection->stream;
    struct vd_tls_identity identity = {server->certificate_file, server->key_file, false};
    free(connection);
    bool open = vd_stream_accept_tls(stream, &identity, NULL) == VD_OK;
    while (open) {
        char *headers = malloc(REQUEST_BYTES), *body = malloc(REQUEST_BYTES);
        check(headers && body);
        open = take_request(stream, headers, body);
        if (!open) {
            free(headers);
            free(body);
            break;
        }
        char *answer = answer_to(server, headers, body);
        open = vd_stream_write(stream, answer, strlen(answer), NULL) == VD_OK &&
               !strstr(answer, "\r\nConnection: close\r\n");
        free(answer);
    }
    hang_up(server, stream);
    return NULL;
}

static void *accept_all(void *data)
{
    struct soap_server *server = data;
    int fd;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = malloc(sizeof *connection);
        check(connection != NULL);
        *connection = (struct connection){.server = server};
        check_code(vd_stream_from_fd(fd, &SHORT, &connection->stream, NULL), VD_OK);
        (void)pthread_mutex_lock(&server->lock);
        size_t index = server->thread_count++;
        check(index < MAX_THREADS);
        server->streams[index] = connection->stream;
        check_int_eq(pthread_create(&server->threads[index], NULL, serve, connection), 0);
        (void)pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

static void listen_on_loopback(struct soap_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bind(server->listener, (struct sockaddr *)&address, length) == 0);
    check(listen(server->listener, 32) == 0);
    check(getsockname(server->listener, (struct sockaddr *)&address, &length) == 0);
    server->port = ntohs(address.sin_port);
}

struct soap_server *soap_server_new(void)
{
    struct soap_server *server = calloc(1, sizeof *server);
    check(server != NULL);
    server->certificate_file = test_path("c.pem");
    server->key_file = test_path("k.pem");
    check_code(vd_tls_make_identity("localhost", server->certificate_file, server->key_file, NULL),
               VD_OK);
    check_code(vd_tls_file_thumbprints(server->certificate_file, &server->peer, NULL), VD_OK);
    (void)pthread_mutex_init(&server->lock, NULL);
    listen_on_loopback(server);
    soap_server_on(server, "GET", VERSIONS);
    soap_server_on(server, "RetrieveServiceContent", CONTENT);
    soap_server_on(server, "Login", "<returnval><key>k</key></returnval>");
    soap_server_on(server, "Logout", "");
    soap_server_on(server, "CurrentTime", "<returnval>2026-11-22T08:46:05.27Z</returnval>");
    check_int_eq(pthread_create(&server->acceptor, NULL, accept_all, server), 0);
    return server;
}

static void method_done(struct method *method)
{
    for (size_t i = 0; i < method->count; i++)
        free(method->answers[i].text);
    free(method->headers);
    free(method->body);
}

void soap_server_free(struct soap_server *server)
{
    (void)shutdown(server->listener, SHUT_RDWR);
    check_int_eq(pthread_join(server->acceptor, NULL), 0);
    (void)close(server->listener);
    for (size_t i = 0; i < server->thread_count; i++) {
        (void)pthread_mutex_lock(&server->lock);
        if (server->streams[i])
            vd_stream_interrupt(server->streams[i]);
        (void)pthread_mutex_unlock(&server->lock);
        check_int_eq(pthread_join(server->threads[i], NULL), 0);
    }
    for (size_t i = 0; i < server->method_count; i++)
        method_done(&server->methods[i]);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

static void add(struct soap_server *server, const char *name, int status, const char *text)
{
    (void)pthread_mutex_lock(&server->lock);
    struct method *method = method_of_locked(server, name);
    check(method->count < MAX_ANSWERS);
    char *copy = strdup(text);
    check(copy != NULL);
    method->answers[method->count++] = (struct answer){status, copy};
    (void)pthread_mutex_unlock(&server->lock);
}

void soap_server_on(struct soap_server *server, const char *method, const char *text)
{
    add(server, method, strncmp(text, "<soapenv:Fault", 14) == 0 ? 500 : 200, text);
}

void soap_server_on_status(struct soap_server *server, const char *method, int status)
{
    add(server, method, status, "<html/>");
}

void soap_server_forget(struct soap_server *server, const char *name)
{
    (void)pthread_mutex_lock(&server->lock);
    struct method *method = method_of_locked(server, name);
    for (size_t i = 0; i < method->count; i++)
        free(method->answers[i].text);
    method->count = method->next = 0;
    (void)pthread_mutex_unlock(&server->lock);
}

const char *soap_server_asked(struct soap_server *server, const char *name)
{
    (void)pthread_mutex_lock(&server->lock);
    struct method *method = method_of_locked(server, name);
    char *start = method->body ? strstr(method->body, "<soapenv:Body>") : NULL;
    char *end = start ? strstr(start, "</soapenv:Body>") : NULL;
    if (end)
        *end = '\0';
    (void)pthread_mutex_unlock(&server->lock);
    return start ? start + strlen("<soapenv:Body>") : "";
}

const char *soap_server_envelope(struct soap_server *server, const char *name)
{
    (void)pthread_mutex_lock(&server->lock);
    const char *body = method_of_locked(server, name)->body;
    (void)pthread_mutex_unlock(&server->lock);
    return body ? body : "";
}

const char *soap_server_headers(struct soap_server *server, const char *name)
{
    (void)pthread_mutex_lock(&server->lock);
    const char *headers = method_of_locked(server, name)->headers;
    (void)pthread_mutex_unlock(&server->lock);
    return headers ? headers : "";
}

unsigned soap_server_count(struct soap_server *server, const char *name)
{
    (void)pthread_mutex_lock(&server->lock);
    unsigned asked = method_of_locked(server, name)->asked;
    (void)pthread_mutex_unlock(&server->lock);
    return asked;
}

struct vd_vsphere_options soap_server_options(struct soap_server *server)
{
    return (struct vd_vsphere_options){
        .server = {.host = "127.0.0.1",
                   .port = server->port,
                   .trust = {.thumbprint = server->peer.sha1},
                   .timeouts = {.connect_ms = 5000, .io_ms = 5000}},
        .credential = VD_VSPHERE_PASSWORD,
        .user = "user",
        .password = "secret&<",
    };
}
