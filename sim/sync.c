/* SPDX-License-Identifier: Apache-2.0 */
/* The synchronous way to a disk of hosts without AIO. Only opening, writing and closing are public;
 * the answers to an open and to a read are this project's own (src/nfc/message.h). */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/units.h"
#include "session.h"

#define OPEN_LOCK 0x08u

static int open_path(struct sim_session *session, const struct vd_nfc_sync_open *wanted, char **ret,
                     struct vd_error *err)
{
    if (wanted->path_bytes > VD_NFC_PATH_MAX_BYTES)
        return vd_error_set(err, VD_E_PROTOCOL, "a client opens a path of %u bytes",
                            wanted->path_bytes);
    return sim_read_text(session, wanted->path_bytes, ret, err);
}

/* For writing where the ticket and the disk allow it: nothing in the message tells. */
static int open_either(struct sim_session *session, const char *path, struct sim_refusal *refusal)
{
    bool writable =
        session->ticket.kind != SIM_TICKET_READ && session->ticket.kind != SIM_TICKET_READ_DISK;

    return sim_open_disk(session->sim, &session->ticket, path, writable, &session->sync, refusal);
}

int sim_sync_open(struct sim_session *session, const uint8_t *message, struct vd_error *err)
{
    struct vd_nfc_sync_open wanted;
    struct sim_refusal refusal;
    VD_FREE char *path = NULL;

    vd_nfc_sync_open_decode(message, &wanted);
    int r = open_path(session, &wanted, &path, err);
    if (r < 0)
        return r;
    VD_DISCARD(sim_close_disk(session->sim, VD_TAKE_PTR(session->sync), NULL)); /* one at a time */
    if (open_either(session, path, &refusal) < 0)
        return sim_send_refusal(session, &refusal, err);
    struct vd_disk_info info;
    uint8_t answer[VD_NFC_MESSAGE_BYTES];
    vd_disk_info(session->sync->disk, &info);
    struct vd_nfc_sync_geometry geometry = {
        .capacity_bytes = vd_sectors_to_bytes(info.capacity_sectors),
        .sector_bytes = VD_SECTOR_BYTES,
        .cylinders = info.geometry.cylinders,
        .heads = info.geometry.heads,
        .sectors = info.geometry.sectors,
    };
    vd_nfc_geometry_encode(&geometry, answer);
    return sim_conn_send_bytes(&session->conn, answer, sizeof answer, err);
}

static bool check(const struct sim_session *session, const struct vd_nfc_sync_io *io,
                  struct sim_refusal *refusal)
{
    if (!session->sync)
        sim_refuse(refusal, SIM_REFUSED_ARGUMENT, "no disk is open");
    else if (io->offset_bytes % VD_SECTOR_BYTES || io->length_bytes % VD_SECTOR_BYTES ||
             !vd_range_inside(io->offset_bytes, io->length_bytes,
                              vd_sectors_to_bytes(vd_disk_capacity(session->sync->disk))))
        sim_refuse(refusal, SIM_REFUSED_ARGUMENT, "offset %ju and length %u are not of the disk",
                   (uintmax_t)io->offset_bytes, io->length_bytes);
    else if (!io->is_write && sim_fault_take(&session->sim->faults, SIM_MEMORY_ERROR))
        sim_refuse(refusal, SIM_REFUSED_MEMORY, "Failed to allocate the requested %ju bytes",
                   (uintmax_t)io->length_bytes + 24);
    else
        return true;
    return false;
}

static int transfer(struct sim_session *session, const struct vd_nfc_sync_io *io, uint8_t *bytes,
                    struct vd_error *err)
{
    if (io->is_write)
        return sim_open_write(session->sync, io->offset_bytes, bytes, io->length_bytes, err);
    return vd_disk_read(session->sync->disk, io->offset_bytes / VD_SECTOR_BYTES,
                        io->length_bytes / VD_SECTOR_BYTES, bytes, err);
}

int sim_sync_io(struct sim_session *session, const uint8_t *message, struct vd_error *err)
{
    struct vd_nfc_sync_io io;
    struct sim_refusal refusal;
    struct vd_error why = VD_ERROR_INIT;
    int r = VD_OK;

    vd_nfc_sync_io_decode(message, &io);
    if (io.length_bytes > VD_NFC_SYNC_MAX_BYTES)
        return vd_error_set(err, VD_E_PROTOCOL, "a client asks for %u bytes at once",
                            io.length_bytes);
    VD_CLEANUP(vd_free_cleanup)
    struct sim_packet *packet = sim_packet_new(VD_NFC_MESSAGE_BYTES + io.length_bytes);
    if (!packet)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    uint8_t *bytes = packet->bytes + VD_NFC_MESSAGE_BYTES;
    if (io.is_write)
        r = sim_conn_read(&session->conn, bytes, io.length_bytes, err);
    if (r < 0)
        return r;
    if (!check(session, &io, &refusal))
        return sim_send_refusal(session, &refusal, err);
    r = transfer(session, &io, bytes, &why);
    if (r < 0) {
        sim_refuse_error(&refusal, r, session->sync->path, &why);
        return sim_send_refusal(session, &refusal, err);
    }
    vd_nfc_sync_io_encode(&io, packet->bytes);
    if (io.is_write)
        packet->size = VD_NFC_MESSAGE_BYTES;
    sim_conn_send(&session->conn, VD_TAKE_PTR(packet));
    return sim_conn_make_room(&session->conn, err);
}

int sim_sync_close(struct sim_session *session, struct vd_error *err)
{
    struct vd_error why = VD_ERROR_INIT;
    struct sim_refusal refusal;
    int r = sim_close_disk(session->sim, VD_TAKE_PTR(session->sync), &why);

    if (r == VD_OK)
        return sim_send_plain(session, VD_NFC_FSSRVR_CLOSE, err);
    sim_refuse_error(&refusal, r, "the disk", &why);
    return sim_send_refusal(session, &refusal, err);
}
