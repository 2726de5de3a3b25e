/* SPDX-License-Identifier: Apache-2.0 */
/* Writes: fragments in any order, one answer when the last has come. Done on the connection's
 * thread, so that what is acknowledged is written. */
#include <stdlib.h>

#include "aio-int.h"
#include "base/checked.h"
#include "base/units.h"

/* A client that opens writes and never ends them. */
static int too_many(struct vd_error *err)
{
    return vd_error_set(err, VD_E_PROTOCOL, "a client has more than %u writes under way",
                        AIO_REQUESTS_MAX);
}

/* The write this fragment belongs to; a new one where it is the first. */
static int write_of(struct aio *aio, uint32_t op, struct aio_write **ret, bool *ret_new,
                    struct vd_error *err)
{
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

/* The fragment's bytes as they are on the wire, in the codec's room. */
static int receive(struct aio *aio, const struct vd_nfc_io *io, void **ret, struct vd_error *err)
{
    if (io->fragment_bytes > aio->buffer_bytes ||
        io->trailer_bytes > vd_nfc_packed_max_bytes(io->fragment_bytes))
        return vd_error_set(err, VD_E_PROTOCOL,
                            "a client sends %u bytes for a fragment of %u, with buffers of %u",
                            io->trailer_bytes, io->fragment_bytes, aio->buffer_bytes);
    *ret = vd_nfc_codec_room(aio->codec, io->trailer_bytes);
    if (!*ret)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    return sim_conn_read(&aio->session->conn, *ret, io->trailer_bytes, err);
}

static int put(struct aio *aio, const struct vd_nfc_io *io, const void *bytes, struct vd_error *err)
{
    struct sim_open *open = aio_open_of(aio, io->handle);
    uint64_t offset_bytes = io->offset_bytes + io->fragment_offset_bytes;
    VD_FREE uint8_t *plain = NULL;

    if (io->compression != VD_NFC_CODE_NONE) {
        plain = malloc((size_t)io->fragment_bytes + 1);
        int r = plain ? vd_nfc_unpack(aio->codec, io->compression, io->trailer_bytes, plain,
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

/* A write that fails is told so at once; the rest of it is swallowed. */
static int take_fragment(struct aio *aio, const struct vd_nfc_header *header,
                         const struct vd_nfc_io *io, struct aio_write *write, const void *bytes,
                         struct vd_error *err)
{
    struct vd_error why = VD_ERROR_INIT;
    struct sim_refusal refusal;

    write->failed = !aio_check_io(aio, io, &refusal);
    if (!write->failed) {
        int r = put(aio, io, bytes, &why);
        write->failed = r < 0;
        if (r < 0)
            sim_refuse_error(&refusal, r, "the disk", &why);
    }
    return write->failed ? aio_refuse(aio, header, &refusal, err) : VD_OK;
}

static int acknowledge(struct aio *aio, const struct vd_nfc_header *header,
                       const struct vd_nfc_io *io, struct vd_error *err)
{
    uint8_t payload[VD_NFC_PAYLOAD_MAX_BYTES] = {0};
    struct vd_nfc_io reply = {
        .offset_bytes = io->offset_bytes,
        .total_bytes = io->total_bytes,
        .fragment_bytes = io->total_bytes,
        .trailer_bytes = io->total_bytes,
    };

    vd_nfc_io_encode(&reply, payload);
    return aio_send(aio, header, payload, NULL, 0, err);
}

int aio_take_write(struct aio *aio, const struct vd_nfc_header *header, const struct vd_nfc_io *io,
                   struct vd_error *err)
{
    struct aio_write *write = NULL;
    bool is_new = false;
    void *bytes = NULL;
    int r = receive(aio, io, &bytes, err);

    if (r == VD_OK)
        r = write_of(aio, header->op, &write, &is_new, err);
    if (r == VD_OK)
        r = note_arrival(write, io, err);
    if (r < 0)
        return r;
    aio->io_count += is_new;
    if (!write->failed)
        r = take_fragment(aio, header, io, write, bytes, err);
    if (r < 0 || !vd_nfc_ranges_full(&write->arrived, io->total_bytes))
        return r;
    bool failed = write->failed;
    forget(aio, write);
    return failed ? VD_OK : acknowledge(aio, header, io, err);
}
