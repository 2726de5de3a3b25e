/* SPDX-License-Identifier: Apache-2.0 */
/* An AIO session: frames come in order; reads and writes are carried out by a pool of threads,
 * fragment by fragment, in any order; all else is done at once. */
#include <stdlib.h>
#include <string.h>

#include "aio-int.h"
#include "base/bytes.h"
#include "base/units.h"

/* As hosts' look: sign-extended. */
#define HANDLE_BASE UINT64_C(0xFFFFFFFF80000100)
/* Of a frame of a type nobody knows. */
#define UNKNOWN_MAX_BYTES (1u << 20)
/* What a host answers when asked for its socket buffers. */
#define SOCK_BUFFER_BYTES 1675000u

struct sim_open *aio_open_of(const struct aio *aio, uint64_t handle)
{
    uint64_t index = handle - HANDLE_BASE;

    return index < AIO_FILES_MAX ? aio->opens[index] : NULL;
}

void aio_send_packet(struct aio *aio, const struct vd_nfc_header *header, struct sim_packet *packet)
{
    pthread_mutex_lock(&aio->lock);
    uint64_t number = ++aio->frames;
    pthread_mutex_unlock(&aio->lock);
    vd_nfc_header_encode(header, packet->bytes);
    if (sim_fault_is_at(&aio->session->sim->faults, SIM_BAD_MAGIC, number))
        packet->bytes[0] ^= 0xff;
    sim_conn_send(&aio->session->conn, packet);
}

int aio_send(struct aio *aio, const struct vd_nfc_header *header, const void *payload,
             const void *trailer, size_t trailer_bytes, struct vd_error *err)
{
    size_t payload_bytes = header->payload_bytes;
    struct sim_packet *packet = sim_packet_new(VD_NFC_HEADER_BYTES + payload_bytes + trailer_bytes);

    if (!packet)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    memcpy(packet->bytes + VD_NFC_HEADER_BYTES, payload, payload_bytes);
    if (trailer_bytes > 0)
        memcpy(packet->bytes + VD_NFC_HEADER_BYTES + payload_bytes, trailer, trailer_bytes);
    aio_send_packet(aio, header, packet);
    return VD_OK;
}

static int send_error(struct aio *aio, uint32_t op, const struct sim_refusal *refusal,
                      struct vd_error *err)
{
    struct vd_nfc_header header = {VD_NFC_ERROR, VD_NFC_ERROR_BYTES, op};
    struct vd_nfc_error_frame error = {refusal->code, (uint32_t)strlen(refusal->text)};
    uint8_t payload[VD_NFC_ERROR_BYTES];

    vd_nfc_error_encode(&error, payload);
    return aio_send(aio, &header, payload, refusal->text, error.text_bytes, err);
}

int aio_refuse(struct aio *aio, const struct vd_nfc_header *header,
               const struct sim_refusal *refusal, struct vd_error *err)
{
    static const uint8_t zeros[VD_NFC_PAYLOAD_MAX_BYTES];
    int r = send_error(aio, header->op, refusal, err);

    return r < 0 ? r : aio_send(aio, header, zeros, NULL, 0, err);
}

static int take_session(struct aio *aio, const struct vd_nfc_header *header, const uint8_t *payload,
                        struct vd_error *err)
{
    uint8_t zeros[VD_NFC_PAYLOAD_MAX_BYTES] = {0};
    struct sim_refusal refusal;
    uint32_t size;
    uint32_t count;

    vd_nfc_open_session_decode(payload, &size, &count);
    if (size > VD_NFC_BUFFER_MAX_BYTES || (uint64_t)size * count > VD_NFC_SESSION_MAX_BYTES) {
        sim_refuse(&refusal, SIM_REFUSED_MEMORY,
                   "%u buffers of %u bytes are too large for a session", count, size);
        return aio_refuse(aio, header, &refusal, err);
    }
    aio->buffer_bytes = size ? size : AIO_DEFAULT_BUFFER_BYTES;
    return aio_send(aio, header, zeros, NULL, 0, err);
}

static int take_sock_opts(struct aio *aio, const struct vd_nfc_header *header, uint8_t *payload,
                          struct vd_error *err)
{
    for (size_t at = 0; at < 12; at += 4) {
        if (vd_le32_decode(payload + at) == 0)
            vd_le32_encode(payload + at, at < 8 ? SOCK_BUFFER_BYTES : 1);
    }
    return aio_send(aio, header, payload, NULL, 0, err);
}

static int place_of(struct aio *aio, size_t *ret, struct sim_refusal *refusal)
{
    for (*ret = 0; *ret < AIO_FILES_MAX; (*ret)++) {
        if (!aio->opens[*ret])
            return VD_OK;
    }
    sim_refuse(refusal, SIM_REFUSED_MEMORY, "%u files are open in this session", AIO_FILES_MAX);
    return -1;
}

static void tell_opened(const struct sim_open *open, struct vd_nfc_opened *ret)
{
    struct vd_disk_info info;

    vd_disk_info(open->disk, &info);
    ret->capacity_bytes = vd_sectors_to_bytes(info.capacity_sectors);
    ret->sector_bytes = info.logical_sector_bytes ? info.logical_sector_bytes : VD_SECTOR_BYTES;
    ret->cylinders = info.geometry.cylinders;
    ret->heads = info.geometry.heads;
    ret->sectors = info.geometry.sectors;
}

static int take_open(struct aio *aio, const struct vd_nfc_header *header, const uint8_t *payload,
                     struct vd_error *err)
{
    struct vd_nfc_open_file wanted;
    struct sim_refusal refusal;
    struct sim_session *session = aio->session;
    uint8_t answer[VD_NFC_PAYLOAD_MAX_BYTES] = {0};
    VD_FREE char *name = NULL;
    size_t place;

    vd_nfc_open_file_decode(payload, &wanted);
    if (wanted.path_bytes > VD_NFC_PATH_MAX_BYTES)
        return vd_error_set(err, VD_E_PROTOCOL, "a client opens a path of %u bytes",
                            wanted.path_bytes);
    int r = sim_read_text(session, wanted.path_bytes, &name, err);
    if (r < 0)
        return r;
    r = place_of(aio, &place, &refusal);
    if (r == VD_OK)
        r = sim_open_disk(session->sim, &session->ticket, name,
                          !(wanted.flags & VD_NFC_OPEN_RO_BIT), &aio->opens[place], &refusal);
    if (r < 0)
        return aio_refuse(aio, header, &refusal, err);
    struct vd_nfc_opened opened = {
        .handle = HANDLE_BASE + place, .file_type = wanted.file_type, .flags = wanted.flags};
    tell_opened(aio->opens[place], &opened);
    vd_nfc_opened_encode(&opened, answer);
    return aio_send(aio, header, answer, NULL, 0, err);
}

static int take_close(struct aio *aio, const struct vd_nfc_header *header, const uint8_t *payload,
                      struct vd_error *err)
{
    static const uint8_t zeros[VD_NFC_PAYLOAD_MAX_BYTES];
    uint64_t handle = vd_le64_decode(payload);
    struct sim_open *open = aio_open_of(aio, handle);
    struct vd_error why = VD_ERROR_INIT;
    struct sim_refusal refusal;
    int r = sim_conn_drain(&aio->session->conn, aio_is_idle, aio, err);

    if (r < 0)
        return r;
    if (!open) {
        sim_refuse(&refusal, SIM_REFUSED_ARGUMENT, "no such handle");
        return aio_refuse(aio, header, &refusal, err);
    }
    aio->opens[handle - HANDLE_BASE] = NULL;
    r = sim_close_disk(aio->session->sim, open, &why);
    if (r == VD_OK)
        return aio_send(aio, header, zeros, NULL, 0, err);
    sim_refuse_error(&refusal, r, "the disk", &why);
    return aio_refuse(aio, header, &refusal, err);
}

static int read_key(struct aio *aio, const uint8_t *payload, bool with_value, char **ret_key,
                    char **ret_value, struct vd_error *err)
{
    uint64_t handle;
    uint32_t key_bytes;
    uint32_t value_bytes;

    vd_nfc_ddb_decode(payload, &handle, &key_bytes, &value_bytes);
    if (key_bytes > VD_NFC_PATH_MAX_BYTES || (with_value && value_bytes > VD_NFC_VALUE_MAX_BYTES))
        return vd_error_set(err, VD_E_PROTOCOL, "a client names a key of %u bytes", key_bytes);
    int r = sim_read_text(aio->session, key_bytes, ret_key, err);
    if (r == VD_OK && with_value)
        r = sim_read_text(aio->session, value_bytes, ret_value, err);
    return r;
}

static int take_ddb_get(struct aio *aio, const struct vd_nfc_header *header, const uint8_t *payload,
                        struct vd_error *err)
{
    VD_FREE char *key = NULL;
    uint8_t answer[VD_NFC_PAYLOAD_MAX_BYTES] = {0};
    struct sim_open *open = aio_open_of(aio, vd_le64_decode(payload));
    struct sim_refusal refusal;
    int r = read_key(aio, payload, false, &key, NULL, err);

    if (r < 0)
        return r;
    if (!open) {
        sim_refuse(&refusal, SIM_REFUSED_ARGUMENT, "no such handle");
        return aio_refuse(aio, header, &refusal, err);
    }
    const char *value = vd_disk_meta_get(open->disk, key);
    size_t length = value ? strlen(value) : 0;
    vd_nfc_ddb_encode(0, 0, (uint32_t)length, answer);
    return aio_send(aio, header, answer, value, length, err);
}

static int take_ddb_set(struct aio *aio, const struct vd_nfc_header *header, const uint8_t *payload,
                        struct vd_error *err)
{
    static const uint8_t zeros[VD_NFC_PAYLOAD_MAX_BYTES];
    VD_FREE char *key = NULL;
    VD_FREE char *value = NULL;
    struct sim_open *open = aio_open_of(aio, vd_le64_decode(payload));
    struct vd_error why = VD_ERROR_INIT;
    struct sim_refusal refusal;
    int r = read_key(aio, payload, true, &key, &value, err);

    if (r < 0)
        return r;
    if (!open)
        sim_refuse(&refusal, SIM_REFUSED_ARGUMENT, "no such handle");
    r = open ? vd_disk_meta_set(open->disk, key, value, &why) : -1;
    if (r == VD_OK)
        return aio_send(aio, header, zeros, NULL, 0, err);
    if (open)
        sim_refuse_error(&refusal, r, open->path, &why);
    return aio_refuse(aio, header, &refusal, err);
}

static int take_io(struct aio *aio, const struct vd_nfc_header *header, const uint8_t *payload,
                   struct vd_error *err)
{
    struct vd_nfc_io io;

    vd_nfc_io_decode(payload, &io);
    return io.is_read ? aio_take_read(aio, header, &io, err)
                      : aio_take_write(aio, header, &io, err);
}

static int take_unknown(struct aio *aio, const struct vd_nfc_header *header, struct vd_error *err)
{
    struct sim_refusal refusal;

    sim_refuse(&refusal, SIM_REFUSED_ARGUMENT, "frames of type %u are not known", header->type);
    return send_error(aio, header->op, &refusal, err);
}

static int take_end(struct aio *aio, const struct vd_nfc_header *header, struct vd_error *err)
{
    static const uint8_t zeros[VD_NFC_PAYLOAD_MAX_BYTES];
    int r = sim_conn_drain(&aio->session->conn, aio_is_idle, aio, err);

    aio->ended = true;
    return r < 0 ? r : aio_send(aio, header, zeros, NULL, 0, err);
}

/* What follows a request that is not an IO. */
static int skip_tail(struct aio *aio, const struct vd_nfc_header *header, const uint8_t *payload,
                     struct vd_error *err)
{
    struct vd_nfc_open_file wanted = {0};
    uint64_t handle;
    uint32_t key_bytes = 0;
    uint32_t value_bytes = 0;

    if (header->type == VD_NFC_OPEN_FILE)
        vd_nfc_open_file_decode(payload, &wanted);
    else if (header->type == VD_NFC_DDB_GET || header->type == VD_NFC_DDB_SET)
        vd_nfc_ddb_decode(payload, &handle, &key_bytes, &value_bytes);
    if (header->type == VD_NFC_DDB_GET)
        value_bytes = 0;
    return sim_conn_skip(&aio->session->conn, (size_t)wanted.path_bytes + key_bytes + value_bytes,
                         err);
}

static int take(struct aio *aio, const struct vd_nfc_header *header, uint8_t *payload,
                struct vd_error *err)
{
    aio->refused = sim_session_refuses(aio->session, &aio->refusal);
    if (aio->refused && header->type != VD_NFC_IO) {
        int r = skip_tail(aio, header, payload, err);
        return r < 0 ? r : aio_refuse(aio, header, &aio->refusal, err);
    }
    switch (header->type) {
    case VD_NFC_OPEN_SESSION:
        return take_session(aio, header, payload, err);
    case VD_NFC_CLOSE_SESSION:
        return take_end(aio, header, err);
    case VD_NFC_OPEN_FILE:
        return take_open(aio, header, payload, err);
    case VD_NFC_CLOSE_FILE:
        return take_close(aio, header, payload, err);
    case VD_NFC_IO:
        return take_io(aio, header, payload, err);
    case VD_NFC_SET_SOCK_OPTS:
        return take_sock_opts(aio, header, payload, err);
    case VD_NFC_FILE_INFO:
    case VD_NFC_SET_RES_POOL:
        memset(payload, 0, VD_NFC_PAYLOAD_MAX_BYTES);
        return aio_send(aio, header, payload, NULL, 0, err);
    case VD_NFC_DDB_GET:
        return take_ddb_get(aio, header, payload, err);
    case VD_NFC_DDB_SET:
        return take_ddb_set(aio, header, payload, err);
    case VD_NFC_QUERY_ALLOCATED:
        return aio_take_query(aio, header, payload, err);
    default:
        return take_unknown(aio, header, err);
    }
}

/* The smallest payload that says what its type must say. */
static uint32_t least_bytes(uint32_t type)
{
    switch (type) {
    case VD_NFC_OPEN_SESSION:
        return VD_NFC_OPEN_SESSION_BYTES;
    case VD_NFC_OPEN_FILE:
        return VD_NFC_OPEN_FILE_BYTES;
    case VD_NFC_CLOSE_FILE:
        return VD_NFC_CLOSE_FILE_BYTES;
    case VD_NFC_IO:
        return VD_NFC_IO_BYTES;
    case VD_NFC_SET_SOCK_OPTS:
        return VD_NFC_SOCK_OPTS_BYTES;
    case VD_NFC_DDB_GET:
    case VD_NFC_DDB_SET:
        return VD_NFC_DDB_BYTES;
    case VD_NFC_QUERY_ALLOCATED:
        return VD_NFC_QUERY_BYTES;
    default:
        return 0;
    }
}

static int next_frame(struct aio *aio, struct vd_error *err)
{
    uint8_t bytes[VD_NFC_HEADER_BYTES];
    uint8_t payload[VD_NFC_PAYLOAD_MAX_BYTES] = {0};
    struct vd_nfc_header header;
    struct sim_conn *conn = &aio->session->conn;
    int r = sim_conn_read(conn, bytes, sizeof bytes, err);

    if (r < 0)
        return r;
    if (vd_nfc_header_decode(bytes, &header) < 0)
        return vd_error_set(err, VD_E_PROTOCOL, "a client sends a frame with magic number 0x%08x",
                            vd_le32_decode(bytes));
    if (header.payload_bytes > UNKNOWN_MAX_BYTES)
        return vd_error_set(err, VD_E_PROTOCOL, "a client sends a frame of %u bytes",
                            header.payload_bytes);
    uint32_t kept = VD_MIN(header.payload_bytes, (uint32_t)sizeof payload);
    r = sim_conn_read(conn, payload, kept, err);
    if (r == VD_OK)
        r = sim_conn_skip(conn, header.payload_bytes - kept, err);
    if (r < 0)
        return r;
    if (header.payload_bytes < least_bytes(header.type))
        return vd_error_set(err, VD_E_PROTOCOL, "a client sends a frame of type %u with %u bytes",
                            header.type, header.payload_bytes);
    header.payload_bytes = kept;
    return take(aio, &header, payload, err);
}

static void done(struct aio *aio)
{
    struct sim_session *session = aio->session;

    session->conn.pump = NULL;
    aio_reads_forget(aio);
    aio_writes_forget(aio);
    for (size_t i = 0; i < AIO_FILES_MAX; i++)
        VD_DISCARD(sim_close_disk(session->sim, aio->opens[i], NULL)); /* left without a close */
    pthread_cond_destroy(&aio->idle);
    pthread_mutex_destroy(&aio->lock);
}

int sim_aio(struct sim_session *session, struct vd_error *err)
{
    struct aio aio = {.session = session, .buffer_bytes = AIO_DEFAULT_BUFFER_BYTES};
    int r = VD_OK;

    pthread_mutex_init(&aio.lock, NULL);
    pthread_cond_init(&aio.idle, NULL);
    session->conn.pump = aio_schedule;
    session->conn.pump_data = &aio;
    while (r == VD_OK && !aio.ended) {
        r = next_frame(&aio, err);
        if (r == VD_OK)
            r = sim_conn_make_room(&session->conn, err);
    }
    done(&aio);
    return r;
}
