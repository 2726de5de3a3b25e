/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One curl handle per request under way. Handles go back to a list, with their connections, so that
 * the next request finds TLS set up; a thread that finds the list empty makes another.
 */
#include "net/http.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "net/load-curl-int.h"
#include "net/tls-int.h"

#define MAX_BODY_BYTES   (64u << 20)
#define MAX_HEADER_BYTES 4096u      /* of those that are kept */
#define MAX_HEAD_BYTES   (1u << 20) /* all headers of an answer */

struct handle {
    CURL *curl;
    struct vd_tls_verifier verifier; /* curl's context points here; lives as long as the handle */
    struct handle *next;
};

struct vd_http {
    char *host, *ca_file, *thumbprint, *proxy, *user_agent;
    uint16_t port;
    struct vd_tls_trust trust; /* with the strings above */
    struct vd_net_timeouts timeouts;
    char server[300]; /* "host:port" */
    pthread_mutex_t lock;
    struct handle *idle; /* guarded by lock */
};

/* One request under way. */
struct exchange {
    struct vd_http *http;
    const struct vd_http_request *request;
    struct vd_http_reply *reply;
    struct handle *handle;
    struct curl_slist *headers;
    uint32_t io_ms;
    uint64_t start_ms;
    uint64_t last_moved_ms;
    uint64_t asked_ms; /* when its stop was seen to be asked; 0: not yet */
    curl_off_t moved_bytes;
    size_t head_bytes;
    size_t sent_bytes;
    int refused; /* what a callback ended the request with; 0: none did */
    bool too_big;
    bool cut; /* the status tells enough; the rest of the page is not waited for */
};

/* NULL stays NULL. */
static bool copy(const char *from, char **to)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static bool copy_strings(struct vd_http *http, const struct vd_http_options *options)
{
    bool good = copy(options->host, &http->host) && copy(options->trust.ca_file, &http->ca_file) &&
                copy(options->trust.thumbprint, &http->thumbprint) &&
                copy(options->proxy, &http->proxy) &&
                copy(options->user_agent ? options->user_agent : "virtual-disks/" VD_VERSION,
                     &http->user_agent);
    http->trust = options->trust;
    http->trust.host_name = http->host;
    http->trust.ca_file = http->ca_file;
    http->trust.thumbprint = http->thumbprint;
    return good;
}

int vd_http_new(const struct vd_http_options *options, struct vd_http **ret, struct vd_error *err)
{
    int r = vd_curl_load(err);
    if (r < 0)
        return r;
    struct vd_http *http = calloc(1, sizeof *http);
    if (http)
        (void)pthread_mutex_init(&http->lock, NULL); /* cannot fail for a default mutex */
    if (!http || !copy_strings(http, options)) {
        vd_http_free(http);
        return vd_error_set(err, VD_E_NO_MEMORY, "talking to '%s': out of memory", options->host);
    }
    http->port = options->port ? options->port : 443;
    http->timeouts = options->timeouts;
    (void)snprintf(http->server, sizeof http->server, "%s:%u", http->host, (unsigned)http->port);
    *ret = http;
    return VD_OK;
}

int vd_http_new_beside(const struct vd_http *http, const char *host, uint16_t port,
                       const char *thumbprint, struct vd_http **ret, struct vd_error *err)
{
    struct vd_http_options options = {
        .host = host,
        .port = port,
        .trust = http->trust,
        .timeouts = http->timeouts,
        .proxy = http->proxy,
        .user_agent = http->user_agent,
    };
    options.trust.thumbprint = thumbprint;
    return vd_http_new(&options, ret, err);
}

static void handle_free(struct handle *handle)
{
    if (handle)
        sym_curl_easy_cleanup(handle->curl);
    free(handle);
}

static struct handle *handle_take(struct vd_http *http)
{
    (void)pthread_mutex_lock(&http->lock);
    struct handle *handle = http->idle;
    if (handle)
        http->idle = handle->next;
    (void)pthread_mutex_unlock(&http->lock);
    if (handle)
        return handle;
    handle = calloc(1, sizeof *handle);
    if (handle)
        handle->curl = sym_curl_easy_init();
    if (handle && !handle->curl)
        free(VD_TAKE_PTR(handle));
    return handle;
}

static void handle_give_back(struct vd_http *http, struct handle *handle)
{
    (void)pthread_mutex_lock(&http->lock);
    handle->next = http->idle;
    http->idle = handle;
    (void)pthread_mutex_unlock(&http->lock);
}

static CURLcode prepare_context(CURL *curl, void *context, void *data)
{
    (void)curl;
    struct handle *handle = data;
    vd_error_clear(&handle->verifier.error);
    int r = vd_tls_context_prepare(context, &handle->verifier, &handle->verifier.error);
    return r == VD_OK ? CURLE_OK : CURLE_ABORTED_BY_CALLBACK;
}

/* A cookie is as good as a password. */
static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(VD_TAKE_PTR(*text));
}

/* Where a header of that name is kept, and what ends its value; NULL: nowhere. */
static char **place_of(struct vd_http_reply *reply, const char *line, size_t size,
                       const char **ret_value, const char **ret_stops)
{
    const struct {
        const char *name, *stops;
        char **place;
    } kept[] = {
        {"Set-Cookie:", ";\r\n", &reply->set_cookie},
        {"Content-Range:", "\r\n", &reply->content_range},
        {"ETag:", "\r\n", &reply->etag},
        {"Last-Modified:", "\r\n", &reply->last_modified},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(kept); i++) {
        size_t length = strlen(kept[i].name);
        *ret_value = line + length;
        *ret_stops = kept[i].stops;
        if (size > length && strncasecmp(line, kept[i].name, length) == 0)
            return kept[i].place;
    }
    return NULL;
}

/* curl's own status lines and headers; libcurl types bytes as char and the result as size_t. */
static size_t take_header(char *line, size_t one, size_t size, void *data)
{
    struct exchange *exchange = data;
    const char *start, *stops, *end = line + size;
    (void)one; /* always 1 */
    exchange->head_bytes += size;
    if (exchange->head_bytes > MAX_HEAD_BYTES) {
        exchange->refused = VD_E_PROTOCOL;
        return 0; /* ends the transfer */
    }
    char **kept = place_of(exchange->reply, line, size, &start, &stops);
    if (!kept || size > MAX_HEADER_BYTES)
        return size;
    while (start < end && *start == ' ')
        start++;
    size_t length = 0;
    while (start + length < end && !strchr(stops, start[length]))
        length++;
    wipe(kept);
    *kept = strndup(start, length);
    return size;
}

static void note_reply(struct exchange *exchange)
{
    long status = 0;
    curl_off_t length = -1;
    (void)sym_curl_easy_getinfo(exchange->handle->curl, CURLINFO_RESPONSE_CODE, &status);
    (void)sym_curl_easy_getinfo(exchange->handle->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                                &length);
    exchange->reply->status = (int)status;
    exchange->reply->content_bytes = length < 0 ? UINT64_MAX : (uint64_t)length;
    exchange->reply->peer = exchange->handle->verifier.peer;
}

static bool is_success(const struct vd_http_reply *reply)
{
    return reply->status >= 200 && reply->status < 300;
}

/* Pages that tell of an error are no data. A sink may look at what the headers tell. */
static bool is_for_sink(struct exchange *exchange)
{
    note_reply(exchange);
    return exchange->request->sink && is_success(exchange->reply);
}

static size_t take_body(char *bytes, size_t one, size_t size, void *data)
{
    struct exchange *exchange = data;
    (void)one; /* always 1 */
    const struct vd_http_request *request = exchange->request;
    bool sink = is_for_sink(exchange);
    int r = sink ? request->sink(request->sink_data, bytes, size)
                 : vd_buf_append(&exchange->reply->body, bytes, size);
    if (r >= 0)
        return size;
    exchange->too_big = !sink && r == VD_E_TOO_BIG;
    exchange->cut = exchange->too_big && !is_success(exchange->reply);
    exchange->refused = r;
    return 0; /* ends the transfer */
}

static size_t give_body(char *bytes, size_t one, size_t count, void *data)
{
    struct exchange *exchange = data;
    const struct vd_http_request *request = exchange->request;
    size_t size = VD_MIN(one * count, request->body_bytes - exchange->sent_bytes);
    size_t got = size;
    int r = VD_OK;
    if (request->source)
        r = size ? request->source(request->source_data, bytes, size, &got) : VD_OK;
    else
        memcpy(bytes, (const char *)request->body + exchange->sent_bytes, size);
    exchange->refused = r < 0 ? r : 0;
    exchange->sent_bytes += got;
    return r < 0 ? CURL_READFUNC_ABORT : got;
}

/* A body in memory can be sent again where a kept connection turns out to be dead. */
static int rewind_body(void *data, curl_off_t offset, int origin)
{
    struct exchange *exchange = data;
    if (exchange->request->source || origin != SEEK_SET || offset < 0 ||
        (size_t)offset > exchange->request->body_bytes)
        return CURL_SEEKFUNC_CANTSEEK;
    exchange->sent_bytes = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* An answer that is kept here comes in one go: a server that sends a byte now and then would keep
 * us for ever. Where others give or take the bytes, they may take their time. */
static bool drips(const struct exchange *exchange, uint64_t now_ms)
{
    const struct vd_http_request *request = exchange->request;
    uint64_t least_ms = (uint64_t)exchange->moved_bytes / VD_NET_SLOWEST_BYTES_PER_MS;
    return !request->sink && !request->source &&
           now_ms - exchange->start_ms > exchange->io_ms + least_ms;
}

/* 0, or why the request ends here. */
static int verdict(struct exchange *exchange, uint64_t now_ms)
{
    uint64_t silent_ms = now_ms - exchange->last_moved_ms;
    bool asked = vd_net_stop_asked(exchange->http->timeouts.stop);
    if (asked && exchange->asked_ms == 0)
        exchange->asked_ms = now_ms;
    if (asked && !exchange->request->settles)
        return VD_E_CANCELLED;
    if (asked && VD_MIN(silent_ms, now_ms - exchange->asked_ms) > VD_NET_GRACE_MS)
        return VD_E_CANCELLED;
    return silent_ms > exchange->io_ms || drips(exchange, now_ms) ? VD_E_TIMED_OUT : 0;
}

/* Asked about once a second, and more often while bytes move or where a signal comes. */
static int watch(void *data, curl_off_t to_get, curl_off_t got, curl_off_t to_put, curl_off_t put)
{
    (void)to_get;
    (void)to_put;
    struct exchange *exchange = data;
    const struct vd_http_request *request = exchange->request;
    uint64_t now = vd_clock_now_ms();
    if (got + put != exchange->moved_bytes) {
        exchange->moved_bytes = got + put;
        exchange->last_moved_ms = now;
    }
    if (exchange->refused == 0)
        exchange->refused = verdict(exchange, now);
    if (exchange->refused == 0 && request->tick)
        exchange->refused = VD_MIN(request->tick(request->tick_data), 0);
    return exchange->refused != 0;
}

static bool set_headers(struct exchange *exchange)
{
    const char *const *header = exchange->request->headers;
    /* No 100-continue: vSphere servers do not answer it, and curl would wait a second for them. */
    struct curl_slist *list = sym_curl_slist_append(NULL, "Expect:");
    for (; list && header && *header; header++) {
        struct curl_slist *longer = sym_curl_slist_append(list, *header);
        if (!longer)
            sym_curl_slist_free_all(list);
        list = longer;
    }
    exchange->headers = list;
    return list &&
           sym_curl_easy_setopt(exchange->handle->curl, CURLOPT_HTTPHEADER, list) == CURLE_OK;
}

static bool set_url(struct exchange *exchange)
{
    const struct vd_http *http = exchange->http;
    bool v6 = strchr(http->host, ':') != NULL;
    char *url = NULL; /* as secret as the path */
    int r = asprintf(&url, "https://%s%s%s:%u%s", v6 ? "[" : "", http->host, v6 ? "]" : "",
                     (unsigned)http->port, exchange->request->path);
    bool good =
        r >= 0 && sym_curl_easy_setopt(exchange->handle->curl, CURLOPT_URL, url) == CURLE_OK;
    if (r >= 0)
        wipe(&url);
    return good;
}

static bool set_method(struct exchange *exchange)
{
    CURL *curl = exchange->handle->curl;
    const struct vd_http_request *request = exchange->request;
    bool sends = request->body || request->source;
    bool good = true;
    if (strcmp(request->method, "HEAD") == 0)
        good = sym_curl_easy_setopt(curl, CURLOPT_NOBODY, 1L) == CURLE_OK;
    else if (sends)
        good = sym_curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
               sym_curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
                                    (curl_off_t)request->body_bytes) == CURLE_OK;
    return good && sym_curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
}

static bool set_callbacks(struct exchange *exchange)
{
    CURL *curl = exchange->handle->curl;
    return sym_curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_READDATA, exchange) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, rewind_body) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_SEEKDATA, exchange) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
}

/* The judge checks the name where a name is to be checked, so curl's own check is off. */
static bool set_security(struct exchange *exchange)
{
    CURL *curl = exchange->handle->curl;
    return sym_curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_CAINFO, NULL) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, prepare_context) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, exchange->handle) == CURLE_OK;
}

static bool set_ways(struct exchange *exchange)
{
    CURL *curl = exchange->handle->curl;
    const struct vd_http *http = exchange->http;
    long connect_ms =
        http->timeouts.connect_ms ? (long)http->timeouts.connect_ms : VD_NET_CONNECT_MS;
    return sym_curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
               CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING,
                                exchange->request->sink ? NULL : "") == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_USERAGENT, http->user_agent) == CURLE_OK &&
           sym_curl_easy_setopt(curl, CURLOPT_COOKIE, exchange->request->cookie) == CURLE_OK &&
           (!http->proxy || sym_curl_easy_setopt(curl, CURLOPT_PROXY, http->proxy) == CURLE_OK);
}

static bool has_answered(const struct exchange *exchange)
{
    curl_off_t us = 0;
    return sym_curl_easy_getinfo(exchange->handle->curl, CURLINFO_STARTTRANSFER_TIME_T, &us) ==
               CURLE_OK &&
           us > 0;
}

/* The host's own refusal, a problem on the way, or the judge's verdict, as one sentence. Without
 * the path, which may be a secret. */
static int exchange_failed(const struct exchange *exchange, CURLcode code, struct vd_error *err)
{
    const struct vd_error *verdict = &exchange->handle->verifier.error;
    const char *server = exchange->http->server;
    if (exchange->too_big)
        return vd_error_set(err, VD_E_PROTOCOL, "'%s' answers with more than %zu bytes", server,
                            exchange->reply->body.max);
    if (exchange->head_bytes > MAX_HEAD_BYTES)
        return vd_error_set(err, VD_E_PROTOCOL, "'%s' answers with headers without end", server);
    if (exchange->refused == VD_E_TIMED_OUT || code == CURLE_OPERATION_TIMEDOUT)
        return vd_error_set(err, exchange->refused ? VD_E_TIMED_OUT : VD_E_CONNECT_TIMED_OUT,
                            "'%s' did not answer in time", server);
    if (exchange->refused)
        return vd_error_set(err, exchange->refused, "the request to '%s' was ended", server);
    if (verdict->code)
        return vd_error_set(err, verdict->code, "%s", verdict->text);
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        if (has_answered(exchange)) /* what curl also says of a line that is too long for it */
            return vd_error_set(err, VD_E_PROTOCOL,
                                "'%s' answers with a header that is too long, or memory is out",
                                server);
        return vd_error_set(err, VD_E_NO_MEMORY, "talking to '%s': out of memory", server);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return vd_error_set(err, VD_E_HOST_UNKNOWN, "the host name of '%s' does not resolve",
                            server);
    case CURLE_COULDNT_CONNECT:
        return vd_error_set(err, VD_E_REFUSED,
                            "connecting to '%s': refused; nothing listens there, or a firewall "
                            "blocks the port",
                            server);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return vd_error_set(err, VD_E_TLS, "securing the connection to '%s': %s", server,
                            sym_curl_easy_strerror(code));
    default:
        return vd_error_set(err, VD_E_DISCONNECTED, "talking to '%s': %s", server,
                            sym_curl_easy_strerror(code));
    }
}

static int exchange_run(struct exchange *exchange, struct vd_error *err)
{
    struct handle *handle = exchange->handle;
    handle->verifier.trust = &exchange->http->trust;
    handle->verifier.server = exchange->http->server;
    vd_error_clear(&handle->verifier.error);
    sym_curl_easy_reset(handle->curl); /* keeps its connections */
    if (!set_url(exchange) || !set_headers(exchange) || !set_method(exchange) ||
        !set_callbacks(exchange) || !set_security(exchange) || !set_ways(exchange))
        return vd_error_set(err, VD_E_NO_MEMORY, "talking to '%s': out of memory",
                            exchange->http->server);
    exchange->start_ms = exchange->last_moved_ms = vd_clock_now_ms();
    exchange->refused = verdict(exchange, exchange->last_moved_ms);
    CURLcode code =
        exchange->refused ? CURLE_ABORTED_BY_CALLBACK : sym_curl_easy_perform(handle->curl);
    note_reply(exchange);
    return code == CURLE_OK || exchange->cut ? VD_OK : exchange_failed(exchange, code, err);
}

int vd_http_send(struct vd_http *http, const struct vd_http_request *request,
                 struct vd_http_reply *reply, struct vd_error *err)
{
    size_t max = request->max_body_bytes ? request->max_body_bytes : MAX_BODY_BYTES;
    *reply = (struct vd_http_reply){.body = VD_BUF_INIT_SECRET(max), .content_bytes = UINT64_MAX};
    uint32_t io_ms = request->io_ms ? request->io_ms : http->timeouts.io_ms;
    struct exchange exchange = {
        .http = http,
        .request = request,
        .reply = reply,
        .handle = handle_take(http),
        .io_ms = io_ms ? io_ms : VD_NET_IO_MS,
    };
    if (!exchange.handle)
        return vd_error_set(err, VD_E_NO_MEMORY, "talking to '%s': out of memory", http->server);
    int r = exchange_run(&exchange, err);
    sym_curl_slist_free_all(exchange.headers);
    handle_give_back(http, exchange.handle);
    return r;
}

void vd_http_reply_done(struct vd_http_reply *reply)
{
    vd_buf_done(&reply->body);
    wipe(&reply->set_cookie);
    wipe(&reply->content_range);
    wipe(&reply->etag);
    wipe(&reply->last_modified);
}

void vd_http_free(struct vd_http *http)
{
    if (!http)
        return;
    while (http->idle) {
        struct handle *handle = http->idle;
        http->idle = handle->next;
        handle_free(handle);
    }
    (void)pthread_mutex_destroy(&http->lock); /* nobody holds it */
    free(http->host);
    free(http->ca_file);
    free(http->thumbprint);
    free(http->proxy);
    free(http->user_agent);
    free(http);
}

char *vd_http_escape(const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    char *escaped = malloc(strlen(text) * 3 + 1);
    char *end = escaped;
    for (; escaped && *text; text++) {
        if (strchr(plain, *text))
            *end++ = *text;
        else
            end += snprintf(end, 4, "%%%02X", (unsigned)(unsigned char)*text);
    }
    if (escaped)
        *end = '\0';
    return escaped;
}
