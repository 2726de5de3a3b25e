/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a host's NFC service, from ticket to an open file: what a disk makes at open,
 * and again when the connection is lost. Blocking, bounded by the timeouts.
 */
#ifndef VD_NFC_LINK_H
#define VD_NFC_LINK_H

#include "net/stream.h"
#include "nfc/client.h"
#include "nfc/session.h"

struct vd_nfc_link {
    struct vd_stream *stream;
    struct vd_nfc_session *session;
    struct vd_nfc_opened opened;
    uint32_t server_version;
    char host[256];
    uint16_t port;
};

/* `buffer_bytes`, `buffer_count`: of the session. VD_NFC_SYNC_ONLY (handshake.h), positive, where
 * the host has no AIO: then nothing is open, and another connection must go the synchronous way. */
VD_MUST_CHECK int vd_nfc_link_open(const struct vd_nfc_options *options, uint32_t buffer_bytes,
                                   uint32_t buffer_count, struct vd_nfc_link *ret,
                                   struct vd_error *err);
/* Submits `ops` and moves bytes until all are answered; each has its own outcome in `code`. All
 * of it is given io_ms, whatever comes meanwhile. An error: of the connection. */
VD_MUST_CHECK int vd_nfc_link_run(struct vd_nfc_link *link, struct vd_nfc_op *const *ops,
                                  size_t count, struct vd_error *err);
/* Says good-bye to the host where it still listens, and frees. */
void vd_nfc_link_close(struct vd_nfc_link *link, bool politely);

#endif
