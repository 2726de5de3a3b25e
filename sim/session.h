/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of one client's NFC session share. All of it is the connection's thread's. */
#ifndef SIM_SESSION_H
#define SIM_SESSION_H

#include "conn.h"
#include "nfc/message.h"
#include "open-disks.h"
#include "sim.h"

struct sim_session {
    struct sim *sim;
    struct sim_conn conn;
    struct sim_ticket ticket;
    bool tagged;           /* authd was told a tag */
    bool owes_36;          /* late-36: waits for message 51 */
    bool ended;            /* SESSION_COMPLETE was answered */
    uint64_t requests;     /* that have an answer, so far */
    struct sim_open *sync; /* of FSSRVR; NULL: none */
};

/* From the greeting to the end; takes the stream. `announce` is called with the
 * connection before it is used, and with NULL before it goes, so that another thread may stop it.
 * Without `announce` it begins behind authd, with a ticket for everything: for fuzzing. */
void sim_session_serve(struct sim *sim, struct vd_stream *stream,
                       void (*announce)(void *data, struct sim_conn *conn), void *data);

/* authd.c: until NFC begins; the ticket is taken. */
VD_MUST_CHECK int sim_authd(struct sim *sim, struct vd_stream *stream, struct sim_ticket *ret,
                            bool *ret_tagged, struct vd_error *err);
/* classic.c: messages until the session ends, or fails. */
VD_MUST_CHECK int sim_classic(struct sim_session *session, struct vd_error *err);
/* aio.c: from the answer to message 52 to CLOSE_SESSION. */
VD_MUST_CHECK int sim_aio(struct sim_session *session, struct vd_error *err);
/* files.c: messages whose 264 bytes are read, their tails not. */
VD_MUST_CHECK int sim_file_put(struct sim_session *session, const uint8_t *message,
                               struct vd_error *err);
VD_MUST_CHECK int sim_file_get(struct sim_session *session, const uint8_t *message,
                               struct vd_error *err);
VD_MUST_CHECK int sim_file_names(struct sim_session *session, const uint8_t *message,
                                 struct vd_error *err);
/* sync.c */
VD_MUST_CHECK int sim_sync_open(struct sim_session *session, const uint8_t *message,
                                struct vd_error *err);
VD_MUST_CHECK int sim_sync_io(struct sim_session *session, const uint8_t *message,
                              struct vd_error *err);
VD_MUST_CHECK int sim_sync_close(struct sim_session *session, struct vd_error *err);

/* A message of nothing but its type. */
VD_MUST_CHECK int sim_send_plain(struct sim_session *session, uint32_t type, struct vd_error *err);
/* MESSAGE_ERROR with its text. */
VD_MUST_CHECK int sim_send_refusal(struct sim_session *session, const struct sim_refusal *refusal,
                                   struct vd_error *err);
/* Counts a request that has an answer; true where a fault wants it refused. */
VD_MUST_CHECK bool sim_session_refuses(struct sim_session *session, struct sim_refusal *refusal);
/* A string of so many bytes that follows, malloc'd; a NUL in it ends it. */
VD_MUST_CHECK int sim_read_text(struct sim_session *session, size_t bytes, char **ret,
                                struct vd_error *err);

#endif
