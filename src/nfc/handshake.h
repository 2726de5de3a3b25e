/* SPDX-License-Identifier: Apache-2.0 */
/* The classic messages that lead to a session of AIO frames, or tell that the host has none. */
#ifndef VD_NFC_HANDSHAKE_H
#define VD_NFC_HANDSHAKE_H

#include "net/stream.h"
#include "nfc/message.h"

/* The host has no AIO (ESXi 6.0, 6.5): FSSRVR messages are left, on a new connection. */
#define VD_NFC_SYNC_ONLY 1

/* `tag`: as told to the daemon, "" for none. `server_version`: what NfcGetServerNfcLibVersion said;
 * -1: unknown. VD_OK: AIO frames from here on; VD_NFC_SYNC_ONLY. `*ret_version`: the host's own
 * word, 0 where it has none. `peer` names the host in sentences. */
VD_MUST_CHECK int vd_nfc_handshake(struct vd_stream *stream, const char *peer, const char *tag,
                                   int server_version, uint32_t *ret_version, struct vd_error *err);

/* Reads one classic message, and the text of an error, which is returned as its sentence and code.
 * VD_E_PROTOCOL; a SESSION_COMPLETE where `expected` is something else is VD_E_ACCESS: refused.
 * `is_refusal`, NULL allowed: tells, whatever is returned, whether it comes from an error that was
 * read whole, behind which the stream can go on. */
VD_MUST_CHECK int vd_nfc_message_read(struct vd_stream *stream, const char *peer, uint32_t expected,
                                      uint8_t *message, bool *is_refusal, struct vd_error *err);

#endif
