/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's half of an AIO session, without any I/O: operations go in, bytes come out; bytes go
 * in, operations end. Whoever owns it moves the bytes, from one thread at a time.
 *
 * A read's fragments go straight to the caller's memory: vd_nfc_session_want tells where the next
 * bytes of the stream belong, and the owner receives them there. Nothing the host sends is
 * believed: a frame that answers no operation, leaves its request, comes twice or is too long ends
 * the session with VD_E_PROTOCOL and one sentence.
 */
#ifndef VD_NFC_SESSION_H
#define VD_NFC_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/error.h"
#include "nfc/fragment.h"
#include "nfc/frame.h"
#include "nfc/ranges.h"

struct vd_nfc_session;

enum vd_nfc_op_kind {
    VD_NFC_OP_START, /* OPEN_SESSION, SET_SOCK_OPTS, SET_RES_POOL: three, each of its own */
    VD_NFC_OP_SOCK_OPTS,
    VD_NFC_OP_RES_POOL,
    VD_NFC_OP_OPEN,  /* text: the path; flags; result: opened */
    VD_NFC_OP_READ,  /* offset, length, into */
    VD_NFC_OP_WRITE, /* offset, length, from */
    VD_NFC_OP_GET,   /* text: the key; into: the value, NUL-terminated; done_bytes: its length */
    VD_NFC_OP_SET,   /* text: the key; from: the value, length */
    VD_NFC_OP_QUERY, /* offset, chunk_bytes, chunks; into: vd_nfc_bitmap_bytes(chunks) */
    VD_NFC_OP_CLOSE,
    VD_NFC_OP_END,
};

/* Packed data on its way between a session and whoever packs and unpacks for it. */
struct vd_nfc_parcel {
    struct vd_nfc_op *op;
    struct vd_nfc_codec *codec;
    /* A fragment of a read, whose packed bytes lie in the codec's room; and what came of it. */
    uint32_t compression;
    size_t packed_bytes;
    void *into;
    size_t size;
    int code;
    /* A write: its fragments in their order, as large as the session's buffers but the last. */
    struct vd_nfc_packed *packed;
    void *owner; /* whoever packs; its own */
};

/* Who unpacks what reads bring, so that the session's thread need not. */
struct vd_nfc_unpacker {
    /* An empty parcel with a codec; NULL: the session is to unpack by itself. */
    struct vd_nfc_parcel *(*get)(void *data);
    /* Takes it filled; once unpacked it goes to vd_nfc_session_unpacked. */
    void (*put)(void *data, struct vd_nfc_parcel *parcel);
    void *data;
};

/* The caller's, in place from submit until `finished` was called, which may reuse or free it. */
struct vd_nfc_op {
    enum vd_nfc_op_kind kind;
    uint32_t flags;
    uint32_t compression; /* READ: wanted; WRITE: used where it makes a fragment smaller */
    uint64_t offset_bytes;
    uint32_t length_bytes;
    uint64_t chunk_bytes, chunks;
    const char *text;
    const void *from;
    void *into;
    size_t into_bytes;
    struct vd_nfc_parcel *parcel; /* WRITE: packed already; NULL: the session packs it */

    void (*finished)(struct vd_nfc_op *op);
    void *data; /* the caller's */

    /* Results. */
    int code;
    uint64_t host_code;  /* of an error frame */
    struct vd_error err; /* what went wrong */
    struct vd_nfc_opened opened;
    size_t done_bytes;

    /* The session's. */
    uint32_t id;
    uint32_t sent_bytes;          /* of a write */
    struct vd_nfc_ranges arrived; /* or on their way: */
    uint32_t parts;               /* fragments that arrive now, or are being unpacked */
    bool is_sent;
    bool is_ended; /* by an error; finishes once its memory is nobody's any more */
    struct vd_nfc_op *next;
};

/* `peer` names the host in sentences; copied. `buffer_bytes`: the largest fragment, to send or
 * take. */
VD_MUST_CHECK int vd_nfc_session_new(const char *peer, uint32_t buffer_bytes,
                                     struct vd_nfc_session **ret, struct vd_error *err);
/* Frees; unfinished operations are forgotten, not finished: take them first. NULL allowed. */
void vd_nfc_session_free(struct vd_nfc_session *session);
VD_DEFINE_CLEANUP(struct vd_nfc_session *, vd_nfc_session_free)

/* Without one the session unpacks by itself. Copied. */
void vd_nfc_session_set_unpacker(struct vd_nfc_session *session,
                                 const struct vd_nfc_unpacker *unpacker);
/* A parcel comes back, unpacked or not; operations may finish. Errors as of vd_nfc_session_got. */
VD_MUST_CHECK int vd_nfc_session_unpacked(struct vd_nfc_session *session,
                                          const struct vd_nfc_parcel *parcel, struct vd_error *err);

/* Queues it behind the others. */
void vd_nfc_session_submit(struct vd_nfc_session *session, struct vd_nfc_op *op);

/* The most pieces of memory that are told at once. */
#define VD_NFC_PIECES 2u

/* Bytes to send now: in how many pieces, the first of which is not empty; 0: nothing. They stay
 * until as many are reported as sent, all pieces counted together. */
unsigned vd_nfc_session_output(struct vd_nfc_session *session, struct iovec *ret);
void vd_nfc_session_sent(struct vd_nfc_session *session, size_t bytes);

/* Where the next bytes of the stream belong, in how many pieces, none of them empty. The first is
 * where they must go; the second takes the beginning of the frame behind, where it came already. */
unsigned vd_nfc_session_want(struct vd_nfc_session *session, struct iovec *ret);
/* So many arrived there, all pieces counted together. Operations may finish. An error ends the
 * session: nothing more may be asked of it but to give back its operations. */
VD_MUST_CHECK int vd_nfc_session_got(struct vd_nfc_session *session, size_t bytes,
                                     struct vd_error *err);

/* Not answered yet, sent or not, in the order of submission; the session has none any more. No
 * parcel of theirs may be under way, and the one the session may hold is nobody's. To be submitted
 * to another session (their progress is set back), or failed. */
struct vd_nfc_op *vd_nfc_session_take_all(struct vd_nfc_session *session);
size_t vd_nfc_session_pending(const struct vd_nfc_session *session);
/* Grows as the operations go on: by each byte that is sent or arrives for one of them, and by
 * VD_NFC_PROGRESS_STEP where one ends. What a host sends besides is none. */
uint64_t vd_nfc_session_progress(const struct vd_nfc_session *session);
#define VD_NFC_PROGRESS_STEP 4096u

#endif
