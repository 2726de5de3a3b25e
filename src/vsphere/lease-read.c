/* SPDX-License-Identifier: Apache-2.0 */
/* The files of an export, as they come. */
#include <assert.h>
#include <string.h>

#include "vsphere/lease-int.h"

/* A server that compresses a disk sends nothing while it looks through what is empty. */
#define STREAM_IO_MS (10u * 60u * 1000u)

struct transfer {
    struct vd_vsphere_lease *lease;
    const struct vd_vsphere_sink *sink;
    const struct vd_progress *progress;
    const struct vd_http_reply *reply;
    struct vd_digest *sha1, *sha256;
    uint64_t done;
    int refused; /* what ended it on this side */
};

static uint64_t total_of(const struct transfer *transfer)
{
    uint64_t length = transfer->reply->content_bytes;
    return length == UINT64_MAX ? 0 : VD_MAX(length, transfer->done);
}

/* The percent the server is told is of the file under way; it is a sign of life. */
static bool report(struct transfer *transfer)
{
    uint64_t total = total_of(transfer);
    if (total)
        atomic_store(&transfer->lease->percent,
                     (int)((double)transfer->done * 100.0 / (double)total));
    return vd_progress_report(transfer->progress, transfer->done, total);
}

static int take(void *data, const void *bytes, size_t size)
{
    struct transfer *transfer = data;
    int r = vd_digest_add(transfer->sha1, bytes, size);
    if (r == VD_OK)
        r = vd_digest_add(transfer->sha256, bytes, size);
    if (r < 0)
        return r;
    r = transfer->sink->take(transfer->sink->data, bytes, size);
    transfer->refused = VD_MIN(r, 0); /* told by the sink */
    transfer->done += size;
    if (r >= 0 && !report(transfer))
        r = VD_E_CANCELLED;
    return r;
}

static int tick(void *data)
{
    struct transfer *transfer = data;
    if (vd_lease_why(transfer->lease, false, NULL) < 0)
        return VD_E_FAIL;
    return report(transfer) ? VD_OK : VD_E_CANCELLED;
}

static int status_error(const struct vd_lease_file *file, int status, struct vd_error *err)
{
    return vd_error_set(
        err, VD_E_HTTP_STATUS, "the host '%s' answers with HTTP status %d instead of the disk%s",
        file->url.host, status,
        status == 404 || status == 401 || status == 403 ? "; the lease may have ended" : "");
}

static int send(struct transfer *transfer, struct vd_http *http, const char *cookie,
                const struct vd_lease_file *file, struct vd_error *err)
{
    const struct vd_http_request request = {
        .method = "GET",
        .path = file->url.path,
        .cookie = cookie,
        .io_ms = STREAM_IO_MS,
        .max_body_bytes = 64u << 10,
        .sink = take,
        .sink_data = transfer,
        .tick = tick,
        .tick_data = transfer,
    };
    struct vd_http_reply reply;
    transfer->reply = &reply;
    int r = vd_http_send(http, &request, &reply, err);
    if (r == VD_OK && reply.status != 200)
        r = status_error(file, reply.status, err);
    if (r == VD_OK && !vd_progress_report(transfer->progress, transfer->done, transfer->done))
        r = VD_E_CANCELLED;
    vd_http_reply_done(&reply);
    transfer->reply = NULL;
    return r;
}

/* From where the file is: the server that was asked, who knows the session, or a host of its own
 * name, which has no business with that. */
static int fetch(struct transfer *transfer, const struct vd_lease_file *file, struct vd_error *err)
{
    struct vd_vsphere *session = transfer->lease->session;
    VD_CLEANUP(vd_http_free_cleanup) struct vd_http *other = NULL;
    VD_CLEANUP(vd_secret_free_cleanup) char *cookie = NULL;
    uint64_t generation;
    bool same = strcmp(file->url.host, "*") == 0;
    if (same) {
        cookie = vd_session_cookie(session, &generation);
        return send(transfer, session->http, cookie, file, err);
    }
    int r = vd_http_new_beside(session->http, file->url.host, file->url.port, file->thumbprint,
                               &other, err);
    return r < 0 ? r : send(transfer, other, NULL, file, err);
}

/* A connection that breaks off, or a status, is often only the trace of a lease that ended. */
static int tell_failure(struct transfer *transfer, int r, const struct vd_error *why,
                        struct vd_error *err)
{
    struct vd_vsphere_lease *lease = transfer->lease;
    if (transfer->refused < 0)
        return transfer->refused;
    if (r == VD_E_CANCELLED)
        return vd_error_set(err, r, "%s: cancelled", lease->what);
    int told = vd_lease_why(lease, true, err);
    if (told < 0)
        return told;
    bool broke = vd_error_is(r, VD_E_DISCONNECTED) || vd_error_is(r, VD_E_TIMED_OUT);
    return vd_error_set(err, r, "%s: %s%s", lease->what, vd_error_message(why, r),
                        broke ? "; such a stream cannot be taken up again, so start anew" : "");
}

static int finish_digests(struct transfer *transfer, struct vd_lease_file *file)
{
    int r = vd_digest_finish(transfer->sha1, file->sha1);
    if (r == VD_OK)
        r = vd_digest_finish(transfer->sha256, file->sha256);
    file->bytes = transfer->done;
    file->read = r == VD_OK;
    return r;
}

int vd_vsphere_lease_read(struct vd_vsphere_lease *lease, size_t index,
                          const struct vd_vsphere_sink *sink, const struct vd_progress *progress,
                          struct vd_error *err)
{
    VD_CLEANUP(vd_digest_free_cleanup) struct vd_digest *sha1 = NULL;
    VD_CLEANUP(vd_digest_free_cleanup) struct vd_digest *sha256 = NULL;
    struct vd_error why = VD_ERROR_INIT;
    assert(index < lease->info.count && !lease->info.files[index].read && !lease->ended);
    struct transfer transfer = {.lease = lease, .sink = sink, .progress = progress};
    int r = vd_digest_new(VD_DIGEST_SHA1, &sha1);
    if (r == VD_OK)
        r = vd_digest_new(VD_DIGEST_SHA256, &sha256);
    if (r < 0)
        return vd_error_set(err, r, "%s: %s", lease->what, vd_error_text(r));
    transfer.sha1 = sha1;
    transfer.sha256 = sha256;
    r = fetch(&transfer, &lease->info.files[index], &why);
    if (r < 0)
        return tell_failure(&transfer, r, &why, err);
    r = finish_digests(&transfer, &lease->info.files[index]);
    return r < 0 ? vd_error_set(err, r, "%s: %s", lease->what, vd_error_text(r)) : VD_OK;
}
