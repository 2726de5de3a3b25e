/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/handshake.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OUR_VERSION      11u /* of ESXi 8's library: what is spoken here */
#define FEATURES         3u  /* interruption and host switch, as VDDK says */
#define CONNECT_VERSION  3u  /* from here on a host takes messages 54 and 55 */
#define CLIENT_NAME      "vddk"
#define CLIENT_OPERATION "nbdmode"
#define NFC_ERROR_MEMORY 5u

static int send_message(struct vd_stream *stream, const uint8_t *message, struct vd_error *err)
{
    return vd_stream_write(stream, message, VD_NFC_MESSAGE_BYTES, err);
}

static int send_plain(struct vd_stream *stream, uint32_t type, struct vd_error *err)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    vd_nfc_plain_encode(type, message);
    return send_message(stream, message, err);
}

/* The text behind an error message, printable and with an end; malloc'd. */
static int read_text(struct vd_stream *stream, size_t bytes, char **ret, struct vd_error *err)
{
    char *text = calloc(1, bytes + 1);
    if (!text)
        return vd_error_set(err, VD_E_NO_MEMORY, "reading the host's refusal: out of memory");
    int r = vd_stream_read_all(stream, text, bytes, err);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    *ret = text;
    return r;
}

static int refused(struct vd_stream *stream, const char *peer, const uint8_t *message,
                   bool *is_refusal, struct vd_error *err)
{
    struct vd_nfc_refusal refusal;
    VD_FREE char *text = NULL;
    uint32_t bytes;
    vd_nfc_refusal_decode(message, &refusal);
    int r = vd_nfc_tail_bytes(message, &bytes);
    if (r < 0)
        return vd_error_set(err, r, "'%s' breaks the NFC protocol: an error text that is too long",
                            peer);
    r = read_text(stream, bytes, &text, err);
    if (r < 0)
        return r;
    *is_refusal = true;
    int code = refusal.code == NFC_ERROR_MEMORY    ? VD_E_NO_MEMORY
               : strstr(text, "not found") != NULL ? VD_E_NOT_FOUND
               : strstr(text, "Failed to lock")    ? VD_E_LOCKED
                                                   : VD_E_FAIL;
    return vd_error_set(err, code, "'%s' refuses: %.300s (NFC error %" PRIu32 ".%" PRIu32 ")", peer,
                        text[0] ? text : "no reason given", refusal.type, refusal.code);
}

int vd_nfc_message_read(struct vd_stream *stream, const char *peer, uint32_t expected,
                        uint8_t *message, bool *is_refusal, struct vd_error *err)
{
    bool ignored;
    bool *whole = is_refusal ? is_refusal : &ignored;
    *whole = false;
    int r = vd_stream_read_all(stream, message, VD_NFC_MESSAGE_BYTES, err);
    if (r < 0)
        return r;
    uint32_t type = vd_nfc_message_type(message);
    if (type == expected)
        return VD_OK;
    if (type == VD_NFC_MESSAGE_ERROR)
        return refused(stream, peer, message, whole, err);
    if (type == VD_NFC_SESSION_COMPLETE)
        return vd_error_set(err, VD_E_ACCESS, "'%s' ends the NFC session without a reason", peer);
    return vd_error_set(err, VD_E_PROTOCOL,
                        "'%s' breaks the NFC protocol: message %" PRIu32 " where %" PRIu32
                        " is due",
                        peer, type, expected);
}

struct talk {
    struct vd_stream *stream;
    const char *peer;
    uint8_t message[VD_NFC_MESSAGE_BYTES];
};

static int say_tag(struct talk *talk, const char *tag, struct vd_error *err)
{
    if (!tag[0])
        return VD_OK;
    vd_nfc_tag_encode(tag, talk->message);
    return send_message(talk->stream, talk->message, err);
}

static int say_version(struct talk *talk, struct vd_error *err)
{
    vd_nfc_version_encode(OUR_VERSION, talk->message);
    return send_message(talk->stream, talk->message, err);
}

/* Some hosts answer the probe at once, some only once the version has arrived too; the oldest must
 * not get the version. So it is sent ahead where the host is known to take it. */
static int exchange_versions(struct talk *talk, bool ahead, uint32_t *ret_version,
                             struct vd_error *err)
{
    struct vd_nfc_status status = {.knows_version = false};
    int r = send_plain(talk->stream, VD_NFC_FILE_COPY, err);
    if (r == VD_OK && ahead)
        r = say_version(talk, err);
    if (r == VD_OK)
        r = vd_nfc_message_read(talk->stream, talk->peer, VD_NFC_FILEOP_STATUS, talk->message, NULL,
                                err);
    if (r == VD_OK)
        vd_nfc_status_decode(talk->message, &status);
    *ret_version = 0;
    if (r < 0 || (!status.knows_version && !ahead))
        return r;
    if (!ahead)
        r = say_version(talk, err);
    if (r == VD_OK)
        r = vd_nfc_message_read(talk->stream, talk->peer, VD_NFC_VERSION, talk->message, NULL, err);
    if (r == VD_OK)
        *ret_version = vd_nfc_version_decode(talk->message);
    return r;
}

static int introduce(struct talk *talk, struct vd_error *err)
{
    static const char words[] = CLIENT_NAME CLIENT_OPERATION;
    uint8_t both[VD_NFC_MESSAGE_BYTES + sizeof words - 1];
    vd_nfc_connection_encode(sizeof CLIENT_NAME - 1, sizeof CLIENT_OPERATION - 1, both);
    memcpy(both + VD_NFC_MESSAGE_BYTES, words, sizeof words - 1);
    int r = vd_stream_write(talk->stream, both, sizeof both, err);
    vd_nfc_features_encode(FEATURES, talk->message);
    return r == VD_OK ? send_message(talk->stream, talk->message, err) : r;
}

static int ask_for_aio(struct talk *talk, struct vd_error *err)
{
    struct vd_error refusal = VD_ERROR_INIT;
    bool is_refusal;
    int r = send_plain(talk->stream, VD_NFC_AIO, err);
    if (r < 0)
        return r;
    r = vd_nfc_message_read(talk->stream, talk->peer, VD_NFC_AIO, talk->message, &is_refusal,
                            &refusal);
    if (r == VD_OK)
        return VD_OK;
    uint32_t type = vd_nfc_message_type(talk->message);
    if (type == VD_NFC_SESSION_COMPLETE || (is_refusal && r != VD_E_NO_MEMORY))
        return VD_NFC_SYNC_ONLY;
    return vd_error_set(err, r, "%s", refusal.text);
}

int vd_nfc_handshake(struct vd_stream *stream, const char *peer, const char *tag,
                     int server_version, uint32_t *ret_version, struct vd_error *err)
{
    struct talk talk = {.stream = stream, .peer = peer};
    int r = say_tag(&talk, tag, err);
    /* A host that knows the tag is new enough for the version, unless it says it has none. */
    bool ahead = server_version > 0 || (server_version < 0 && tag[0]);
    if (r == VD_OK)
        r = exchange_versions(&talk, ahead, ret_version, err);
    if (r < 0)
        return r;
    if (*ret_version == 0)
        return VD_NFC_SYNC_ONLY;
    if (*ret_version >= CONNECT_VERSION)
        r = introduce(&talk, err);
    return r == VD_OK ? ask_for_aio(&talk, err) : r;
}
