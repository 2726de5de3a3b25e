/* SPDX-License-Identifier: Apache-2.0 */
/* What aio*.c share: one client's AIO session. */
#ifndef SIM_AIO_INT_H
#define SIM_AIO_INT_H

#include "nfc/fragment.h"
#include "nfc/frame.h"
#include "nfc/ranges.h"
#include "session.h"

#define AIO_FILES_MAX 16u
/* Requests under way; more wait on the wire. */
#define AIO_REQUESTS_MAX         1024u
#define AIO_FRAGMENTS_MAX        256u /* of writes, being written */
#define AIO_DEFAULT_BUFFER_BYTES 65536u

struct aio_read {
    uint32_t op;
    uint32_t compression;
    struct sim_open *open;
    uint64_t offset_bytes;
    uint32_t total_bytes;
    uint32_t piece_bytes; /* of a fragment */
    uint32_t pieces, next_piece;
    unsigned working; /* aio->lock */
    bool failed;      /* aio->lock */
    struct aio_read *next;
};

struct aio_write {
    uint32_t op;
    struct vd_nfc_ranges arrived;
    bool is_whole; /* aio->lock, as the next two: every fragment has come */
    bool failed;
    unsigned working; /* fragments being written */
    struct aio_write *next;
};

struct aio {
    struct sim_session *session;
    uint32_t buffer_bytes;
    uint64_t io_count; /* requests so far */
    struct sim_open *opens[AIO_FILES_MAX];
    struct aio_read *reads; /* oldest first; the list is the connection's thread's */
    size_t num_reads;
    struct aio_write *writes;
    size_t num_writes;
    bool ended;
    uint64_t fragments; /* made so far */
    bool refused;       /* the request that is being taken is an IO, and to be refused: with */
    struct sim_refusal refusal;

    pthread_mutex_t lock; /* the rest, and what aio_read and aio_write say */
    pthread_cond_t idle;
    unsigned working; /* fragments being made or written */
    size_t working_bytes;
    uint64_t frames; /* sent so far */
};

/* The disk of a handle; NULL. */
struct sim_open *aio_open_of(const struct aio *aio, uint64_t handle);
/* Queues a frame; `payload_bytes` is also what the header tells. */
VD_MUST_CHECK int aio_send(struct aio *aio, const struct vd_nfc_header *header, const void *payload,
                           const void *trailer, size_t trailer_bytes, struct vd_error *err);
/* The same, of a packet with room for the header in front. */
void aio_send_packet(struct aio *aio, const struct vd_nfc_header *header,
                     struct sim_packet *packet);
/* ERROR, and a reply of zeros behind it. */
VD_MUST_CHECK int aio_refuse(struct aio *aio, const struct vd_nfc_header *header,
                             const struct sim_refusal *refusal, struct vd_error *err);

/* aio-read.c */
VD_MUST_CHECK int aio_take_read(struct aio *aio, const struct vd_nfc_header *header,
                                const struct vd_nfc_io *io, struct vd_error *err);
/* Starts as many fragments as there is room for; forgets what is done. */
void aio_schedule(void *aio);
/* Nothing is under way, and every answer is queued. */
bool aio_is_idle(void *aio);
/* Waits for the fragments under way, of writes too, and forgets all reads. */
void aio_reads_forget(struct aio *aio);
/* aio-write.c */
VD_MUST_CHECK int aio_take_write(struct aio *aio, const struct vd_nfc_header *header,
                                 const struct vd_nfc_io *io, struct vd_error *err);
void aio_writes_forget(struct aio *aio);
/* aio-query.c */
VD_MUST_CHECK int aio_take_query(struct aio *aio, const struct vd_nfc_header *header,
                                 const uint8_t *payload, struct vd_error *err);

/* Is the request one for an open disk, within it, and not one that is to fail? */
VD_MUST_CHECK bool aio_check_io(struct aio *aio, const struct vd_nfc_io *io,
                                struct sim_refusal *refusal);

#endif
