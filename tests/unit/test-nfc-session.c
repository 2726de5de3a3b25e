/* SPDX-License-Identifier: Apache-2.0 */
/* The AIO session against a host that a test plays: what it must send, what it may be told, and
 * what it must not believe. */
#include "nfc/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "nfc/fragment.h"
#include "tests/harness.h"

#define BUFFER 65536u
#define HANDLE 0x2a1fu

struct host {
    struct vd_nfc_session *session;
    uint8_t sent[1u << 20]; /* what the session put out */
    size_t sent_bytes;
    unsigned finished;
};

static void finished(struct vd_nfc_op *op)
{
    struct host *host = op->data;
    host->finished++;
}

static void submit(struct host *host, struct vd_nfc_op *op)
{
    op->finished = finished;
    op->data = host;
    vd_nfc_session_submit(host->session, op);
}

static size_t bytes_of(const struct iovec *pieces, unsigned count)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < count; i++)
        bytes += pieces[i].iov_len;
    return bytes;
}

/* Between memory and the pieces, `bytes` of them. */
static void gather(uint8_t *to, const struct iovec *pieces, size_t bytes)
{
    for (size_t done = 0, step; done < bytes; done += step, pieces++) {
        step = VD_MIN(pieces->iov_len, bytes - done);
        memcpy(to + done, pieces->iov_base, step);
    }
}

static void scatter(const struct iovec *pieces, const uint8_t *from, size_t bytes)
{
    for (size_t done = 0, step; done < bytes; done += step, pieces++) {
        step = VD_MIN(pieces->iov_len, bytes - done);
        memcpy(pieces->iov_base, from + done, step);
    }
}

/* Takes what the session sends, at most `piece` bytes at a time. */
static void take(struct host *host, size_t piece)
{
    struct iovec pieces[VD_NFC_PIECES];
    unsigned count;
    host->sent_bytes = 0;
    while ((count = vd_nfc_session_output(host->session, pieces)) > 0) {
        size_t size = VD_MIN(bytes_of(pieces, count), piece);
        check(host->sent_bytes + size <= sizeof host->sent);
        gather(host->sent + host->sent_bytes, pieces, size);
        host->sent_bytes += size;
        vd_nfc_session_sent(host->session, size);
    }
}

/* Gives the session bytes, at most `piece` at a time. */
static int give(struct host *host, const void *bytes, size_t size, size_t piece,
                struct vd_error *err)
{
    const uint8_t *at = bytes;
    int r = VD_OK;
    while (r == VD_OK && size > 0) {
        struct iovec pieces[VD_NFC_PIECES];
        unsigned count = vd_nfc_session_want(host->session, pieces);
        size_t step = VD_MIN(VD_MIN(bytes_of(pieces, count), piece), size);
        check(pieces[0].iov_len > 0);
        scatter(pieces, at, step);
        at += step;
        size -= step;
        r = vd_nfc_session_got(host->session, step, err);
    }
    return r;
}

static int reply(struct host *host, uint32_t type, uint32_t id, const void *payload, uint32_t size,
                 struct vd_error *err)
{
    uint8_t head[VD_NFC_HEADER_BYTES];
    vd_nfc_header_encode(&(struct vd_nfc_header){type, size, id}, head);
    int r = give(host, head, sizeof head, 5, err);
    return r == VD_OK ? give(host, payload, size, 7, err) : r;
}

static int fragment(struct host *host, const struct vd_nfc_op *op, const struct vd_nfc_io *io,
                    const void *bytes, struct vd_error *err)
{
    uint8_t payload[VD_NFC_IO_BYTES];
    vd_nfc_io_encode(io, payload);
    int r = reply(host, VD_NFC_IO, op->id, payload, sizeof payload, err);
    return r == VD_OK ? give(host, bytes, io->trailer_bytes, 1000, err) : r;
}

static void host_start(struct host *host)
{
    struct vd_error err = VD_ERROR_INIT;
    host->finished = 0;
    check_code_err(vd_nfc_session_new("esx1", BUFFER, &host->session, &err), VD_OK, &err);
    struct vd_nfc_op open = {
        .kind = VD_NFC_OP_OPEN, .text = "[ds1] a/a.vmdk", .flags = VD_NFC_OPEN_READ_ONLY};
    uint8_t payload[VD_NFC_OPEN_FILE_BYTES];
    submit(host, &open);
    take(host, 9);
    check_u64_eq(host->sent_bytes, VD_NFC_HEADER_BYTES + VD_NFC_OPEN_FILE_BYTES + 14);
    check_mem_eq(host->sent + host->sent_bytes - 14, "[ds1] a/a.vmdk", 14);
    vd_nfc_opened_encode(
        &(struct vd_nfc_opened){
            .handle = HANDLE, .file_type = 2, .capacity_bytes = 1u << 30, .sector_bytes = 512},
        payload);
    check_code_err(reply(host, VD_NFC_OPEN_FILE, open.id, payload, sizeof payload, &err), VD_OK,
                   &err);
    check_u64_eq(host->finished, 1);
    check_code(open.code, VD_OK);
    check_u64_eq(open.opened.capacity_bytes, 1u << 30);
    host->finished = 0;
}

static struct host *new_host(void)
{
    struct host *host = calloc(1, sizeof *host);
    check(host != NULL);
    host_start(host);
    return host;
}

static void end_host(struct host *host)
{
    for (struct vd_nfc_op *op = vd_nfc_session_take_all(host->session); op; op = op->next)
        vd_nfc_ranges_done(&op->arrived);
    vd_nfc_session_free(host->session);
    free(host);
}

static uint8_t *pattern(size_t size)
{
    uint8_t *bytes = malloc(size);
    check(bytes != NULL);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i / 512 * 7 + i);
    return bytes;
}

/* The order in which the pieces of a read of 300 KiB arrive, `size` each. */
static void read_in_order(const unsigned *order, unsigned count, uint32_t size, uint32_t code)
{
    struct host *host = new_host();
    struct vd_error err = VD_ERROR_INIT;
    struct vd_nfc_codec *codec;
    uint32_t length = count * size;
    uint8_t *want = pattern(length), *got = calloc(1, length);
    struct vd_nfc_op op = {.kind = VD_NFC_OP_READ,
                           .compression = code,
                           .offset_bytes = 512000,
                           .length_bytes = length,
                           .into = got};
    check(got && vd_nfc_codec_new(&codec) == VD_OK);
    submit(host, &op);
    take(host, 1000);
    check_u64_eq(host->sent_bytes, VD_NFC_HEADER_BYTES + VD_NFC_IO_BYTES);
    for (unsigned i = 0; i < count; i++) {
        struct vd_nfc_packed packed;
        vd_nfc_pack(codec, code, want + order[i] * size, size, &packed);
        struct vd_nfc_io io = {.is_read = true,
                               .compression = packed.compression,
                               .offset_bytes = 512000,
                               .total_bytes = length,
                               .fragment_offset_bytes = order[i] * size,
                               .fragment_bytes = size,
                               .trailer_bytes = (uint32_t)packed.size};
        check_u64_eq(host->finished, 0);
        check_code_err(fragment(host, &op, &io, packed.bytes, &err), VD_OK, &err);
    }
    check_u64_eq(host->finished, 1);
    check_code(op.code, VD_OK);
    check_mem_eq(got, want, length);
    free(want);
    free(got);
    vd_nfc_codec_free(codec);
    end_host(host);
}

VD_TEST(fragments_in_any_order)
{
    static const unsigned forward[] = {0, 1, 2, 3, 4}, backward[] = {4, 3, 2, 1, 0},
                          mixed[] = {2, 0, 4, 1, 3};
    for (uint32_t code = VD_NFC_CODE_NONE; code <= VD_NFC_CODE_SKIPZ; code++) {
        read_in_order(forward, 5, 61440, code);
        read_in_order(backward, 5, 61440, code);
        read_in_order(mixed, 5, 61440, code);
        read_in_order(mixed, 5, 777, code);
    }
}

VD_TEST(skipz_by_name_only_is_raw)
{
    struct host *host = new_host();
    uint8_t *want = pattern(512), got[512];
    struct vd_nfc_op op = {.kind = VD_NFC_OP_READ, .length_bytes = 512, .into = got};
    struct vd_nfc_io io = {.is_read = true,
                           .compression = VD_NFC_CODE_SKIPZ,
                           .total_bytes = 512,
                           .fragment_bytes = 512,
                           .trailer_bytes = 512};
    submit(host, &op);
    take(host, 1000);
    check_code(fragment(host, &op, &io, want, NULL), VD_OK);
    check_mem_eq(got, want, 512);
    free(want);
    end_host(host);
}

VD_TEST(two_reads_may_be_answered_in_each_others_midst)
{
    struct host *host = new_host();
    uint8_t *want = pattern(2048), got[2][1024];
    struct vd_nfc_op ops[2] = {
        {.kind = VD_NFC_OP_READ, .length_bytes = 1024, .into = got[0]},
        {.kind = VD_NFC_OP_READ, .offset_bytes = 1024, .length_bytes = 1024, .into = got[1]}};
    submit(host, &ops[0]);
    submit(host, &ops[1]);
    take(host, 1000);
    for (unsigned i = 0; i < 4; i++) {
        unsigned which = (i + 1) % 2, part = i / 2;
        struct vd_nfc_io io = {.is_read = true,
                               .offset_bytes = ops[which].offset_bytes,
                               .total_bytes = 1024,
                               .fragment_offset_bytes = part * 512,
                               .fragment_bytes = 512,
                               .trailer_bytes = 512};
        check_code(fragment(host, &ops[which], &io, want + which * 1024 + part * 512, NULL), VD_OK);
    }
    check_u64_eq(host->finished, 2);
    check_mem_eq(got[0], want, 1024);
    check_mem_eq(got[1], want + 1024, 1024);
    free(want);
    end_host(host);
}

/* However much of the next frames comes together with what is waited for. */
VD_TEST(frames_may_come_together)
{
    enum { HEAD = VD_NFC_HEADER_BYTES + VD_NFC_IO_BYTES, PARTS = 4, FRAME = HEAD + 512 };
    uint8_t *want = pattern(PARTS * 512), stream[PARTS * FRAME];
    for (unsigned i = 0; i < PARTS; i++) {
        struct vd_nfc_io io = {.is_read = true,
                               .total_bytes = PARTS * 512,
                               .fragment_offset_bytes = i * 512,
                               .fragment_bytes = 512,
                               .trailer_bytes = 512};
        vd_nfc_io_encode(&io, stream + i * FRAME + VD_NFC_HEADER_BYTES);
        memcpy(stream + i * FRAME + HEAD, want + i * 512, 512);
    }
    for (size_t piece = 1; piece < 3 * FRAME; piece += piece < 2 * HEAD ? 1 : 97) {
        struct host *host = new_host();
        uint8_t got[PARTS * 512];
        struct vd_nfc_op op = {.kind = VD_NFC_OP_READ, .length_bytes = sizeof got, .into = got};
        submit(host, &op);
        take(host, 1000);
        for (unsigned i = 0; i < PARTS; i++)
            vd_nfc_header_encode(&(struct vd_nfc_header){VD_NFC_IO, VD_NFC_IO_BYTES, op.id},
                                 stream + i * FRAME);
        check_code(give(host, stream, sizeof stream, piece, NULL), VD_OK);
        check_u64_eq(host->finished, 1);
        check_mem_eq(got, want, sizeof got);
        end_host(host);
    }
    free(want);
}

VD_TEST(a_write_is_fragments_and_one_answer)
{
    struct host *host = new_host();
    uint32_t length = 2 * BUFFER + 512, at = 0;
    uint8_t *data = pattern(length), answer[VD_NFC_IO_BYTES];
    struct vd_nfc_op op = {
        .kind = VD_NFC_OP_WRITE, .offset_bytes = 512, .length_bytes = length, .from = data};
    submit(host, &op);
    take(host, 12345);
    for (uint32_t done = 0; done < length;) {
        struct vd_nfc_header header;
        struct vd_nfc_io io;
        check_code(vd_nfc_header_decode(host->sent + at, &header), VD_OK);
        check_u64_eq(header.op, op.id);
        vd_nfc_io_decode(host->sent + at + VD_NFC_HEADER_BYTES, &io);
        check_u64_eq(io.handle, HANDLE);
        check_u64_eq(io.offset_bytes, 512);
        check_u64_eq(io.total_bytes, length);
        check_u64_eq(io.fragment_offset_bytes, done);
        check(io.fragment_bytes <= BUFFER && io.trailer_bytes == io.fragment_bytes);
        at += VD_NFC_HEADER_BYTES + VD_NFC_IO_BYTES;
        check_mem_eq(host->sent + at, data + done, io.trailer_bytes);
        at += io.trailer_bytes;
        done += io.fragment_bytes;
    }
    check_u64_eq(at, host->sent_bytes);
    check_u64_eq(host->finished, 0);
    vd_nfc_io_encode(&(struct vd_nfc_io){.offset_bytes = 512,
                                         .total_bytes = length,
                                         .fragment_bytes = length,
                                         .trailer_bytes = 99},
                     answer);
    check_code(reply(host, VD_NFC_IO, op.id, answer, sizeof answer, NULL), VD_OK);
    check_u64_eq(host->finished, 1);
    free(data);
    end_host(host);
}

static int error_for(struct host *host, uint32_t id, uint64_t code, const char *text,
                     struct vd_error *err)
{
    uint8_t payload[VD_NFC_ERROR_BYTES];
    vd_nfc_error_encode(&(struct vd_nfc_error_frame){code, (uint32_t)strlen(text)}, payload);
    int r = reply(host, VD_NFC_ERROR, id, payload, sizeof payload, err);
    return r == VD_OK ? give(host, text, strlen(text), 3, err) : r;
}

VD_TEST(a_refusal_ends_its_operation_and_what_follows_is_passed_over)
{
    struct host *host = new_host();
    uint8_t got[512], *want = pattern(512), zeros[VD_NFC_OPEN_FILE_BYTES] = {0};
    struct vd_nfc_op read = {.kind = VD_NFC_OP_READ, .length_bytes = 512, .into = got};
    struct vd_nfc_op open = {
        .kind = VD_NFC_OP_OPEN, .text = "[ds1] b.vmdk", .flags = VD_NFC_OPEN_WRITABLE};
    submit(host, &read);
    submit(host, &open);
    take(host, 1000);
    check_code(error_for(host, read.id, 5, "Failed to allocate the requested 536 bytes\n", NULL),
               VD_OK);
    check_u64_eq(host->finished, 1);
    check_code(read.code, VD_E_NO_MEMORY);
    check_u64_eq(read.host_code, 5);
    check_str_has(read.err.text, "reading 512 bytes at byte 0: 'esx1' refuses: Failed to allocate "
                                 "the requested 536 bytes? (NFC error 5)");
    struct vd_nfc_io late = {
        .is_read = true, .total_bytes = 512, .fragment_bytes = 512, .trailer_bytes = 512};
    check_code(fragment(host, &read, &late, want, NULL), VD_OK);
    check_code(error_for(host, open.id, 11, "", NULL), VD_OK);
    check_code(reply(host, VD_NFC_OPEN_FILE, open.id, zeros, sizeof zeros, NULL), VD_OK);
    check_u64_eq(host->finished, 2);
    check_code(open.code, VD_E_READ_ONLY);
    check_str_has(open.err.text, "opening '[ds1] b.vmdk': 'esx1' refuses: no reason given");
    free(want);
    end_host(host);
}

/* All that was asked for may be on its way already, but it ends. */
VD_TEST(a_refused_read_is_not_answered_for_ever)
{
    struct host *host = new_host();
    struct vd_error err = VD_ERROR_INIT;
    uint8_t *got = malloc(BUFFER), *data = pattern(BUFFER);
    struct vd_nfc_op op = {.kind = VD_NFC_OP_READ, .length_bytes = BUFFER, .into = got};
    struct vd_nfc_io io = {
        .is_read = true, .total_bytes = BUFFER, .fragment_bytes = BUFFER, .trailer_bytes = BUFFER};
    int r = VD_OK;
    unsigned count = 0;
    submit(host, &op);
    take(host, 1000);
    check_code(error_for(host, op.id, 7, "disk is gone", NULL), VD_OK);
    while (r == VD_OK && count++ < 1000)
        r = fragment(host, &op, &io, data, &err);
    check_code(r, VD_E_PROTOCOL);
    check_str_has(err.text, "more for refused operations than they asked for");
    check(count > 1 && count < 100);
    free(data);
    free(got);
    end_host(host);
}

VD_TEST(a_refused_write_ends_with_the_fragment_under_way)
{
    struct host *host = new_host();
    uint8_t *data = pattern(3 * BUFFER);
    struct iovec pieces[VD_NFC_PIECES];
    struct vd_nfc_op op = {.kind = VD_NFC_OP_WRITE, .length_bytes = 3 * BUFFER, .from = data};
    submit(host, &op);
    check_u64_eq(vd_nfc_session_output(host->session, pieces), 2);
    vd_nfc_session_sent(host->session, pieces[0].iov_len + 100);
    check_code(error_for(host, op.id, 7, "disk is gone", NULL), VD_OK);
    check_u64_eq(host->finished, 0); /* its bytes are still being sent */
    take(host, 5000);
    check_u64_eq(host->sent_bytes, BUFFER - 100);
    check_u64_eq(host->finished, 1);
    check_code(op.code, VD_E_FAIL);
    check_u64_eq(vd_nfc_session_pending(host->session), 0);
    free(data);
    end_host(host);
}

/* Parcels that wait until a test unpacks them. */
struct shelf {
    struct vd_nfc_parcel parcels[3];
    unsigned got, put;
};

static struct vd_nfc_parcel *shelf_get(void *data)
{
    struct shelf *shelf = data;
    return shelf->got < VD_ARRAY_SIZE(shelf->parcels) ? &shelf->parcels[shelf->got++] : NULL;
}

static void shelf_put(void *data, struct vd_nfc_parcel *parcel)
{
    struct shelf *shelf = data;
    check(parcel == &shelf->parcels[shelf->put++]);
}

static void shelf_start(struct shelf *shelf, struct host *host)
{
    struct vd_nfc_unpacker unpacker = {shelf_get, shelf_put, shelf};
    *shelf = (struct shelf){.got = 0};
    for (unsigned i = 0; i < VD_ARRAY_SIZE(shelf->parcels); i++)
        check(vd_nfc_codec_new(&shelf->parcels[i].codec) == VD_OK);
    vd_nfc_session_set_unpacker(host->session, &unpacker);
}

static void shelf_end(struct shelf *shelf)
{
    for (unsigned i = 0; i < VD_ARRAY_SIZE(shelf->parcels); i++)
        vd_nfc_codec_free(shelf->parcels[i].codec);
}

static int unpack(struct host *host, struct vd_nfc_parcel *parcel, struct vd_error *err)
{
    parcel->code = vd_nfc_unpack(parcel->codec, parcel->compression, parcel->packed_bytes,
                                 parcel->into, parcel->size);
    return vd_nfc_session_unpacked(host->session, parcel, err);
}

/* Part `i` of a read of 4096-byte parts, packed. */
static int packed_part(struct host *host, const struct vd_nfc_op *op, const uint8_t *want,
                       unsigned i, struct vd_error *err)
{
    struct vd_nfc_codec *codec;
    struct vd_nfc_packed packed;
    check(vd_nfc_codec_new(&codec) == VD_OK);
    vd_nfc_pack(codec, VD_NFC_CODE_ZLIB, want + i * 4096, 4096, &packed);
    check_u64_eq(packed.compression, VD_NFC_CODE_ZLIB);
    struct vd_nfc_io io = {.is_read = true,
                           .compression = packed.compression,
                           .total_bytes = op->length_bytes,
                           .fragment_offset_bytes = i * 4096,
                           .fragment_bytes = 4096,
                           .trailer_bytes = (uint32_t)packed.size};
    int r = fragment(host, op, &io, packed.bytes, err);
    vd_nfc_codec_free(codec);
    return r;
}

/* Four fragments, of which three go to parcels, which come back in another order. */
VD_TEST(a_read_is_whole_when_its_parcels_are_back)
{
    struct host *host = new_host();
    struct shelf shelf;
    uint8_t *want = pattern(4 * 4096), *got = calloc(4, 4096);
    struct vd_nfc_op op = {.kind = VD_NFC_OP_READ, .length_bytes = 4 * 4096, .into = got};
    shelf_start(&shelf, host);
    submit(host, &op);
    take(host, 1000);
    for (unsigned i = 0; i < 4; i++)
        check_code(packed_part(host, &op, want, 3 - i, NULL), VD_OK);
    check_u64_eq(shelf.put, 3);
    check_code(unpack(host, &shelf.parcels[1], NULL), VD_OK);
    check_code(unpack(host, &shelf.parcels[2], NULL), VD_OK);
    check_u64_eq(host->finished, 0);
    check_code(unpack(host, &shelf.parcels[0], NULL), VD_OK);
    check_u64_eq(host->finished, 1);
    check_code(op.code, VD_OK);
    check_mem_eq(got, want, 4 * 4096);
    free(want);
    free(got);
    shelf_end(&shelf);
    end_host(host);
}

/* All that came is unpacked while the last fragment is still on its way. */
VD_TEST(a_read_waits_for_the_fragment_that_arrives)
{
    struct host *host = new_host();
    struct shelf shelf;
    uint8_t *want = pattern(2 * 4096), *got = calloc(2, 4096);
    struct vd_nfc_op op = {.kind = VD_NFC_OP_READ, .length_bytes = 2 * 4096, .into = got};
    struct vd_nfc_io io = {.is_read = true,
                           .total_bytes = 2 * 4096,
                           .fragment_offset_bytes = 4096,
                           .fragment_bytes = 4096,
                           .trailer_bytes = 4096};
    uint8_t payload[VD_NFC_IO_BYTES];
    shelf_start(&shelf, host);
    submit(host, &op);
    take(host, 1000);
    check_code(packed_part(host, &op, want, 0, NULL), VD_OK);
    vd_nfc_io_encode(&io, payload);
    check_code(reply(host, VD_NFC_IO, op.id, payload, sizeof payload, NULL), VD_OK);
    check_code(give(host, want + 4096, 4000, 4096, NULL), VD_OK);
    check_code(unpack(host, &shelf.parcels[0], NULL), VD_OK);
    check_u64_eq(host->finished, 0);
    check_code(give(host, want + 8096, 96, 4096, NULL), VD_OK);
    check_u64_eq(host->finished, 1);
    check_mem_eq(got, want, 2 * 4096);
    free(want);
    free(got);
    shelf_end(&shelf);
    end_host(host);
}

/* Its memory is written to until the parcel is back. */
VD_TEST(a_refused_read_ends_with_its_parcels)
{
    struct host *host = new_host();
    struct shelf shelf;
    uint8_t *want = pattern(2 * 4096), *got = calloc(2, 4096);
    struct vd_nfc_op op = {.kind = VD_NFC_OP_READ, .length_bytes = 2 * 4096, .into = got};
    shelf_start(&shelf, host);
    submit(host, &op);
    take(host, 1000);
    check_code(packed_part(host, &op, want, 0, NULL), VD_OK);
    check_code(error_for(host, op.id, 7, "disk is gone", NULL), VD_OK);
    check_u64_eq(host->finished, 0);
    check_code(packed_part(host, &op, want, 1, NULL), VD_OK); /* passed over */
    check_u64_eq(shelf.put, 1);
    check_code(unpack(host, &shelf.parcels[0], NULL), VD_OK);
    check_u64_eq(host->finished, 1);
    check_code(op.code, VD_E_FAIL);
    free(want);
    free(got);
    shelf_end(&shelf);
    end_host(host);
}

VD_TEST(a_parcel_that_cannot_be_unpacked_ends_the_session)
{
    struct host *host = new_host();
    struct shelf shelf;
    struct vd_error err = VD_ERROR_INIT;
    uint8_t *want = pattern(4096), *got = calloc(1, 4096);
    struct vd_nfc_op op = {.kind = VD_NFC_OP_READ, .length_bytes = 4096, .into = got};
    shelf_start(&shelf, host);
    submit(host, &op);
    take(host, 1000);
    check_code(packed_part(host, &op, want, 0, NULL), VD_OK);
    shelf.parcels[0].packed_bytes /= 2;
    check_code(unpack(host, &shelf.parcels[0], &err), VD_E_PROTOCOL);
    check_str_has(err.text, "compressed data that cannot be unpacked");
    check_u64_eq(host->finished, 0);
    free(want);
    free(got);
    shelf_end(&shelf);
    end_host(host);
}

VD_TEST(texts_of_hosts_become_codes)
{
    static const struct {
        uint64_t code;
        const char *text;
        int want;
    } refusals[] = {
        {1, "DiskLib error 16392: Failed to lock the file", VD_E_LOCKED},
        {1, "Thin/TBZ/Sparse disks cannot be opened in multiwriter mode", VD_E_SNAPSHOT_NEEDED},
        {11, "permission check failed for file 'x', access = 1", VD_E_ACCESS},
        {99, "something else", VD_E_FAIL},
    };
    for (size_t i = 0; i < VD_ARRAY_SIZE(refusals); i++) {
        struct host *host = new_host();
        struct vd_nfc_op open = {
            .kind = VD_NFC_OP_OPEN, .text = "x", .flags = VD_NFC_OPEN_READ_ONLY};
        submit(host, &open);
        take(host, 1000);
        check_code(error_for(host, open.id, refusals[i].code, refusals[i].text, NULL), VD_OK);
        check_code(open.code, refusals[i].want);
        end_host(host);
    }
}

VD_TEST(values_and_bitmaps)
{
    struct host *host = new_host();
    char value[16];
    uint8_t bitmap[8] = {0}, payload[VD_NFC_QUERY_BYTES] = {0};
    struct vd_nfc_op get = {
        .kind = VD_NFC_OP_GET, .text = "adapterType", .into = value, .into_bytes = sizeof value};
    struct vd_nfc_op long_get = get;
    struct vd_nfc_op query = {
        .kind = VD_NFC_OP_QUERY, .chunk_bytes = 65536, .chunks = 40, .into = bitmap};
    submit(host, &get);
    submit(host, &long_get);
    submit(host, &query);
    take(host, 1000);
    vd_nfc_ddb_encode(0, 0, 8, payload);
    check_code(reply(host, VD_NFC_DDB_GET, get.id, payload, VD_NFC_DDB_BYTES, NULL), VD_OK);
    check_code(give(host, "lsilogic", 8, 3, NULL), VD_OK);
    check_str_eq(value, "lsilogic");
    vd_nfc_ddb_encode(0, 0, 16, payload);
    check_code(reply(host, VD_NFC_DDB_GET, long_get.id, payload, VD_NFC_DDB_BYTES, NULL), VD_OK);
    check_code(give(host, "0123456789abcdef", 16, 3, NULL), VD_OK);
    check_code(long_get.code, VD_E_BUFFER_TOO_SMALL);
    vd_nfc_query_encode(&(struct vd_nfc_query){.chunks = 40}, payload);
    check_code(reply(host, VD_NFC_QUERY_ALLOCATED, query.id, payload, sizeof payload, NULL), VD_OK);
    check_code(give(host, "\x0f\x03\0\0\x01\0\0\0", 8, 3, NULL), VD_OK);
    check_mem_eq(bitmap, "\x0f\x03\0\0\x01\0\0\0", 8);
    check_u64_eq(host->finished, 3);
    end_host(host);
}

VD_TEST(operations_go_over_to_another_session)
{
    struct host *host = new_host();
    uint8_t got[512], *want = pattern(512);
    struct vd_nfc_op op = {.kind = VD_NFC_OP_READ, .length_bytes = 512, .into = got};
    struct vd_nfc_io io = {
        .is_read = true, .total_bytes = 512, .fragment_bytes = 256, .trailer_bytes = 256};
    submit(host, &op);
    take(host, 1000);
    check_code(fragment(host, &op, &io, want, NULL), VD_OK);
    struct vd_nfc_op *left = vd_nfc_session_take_all(host->session);
    check(left == &op && !left->next);
    vd_nfc_session_free(host->session);
    host_start(host);
    submit(host, left);
    take(host, 1000);
    check_code(fragment(host, &op, &io, want, NULL), VD_OK); /* the first half, once more */
    io.fragment_offset_bytes = 256;
    check_code(fragment(host, &op, &io, want + 256, NULL), VD_OK);
    check_u64_eq(host->finished, 1);
    check_mem_eq(got, want, 512);
    free(want);
    end_host(host);
}

/* A read of 1024 bytes at 4096, answered by `io`: what is said of it. */
static void disbelieved(struct vd_nfc_io io, const char *said)
{
    struct host *host = new_host();
    struct vd_error err = VD_ERROR_INIT;
    uint8_t *got = malloc(1024), payload[VD_NFC_IO_BYTES];
    struct vd_nfc_op op = {
        .kind = VD_NFC_OP_READ, .offset_bytes = 4096, .length_bytes = 1024, .into = got};
    submit(host, &op);
    take(host, 1000);
    vd_nfc_io_encode(&io, payload);
    check_code(reply(host, VD_NFC_IO, op.id, payload, sizeof payload, &err), VD_E_PROTOCOL);
    check_str_has(err.text, "'esx1' breaks the NFC protocol: ");
    check_str_has(err.text, said);
    free(got);
    end_host(host);
}

VD_TEST(what_is_not_in_the_request_is_not_believed)
{
    struct vd_nfc_io good = {.is_read = true,
                             .offset_bytes = 4096,
                             .total_bytes = 1024,
                             .fragment_bytes = 512,
                             .trailer_bytes = 512};
    struct vd_nfc_io io = good;
    io.is_read = false;
    disbelieved(io, "the other direction");
    io = good;
    io.offset_bytes = 0;
    disbelieved(io, "another request");
    io = good;
    io.total_bytes = 2048;
    disbelieved(io, "another request");
    io = good;
    io.fragment_bytes = 0;
    disbelieved(io, "outside its request");
    io = good;
    io.fragment_offset_bytes = 1024;
    disbelieved(io, "outside its request");
    io = good;
    io.fragment_offset_bytes = 513;
    disbelieved(io, "outside its request");
    io = good;
    io.fragment_offset_bytes = UINT32_MAX;
    disbelieved(io, "outside its request");
    io = good;
    io.trailer_bytes = 1024;
    disbelieved(io, "another length than its data");
    io = good;
    io.compression = VD_NFC_CODE_ZLIB;
    io.trailer_bytes = 1u << 30;
    disbelieved(io, "compressed data that is too long");
}

VD_TEST(a_fragment_twice_is_not_believed)
{
    struct host *host = new_host();
    struct vd_error err = VD_ERROR_INIT;
    uint8_t got[1024], bytes[512] = {0};
    struct vd_nfc_op op = {.kind = VD_NFC_OP_READ, .length_bytes = 1024, .into = got};
    struct vd_nfc_io io = {
        .is_read = true, .total_bytes = 1024, .fragment_bytes = 512, .trailer_bytes = 512};
    submit(host, &op);
    take(host, 1000);
    check_code(fragment(host, &op, &io, bytes, NULL), VD_OK);
    check_code(fragment(host, &op, &io, bytes, &err), VD_E_PROTOCOL);
    check_str_has(err.text, "came before");
    end_host(host);
}

static void refused_bytes(const void *bytes, size_t size, const char *said)
{
    struct host *host = new_host();
    struct vd_error err = VD_ERROR_INIT;
    check_code(give(host, bytes, size, 4, &err), VD_E_PROTOCOL);
    check_str_has(err.text, said);
    end_host(host);
}

VD_TEST(frames_that_nobody_asked_for)
{
    uint8_t frame[VD_NFC_HEADER_BYTES + VD_NFC_ERROR_BYTES] = {0};
    refused_bytes("HTTP/1.1 400 Bad", 16, "bytes that begin no frame");
    vd_nfc_header_encode(&(struct vd_nfc_header){VD_NFC_IO, 65, 0}, frame);
    refused_bytes(frame, VD_NFC_HEADER_BYTES, "a payload that is too long");
    vd_nfc_header_encode(&(struct vd_nfc_header){77, 4, 1000}, frame);
    refused_bytes(frame, VD_NFC_HEADER_BYTES + 4, "a frame that nobody asked for");
    vd_nfc_header_encode(&(struct vd_nfc_header){VD_NFC_ERROR, 16, 1000}, frame);
    refused_bytes(frame, sizeof frame, "an operation that is not under way");
    vd_nfc_header_encode(&(struct vd_nfc_header){VD_NFC_ERROR, 8, 0}, frame);
    refused_bytes(frame, VD_NFC_HEADER_BYTES + 8, "an error frame that is too short");
    vd_nfc_header_encode(&(struct vd_nfc_header){VD_NFC_ERROR, 16, 0}, frame);
    vd_nfc_error_encode(&(struct vd_nfc_error_frame){1, UINT32_MAX}, frame + VD_NFC_HEADER_BYTES);
    refused_bytes(frame, sizeof frame, "an error text that is too long");
}

VD_TEST(ranges_join_and_refuse)
{
    struct vd_nfc_ranges ranges = {NULL, 0, 0};
    check_code(vd_nfc_ranges_add(&ranges, 100, 50), VD_OK);
    check_code(vd_nfc_ranges_add(&ranges, 0, 50), VD_OK);
    check_code(vd_nfc_ranges_add(&ranges, 49, 2), VD_E_PROTOCOL);
    check_code(vd_nfc_ranges_add(&ranges, 99, 2), VD_E_PROTOCOL);
    check_code(vd_nfc_ranges_add(&ranges, 10, 0), VD_E_PROTOCOL);
    check_code(vd_nfc_ranges_add(&ranges, UINT32_MAX, 2), VD_E_PROTOCOL);
    check(!vd_nfc_ranges_full(&ranges, 150));
    check_code(vd_nfc_ranges_add(&ranges, 50, 50), VD_OK);
    check(vd_nfc_ranges_full(&ranges, 150));
    check_code(vd_nfc_ranges_add(&ranges, 20, 200), VD_E_PROTOCOL);
    vd_nfc_ranges_done(&ranges);
    int r = VD_OK;
    for (uint32_t i = 0; r == VD_OK; i++)
        r = vd_nfc_ranges_add(&ranges, i * 2, 1);
    check_code(r, VD_E_PROTOCOL);
    check_u64_eq(ranges.count, VD_NFC_RANGES_MAX);
    vd_nfc_ranges_done(&ranges);
}
