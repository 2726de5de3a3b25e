/* SPDX-License-Identifier: Apache-2.0 */
/* Files of datastores, over HTTP. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vsphere/datastore.h"
#include "vsphere/file-range.h"
#include "vsphere/vsphere-int.h"

/* Attempts in a row that bring nothing, and how long each is preceded by a pause. */
static const uint32_t PAUSES_MS[] = {100, 500, 2000, 5000};

struct download {
    struct vd_vsphere *session;
    const struct vd_vsphere_sink *sink;
    const struct vd_progress *progress;
    char what[300];
    struct vd_file_range range; /* what is still to come */
    const struct vd_http_reply *reply;
    char *etag, *last_modified; /* of the first answer; or NULL */
    bool checked;               /* the answer under way is the range that was asked for */
    uint64_t done;
    int refused;          /* what the sink ended it with */
    struct vd_error *err; /* of the attempt under way */
};

static int cancelled(const char *what, struct vd_error *err)
{
    return vd_error_set(err, VD_E_CANCELLED, "%s: cancelled", what);
}

static bool report(struct download *download)
{
    uint64_t left = vd_file_range_left(&download->range);
    return vd_progress_report(download->progress, download->done,
                              left == UINT64_MAX ? 0 : download->done + left);
}

/* Does what the server says of the file's state differ from what it said with the first bytes? */
static bool differs(const struct download *download, char **before, const char *now)
{
    if (download->done == 0) {
        free(*before);
        *before = now ? strdup(now) : NULL; /* without memory there is nothing to compare */
    }
    return *before && now && strcmp(*before, now) != 0;
}

static int check_answer(struct download *download)
{
    const struct vd_http_reply *reply = download->reply;
    struct vd_error why = VD_ERROR_INIT;
    int r = vd_file_range_begin(&download->range, reply->status, reply->content_range,
                                reply->content_bytes, &why);
    bool tag = differs(download, &download->etag, reply->etag);
    bool time = differs(download, &download->last_modified, reply->last_modified);
    if (r == VD_OK && (tag || time))
        r = vd_error_set(&why, VD_E_BUSY, "the file was changed meanwhile, so read it again");
    if (r < 0)
        return vd_error_set(download->err, r, "%s: %s", download->what, why.text);
    download->checked = true;
    return VD_OK;
}

static int take(void *data, const void *bytes, size_t size)
{
    struct download *download = data;
    int r = download->checked ? VD_OK : check_answer(download);
    if (r < 0)
        return r;
    if (!vd_file_range_advance(&download->range, size))
        return vd_error_set(download->err, VD_E_PROTOCOL, "%s: the server sends more than it said",
                            download->what);
    r = download->sink->take(download->sink->data, bytes, size);
    download->refused = VD_MIN(r, 0);
    download->done += size;
    if (r >= 0 && !report(download))
        r = VD_E_CANCELLED;
    return r;
}

static int tick(void *data)
{
    return report(data) ? VD_OK : VD_E_CANCELLED;
}

/* --- what a status means --- */

static int status_error(struct vd_vsphere *session, const char *what, int status,
                        struct vd_error *err)
{
    static const struct {
        int status, code;
        const char *text;
    } meanings[] = {
        {401, VD_E_LOGIN, "the server does not accept the session"},
        {403, VD_E_NO_PERMISSION,
         "the user may not; reading needs the privilege Datastore.Browse, writing "
         "Datastore.FileManagement"},
        {404, VD_E_NOT_FOUND, "there is no such file"},
        {405, VD_E_FILE_TYPE, "it is a folder"},
        {409, VD_E_EXISTS, "the file exists"},
        {416, VD_E_OUT_OF_RANGE, "the file ends before that"},
        {500, VD_E_LOCKED,
         "the server cannot open the file (HTTP status 500); a disk that is in use is one"},
        {507, VD_E_DISK_FULL, "the datastore is full"},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(meanings); i++)
        if (meanings[i].status == status)
            return vd_error_set(err, meanings[i].code, "%s: %s", what, meanings[i].text);
    return vd_error_set(err, VD_E_HTTP_STATUS, "%s: '%s' answers with HTTP status %d", what,
                        session->host, status);
}

/* --- one request --- */

/* The session's cookie goes along; an answer that does not know it is asked for again, after a
 * login. */
static int send_in_session(struct vd_vsphere *session, struct vd_http_request *request,
                           struct vd_http_reply *reply, struct vd_error *err)
{
    for (int attempt = 0;; attempt++) {
        uint64_t generation;
        VD_CLEANUP(vd_secret_free_cleanup)
        char *cookie = vd_session_cookie(session, &generation);
        request->cookie = cookie;
        int r = vd_http_send(session->http, request, reply, err);
        request->cookie = NULL;
        if (r < 0 || reply->status != 401 || attempt > 0)
            return r;
        vd_http_reply_done(reply);
        *reply = (struct vd_http_reply){.status = 0};
        r = vd_session_renew(session, generation, err);
        if (r < 0)
            return r;
    }
}

static int attempt_download(struct download *download, const char *url, struct vd_error *err)
{
    char range[VD_FILE_RANGE_BYTES];
    const char *headers[] = {range, NULL};
    struct vd_http_request request = {
        .method = "GET",
        .path = url,
        .max_body_bytes = 64u << 10,
        .sink = take,
        .sink_data = download,
        .tick = tick,
        .tick_data = download,
    };
    struct vd_http_reply reply = {.status = 0};
    if (vd_file_range_header(&download->range, range))
        request.headers = headers;
    download->reply = &reply;
    download->checked = false;
    download->err = err;
    int r = send_in_session(download->session, &request, &reply, err);
    if (r == VD_OK && reply.status != 200 && reply.status != 206)
        r = status_error(download->session, download->what, reply.status, err);
    else if (r == VD_OK && !download->checked)
        r = check_answer(download); /* of an empty file */
    vd_http_reply_done(&reply);
    return r;
}

static bool pause_before(struct download *download, size_t index)
{
    if (!report(download))
        return false;
    vd_net_stop_pause(download->session->wish, PAUSES_MS[index]);
    return report(download);
}

/* Where the connection is lost it is made anew, and goes on behind the last byte that came. */
static int download_all(struct download *download, const char *url, struct vd_error *err)
{
    for (size_t idle = 0;;) {
        struct vd_error why = VD_ERROR_INIT;
        uint64_t before = download->done;
        int r = attempt_download(download, url, &why);
        uint64_t left = vd_file_range_left(&download->range);
        if (r == VD_OK && left != 0 && left != UINT64_MAX)
            r = vd_error_set(&why, VD_E_DISCONNECTED, "the answer ended too early");
        if (r == VD_OK)
            return VD_OK;
        if (download->refused < 0)
            return download->refused;
        if (r == VD_E_CANCELLED)
            return cancelled(download->what, err);
        bool lost = vd_error_is(r, VD_E_DISCONNECTED) || vd_error_is(r, VD_E_TIMED_OUT);
        idle = download->done > before ? 0 : idle;
        if (!lost || idle == VD_ARRAY_SIZE(PAUSES_MS))
            return lost ? vd_error_set(err, r, "%s: %s", download->what, vd_error_message(&why, r))
                        : vd_error_set(err, r, "%s", vd_error_message(&why, r));
        vd_log(download->session->log, VD_LOG_INFO,
               "%s: %s; it is taken up again after %" PRIu64 " bytes", download->what,
               vd_error_message(&why, r), download->done);
        if (!pause_before(download, idle++))
            return cancelled(download->what, err);
    }
}

int vd_vsphere_file_get(struct vd_vsphere *session, const char *path,
                        const struct vd_vsphere_range *range, const struct vd_vsphere_sink *sink,
                        const struct vd_progress *progress, struct vd_error *err)
{
    struct download download = {.session = session, .sink = sink, .progress = progress};
    VD_FREE char *url = NULL;
    (void)snprintf(download.what, sizeof download.what, "reading the file '%.240s'", path);
    int r = vd_file_range_init(&download.range, range ? range->start_bytes : 0,
                               range ? range->length_bytes : UINT64_MAX, err);
    if (r == VD_OK)
        r = vd_vsphere_file_url(session, path, &url, err);
    if (r < 0)
        return r;
    r = download_all(&download, url, err);
    free(download.etag);
    free(download.last_modified);
    if (r == VD_OK && !vd_progress_report(progress, download.done, download.done))
        return cancelled(download.what, err);
    return r;
}

/* --- up --- */

struct upload {
    const struct vd_vsphere_content_source *source;
    const struct vd_progress *progress;
    uint64_t done;
    int refused;
};

static int give(void *data, void *bytes, size_t size, size_t *ret)
{
    struct upload *upload = data;
    int r = upload->source->give(upload->source->data, upload->done, bytes, size, ret);
    if (r >= 0 && *ret == 0)
        r = VD_E_TRUNCATED;
    upload->refused = VD_MIN(r, 0);
    if (r < 0)
        return r;
    upload->done += *ret;
    return vd_progress_report(upload->progress, upload->done, upload->source->size_bytes)
               ? VD_OK
               : VD_E_CANCELLED;
}

static int upload_tick(void *data)
{
    struct upload *upload = data;
    return vd_progress_report(upload->progress, upload->done, upload->source->size_bytes)
               ? VD_OK
               : VD_E_CANCELLED;
}

/* So that a session that is over is noticed before the bytes are sent, not after. */
static int wake_session(struct vd_vsphere *session, const char *what, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    vd_soap_begin(&call, "CurrentTime", "ServiceInstance", "ServiceInstance");
    vd_soap_what(&call, "%s", what);
    return vd_soap_run(session, &call, &reply, err);
}

/* Why it failed, as one sentence; that of whoever gives the bytes is there already. */
static int tell_upload(const struct upload *upload, const char *what, int r,
                       const struct vd_error *why, struct vd_error *err)
{
    if (upload->refused < 0 && upload->refused != VD_E_TRUNCATED)
        return upload->refused;
    if (upload->refused < 0)
        return vd_error_set(err, upload->refused,
                            "%s: there are only %" PRIu64 " bytes of %" PRIu64 " to send", what,
                            upload->done, upload->source->size_bytes);
    if (r == VD_E_CANCELLED)
        return cancelled(what, err);
    return vd_error_set(err, r, "%s: %s", what, vd_error_message(why, r));
}

static int send_file(struct vd_vsphere *session, const char *url, struct upload *upload,
                     const char *what, struct vd_error *err)
{
    uint64_t generation;
    VD_CLEANUP(vd_secret_free_cleanup) char *cookie = vd_session_cookie(session, &generation);
    const char *headers[] = {"Content-Type: application/octet-stream", NULL};
    const struct vd_http_request request = {
        .method = "PUT",
        .path = url,
        .cookie = cookie,
        .headers = headers,
        .body_bytes = (size_t)upload->source->size_bytes,
        .max_body_bytes = 64u << 10,
        .source = give,
        .source_data = upload,
        .tick = upload_tick,
        .tick_data = upload,
    };
    struct vd_http_reply reply;
    struct vd_error why = VD_ERROR_INIT;
    int r = vd_http_send(session->http, &request, &reply, &why);
    if (r < 0)
        r = tell_upload(upload, what, r, &why, err);
    else if (reply.status < 200 || reply.status > 299)
        r = status_error(session, what, reply.status, err);
    if (r < 0 && upload->done > 0)
        vd_error_prefix(err, "what is at the server now is not known");
    vd_http_reply_done(&reply);
    return r;
}

int vd_vsphere_file_put(struct vd_vsphere *session, const char *path,
                        const struct vd_vsphere_content_source *source,
                        const struct vd_progress *progress, struct vd_error *err)
{
    struct upload upload = {.source = source, .progress = progress};
    char what[300];
    VD_FREE char *url = NULL;
    (void)snprintf(what, sizeof what, "writing the file '%.240s'", path);
    if (source->size_bytes > INT64_MAX)
        return vd_error_set(err, VD_E_TOO_BIG, "%s: it is too large", what);
    int r = vd_vsphere_file_url(session, path, &url, err);
    if (r == VD_OK)
        r = wake_session(session, what, err);
    return r < 0 ? r : send_file(session, url, &upload, what, err);
}
