/* SPDX-License-Identifier: Apache-2.0 */
/* Writes: fragments in any order, taken by the connection's thread, carried out by the pool; one
 * answer when the last of them is written. */
#include <stdlib.h>

#include "aio-int.h"
#include "base/checked.h"
#include "base/units.h"

/* The codec's room holds the bytes as they are on the wire. */
struct fragment {
    struct vd_task task;
    struct aio *aio;
    struct aio_write *write;
    struct vd_nfc_codec *codec;
    void *bytes;
    struct vd_nfc_header header;
    struct vd_nfc_io io;
};

/* A client that opens writes and never ends them. */
static int too_many(struct vd_error *err)
{
    return vd_error_set(err, VD_E_PROTOCOL, "a client has more than %u writes under way",
                        AIO_REQUESTS_MAX);
}

static void forget(struct aio *aio, struct aio_write *write)
{
    struct aio_write **at = &aio->writes;

    while (*at != write)
        at = &(*at)->next;
    *at = write->next;
    aio->num_writes--;
    vd_nfc_ranges_done(&write->arrived);
    free(write);
}

void aio_writes_forget(struct aio *aio)
{
    while (aio->writes)
        forget(aio, aio->writes);
}

static void forget_done(struct aio *aio)
{
    for (struct aio_write *write = aio->writes, *next; write; write = next) {
        next = write->next;
        pthread_mutex_lock(&aio->lock);
        bool is_done = write->is_whole && write->working == 0;
        pthread_mutex_unlock(&aio->lock);
        if (is_done)
            forget(aio, write);
    }
}

/* The write this fragment belongs to; a new one where it is the first. */
static int write_of(struct aio *aio, uint32_t op, struct aio_write **ret, bool *ret_new,
                    struct vd_error *err)
{
    forget_done(aio);
    struct aio_write *write = aio->writes;
    while (write && write->op != op)
        write = write->next;
    *ret_new = !write;
    if (!write) {
        if (aio->num_writes == AIO_REQUESTS_MAX)
            return too_many(err);
        write = calloc(1, sizeof *write);
        if (!write)
            return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
        write->op = op;
        write->next = aio->writes;
        aio->writes = write;
        aio->num_writes++;
    }
    *ret = write;
    return VD_OK;
}

static void fragment_free(struct fragment *self)
{
    vd_nfc_codec_free(self->codec);
    free(self);
}

static int check_length(const struct fragment *self, struct vd_error *err)
{
    const struct vd_nfc_io *io = &self->io;

    if (io->fragment_bytes <= self->aio->buffer_bytes &&
        io->trailer_bytes <= vd_nfc_packed_max_bytes(io->fragment_bytes))
        return VD_OK;
    return vd_error_set(err, VD_E_PROTOCOL,
                        "a client sends %u bytes for a fragment of %u, with buffers of %u",
                        io->trailer_bytes, io->fragment_bytes, self->aio->buffer_bytes);
}

static int receive(struct fragment *self, struct vd_error *err)
{
    if (vd_nfc_codec_new(&self->codec) == VD_OK)
        self->bytes = vd_nfc_codec_room(self->codec, self->io.trailer_bytes);
    if (!self->bytes)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    return sim_conn_read(&self->aio->session->conn, self->bytes, self->io.trailer_bytes, err);
}

static int put(struct fragment *self, struct vd_error *err)
{
    const struct vd_nfc_io *io = &self->io;
    struct sim_open *open = aio_open_of(self->aio, io->handle);
    uint64_t offset_bytes = io->offset_bytes + io->fragment_offset_bytes;
    const void *bytes = self->bytes;
    VD_FREE uint8_t *plain = NULL;

    if (io->compression != VD_NFC_CODE_NONE) {
        plain = malloc((size_t)io->fragment_bytes + 1);
        int r = plain ? vd_nfc_unpack(self->codec, io->compression, io->trailer_bytes, plain,
                                      io->fragment_bytes)
                      : VD_E_NO_MEMORY;
        if (r < 0)
            return vd_error_set(err, r, "a fragment of compression %u cannot be unpacked",
                                io->compression);
        bytes = plain;
    }
    return sim_open_write(open, offset_bytes, bytes, io->fragment_bytes, err);
}

/* Where a fragment lies is believed only as far as it makes sense. */
static int note_arrival(struct aio_write *write, const struct vd_nfc_io *io, struct vd_error *err)
{
    bool raw_fits = io->compression != VD_NFC_CODE_NONE || io->trailer_bytes == io->fragment_bytes;

    if (raw_fits && io->fragment_bytes % VD_SECTOR_BYTES == 0 &&
        io->fragment_offset_bytes % VD_SECTOR_BYTES == 0 &&
        vd_range_inside(io->fragment_offset_bytes, io->fragment_bytes, io->total_bytes) &&
        vd_nfc_ranges_add(&write->arrived, io->fragment_offset_bytes, io->fragment_bytes) == VD_OK)
        return VD_OK;
    return vd_error_set(err, VD_E_PROTOCOL,
                        "a client sends a fragment of %u bytes at %u of a write of %u bytes",
                        io->fragment_bytes, io->fragment_offset_bytes, io->total_bytes);
}

static int acknowledge(struct aio *aio, const struct vd_nfc_header *header,
                       const struct vd_nfc_io *io)
{
    uint8_t payload[VD_NFC_PAYLOAD_MAX_BYTES] = {0};
    struct vd_nfc_io reply = {
        .offset_bytes = io->offset_bytes,
        .total_bytes = io->total_bytes,
        .fragment_bytes = io->total_bytes,
        .trailer_bytes = io->total_bytes,
    };

    vd_nfc_io_encode(&reply, payload);
    return aio_send(aio, header, payload, NULL, 0, NULL);
}

/* The fragment is dealt with; the last one answers. A write that fails is told so at once, and
 * once; the rest of it is swallowed. */
static void finish(struct fragment *self, const struct sim_refusal *refusal)
{
    struct aio *aio = self->aio;
    struct aio_write *write = self->write;

    pthread_mutex_lock(&aio->lock);
    bool refused = refusal && !write->failed;
    write->failed = write->failed || refusal;
    bool is_last = --write->working == 0 && write->is_whole && !write->failed;
    pthread_mutex_unlock(&aio->lock); /* from here on the write may be gone */
    int r = refused   ? aio_refuse(aio, &self->header, refusal, NULL)
            : is_last ? acknowledge(aio, &self->header, &self->io)
                      : VD_OK;
    if (r < 0)
        sim_conn_stop(&aio->session->conn); /* no memory for an answer */
    pthread_mutex_lock(&aio->lock);
    aio->working--;
    aio->working_bytes -= self->io.trailer_bytes;
    sim_conn_wake(&aio->session->conn);
    pthread_cond_signal(&aio->idle);
    pthread_mutex_unlock(&aio->lock);
    fragment_free(self);
}

static void run(struct vd_task *task)
{
    struct fragment *self = (struct fragment *)task; /* its first member */
    struct vd_error why = VD_ERROR_INIT;
    struct sim_refusal refusal;
    int r = put(self, &why);

    if (r < 0)
        sim_refuse_error(&refusal, r, "the disk", &why);
    finish(self, r < 0 ? &refusal : NULL);
}

/* Counts the fragment as under way; false where its write has failed already. */
static bool begin(struct fragment *self)
{
    struct aio *aio = self->aio;
    struct aio_write *write = self->write;

    pthread_mutex_lock(&aio->lock);
    bool failed = write->failed;
    write->is_whole = vd_nfc_ranges_full(&write->arrived, self->io.total_bytes);
    write->working++;
    aio->working++;
    aio->working_bytes += self->io.trailer_bytes;
    pthread_mutex_unlock(&aio->lock);
    return !failed;
}

/* A fragment whose place is in one piece in a file goes there at once. -1: it is not. */
static int file_of(struct fragment *self, uint64_t *ret_at)
{
    const struct vd_nfc_io *io = &self->io;

    if (io->compression != VD_NFC_CODE_NONE || !sim_conn_can_store(&self->aio->session->conn))
        return -1;
    return sim_open_file_of(aio_open_of(self->aio, io->handle),
                            (io->offset_bytes + io->fragment_offset_bytes) / VD_SECTOR_BYTES,
                            io->fragment_bytes / VD_SECTOR_BYTES, true, ret_at);
}

static int store(struct fragment *self, int file, uint64_t at, struct vd_error *err)
{
    const struct vd_nfc_io *io = &self->io;
    struct sim_open *open = aio_open_of(self->aio, io->handle);
    struct vd_error why = VD_ERROR_INIT;
    struct sim_refusal refusal;
    int number = 0;
    int r = sim_conn_store(&self->aio->session->conn, io->fragment_bytes, file, at, &number, err);

    sim_open_written(open, io->offset_bytes + io->fragment_offset_bytes, io->fragment_bytes);
    if (r == VD_OK && number == 0) {
        finish(self, NULL);
        return r;
    }
    int code = number ? vd_error_set_errno(&why, number, "writing '%s'", open->path) : r;
    sim_refuse_error(&refusal, code, open->path, &why);
    finish(self, &refusal);
    return r;
}

/* Its bytes are next on the wire. */
static int carry_out(struct fragment *self, struct vd_error *err)
{
    struct aio *aio = self->aio;
    struct sim_refusal refusal;
    uint64_t at;

    bool wanted = begin(self);
    bool refused = wanted && !aio_check_io(aio, &self->io, &refusal);
    if (!wanted || refused) {
        int r = sim_conn_skip(&aio->session->conn, self->io.trailer_bytes, err);
        finish(self, refused ? &refusal : NULL);
        return r;
    }
    int file = file_of(self, &at);
    if (file >= 0)
        return store(self, file, at, err);
    int r = receive(self, err);
    if (r == VD_OK) {
        vd_workers_submit(aio->session->sim->readers, &self->task);
        return r;
    }
    sim_refuse_error(&refusal, r, "the disk", err);
    finish(self, &refusal);
    return r;
}

static bool has_room(void *data)
{
    struct aio *aio = data;

    pthread_mutex_lock(&aio->lock);
    bool has = aio->working_bytes < SIM_CONN_QUEUE_BYTES && aio->working < AIO_FRAGMENTS_MAX;
    pthread_mutex_unlock(&aio->lock);
    return has;
}

/* Which write it is of, and whether it may be. */
static int place(struct fragment *self, struct vd_error *err)
{
    bool is_new = false;
    int r = check_length(self, err);

    if (r == VD_OK)
        r = write_of(self->aio, self->header.op, &self->write, &is_new, err);
    if (r == VD_OK)
        r = note_arrival(self->write, &self->io, err);
    self->aio->io_count += is_new;
    return r;
}

int aio_take_write(struct aio *aio, const struct vd_nfc_header *header, const struct vd_nfc_io *io,
                   struct vd_error *err)
{
    int r = sim_conn_wait(&aio->session->conn, has_room, aio, err);
    struct fragment *fragment = r == VD_OK ? calloc(1, sizeof *fragment) : NULL;

    if (r < 0)
        return r;
    if (!fragment)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    *fragment = (struct fragment){.task.run = run, .aio = aio, .header = *header, .io = *io};
    r = place(fragment, err);
    if (r == VD_OK)
        return carry_out(fragment, err);
    fragment_free(fragment);
    return r;
}
