/* SPDX-License-Identifier: Apache-2.0 */
/* FILE_GET: a file as its bytes, or a disk as its database and its runs. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/units.h"
#include "rle.h"
#include "session.h"

#define RAW_PAYLOAD_BYTES 262144u

static int send_head(struct sim_session *session, const struct vd_nfc_file *file, const char *name,
                     struct vd_error *err)
{
    size_t length = strlen(name) + 1;
    struct sim_packet *packet = sim_packet_new(VD_NFC_MESSAGE_BYTES + length);

    if (!packet)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    vd_nfc_file_encode(VD_NFC_FILE_PUT, file, packet->bytes);
    memcpy(packet->bytes + VD_NFC_MESSAGE_BYTES, name, length);
    sim_conn_send(&session->conn, packet);
    return VD_OK;
}

static int send_data(struct sim_session *session, const void *bytes, size_t size,
                     struct vd_error *err)
{
    size_t head = VD_NFC_MESSAGE_BYTES + VD_NFC_DATA_HEAD_BYTES;
    struct sim_packet *packet = sim_packet_new(head + size);

    if (!packet)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    vd_nfc_plain_encode(VD_NFC_FILE_DATA, packet->bytes);
    vd_nfc_data_encode((uint32_t)size, packet->bytes + VD_NFC_MESSAGE_BYTES);
    if (size > 0)
        memcpy(packet->bytes + head, bytes, size);
    sim_conn_send(&session->conn, packet);
    return sim_conn_make_room(&session->conn, err);
}

/* What fails after the head can only be told by ending the session. */
static int send_raw(struct sim_session *session, int fd, struct vd_error *err)
{
    VD_FREE uint8_t *buffer = malloc(RAW_PAYLOAD_BYTES);
    ssize_t got = 1;
    int r = buffer ? VD_OK : vd_error_set(err, VD_E_NO_MEMORY, "out of memory");

    while (r == VD_OK && got > 0) {
        got = read(fd, buffer, RAW_PAYLOAD_BYTES);
        if (got < 0)
            return vd_error_set_errno(err, errno, "reading a file");
        r = send_data(session, buffer, (size_t)got, err); /* the empty one is the end */
    }
    return r;
}

static int get_raw(struct sim_session *session, const char *name, const char *path,
                   struct vd_nfc_file *file, struct vd_error *err)
{
    struct sim_refusal refusal;
    struct vd_error why = VD_ERROR_INIT;
    struct stat status;
    VD_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        int r = fd < 0 ? vd_error_set_errno(&why, errno, "opening '%s'", name)
                       : vd_error_set(&why, VD_E_FILE_TYPE, "'%s' is no file", name);
        sim_refuse_error(&refusal, r, name, &why);
        return sim_send_refusal(session, &refusal, err);
    }
    file->size_bytes = file->space_bytes = (uint64_t)status.st_size;
    int r = send_head(session, file, name, err);
    return r < 0 ? r : send_raw(session, fd, err);
}

static int send_disk(struct sim_session *session, struct vd_disk *disk, struct vd_error *err)
{
    struct vd_buf payload = VD_BUF_INIT(VD_NFC_DATA_MAX_BYTES);
    uint64_t capacity = vd_disk_capacity(disk);
    uint64_t next = 0;
    int r = sim_rle_encode_entries(disk, &payload, err);

    if (r == VD_OK)
        r = send_data(session, payload.data, payload.length, err);
    while (r == VD_OK && next < capacity) {
        payload.length = 0;
        r = sim_rle_encode_sectors(disk, &next, &payload, err);
        if (r == VD_OK)
            r = send_data(session, payload.data, payload.length, err);
    }
    vd_buf_done(&payload);
    return r < 0 ? r : send_data(session, NULL, 0, err);
}

static int get_disk(struct sim_session *session, const char *name, struct vd_nfc_file *file,
                    struct vd_error *err)
{
    struct sim_refusal refusal;
    struct sim_open *open = NULL;

    if (sim_open_disk(session->sim, &session->ticket, name, false, &open, &refusal) < 0)
        return sim_send_refusal(session, &refusal, err);
    file->size_bytes = file->space_bytes = vd_sectors_to_bytes(vd_disk_capacity(open->disk));
    int r = send_head(session, file, name, err);
    if (r == VD_OK)
        r = send_disk(session, open->disk, err);
    VD_DISCARD(sim_close_disk(session->sim, open, NULL)); /* only read */
    return r;
}

int sim_file_get(struct sim_session *session, const uint8_t *message, struct vd_error *err)
{
    VD_FREE char *name = NULL;
    VD_FREE char *path = NULL;
    struct vd_nfc_file file;
    struct vd_error why = VD_ERROR_INIT;
    struct sim_refusal refusal;

    vd_nfc_file_decode(message, &file);
    if (file.path_bytes > VD_NFC_PATH_MAX_BYTES)
        return vd_error_set(err, VD_E_PROTOCOL, "a client gets a path of %u bytes",
                            file.path_bytes);
    int r = sim_read_text(session, file.path_bytes, &name, err);
    if (r < 0)
        return r;
    file.path_bytes = (uint32_t)strlen(name) + 1;
    r = sim_store_resolve(&session->sim->stores, name, false, &path, &why);
    if (r == VD_OK && !sim_ticket_allows(session->sim, &session->ticket, path, false))
        r = vd_error_set(&why, VD_E_ACCESS, "permission check failed for file '%.200s'", name);
    if (r < 0) {
        sim_refuse_error(&refusal, r, name, &why);
        return sim_send_refusal(session, &refusal, err);
    }
    if (file.type == VD_NFC_DISK || file.type == VD_NFC_DELTA_DISK)
        return get_disk(session, name, &file, err);
    return get_raw(session, name, path, &file, err);
}
