/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/session.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "nfc/fragment.h"
#include "nfc/refusal.h"

/* Operations that an error frame ended: what still comes for them is passed over. An error can have
 * at most one reply behind it, or the fragments that were under way. */
#define ENDED_IDS 64u
/* What may still come for a refused operation, besides its data with as much again for frames and
 * packing: a text of 1 MiB, and a value or a bitmap of 64 KiB with its frame, twice over. */
#define LATE_BYTES       (2u << 20)
#define FILE_TYPE_DISK   2u
#define ERROR_TEXT_BYTES 400u
#define DRAIN_BYTES      65536u

enum stage { STAGE_HEADER, STAGE_PAYLOAD, STAGE_TRAILER, STAGE_DRAIN };

struct vd_nfc_session {
    char peer[300];
    uint32_t buffer_bytes;
    uint64_t handle; /* of the one file; 0 before it is open */
    uint32_t next_id;
    struct vd_nfc_codec *codec;
    struct vd_nfc_unpacker unpacker; /* of NULL: none */

    /* Submitted, oldest first; answered ones are taken out. `sending` is in the list. */
    struct vd_nfc_op *first, **last;
    size_t pending;
    uint64_t progress;
    struct vd_nfc_op *sending;
    uint32_t ended[ENDED_IDS];
    size_t ended_count;
    uint64_t late_bytes; /* that may still come for them */

    /* Out: a frame's head, then its body, in the operation's memory or the codec's. */
    uint8_t head[VD_NFC_HEADER_BYTES + VD_NFC_PAYLOAD_MAX_BYTES];
    size_t head_bytes, head_sent;
    const uint8_t *body;
    size_t body_bytes, body_sent;

    /* In. */
    enum stage stage;
    uint8_t in[VD_NFC_HEADER_BYTES + VD_NFC_PAYLOAD_MAX_BYTES];
    size_t in_bytes; /* of the stage that have arrived */
    struct vd_nfc_header header;
    struct vd_nfc_op *answered;   /* whose trailer arrives; NULL: nobody's */
    struct vd_nfc_io io;          /* of the fragment whose trailer arrives */
    struct vd_nfc_parcel *parcel; /* it arrives in; NULL: where it belongs, or the codec's room */
    uint8_t *into;
    size_t into_bytes;
    uint64_t drain_bytes;
    uint8_t ahead[VD_NFC_HEADER_BYTES + VD_NFC_IO_BYTES]; /* came behind what was waited for */
    char text[ERROR_TEXT_BYTES + 1];
    uint8_t scratch[DRAIN_BYTES];
};

int vd_nfc_session_new(const char *peer, uint32_t buffer_bytes, struct vd_nfc_session **ret,
                       struct vd_error *err)
{
    struct vd_nfc_session *session = calloc(1, sizeof *session);
    if (!session || vd_nfc_codec_new(&session->codec) < 0) {
        free(session);
        return vd_error_set(err, VD_E_NO_MEMORY, "talking to '%s': out of memory", peer);
    }
    (void)snprintf(session->peer, sizeof session->peer, "%s", peer);
    session->buffer_bytes = buffer_bytes;
    session->last = &session->first;
    *ret = session;
    return VD_OK;
}

void vd_nfc_session_free(struct vd_nfc_session *session)
{
    if (session)
        vd_nfc_codec_free(session->codec);
    free(session);
}

uint64_t vd_nfc_session_progress(const struct vd_nfc_session *session)
{
    return session->progress;
}

size_t vd_nfc_session_pending(const struct vd_nfc_session *session)
{
    return session->pending;
}

void vd_nfc_session_submit(struct vd_nfc_session *session, struct vd_nfc_op *op)
{
    op->code = VD_OK;
    op->host_code = 0;
    op->done_bytes = 0;
    op->sent_bytes = 0;
    op->parts = 0;
    op->is_sent = false;
    op->is_ended = false;
    op->next = NULL;
    op->id = session->next_id++;
    vd_error_clear(&op->err);
    vd_nfc_ranges_done(&op->arrived);
    *session->last = op;
    session->last = &op->next;
    session->pending++;
}

struct vd_nfc_op *vd_nfc_session_take_all(struct vd_nfc_session *session)
{
    struct vd_nfc_op *all = session->first;
    session->first = NULL;
    session->last = &session->first;
    session->pending = 0;
    session->sending = NULL;
    session->head_bytes = session->body_bytes = 0;
    return all;
}

static void unlink_op(struct vd_nfc_session *session, struct vd_nfc_op *op)
{
    struct vd_nfc_op **link = &session->first;
    while (*link != op)
        link = &(*link)->next;
    *link = op->next;
    if (session->last == &op->next)
        session->last = link;
    session->pending--;
}

static void finish(struct vd_nfc_session *session, struct vd_nfc_op *op)
{
    if (op == session->sending || op->parts > 0) { /* its memory is in use: it ends after that */
        op->is_ended = true;
        return;
    }
    if (session->answered == op)
        session->answered = NULL;
    unlink_op(session, op);
    session->progress += VD_NFC_PROGRESS_STEP;
    vd_nfc_ranges_done(&op->arrived);
    op->finished(op);
}

/* --- out --- */

static const uint32_t FRAME_OF[] = {
    [VD_NFC_OP_START] = VD_NFC_OPEN_SESSION,
    [VD_NFC_OP_SOCK_OPTS] = VD_NFC_SET_SOCK_OPTS,
    [VD_NFC_OP_RES_POOL] = VD_NFC_SET_RES_POOL,
    [VD_NFC_OP_OPEN] = VD_NFC_OPEN_FILE,
    [VD_NFC_OP_READ] = VD_NFC_IO,
    [VD_NFC_OP_WRITE] = VD_NFC_IO,
    [VD_NFC_OP_GET] = VD_NFC_DDB_GET,
    [VD_NFC_OP_SET] = VD_NFC_DDB_SET,
    [VD_NFC_OP_QUERY] = VD_NFC_QUERY_ALLOCATED,
    [VD_NFC_OP_CLOSE] = VD_NFC_CLOSE_FILE,
    [VD_NFC_OP_END] = VD_NFC_CLOSE_SESSION,
};

static const uint32_t PAYLOAD_OF[] = {
    [VD_NFC_OP_START] = VD_NFC_OPEN_SESSION_BYTES,
    [VD_NFC_OP_SOCK_OPTS] = VD_NFC_SOCK_OPTS_BYTES,
    [VD_NFC_OP_RES_POOL] = VD_NFC_RES_POOL_BYTES,
    [VD_NFC_OP_OPEN] = VD_NFC_OPEN_FILE_BYTES,
    [VD_NFC_OP_READ] = VD_NFC_IO_BYTES,
    [VD_NFC_OP_WRITE] = VD_NFC_IO_BYTES,
    [VD_NFC_OP_GET] = VD_NFC_DDB_BYTES,
    [VD_NFC_OP_SET] = VD_NFC_DDB_BYTES,
    [VD_NFC_OP_QUERY] = VD_NFC_QUERY_BYTES,
    [VD_NFC_OP_CLOSE] = VD_NFC_CLOSE_FILE_BYTES,
    [VD_NFC_OP_END] = VD_NFC_CLOSE_SESSION_BYTES,
};

static void set_body(struct vd_nfc_session *session, const void *bytes, size_t size)
{
    session->body = bytes;
    session->body_bytes = size;
    session->body_sent = 0;
}

static void encode_read(struct vd_nfc_session *session, const struct vd_nfc_op *op,
                        uint8_t *payload)
{
    struct vd_nfc_io io = {
        .handle = session->handle,
        .is_read = true,
        .compression = op->compression,
        .offset_bytes = op->offset_bytes,
        .total_bytes = op->length_bytes,
        .fragment_bytes = op->length_bytes,
        .trailer_bytes = op->length_bytes,
    };
    vd_nfc_io_encode(&io, payload);
}

/* The next fragment of a write. */
static void encode_write(struct vd_nfc_session *session, struct vd_nfc_op *op, uint8_t *payload)
{
    const uint8_t *bytes = (const uint8_t *)op->from + op->sent_bytes;
    uint32_t size = VD_MIN(op->length_bytes - op->sent_bytes, session->buffer_bytes);
    struct vd_nfc_packed packed;
    if (op->parcel)
        packed = op->parcel->packed[op->sent_bytes / session->buffer_bytes];
    else
        vd_nfc_pack(session->codec, op->compression, bytes, size, &packed);
    struct vd_nfc_io io = {
        .handle = session->handle,
        .compression = packed.compression,
        .offset_bytes = op->offset_bytes,
        .total_bytes = op->length_bytes,
        .fragment_offset_bytes = op->sent_bytes,
        .fragment_bytes = size,
        .trailer_bytes = (uint32_t)packed.size,
    };
    vd_nfc_io_encode(&io, payload);
    set_body(session, packed.bytes, packed.size);
    op->sent_bytes += size;
}

static void encode_text(struct vd_nfc_session *session, struct vd_nfc_op *op, uint8_t *payload)
{
    size_t length = strlen(op->text);
    set_body(session, op->text, length);
    if (op->kind == VD_NFC_OP_OPEN)
        vd_nfc_open_file_encode(
            &(struct vd_nfc_open_file){(uint32_t)length, FILE_TYPE_DISK, op->flags}, payload);
    else
        vd_nfc_ddb_encode(session->handle, (uint32_t)length,
                          op->kind == VD_NFC_OP_SET ? op->length_bytes : 0, payload);
}

static void encode_payload(struct vd_nfc_session *session, struct vd_nfc_op *op, uint8_t *payload)
{
    memset(payload, 0, PAYLOAD_OF[op->kind]);
    switch (op->kind) {
    case VD_NFC_OP_START:
        vd_nfc_open_session_encode(session->buffer_bytes, op->flags, payload);
        break;
    case VD_NFC_OP_RES_POOL:
        vd_le32_encode(payload, 1);
        break;
    case VD_NFC_OP_READ:
        encode_read(session, op, payload);
        break;
    case VD_NFC_OP_WRITE:
        encode_write(session, op, payload);
        break;
    case VD_NFC_OP_OPEN:
    case VD_NFC_OP_GET:
    case VD_NFC_OP_SET:
        encode_text(session, op, payload);
        break;
    case VD_NFC_OP_QUERY:
        vd_nfc_query_encode(
            &(struct vd_nfc_query){session->handle, op->chunk_bytes, op->offset_bytes, op->chunks},
            payload);
        break;
    case VD_NFC_OP_CLOSE:
        vd_le64_encode(payload, session->handle);
        break;
    case VD_NFC_OP_SOCK_OPTS:
    case VD_NFC_OP_END:
        break;
    }
}

static struct vd_nfc_op *next_to_send(struct vd_nfc_session *session)
{
    if (session->sending)
        return session->sending;
    struct vd_nfc_op *op = session->first;
    while (op && op->is_sent)
        op = op->next;
    return op;
}

/* Makes the next frame; false where there is none to make. */
static bool make_frame(struct vd_nfc_session *session)
{
    struct vd_nfc_op *op = next_to_send(session);
    if (!op)
        return false;
    session->sending = op;
    set_body(session, NULL, 0);
    encode_payload(session, op, session->head + VD_NFC_HEADER_BYTES);
    vd_nfc_header_encode(&(struct vd_nfc_header){FRAME_OF[op->kind], PAYLOAD_OF[op->kind], op->id},
                         session->head);
    session->head_bytes = VD_NFC_HEADER_BYTES + PAYLOAD_OF[op->kind];
    session->head_sent = 0;
    return true;
}

unsigned vd_nfc_session_output(struct vd_nfc_session *session, struct iovec *ret)
{
    unsigned count = 0;
    if (session->head_bytes == 0 && session->body_bytes == 0 && !make_frame(session))
        return 0;
    if (session->head_sent < session->head_bytes)
        ret[count++] = (struct iovec){session->head + session->head_sent,
                                      session->head_bytes - session->head_sent};
    if (session->body_sent < session->body_bytes)
        ret[count++] = (struct iovec){(void *)(uintptr_t)(session->body + session->body_sent),
                                      session->body_bytes - session->body_sent};
    return count;
}

/* The frame is out: the operation has another one to send, or waits for its answer. */
static void frame_sent(struct vd_nfc_session *session)
{
    struct vd_nfc_op *op = session->sending;
    bool more = op->kind == VD_NFC_OP_WRITE && op->sent_bytes < op->length_bytes;
    session->head_bytes = session->body_bytes = 0;
    if (more && !op->is_ended)
        return;
    op->is_sent = true;
    session->sending = NULL;
    if (op->is_ended)
        finish(session, op);
}

/* The value of a DDB_SET follows its key. */
static bool value_follows(struct vd_nfc_session *session)
{
    struct vd_nfc_op *op = session->sending;
    if (op->kind != VD_NFC_OP_SET || session->body == op->from || op->length_bytes == 0)
        return false;
    set_body(session, op->from, op->length_bytes);
    return true;
}

void vd_nfc_session_sent(struct vd_nfc_session *session, size_t bytes)
{
    size_t of_head = VD_MIN(bytes, session->head_bytes - session->head_sent);
    session->head_sent += of_head;
    session->body_sent += bytes - of_head;
    session->progress += bytes;
    assert(session->body_sent <= session->body_bytes);
    if (session->head_sent == session->head_bytes && session->body_sent == session->body_bytes &&
        !value_follows(session))
        frame_sent(session);
}

/* --- in --- */

static void expect(struct vd_nfc_session *session, enum stage stage, void *into, size_t bytes)
{
    session->stage = stage;
    session->into = into;
    session->into_bytes = bytes;
    session->in_bytes = 0;
}

static void expect_header(struct vd_nfc_session *session)
{
    session->answered = NULL;
    expect(session, STAGE_HEADER, session->in, VD_NFC_HEADER_BYTES);
}

static void drain(struct vd_nfc_session *session, uint64_t bytes)
{
    session->drain_bytes = bytes;
    if (bytes == 0)
        expect_header(session);
    else
        expect(session, STAGE_DRAIN, session->scratch, VD_MIN(bytes, DRAIN_BYTES));
}

unsigned vd_nfc_session_want(struct vd_nfc_session *session, struct iovec *ret)
{
    if (!session->into)
        expect_header(session);
    ret[0] =
        (struct iovec){session->into + session->in_bytes, session->into_bytes - session->in_bytes};
    ret[1] = (struct iovec){session->ahead, sizeof session->ahead};
    return 2;
}

static int broken(const struct vd_nfc_session *session, struct vd_error *err, const char *what,
                  uint64_t found)
{
    return vd_error_set(err, VD_E_PROTOCOL,
                        "'%s' breaks the NFC protocol: %s (found %" PRIu64
                        ", frame type %u, operation %u)",
                        session->peer, what, found, session->header.type, session->header.op);
}

static struct vd_nfc_op *find_op(const struct vd_nfc_session *session, uint32_t id)
{
    struct vd_nfc_op *op = session->first;
    while (op && op->id != id)
        op = op->next;
    return op && (op->is_sent || op == session->sending) ? op : NULL;
}

static bool was_ended(const struct vd_nfc_session *session, uint32_t id)
{
    for (size_t i = 0; i < VD_MIN(session->ended_count, ENDED_IDS); i++)
        if (session->ended[i] == id)
            return true;
    return false;
}

static void end_early(struct vd_nfc_session *session, struct vd_nfc_op *op, int code)
{
    session->ended[session->ended_count++ % ENDED_IDS] = op->id;
    session->late_bytes += LATE_BYTES + 2 * (uint64_t)op->length_bytes;
    op->code = code;
    finish(session, op);
}

static void refuse(struct vd_nfc_session *session, struct vd_nfc_op *op, uint64_t host_code)
{
    op->host_code = host_code;
    end_early(session, op, vd_nfc_refusal(op, session->peer, host_code, session->text, &op->err));
}

/* A host may have begun to answer what it refuses, but does not go on with it for ever. */
static int take_late(struct vd_nfc_session *session, uint64_t trailer_bytes, struct vd_error *err)
{
    uint64_t bytes = VD_NFC_HEADER_BYTES + session->header.payload_bytes + trailer_bytes;
    if (bytes > session->late_bytes)
        return broken(session, err, "more for refused operations than they asked for", bytes);
    session->late_bytes -= bytes;
    return VD_OK;
}

/* Bytes behind the payload of a frame that answers nothing any more. */
static int drain_frame(struct vd_nfc_session *session, struct vd_error *err)
{
    const uint8_t *payload = session->in + VD_NFC_HEADER_BYTES;
    uint64_t bytes = 0;
    struct vd_nfc_io io;
    if (session->header.type == VD_NFC_IO && session->header.payload_bytes >= VD_NFC_IO_BYTES) {
        vd_nfc_io_decode(payload, &io);
        bytes = io.is_read ? io.trailer_bytes : 0;
    } else if (session->header.type == VD_NFC_DDB_GET &&
               session->header.payload_bytes >= VD_NFC_DDB_BYTES) {
        bytes = vd_le32_decode(payload + 12);
    } else if (session->header.type == VD_NFC_QUERY_ALLOCATED &&
               session->header.payload_bytes >= VD_NFC_QUERY_BYTES) {
        uint64_t chunks = vd_le64_decode(payload + 32);
        if (chunks > VD_NFC_QUERY_MAX_CHUNKS)
            return broken(session, err, "a bitmap of too many chunks", chunks);
        bytes = vd_nfc_bitmap_bytes(chunks);
    }
    if (bytes > VD_NFC_SESSION_MAX_BYTES)
        return broken(session, err, "a trailer that is too long", bytes);
    int r = take_late(session, bytes, err);
    if (r == VD_OK)
        drain(session, bytes);
    return r;
}

static int take_error(struct vd_nfc_session *session, struct vd_error *err)
{
    struct vd_nfc_error_frame frame;
    if (session->header.payload_bytes < VD_NFC_ERROR_BYTES)
        return broken(session, err, "an error frame that is too short",
                      session->header.payload_bytes);
    vd_nfc_error_decode(session->in + VD_NFC_HEADER_BYTES, &frame);
    if (frame.text_bytes > VD_NFC_ERROR_TEXT_MAX_BYTES)
        return broken(session, err, "an error text that is too long", frame.text_bytes);
    session->answered = find_op(session, session->header.op);
    if (!session->answered && !was_ended(session, session->header.op))
        return broken(session, err, "an error for an operation that is not under way", frame.code);
    int r = session->answered ? VD_OK : take_late(session, frame.text_bytes, err);
    if (r < 0)
        return r;
    memset(session->text, 0, sizeof session->text);
    session->io.handle = frame.code;
    uint32_t kept = VD_MIN(frame.text_bytes, ERROR_TEXT_BYTES);
    session->drain_bytes = frame.text_bytes - kept;
    expect(session, STAGE_TRAILER, session->text, kept);
    return VD_OK;
}

/* In a parcel where there is one to be had. */
static void *room_for_packed(struct vd_nfc_session *session)
{
    if (session->unpacker.get)
        session->parcel = session->unpacker.get(session->unpacker.data);
    struct vd_nfc_codec *codec = session->parcel ? session->parcel->codec : session->codec;
    return vd_nfc_codec_room(codec, session->io.trailer_bytes);
}

/* A read's fragment is checked before one byte of it is taken. */
static int take_fragment(struct vd_nfc_session *session, struct vd_nfc_op *op, struct vd_error *err)
{
    const struct vd_nfc_io *io = &session->io;
    if (io->offset_bytes != op->offset_bytes || io->total_bytes != op->length_bytes)
        return broken(session, err, "a fragment of another request", io->offset_bytes);
    if (io->fragment_bytes == 0 || io->fragment_offset_bytes > op->length_bytes ||
        io->fragment_bytes > op->length_bytes - io->fragment_offset_bytes)
        return broken(session, err, "a fragment outside its request", io->fragment_offset_bytes);
    int r = vd_nfc_ranges_add(&op->arrived, io->fragment_offset_bytes, io->fragment_bytes);
    if (r == VD_E_NO_MEMORY)
        return vd_error_set(err, r, "reading from '%s': out of memory", session->peer);
    if (r < 0)
        return broken(session, err, "a fragment that came before", io->fragment_offset_bytes);
    void *into = (uint8_t *)op->into + io->fragment_offset_bytes;
    session->parcel = NULL;
    if (io->compression == VD_NFC_CODE_NONE) {
        if (io->trailer_bytes != io->fragment_bytes)
            return broken(session, err, "a fragment of another length than its data",
                          io->trailer_bytes);
    } else if (io->trailer_bytes > vd_nfc_packed_max_bytes(io->fragment_bytes)) {
        return broken(session, err, "compressed data that is too long", io->trailer_bytes);
    } else {
        into = room_for_packed(session);
    }
    if (!into)
        return vd_error_set(err, VD_E_NO_MEMORY, "reading from '%s': out of memory", session->peer);
    op->parts++;
    expect(session, STAGE_TRAILER, into, io->trailer_bytes);
    return VD_OK;
}

static int take_io(struct vd_nfc_session *session, struct vd_nfc_op *op, struct vd_error *err)
{
    if (session->header.payload_bytes < VD_NFC_IO_BYTES)
        return broken(session, err, "a reply that is too short", session->header.payload_bytes);
    vd_nfc_io_decode(session->in + VD_NFC_HEADER_BYTES, &session->io);
    bool is_read = op->kind == VD_NFC_OP_READ;
    if (session->io.is_read != is_read)
        return broken(session, err, "a reply in the other direction", session->io.is_read);
    if (session->io.handle != 0) { /* in replies: the status */
        session->text[0] = '\0';
        refuse(session, op, session->io.handle);
        return drain_frame(session, err);
    }
    if (is_read)
        return take_fragment(session, op, err);
    if (!op->is_sent)
        return broken(session, err, "the answer to a write that is not sent yet", op->sent_bytes);
    op->done_bytes = op->length_bytes;
    expect_header(session);
    finish(session, op);
    return VD_OK;
}

static int take_opened(struct vd_nfc_session *session, struct vd_nfc_op *op, struct vd_error *err)
{
    if (session->header.payload_bytes < VD_NFC_OPENED_MIN_BYTES)
        return broken(session, err, "a reply that is too short", session->header.payload_bytes);
    vd_nfc_opened_decode(session->in + VD_NFC_HEADER_BYTES, &op->opened);
    expect_header(session);
    session->text[0] = '\0';
    if (op->opened.status != 0) {
        refuse(session, op, op->opened.status);
        return VD_OK;
    }
    if (op->opened.file_type != FILE_TYPE_DISK)
        return broken(session, err, "an open file that is no disk", op->opened.file_type);
    session->handle = op->opened.handle;
    finish(session, op);
    return VD_OK;
}

static int take_value(struct vd_nfc_session *session, struct vd_nfc_op *op, struct vd_error *err)
{
    if (session->header.payload_bytes < VD_NFC_DDB_BYTES)
        return broken(session, err, "a reply that is too short", session->header.payload_bytes);
    uint32_t bytes = vd_le32_decode(session->in + VD_NFC_HEADER_BYTES + 12);
    if (bytes > VD_NFC_VALUE_MAX_BYTES)
        return broken(session, err, "a value that is too long", bytes);
    op->done_bytes = bytes;
    if (bytes < op->into_bytes) {
        expect(session, STAGE_TRAILER, op->into, bytes);
        return VD_OK;
    }
    session->answered = NULL;
    drain(session, bytes);
    op->code = vd_error_set(&op->err, VD_E_BUFFER_TOO_SMALL,
                            "the value of '%s' is %" PRIu32 " bytes long", op->text, bytes);
    finish(session, op);
    return VD_OK;
}

static int take_bitmap(struct vd_nfc_session *session, struct vd_nfc_op *op, struct vd_error *err)
{
    if (session->header.payload_bytes < VD_NFC_QUERY_BYTES)
        return broken(session, err, "a reply that is too short", session->header.payload_bytes);
    uint64_t chunks = vd_le64_decode(session->in + VD_NFC_HEADER_BYTES + 32);
    if (chunks != op->chunks)
        return broken(session, err, "a bitmap of another number of chunks", chunks);
    expect(session, STAGE_TRAILER, op->into, vd_nfc_bitmap_bytes(chunks));
    return VD_OK;
}

static int take_payload(struct vd_nfc_session *session, struct vd_error *err)
{
    if (session->header.type == VD_NFC_ERROR)
        return take_error(session, err);
    struct vd_nfc_op *op = find_op(session, session->header.op);
    if (!op && was_ended(session, session->header.op))
        return drain_frame(session, err);
    if (!op || FRAME_OF[op->kind] != session->header.type)
        return broken(session, err, "a frame that nobody asked for", session->header.payload_bytes);
    if (op->is_ended)
        return drain_frame(session, err);
    session->answered = op;
    switch (op->kind) {
    case VD_NFC_OP_READ:
    case VD_NFC_OP_WRITE:
        return take_io(session, op, err);
    case VD_NFC_OP_OPEN:
        return take_opened(session, op, err);
    case VD_NFC_OP_GET:
        return take_value(session, op, err);
    case VD_NFC_OP_QUERY:
        return take_bitmap(session, op, err);
    default:
        expect_header(session);
        finish(session, op);
        return VD_OK;
    }
}

/* One of a read's fragments is where it belongs. */
static void part_done(struct vd_nfc_session *session, struct vd_nfc_op *op)
{
    op->parts--;
    if (op->is_ended && op->parts == 0) {
        finish(session, op);
    } else if (op->parts == 0 && vd_nfc_ranges_full(&op->arrived, op->length_bytes)) {
        op->done_bytes = op->length_bytes;
        finish(session, op);
    }
}

static int cannot_unpack(const struct vd_nfc_session *session, int code, uint32_t compression,
                         struct vd_error *err)
{
    if (code == VD_E_NO_MEMORY)
        return vd_error_set(err, code, "reading from '%s': out of memory", session->peer);
    return broken(session, err, "compressed data that cannot be unpacked", compression);
}

void vd_nfc_session_set_unpacker(struct vd_nfc_session *session,
                                 const struct vd_nfc_unpacker *unpacker)
{
    session->unpacker = *unpacker;
}

int vd_nfc_session_unpacked(struct vd_nfc_session *session, const struct vd_nfc_parcel *parcel,
                            struct vd_error *err)
{
    int r = VD_OK;
    if (parcel->code < 0 && !parcel->op->is_ended)
        r = cannot_unpack(session, parcel->code, parcel->compression, err);
    else
        part_done(session, parcel->op);
    return r;
}

static void hand_out(struct vd_nfc_session *session, struct vd_nfc_op *op, void *into)
{
    struct vd_nfc_parcel *parcel = VD_TAKE_PTR(session->parcel);
    parcel->op = op;
    parcel->compression = session->io.compression;
    parcel->packed_bytes = session->io.trailer_bytes;
    parcel->into = into;
    parcel->size = session->io.fragment_bytes;
    parcel->code = VD_OK;
    session->unpacker.put(session->unpacker.data, parcel);
}

static int fragment_arrived(struct vd_nfc_session *session, struct vd_nfc_op *op,
                            struct vd_error *err)
{
    const struct vd_nfc_io *io = &session->io;
    void *into = (uint8_t *)op->into + io->fragment_offset_bytes;
    int r = VD_OK;
    expect_header(session);
    if (session->parcel) {
        hand_out(session, op, into);
        return r;
    }
    if (io->compression != VD_NFC_CODE_NONE)
        r = vd_nfc_unpack(session->codec, io->compression, io->trailer_bytes, into,
                          io->fragment_bytes);
    if (r < 0)
        return cannot_unpack(session, r, io->compression, err);
    part_done(session, op);
    return VD_OK;
}

static int trailer_arrived(struct vd_nfc_session *session, struct vd_error *err)
{
    struct vd_nfc_op *op = session->answered;
    if (session->header.type == VD_NFC_ERROR) {
        drain(session, session->drain_bytes);
        if (op)
            refuse(session, op, session->io.handle);
        return VD_OK;
    }
    if (op->kind == VD_NFC_OP_READ)
        return fragment_arrived(session, op, err);
    if (op->kind == VD_NFC_OP_GET)
        ((char *)op->into)[op->done_bytes] = '\0';
    expect_header(session);
    finish(session, op);
    return VD_OK;
}

static int header_arrived(struct vd_nfc_session *session, struct vd_error *err)
{
    if (vd_nfc_header_decode(session->in, &session->header) < 0)
        return broken(session, err, "bytes that begin no frame", vd_le32_decode(session->in));
    if (session->header.payload_bytes > VD_NFC_PAYLOAD_MAX_BYTES)
        return broken(session, err, "a payload that is too long", session->header.payload_bytes);
    expect(session, STAGE_PAYLOAD, session->in + VD_NFC_HEADER_BYTES,
           session->header.payload_bytes);
    return VD_OK;
}

static int stage_done(struct vd_nfc_session *session, struct vd_error *err)
{
    switch (session->stage) {
    case STAGE_HEADER:
        return header_arrived(session, err);
    case STAGE_PAYLOAD:
        return take_payload(session, err);
    case STAGE_TRAILER:
        return trailer_arrived(session, err);
    case STAGE_DRAIN:
        drain(session, session->drain_bytes - session->into_bytes);
        return VD_OK;
    }
    return VD_OK;
}

/* So many bytes lie where they belong. */
static int take_bytes(struct vd_nfc_session *session, size_t bytes, struct vd_error *err)
{
    session->in_bytes += bytes;
    session->progress += session->stage == STAGE_TRAILER && session->answered ? bytes : 0;
    int r = VD_OK;
    /* A stage of no bytes is done at once: an empty payload, an empty text. */
    while (r == VD_OK && session->in_bytes == session->into_bytes)
        r = stage_done(session, err);
    return r;
}

int vd_nfc_session_got(struct vd_nfc_session *session, size_t bytes, struct vd_error *err)
{
    size_t here = VD_MIN(bytes, session->into_bytes - session->in_bytes);
    size_t ahead_bytes = bytes - here;
    assert(ahead_bytes <= sizeof session->ahead);
    int r = take_bytes(session, here, err);
    for (size_t done = 0; r == VD_OK && done < ahead_bytes; done += here) {
        here = VD_MIN(ahead_bytes - done, session->into_bytes - session->in_bytes);
        memcpy(session->into + session->in_bytes, session->ahead + done, here);
        r = take_bytes(session, here, err);
    }
    return r;
}
