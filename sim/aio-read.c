/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "aio-int.h"
#include "base/checked.h"
#include "base/units.h"

#define HEAD_BYTES (VD_NFC_HEADER_BYTES + VD_NFC_IO_BYTES)

struct fragment {
    struct vd_task task;
    struct aio *aio;
    struct aio_read *read;
    uint32_t offset_bytes, length_bytes;
    uint64_t number; /* of the connection's fragments */
};

bool aio_check_io(struct aio *aio, const struct vd_nfc_io *io, struct sim_refusal *refusal)
{
    const struct sim_open *open = aio_open_of(aio, io->handle);
    struct sim_faults *faults = &aio->session->sim->faults;

    if (!open)
        sim_refuse(refusal, SIM_REFUSED_ARGUMENT, "no such handle");
    else if (io->total_bytes == 0 || io->total_bytes % VD_SECTOR_BYTES ||
             io->offset_bytes % VD_SECTOR_BYTES ||
             !vd_range_inside(io->offset_bytes, io->total_bytes,
                              vd_sectors_to_bytes(vd_disk_capacity(open->disk))))
        sim_refuse(refusal, SIM_REFUSED_ARGUMENT,
                   "offset %ju and length %u are not whole sectors of the disk",
                   (uintmax_t)io->offset_bytes, io->total_bytes);
    else if (!io->is_read && !open->writable)
        sim_refuse(refusal, SIM_REFUSED_PERMISSION, "the disk is open for reading only");
    else if (sim_fault_is_at(faults, SIM_ERROR_FRAME, aio->io_count))
        sim_refuse(refusal, SIM_REFUSED_IO, "an error, as asked for");
    else if (aio->refused)
        *refusal = aio->refusal;
    else if (io->is_read && sim_fault_take(faults, SIM_MEMORY_ERROR))
        sim_refuse(refusal, SIM_REFUSED_MEMORY, "Failed to allocate the requested %ju bytes",
                   (uintmax_t)io->total_bytes + 24);
    else
        return true;
    return false;
}

/* Ends the read, once, with an error. */
static void fail(struct fragment *self, int code, const struct vd_error *why)
{
    struct aio *aio = self->aio;
    struct vd_nfc_header header = {VD_NFC_IO, VD_NFC_IO_BYTES, self->read->op};
    struct sim_refusal refusal;

    pthread_mutex_lock(&aio->lock);
    bool first = !self->read->failed;
    self->read->failed = true;
    pthread_mutex_unlock(&aio->lock);
    sim_refuse_error(&refusal, code, self->read->open->path, why);
    if (first && aio_refuse(aio, &header, &refusal, NULL) < 0)
        sim_conn_stop(&aio->session->conn); /* no memory for an answer */
}

static bool is_the_one(const struct fragment *self, enum sim_fault fault)
{
    return sim_fault_is_at(&self->aio->session->sim->faults, fault, self->number);
}

/* In front of a fragment whose data is so many bytes on the wire. */
static void tell(const struct fragment *self, uint32_t compression, size_t size,
                 struct sim_packet *packet)
{
    const struct aio_read *read = self->read;
    struct vd_nfc_io io = {
        .handle = is_the_one(self, SIM_BAD_STATUS) ? SIM_REFUSED_IO : 0,
        .is_read = true,
        .compression = compression,
        .offset_bytes = read->offset_bytes,
        .total_bytes = read->total_bytes,
        .fragment_offset_bytes =
            is_the_one(self, SIM_FRAGMENT_OUTSIDE) ? read->total_bytes : self->offset_bytes,
        .fragment_bytes = self->length_bytes,
        .trailer_bytes = is_the_one(self, SIM_BAD_LENGTH) ? 1u << 31 : (uint32_t)size,
    };

    vd_nfc_io_encode(&io, packet->bytes + VD_NFC_HEADER_BYTES);
}

/* Makes the packet, which has room for whole sectors, of what it holds from `bytes` on. */
static int pack(struct fragment *self, const uint8_t *bytes, struct sim_packet *packet)
{
    struct vd_nfc_packed packed = {VD_NFC_CODE_NONE, bytes, self->length_bytes};
    struct vd_nfc_codec *codec = NULL;
    int r = VD_OK;

    if (sim_fault(&self->aio->session->sim->faults, SIM_SKIPZ_RAW_LABEL) > 0)
        packed.compression = VD_NFC_CODE_SKIPZ;
    else if (self->read->compression != VD_NFC_CODE_NONE)
        r = vd_nfc_codec_new(&codec);
    if (codec)
        vd_nfc_pack(codec, self->read->compression, bytes, self->length_bytes, &packed);
    if (r == VD_OK) {
        tell(self, packed.compression, packed.size, packet);
        memmove(packet->bytes + HEAD_BYTES, packed.bytes, packed.size);
        packet->size = HEAD_BYTES + packed.size;
    }
    vd_nfc_codec_free(codec);
    return r;
}

/* Whole sectors are read, to where they are sent from; a fragment may be less. */
static void make(struct fragment *self)
{
    struct aio_read *read = self->read;
    struct vd_nfc_header header = {VD_NFC_IO, VD_NFC_IO_BYTES, read->op};
    uint64_t start = read->offset_bytes + self->offset_bytes;
    uint64_t first = start / VD_SECTOR_BYTES;
    uint64_t count = vd_bytes_to_sectors_up(start + self->length_bytes) - first;
    struct sim_packet *packet = sim_packet_new(HEAD_BYTES + (size_t)vd_sectors_to_bytes(count));
    struct vd_error err = VD_ERROR_INIT;
    int r = packet ? vd_disk_read(read->open->disk, first, count, packet->bytes + HEAD_BYTES, &err)
                   : VD_E_NO_MEMORY;

    if (r == VD_OK)
        r = pack(self, packet->bytes + HEAD_BYTES + start % VD_SECTOR_BYTES, packet);
    if (r == VD_OK) {
        aio_send_packet(self->aio, &header, packet);
        return;
    }
    fail(self, r, &err);
    free(packet);
}

static void run(struct vd_task *task)
{
    struct fragment *self = (struct fragment *)task; /* its first member */
    struct aio *aio = self->aio;

    make(self);
    pthread_mutex_lock(&aio->lock);
    self->read->working--;
    aio->working--;
    aio->working_bytes -= self->length_bytes;
    sim_conn_wake(&aio->session->conn);
    pthread_cond_signal(&aio->idle);
    pthread_mutex_unlock(&aio->lock);
    free(self);
}

/* Not where reads are to take turns: a read would be queued whole before the next one has come. */
static bool may_come_from_file(const struct fragment *self)
{
    struct sim_session *session = self->aio->session;

    return self->read->compression == VD_NFC_CODE_NONE &&
           !vd_stream_is_secured(session->conn.stream) &&
           sim_fault(&session->sim->faults, SIM_SKIPZ_RAW_LABEL) <= 0 &&
           sim_fault(&session->sim->faults, SIM_INTERLEAVE) <= 0;
}

/* A fragment that lies in one piece in a file goes from there, without a thread of the pool. */
static bool send_from_file(const struct fragment *self)
{
    struct aio_read *read = self->read;
    struct vd_nfc_header header = {VD_NFC_IO, VD_NFC_IO_BYTES, read->op};
    uint64_t start = read->offset_bytes + self->offset_bytes;
    uint64_t first = start / VD_SECTOR_BYTES;
    uint64_t count = vd_bytes_to_sectors_up(start + self->length_bytes) - first;
    uint64_t at;

    int file =
        may_come_from_file(self) ? sim_open_file_of(read->open, first, count, false, &at) : -1;
    struct sim_packet *packet = file < 0 ? NULL : sim_packet_new(HEAD_BYTES);
    if (!packet)
        return false;
    packet->file = file;
    packet->file_at_bytes = at + start % VD_SECTOR_BYTES;
    packet->file_bytes = self->length_bytes;
    tell(self, VD_NFC_CODE_NONE, self->length_bytes, packet);
    aio_send_packet(self->aio, &header, packet);
    return true;
}

static bool submit(const struct fragment *self)
{
    struct aio *aio = self->aio;
    struct fragment *fragment = malloc(sizeof *fragment);

    if (!fragment)
        return false;
    *fragment = *self;
    pthread_mutex_lock(&aio->lock);
    self->read->working++;
    aio->working++;
    aio->working_bytes += self->length_bytes;
    pthread_mutex_unlock(&aio->lock);
    vd_workers_submit(aio->session->sim->readers, &fragment->task);
    return true;
}

static bool start_piece(struct aio *aio, struct aio_read *read)
{
    struct sim_faults *faults = &aio->session->sim->faults;
    bool reverse = sim_fault(faults, SIM_REVERSE_FRAGMENTS) > 0;
    uint32_t piece = reverse ? read->pieces - 1 - read->next_piece : read->next_piece;
    struct fragment fragment = {.task.run = run, .aio = aio, .read = read};

    fragment.offset_bytes = piece * read->piece_bytes;
    fragment.length_bytes = VD_MIN(read->piece_bytes, read->total_bytes - fragment.offset_bytes);
    fragment.number = ++aio->fragments;
    read->next_piece++;
    if (send_from_file(&fragment) || submit(&fragment))
        return true;
    sim_conn_stop(&aio->session->conn); /* nothing would try again */
    return false;
}

/* Can a fragment of it be started now? */
static bool is_ready(struct aio *aio, struct aio_read *read, bool one_at_a_time)
{
    pthread_mutex_lock(&aio->lock);
    if (read->failed)
        read->next_piece = read->pieces;
    bool ready = read->next_piece < read->pieces && !(one_at_a_time && read->working > 0);
    pthread_mutex_unlock(&aio->lock);
    return ready;
}

static void forget_done(struct aio *aio)
{
    for (struct aio_read **at = &aio->reads; *at;) {
        struct aio_read *read = *at;
        pthread_mutex_lock(&aio->lock);
        bool done = read->next_piece == read->pieces && read->working == 0;
        pthread_mutex_unlock(&aio->lock);
        if (done) {
            *at = read->next;
            aio->num_reads--;
            free(read);
        } else {
            at = &read->next;
        }
    }
}

static bool has_room(struct aio *aio)
{
    pthread_mutex_lock(&aio->lock);
    size_t working_bytes = aio->working_bytes;
    pthread_mutex_unlock(&aio->lock);
    struct sim_conn *conn = &aio->session->conn;
    return working_bytes + sim_conn_queued(conn) < sim_conn_room(conn);
}

void aio_schedule(void *data)
{
    struct aio *aio = data;
    struct sim_faults *faults = &aio->session->sim->faults;
    bool reverse = sim_fault(faults, SIM_REVERSE_FRAGMENTS) > 0;
    bool take_turns = sim_fault(faults, SIM_INTERLEAVE) > 0;
    bool started = true;

    while (started && has_room(aio)) {
        started = false;
        for (struct aio_read *read = aio->reads; read && has_room(aio); read = read->next) {
            while (is_ready(aio, read, reverse || take_turns) && has_room(aio) &&
                   start_piece(aio, read)) {
                started = true;
                if (take_turns || reverse)
                    break;
            }
        }
    }
    forget_done(aio);
}

bool aio_is_idle(void *data)
{
    struct aio *aio = data;

    pthread_mutex_lock(&aio->lock);
    bool is_idle = !aio->reads && aio->working == 0;
    pthread_mutex_unlock(&aio->lock);
    return is_idle;
}

static bool has_place(void *data)
{
    const struct aio *aio = data;

    return aio->num_reads < AIO_REQUESTS_MAX;
}

void aio_reads_forget(struct aio *aio)
{
    pthread_mutex_lock(&aio->lock);
    while (aio->working > 0)
        pthread_cond_wait(&aio->idle, &aio->lock);
    pthread_mutex_unlock(&aio->lock);
    while (aio->reads) {
        struct aio_read *read = aio->reads;
        aio->reads = read->next;
        free(read);
    }
}

/* Odd: a third of the buffer, and no whole number of sectors. */
static uint32_t piece_bytes(const struct aio *aio)
{
    bool odd = sim_fault(&aio->session->sim->faults, SIM_ODD_FRAGMENTS) > 0;

    return odd ? aio->buffer_bytes / 3 | 1u : aio->buffer_bytes;
}

int aio_take_read(struct aio *aio, const struct vd_nfc_header *header, const struct vd_nfc_io *io,
                  struct vd_error *err)
{
    struct sim_refusal refusal;
    struct aio_read **end = &aio->reads;

    aio->io_count++;
    if (!aio_check_io(aio, io, &refusal))
        return aio_refuse(aio, header, &refusal, err);
    if (!has_place(aio)) {
        int r = sim_conn_drain(&aio->session->conn, has_place, aio, err);
        if (r < 0)
            return r;
    }
    struct aio_read *read = calloc(1, sizeof *read);
    if (!read)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    read->op = header->op;
    read->compression = io->compression;
    read->open = aio_open_of(aio, io->handle);
    read->offset_bytes = io->offset_bytes;
    read->total_bytes = io->total_bytes;
    read->piece_bytes = piece_bytes(aio);
    read->pieces = (uint32_t)vd_div_up(read->total_bytes, read->piece_bytes);
    while (*end)
        end = &(*end)->next;
    *end = read;
    aio->num_reads++;
    aio_schedule(aio);
    return VD_OK;
}
