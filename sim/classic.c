/* SPDX-License-Identifier: Apache-2.0 */
/* The classic messages of a session: which comes next is the client's choice. */
#include <stdlib.h>
#include <string.h>

#include "session.h"

int sim_send_plain(struct sim_session *session, uint32_t type, struct vd_error *err)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];

    vd_nfc_plain_encode(type, message);
    return sim_conn_send_bytes(&session->conn, message, sizeof message, err);
}

int sim_send_refusal(struct sim_session *session, const struct sim_refusal *refusal,
                     struct vd_error *err)
{
    uint32_t length = (uint32_t)strlen(refusal->text) + 1;
    struct vd_nfc_refusal told = {.type = 1, .code = (uint32_t)refusal->code, .text_bytes = length};
    uint8_t message[VD_NFC_MESSAGE_BYTES + sizeof refusal->text];

    vd_nfc_refusal_encode(&told, message);
    memcpy(message + VD_NFC_MESSAGE_BYTES, refusal->text, length);
    return sim_conn_send_bytes(&session->conn, message, VD_NFC_MESSAGE_BYTES + length, err);
}

int sim_read_text(struct sim_session *session, size_t bytes, char **ret, struct vd_error *err)
{
    VD_FREE char *text = calloc(1, bytes + 1);
    int r = text ? sim_conn_read(&session->conn, text, bytes, err)
                 : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");

    if (r == VD_OK)
        *ret = VD_TAKE_PTR(text);
    return r;
}

bool sim_session_refuses(struct sim_session *session, struct sim_refusal *refusal)
{
    struct sim_faults *faults = &session->sim->faults;
    uint64_t number = ++session->requests;

    if (sim_fault_is_at(faults, SIM_REFUSE_REQUEST, number))
        sim_refuse(refusal, SIM_REFUSED_IO, "request %ju is refused, as asked for",
                   (uintmax_t)number);
    else if (sim_fault_is_at(faults, SIM_REFUSE_MEMORY, number))
        sim_refuse(refusal, SIM_REFUSED_MEMORY, "Failed to allocate memory for request %ju",
                   (uintmax_t)number);
    else
        return false;
    return true;
}

static int send_36(struct sim_session *session, struct vd_error *err)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    struct vd_nfc_status status = {.knows_version = session->sim->nfc_version > 0};

    session->owes_36 = false;
    vd_nfc_status_encode(&status, message);
    return sim_conn_send_bytes(&session->conn, message, sizeof message, err);
}

/* The host's way to say no: its end of the session. */
static int refuse_session(struct sim_session *session, struct vd_error *err)
{
    session->ended = true;
    return sim_send_plain(session, VD_NFC_SESSION_COMPLETE, err);
}

static int take_33(struct sim_session *session, const uint8_t *message, struct vd_error *err)
{
    static const uint8_t nothing[VD_NFC_MESSAGE_BYTES - 4];

    if (memcmp(message + 4, nothing, sizeof nothing) != 0)
        return sim_file_names(session, message, err);
    session->owes_36 = sim_fault(&session->sim->faults, SIM_LATE_36) > 0;
    return session->owes_36 ? VD_OK : send_36(session, err);
}

static int take_51(struct sim_session *session, struct vd_error *err)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];

    if (session->sim->nfc_version == 0)
        return refuse_session(session, err); /* not to be sent to such a host */
    int r = session->owes_36 ? send_36(session, err) : VD_OK;
    if (r < 0)
        return r;
    vd_nfc_version_encode(session->sim->nfc_version, message);
    return sim_conn_send_bytes(&session->conn, message, sizeof message, err);
}

static int take_52(struct sim_session *session, struct vd_error *err)
{
    if (session->sim->nfc_version == 0)
        return refuse_session(session, err);
    int r = sim_send_plain(session, VD_NFC_AIO, err);
    return r < 0 ? r : sim_aio(session, err);
}

/* Hosts 6.0 to 6.7 end the session when they were told no tag before. */
static int take_43(struct sim_session *session, struct vd_error *err)
{
    if (!session->tagged && session->sim->nfc_version <= 2)
        return refuse_session(session, err);
    return VD_OK;
}

static int skip_tail(struct sim_session *session, const uint8_t *message, struct vd_error *err)
{
    uint32_t bytes = 0;
    struct vd_nfc_sync_io io = {0};
    int r = vd_nfc_tail_bytes(message, &bytes);

    if (vd_nfc_message_type(message) == VD_NFC_FSSRVR_IO)
        vd_nfc_sync_io_decode(message, &io);
    if (io.is_write)
        bytes = io.length_bytes;
    if (r == VD_OK && bytes > VD_NFC_SYNC_MAX_BYTES)
        r = VD_E_PROTOCOL;
    if (r < 0)
        return vd_error_set(err, r, "a client sends message %u with a part that is too long",
                            vd_nfc_message_type(message));
    return sim_conn_skip(&session->conn, bytes, err);
}

static bool has_answer(const uint8_t *message)
{
    uint32_t type = vd_nfc_message_type(message);

    return type != VD_NFC_CLIENT_RANDOM && type != VD_NFC_PING && type != VD_NFC_CONNECTION_DATA &&
           type != VD_NFC_FEATURES && type != VD_NFC_SESSION_COMPLETE;
}

static int take(struct sim_session *session, const uint8_t *message, struct vd_error *err)
{
    struct sim_refusal refusal;

    if (has_answer(message) && sim_session_refuses(session, &refusal)) {
        int r = skip_tail(session, message, err);
        return r < 0 ? r : sim_send_refusal(session, &refusal, err);
    }
    switch (vd_nfc_message_type(message)) {
    case VD_NFC_CLIENT_RANDOM:
        return take_43(session, err);
    case VD_NFC_FILE_COPY:
        return take_33(session, message, err);
    case VD_NFC_VERSION:
        return take_51(session, err);
    case VD_NFC_AIO:
        return take_52(session, err);
    case VD_NFC_PING:
    case VD_NFC_CONNECTION_DATA:
    case VD_NFC_FEATURES:
        return skip_tail(session, message, err);
    case VD_NFC_SESSION_COMPLETE:
        return refuse_session(session, err);
    case VD_NFC_FILE_PUT:
        return sim_file_put(session, message, err);
    case VD_NFC_FILE_GET:
        return sim_file_get(session, message, err);
    case VD_NFC_FILE_DELETE:
    case VD_NFC_FILE_RENAME:
    case VD_NFC_FILE_CREATEDIR:
        return sim_file_names(session, message, err);
    case VD_NFC_FSSRVR_OPEN:
        return sim_sync_open(session, message, err);
    case VD_NFC_FSSRVR_IO:
        return sim_sync_io(session, message, err);
    case VD_NFC_FSSRVR_CLOSE:
        return sim_sync_close(session, err);
    default:
        return vd_error_set(err, VD_E_PROTOCOL, "a client sends message %u, which no client does",
                            vd_nfc_message_type(message));
    }
}

int sim_classic(struct sim_session *session, struct vd_error *err)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    int r = VD_OK;

    while (r == VD_OK && !session->ended) {
        r = sim_conn_read(&session->conn, message, sizeof message, err);
        if (r == VD_OK)
            r = take(session, message, err);
    }
    return r < 0 ? r : sim_conn_drain(&session->conn, NULL, NULL, err);
}

void sim_session_serve(struct sim *sim, struct vd_stream *stream,
                       void (*announce)(void *data, struct sim_conn *conn), void *data)
{
    struct vd_error err = VD_ERROR_INIT;
    struct sim_session session = {.sim = sim};
    int r = sim_conn_init(&session.conn, stream, &sim->faults, &err);

    if (r < 0) {
        sim_say(sim, "nfc: %s", err.text);
        vd_stream_free(stream);
        return;
    }
    if (announce)
        announce(data, &session.conn);
    if (announce)
        r = sim_authd(sim, stream, &session.ticket, &session.tagged, &err);
    else
        session.ticket.kind = SIM_TICKET_SYSTEM; /* tests begin behind authd */
    if (r == VD_OK)
        r = sim_classic(&session, &err);
    if (r < 0)
        sim_say(sim, "nfc: %s", err.text);
    explicit_bzero(session.ticket.id, sizeof session.ticket.id);
    VD_DISCARD(sim_close_disk(sim, session.sync, NULL)); /* the client left without a close */
    if (announce)
        announce(data, NULL);
    sim_conn_done(&session.conn);
    vd_stream_free(stream);
}
