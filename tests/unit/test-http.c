/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a server of a few lines in this process, which answers what a test tells it to. */
#include "net/http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/harness.h"

#define REQUEST_BYTES 8192u

struct server {
    int listener;
    uint16_t port;
    pthread_t thread;
    const char *answer; /* whole, with headers; NULL: hangs up */
    unsigned connections, requests;
    char last[REQUEST_BYTES]; /* the last request, head and body */
    struct vd_tls_peer peer;
    const char *certificate_file, *key_file;
};

static const struct vd_net_timeouts SHORT = {.connect_ms = 3000, .io_ms = 3000};

/* Head and as much body as Content-Length says; false at the end of the connection. */
static bool take_request(struct server *server, struct vd_stream *stream)
{
    size_t length = 0;
    char *end = NULL;
    while (length + 1 < sizeof server->last && !end) {
        size_t got;
        if (vd_stream_read(stream, server->last + length, 1, &got, NULL) < 0 || got == 0)
            return false;
        server->last[++length] = '\0';
        end = strstr(server->last, "\r\n\r\n");
    }
    const char *stated = strstr(server->last, "Content-Length: ");
    size_t body = stated ? strtoul(stated + 16, NULL, 10) : 0;
    check(length + body < sizeof server->last);
    server->last[length + body] = '\0';
    return vd_stream_read_all(stream, server->last + length, body, NULL) == VD_OK;
}

static void serve_connection(struct server *server, struct vd_stream *stream)
{
    struct vd_tls_identity identity = {server->certificate_file, server->key_file, false};
    if (vd_stream_accept_tls(stream, &identity, NULL) < 0)
        return;
    server->connections++;
    while (take_request(server, stream)) {
        server->requests++;
        if (!server->answer ||
            vd_stream_write(stream, server->answer, strlen(server->answer), NULL) < 0)
            return;
    }
}

static void *serve(void *data)
{
    struct server *server = data;
    int fd;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct vd_stream *stream;
        check_code(vd_stream_from_fd(fd, &SHORT, &stream, NULL), VD_OK);
        serve_connection(server, stream);
        vd_stream_free(stream);
    }
    return NULL;
}

static void server_start(struct server *server, const char *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *server = (struct server){
        .answer = answer, .certificate_file = test_path("c.pem"), .key_file = test_path("k.pem")};
    check_code(vd_tls_make_identity("localhost", server->certificate_file, server->key_file, NULL),
               VD_OK);
    check_code(vd_tls_file_thumbprints(server->certificate_file, &server->peer, NULL), VD_OK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bind(server->listener, (struct sockaddr *)&address, length) == 0);
    check(listen(server->listener, 8) == 0);
    check(getsockname(server->listener, (struct sockaddr *)&address, &length) == 0);
    server->port = ntohs(address.sin_port);
    check_int_eq(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_end(struct server *server)
{
    (void)shutdown(server->listener, SHUT_RDWR);
    check_int_eq(pthread_join(server->thread, NULL), 0);
    (void)close(server->listener);
}

static struct vd_http *stopping_client_of(const struct server *server,
                                          const struct vd_net_stop *stop)
{
    struct vd_http *http;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_http_options options = {.host = "127.0.0.1",
                                      .port = server->port,
                                      .trust = {.thumbprint = server->peer.sha1},
                                      .timeouts = SHORT};
    options.timeouts.stop = stop;
    check_code_err(vd_http_new(&options, &http, &err), VD_OK, &err);
    return http;
}

static struct vd_http *client_of(const struct server *server)
{
    return stopping_client_of(server, NULL);
}

static const char HELLO[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                            "Set-Cookie: vmware_soap_session=\"abc\"; Path=/; HttpOnly\r\n"
                            "Content-Range: bytes 0-4/5\r\n\r\nhello";

VD_TEST(a_request_and_its_reply)
{
    struct server server;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_http_reply reply;
    server_start(&server, HELLO);
    struct vd_http *http = client_of(&server);
    const char *headers[] = {"SOAPAction: \"urn:vim25/8.0\"", NULL};
    struct vd_http_request request = {.method = "POST",
                                      .path = "/sdk?a=b",
                                      .headers = headers,
                                      .cookie = "vmware_soap_session=\"xyz\"",
                                      .body = "<body/>",
                                      .body_bytes = 7};
    check_code_err(vd_http_send(http, &request, &reply, &err), VD_OK, &err);
    check_int_eq(reply.status, 200);
    check_str_eq(vd_buf_text(&reply.body), "hello");
    check_str_eq(reply.set_cookie, "vmware_soap_session=\"abc\"");
    check_str_eq(reply.content_range, "bytes 0-4/5");
    check_u64_eq(reply.content_bytes, 5);
    check_str_eq(reply.peer.sha1, server.peer.sha1);
    vd_http_reply_done(&reply);
    vd_http_free(http);
    server_end(&server);
    check_str_has(server.last, "POST /sdk?a=b HTTP/1.1");
    check_str_has(server.last, "SOAPAction: \"urn:vim25/8.0\"");
    check_str_has(server.last, "Cookie: vmware_soap_session=\"xyz\"");
    check_str_has(server.last, "\r\n\r\n<body/>");
    check(!strstr(server.last, "Expect:"));
}

static int get(struct vd_http *http, struct vd_http_request *request, struct vd_error *err)
{
    struct vd_http_reply reply;
    vd_error_clear(err);
    int r = vd_http_send(http, request, &reply, err);
    vd_http_reply_done(&reply);
    return r;
}

VD_TEST(connections_are_kept)
{
    struct server server;
    struct vd_error err = VD_ERROR_INIT;
    server_start(&server, HELLO);
    struct vd_http *http = client_of(&server);
    for (int i = 0; i < 10; i++)
        check_code_err(get(http, &(struct vd_http_request){.method = "GET", .path = "/"}, &err),
                       VD_OK, &err);
    vd_http_free(http);
    server_end(&server);
    check_u64_eq(server.connections, 1);
    check_u64_eq(server.requests, 10);
}

/* The headers are known to a sink before the first byte. */
static int take_with_headers(void *data, const void *bytes, size_t size)
{
    const struct vd_http_reply *reply = data;
    check(size > 0 && memcmp(bytes, "hello", size) == 0);
    check_int_eq(reply->status, 200);
    check_u64_eq(reply->content_bytes, 5);
    check_str_eq(reply->content_range, "bytes 0-4/5");
    return VD_OK;
}

VD_TEST(a_sink_knows_the_headers)
{
    struct server server;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_http_reply reply;
    server_start(&server, HELLO);
    struct vd_http *http = client_of(&server);
    const struct vd_http_request request = {
        .method = "GET", .path = "/", .sink = take_with_headers, .sink_data = &reply};
    check_code_err(vd_http_send(http, &request, &reply, &err), VD_OK, &err);
    check(reply.body.length == 0);
    vd_http_reply_done(&reply);
    vd_http_free(http);
    server_end(&server);
}

static int count_bytes(void *data, const void *bytes, size_t size)
{
    (void)bytes;
    *(size_t *)data += size;
    return VD_OK;
}

static int refuse_bytes(void *data, const void *bytes, size_t size)
{
    (void)data;
    (void)bytes;
    (void)size;
    return VD_E_DISK_FULL;
}

VD_TEST(a_sink_takes_the_body_or_ends_it)
{
    struct server server;
    struct vd_error err = VD_ERROR_INIT;
    size_t bytes = 0;
    server_start(&server, HELLO);
    struct vd_http *http = client_of(&server);
    struct vd_http_request request = {
        .method = "GET", .path = "/", .sink = count_bytes, .sink_data = &bytes};
    check_code_err(get(http, &request, &err), VD_OK, &err);
    check_u64_eq(bytes, 5);
    request.sink = refuse_bytes;
    check_code(get(http, &request, &err), VD_E_DISK_FULL);
    vd_http_free(http);
    server_end(&server);
}

VD_TEST(a_body_that_is_too_big_ends)
{
    struct server server;
    struct vd_error err = VD_ERROR_INIT;
    server_start(&server, HELLO);
    struct vd_http *http = client_of(&server);
    struct vd_http_request request = {.method = "GET", .path = "/", .max_body_bytes = 4};
    check_code(get(http, &request, &err), VD_E_PROTOCOL);
    check_str_has(err.text, "more than 4 bytes");
    vd_http_free(http);
    server_end(&server);
}

/* The status says it, whatever the size of the page. */
VD_TEST(a_big_page_of_an_error_is_cut)
{
    struct server server;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_http_reply reply;
    server_start(&server, "HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nhello");
    struct vd_http *http = client_of(&server);
    const struct vd_http_request request = {.method = "GET", .path = "/", .max_body_bytes = 4};
    check_code_err(vd_http_send(http, &request, &reply, &err), VD_OK, &err);
    check_int_eq(reply.status, 404);
    check(reply.body.length <= 4);
    vd_http_reply_done(&reply);
    vd_http_free(http);
    server_end(&server);
}

/* Of an export it is all that is needed to read it. */
VD_TEST(a_path_is_not_told)
{
    struct server server;
    struct vd_error err = VD_ERROR_INIT;
    server_start(&server, HELLO);
    struct vd_http *http = client_of(&server);
    struct vd_http_request request = {.method = "GET", .path = "/s3cret", .max_body_bytes = 4};
    check_code(get(http, &request, &err), VD_E_PROTOCOL);
    check(!strstr(err.text, "s3cret"));
    vd_http_free(http);
    server_end(&server);
}

VD_TEST(a_wrong_thumbprint_sends_nothing)
{
    struct server server;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_http *http;
    server_start(&server, HELLO);
    struct vd_http_options options = {
        .host = "127.0.0.1",
        .port = server.port,
        .trust = {.thumbprint = "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00"},
        .timeouts = SHORT};
    check_code(vd_http_new(&options, &http, NULL), VD_OK);
    struct vd_http_request request = {.method = "POST", .path = "/", .body = "pw", .body_bytes = 2};
    check_code(get(http, &request, &err), VD_E_CERTIFICATE);
    check_str_has(err.text, "actual thumbprint=");
    check_str_has(err.text, "expected=00:00");
    vd_http_free(http);
    server_end(&server);
    check_u64_eq(server.requests, 0);
}

VD_TEST(a_server_that_hangs_up_is_a_lost_connection)
{
    struct server server;
    struct vd_error err = VD_ERROR_INIT;
    server_start(&server, NULL);
    struct vd_http *http = client_of(&server);
    struct vd_http_request request = {.method = "POST", .path = "/", .body = "x", .body_bytes = 1};
    check_code(get(http, &request, &err), VD_E_DISCONNECTED);
    vd_http_free(http);
    server_end(&server);
}

VD_TEST(silence_ends_in_time)
{
    struct server server;
    struct vd_error err = VD_ERROR_INIT;
    server_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello");
    struct vd_http *http = client_of(&server);
    struct vd_http_request request = {.method = "GET", .path = "/", .io_ms = 100};
    check_code(get(http, &request, &err), VD_E_TIMED_OUT);
    vd_http_free(http);
    server_end(&server);
}

static void *ask_soon(void *data)
{
    (void)usleep(20000);
    vd_net_stop_ask(data);
    return NULL;
}

/* What settles something waits for its answer, as long as one may still come. */
VD_TEST(a_stop_ends_a_question_at_once_and_what_settles_later)
{
    struct server server;
    struct vd_net_stop stop;
    pthread_t thread;
    struct vd_error err = VD_ERROR_INIT;
    server_start(&server, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello");
    vd_net_stop_init(&stop);
    struct vd_http *http = stopping_client_of(&server, &stop);
    struct vd_http_request request = {.method = "GET", .path = "/", .io_ms = 60000};
    check_int_eq(pthread_create(&thread, NULL, ask_soon, &stop), 0);
    uint64_t began = vd_clock_now_ms();
    check_code(get(http, &request, &err), VD_E_CANCELLED);
    check_code(get(http, &request, &err), VD_E_CANCELLED);
    check(vd_clock_now_ms() - began < 20000);
    request.settles = true;
    began = vd_clock_now_ms();
    check_code(get(http, &request, &err), VD_E_CANCELLED);
    check(vd_clock_now_ms() - began >= VD_NET_GRACE_MS);
    check(vd_clock_now_ms() - began < 20000);
    vd_http_free(http);
    server_end(&server);
    server_start(&server, HELLO);
    http = stopping_client_of(&server, &stop);
    check_code_err(get(http, &request, &err), VD_OK, &err);
    vd_http_free(http);
    server_end(&server);
    check_int_eq(pthread_join(thread, NULL), 0);
    vd_net_stop_done(&stop);
}

VD_TEST(text_is_escaped_for_a_path)
{
    char *text = vd_http_escape("[ds 1] a/b%&.vmdk");
    check_str_eq(text, "%5Bds%201%5D%20a%2Fb%25%26.vmdk");
    free(text);
}
