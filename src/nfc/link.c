/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nfc/authd.h"
#include "nfc/handshake.h"
#include "nfc/message.h"

static void op_finished(struct vd_nfc_op *op)
{
    size_t *left = op->data;
    (*left)--;
}

static int send_output(struct vd_nfc_link *link, struct vd_error *err)
{
    struct iovec pieces[VD_NFC_PIECES];
    int r = VD_OK;
    while (r == VD_OK && vd_nfc_session_output(link->session, pieces) > 0) {
        r = vd_stream_write(link->stream, pieces[0].iov_base, pieces[0].iov_len, err);
        if (r == VD_OK)
            vd_nfc_session_sent(link->session, pieces[0].iov_len);
    }
    return r;
}

static int receive_some(struct vd_nfc_link *link, struct vd_error *err)
{
    struct iovec pieces[VD_NFC_PIECES];
    size_t got;
    (void)vd_nfc_session_want(link->session, pieces); /* the first: nothing else is under way */
    int r = vd_stream_read(link->stream, pieces[0].iov_base, pieces[0].iov_len, &got, err);
    if (r == VD_OK && got == 0)
        r = vd_error_set(err, VD_E_DISCONNECTED, "'%s' ended the NFC session", link->host);
    return r == VD_OK ? vd_nfc_session_got(link->session, got, err) : r;
}

int vd_nfc_link_run(struct vd_nfc_link *link, struct vd_nfc_op *const *ops, size_t count,
                    struct vd_error *err)
{
    size_t left = count;
    uint64_t deadline_ms = vd_stream_deadline_ms(link->stream);
    for (size_t i = 0; i < count; i++) {
        ops[i]->finished = op_finished;
        ops[i]->data = &left;
        vd_nfc_session_submit(link->session, ops[i]);
    }
    int r = VD_OK;
    while (r == VD_OK && left > 0) {
        r = send_output(link, err);
        if (r == VD_OK && left > 0)
            r = receive_some(link, err);
        if (r == VD_OK && left > 0)
            r = vd_stream_in_time(link->stream, deadline_ms, err);
    }
    if (r < 0)
        VD_DISCARD(vd_nfc_session_take_all(link->session)); /* they live on the caller's stack */
    return r;
}

/* One after the other, each answered before the next: so does every client that is known to work,
 * and no host is known to take them in one go. */
static int open_file(struct vd_nfc_link *link, const struct vd_nfc_options *options,
                     uint32_t buffer_count, struct vd_error *err)
{
    struct vd_nfc_op start = {.kind = VD_NFC_OP_START, .flags = buffer_count};
    struct vd_nfc_op socket = {.kind = VD_NFC_OP_SOCK_OPTS};
    struct vd_nfc_op pool = {.kind = VD_NFC_OP_RES_POOL};
    struct vd_nfc_op file = {.kind = VD_NFC_OP_OPEN,
                             .text = options->path,
                             .flags =
                                 options->read_only ? VD_NFC_OPEN_READ_ONLY : VD_NFC_OPEN_WRITABLE};
    struct vd_nfc_op *const ops[] = {&start, &socket, &pool, &file};
    int r = VD_OK;
    for (size_t i = 0; r == VD_OK && i < VD_ARRAY_SIZE(ops); i++) {
        r = vd_nfc_link_run(link, &ops[i], 1, err);
        if (r == VD_OK && ops[i]->code < 0)
            r = vd_error_set(err, ops[i]->code, "%s", ops[i]->err.text);
    }
    link->opened = file.opened;
    return r;
}

static int talk(struct vd_nfc_link *link, const struct vd_nfc_ticket *ticket,
                const struct vd_nfc_options *options, struct vd_error *err)
{
    char tag[VD_NFC_TAG_BYTES];
    int r = vd_nfc_authd(link->stream, ticket, options, tag, err);
    if (r == VD_OK)
        r = vd_nfc_handshake(link->stream, link->host, tag, options->server_version,
                             &link->server_version, err);
    return r;
}

/* Without a daemon there is no tag. */
static int establish_dialled(const struct vd_nfc_options *options, struct vd_nfc_link *link,
                             struct vd_error *err)
{
    (void)snprintf(link->host, sizeof link->host, "dialled");
    int r = options->dial(options->dial_data, &link->stream, err);
    return r < 0 ? r
                 : vd_nfc_handshake(link->stream, link->host, "", options->server_version,
                                    &link->server_version, err);
}

static int establish(const struct vd_nfc_options *options, struct vd_nfc_link *link,
                     struct vd_error *err)
{
    struct vd_nfc_ticket ticket;
    if (options->dial)
        return establish_dialled(options, link, err);
    memset(&ticket, 0, sizeof ticket);
    int r = options->tickets.get(options->tickets.data, &ticket, err);
    if (r == VD_OK) {
        (void)snprintf(link->host, sizeof link->host, "%s", ticket.host);
        link->port = ticket.port;
        r = vd_stream_connect(ticket.host, ticket.port, &options->timeouts, &link->stream, err);
    }
    if (r == VD_OK)
        r = talk(link, &ticket, options, err);
    explicit_bzero(&ticket, sizeof ticket);
    return r;
}

int vd_nfc_link_open(const struct vd_nfc_options *options, uint32_t buffer_bytes,
                     uint32_t buffer_count, struct vd_nfc_link *ret, struct vd_error *err)
{
    struct vd_nfc_link link = {.stream = NULL};
    int r = establish(options, &link, err);
    if (r == VD_NFC_SYNC_ONLY) {
        vd_nfc_link_close(&link, false);
        return r;
    }
    if (r == VD_OK)
        r = vd_nfc_session_new(link.host, buffer_bytes, &link.session, err);
    if (r < 0)
        vd_error_prefix(err, "opening '%s'", options->path);
    else
        r = open_file(&link, options, buffer_count, err); /* whose refusals name the file */
    if (r < 0) {
        vd_nfc_link_close(&link, false);
        return r;
    }
    *ret = link;
    return r;
}

/* Best effort: the data is safe once its writes were answered. */
static void say_good_bye(struct vd_nfc_link *link)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    struct vd_nfc_op close = {.kind = VD_NFC_OP_CLOSE};
    struct vd_nfc_op end = {.kind = VD_NFC_OP_END};
    struct vd_nfc_op *const ops[] = {&close, &end};
    vd_stream_settle(link->stream);
    if (vd_nfc_link_run(link, ops, 1, NULL) < 0 || vd_nfc_link_run(link, ops + 1, 1, NULL) < 0)
        return;
    vd_nfc_plain_encode(VD_NFC_SESSION_COMPLETE, message);
    VD_DISCARD(vd_stream_write(link->stream, message, sizeof message, NULL));
}

void vd_nfc_link_close(struct vd_nfc_link *link, bool politely)
{
    if (politely && link->session)
        say_good_bye(link);
    vd_nfc_session_free(VD_TAKE_PTR(link->session));
    vd_stream_free(VD_TAKE_PTR(link->stream));
}
