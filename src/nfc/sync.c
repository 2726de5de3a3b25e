/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/sync.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "nfc/authd.h"
#include "nfc/handshake.h"
#include "nfc/message.h"

#define REQUEST_BYTES \
    (2u << 20)             /* hosts of that age fail above 23 MiB, and through vCenter above 2 */
#define OPEN_FLAGS   0x0Au /* with its parents, locked */
#define OPEN_READ    0x04u

#define ATTEMPTS_MAX 5u /* of a request, each on another connection */
#define RETRIES_MAX  8u /* of one the host has no memory for */

struct sync_disk {
    struct vd_disk base;
    char host[256];
    struct vd_nfc_options options; /* to connect again with; its path is the disk's */
    struct vd_stream *stream;      /* guarded by lock; NULL: lost */
    struct vd_nfc_sync_geometry geometry;
    const char *transport;
    pthread_mutex_t lock;
};

static int connect_sync(struct sync_disk *sync, struct vd_nfc_sync_geometry *ret,
                        struct vd_error *err);

static struct sync_disk *sync_of(struct vd_disk *disk)
{
    return (struct sync_disk *)disk;
}

static void hang_up(struct sync_disk *sync)
{
    vd_stream_free(VD_TAKE_PTR(sync->stream));
}

/* The request, with its data behind it; then the answer, with its own. Behind a refusal the
 * connection goes on; behind any other error half a message may be on the wire. */
static int exchange(struct sync_disk *sync, const struct vd_nfc_sync_io *io, void *into,
                    const void *from, struct vd_error *err)
{
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    struct vd_nfc_sync_io reply;
    bool is_refusal = false;
    vd_nfc_sync_io_encode(io, message);
    int r = vd_stream_write(sync->stream, message, sizeof message, err);
    if (r == VD_OK && from)
        r = vd_stream_write(sync->stream, from, io->length_bytes, err);
    if (r == VD_OK)
        r = vd_nfc_message_read(sync->stream, sync->host, VD_NFC_FSSRVR_IO, message, &is_refusal,
                                err);
    if (is_refusal)
        return r;
    vd_nfc_sync_io_decode(message, &reply);
    if (r == VD_OK && (reply.is_write != io->is_write || reply.offset_bytes != io->offset_bytes ||
                       reply.length_bytes != io->length_bytes))
        r = vd_error_set(err, VD_E_PROTOCOL,
                         "'%s' breaks the NFC protocol: the answer to another request", sync->host);
    if (r == VD_OK && into)
        r = vd_stream_read_all(sync->stream, into, io->length_bytes, err);
    if (r < 0)
        hang_up(sync);
    return r;
}

/* What the disk is was told at open, and is read without the lock. */
static int connect_again(struct sync_disk *sync, struct vd_error *err)
{
    uint64_t before = sync->base.capacity_sectors;
    struct vd_nfc_sync_geometry now;
    int r = connect_sync(sync, &now, err);
    if (r == VD_OK && now.capacity_bytes / VD_SECTOR_BYTES != before)
        r = vd_error_set(err, VD_E_FAIL,
                         "opening '%s' again: it has %" PRIu64 " sectors now, and had %" PRIu64
                         " before the connection was lost",
                         sync->base.path, now.capacity_bytes / VD_SECTOR_BYTES, before);
    if (r < 0)
        hang_up(sync);
    return r;
}

/* As the asynchronous way does: a host short of memory is asked again after a while, and so is one
 * that was lost, which may still hold the disk for the connection that is gone. */
static int exchange_patiently(struct sync_disk *sync, const struct vd_nfc_sync_io *io, void *into,
                              const void *from, struct vd_error *err)
{
    for (unsigned attempts = 0, retries = 0;;) {
        struct vd_error why = VD_ERROR_INIT;
        bool connected = sync->stream != NULL;
        int r = connected ? VD_OK : connect_again(sync, &why);
        if (r == VD_OK)
            r = exchange(sync, io, into, from, &why);
        if (r == VD_OK)
            return r;
        bool lost = vd_error_is(r, VD_E_DISCONNECTED) || vd_error_is(r, VD_E_TIMED_OUT) ||
                    (!connected && r == VD_E_LOCKED);
        bool again = lost                  ? attempts++ < ATTEMPTS_MAX
                     : r == VD_E_NO_MEMORY ? retries++ < RETRIES_MAX
                                           : false;
        if (!again)
            return vd_error_set(err, r, "%s", vd_error_message(&why, r));
        if (lost)
            vd_log(sync->options.log, VD_LOG_WARNING, "NFC: '%s': %s", sync->base.path, why.text);
        if (vd_net_stop_wait(sync->options.timeouts.stop,
                             sync->options.first_pause_ms << (lost ? attempts : retries)))
            return vd_error_set(err, VD_E_CANCELLED, "'%s': cancelled", sync->host);
    }
}

static int move_locked(struct sync_disk *sync, uint64_t offset, uint64_t length, uint8_t *into,
                       const uint8_t *from, struct vd_error *err)
{
    int r = VD_OK;
    for (uint64_t done = 0; r == VD_OK && done < length;) {
        uint32_t size = (uint32_t)VD_MIN(length - done, (uint64_t)REQUEST_BYTES);
        struct vd_nfc_sync_io io = {from != NULL, offset + done, size};
        r = exchange_patiently(sync, &io, into ? into + done : NULL, from ? from + done : NULL,
                               err);
        done += size;
    }
    return r;
}

static int sync_move(struct vd_disk *self, uint64_t start, uint64_t count, uint8_t *into,
                     const uint8_t *from, struct vd_error *err)
{
    struct sync_disk *sync = sync_of(self);
    (void)pthread_mutex_lock(&sync->lock);
    int r =
        move_locked(sync, vd_sectors_to_bytes(start), vd_sectors_to_bytes(count), into, from, err);
    (void)pthread_mutex_unlock(&sync->lock);
    if (r < 0)
        vd_error_prefix(err, "%s '%s'", from ? "writing" : "reading", self->path);
    return r;
}

static int sync_read(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                     void *buffer, struct vd_error *err)
{
    return sync_move(self, start_sectors, count_sectors, buffer, NULL, err);
}

static int sync_write(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                      const void *buffer, struct vd_error *err)
{
    return sync_move(self, start_sectors, count_sectors, NULL, buffer, err);
}

static int sync_flush(struct vd_disk *self, struct vd_error *err)
{
    (void)self;
    (void)err;
    return VD_OK;
}

/* Hosts of that age do not tell what is allocated. */
static int sync_map(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                    struct vd_run *runs, size_t max_runs, size_t *ret_runs, struct vd_error *err)
{
    (void)max_runs;
    (void)err;
    runs[0] = (struct vd_run){.start_sectors = start_sectors,
                              .length_sectors = count_sectors,
                              .kind = VD_RUN_DATA,
                              .offset_bytes = vd_sectors_to_bytes(start_sectors),
                              .file = self->path};
    *ret_runs = 1;
    return VD_OK;
}

static void sync_info(struct vd_disk *self, struct vd_disk_info *ret)
{
    const struct sync_disk *sync = sync_of(self);
    ret->geometry = (struct vd_geometry){sync->geometry.cylinders, sync->geometry.heads,
                                         sync->geometry.sectors};
    ret->num_links = 1;
    ret->transport = sync->transport;
}

static int sync_close(struct vd_disk *self, struct vd_error *err)
{
    struct sync_disk *sync = sync_of(self);
    uint8_t message[VD_NFC_MESSAGE_BYTES];
    (void)err; /* every write was answered; the rest is courtesy */
    vd_nfc_plain_encode(VD_NFC_FSSRVR_CLOSE, message);
    if (sync->stream)
        vd_stream_settle(sync->stream);
    if (sync->stream && vd_stream_write(sync->stream, message, sizeof message, NULL) == VD_OK &&
        vd_nfc_message_read(sync->stream, sync->host, VD_NFC_FSSRVR_CLOSE, message, NULL, NULL) ==
            VD_OK) {
        vd_nfc_plain_encode(VD_NFC_SESSION_COMPLETE, message);
        VD_DISCARD(vd_stream_write(sync->stream, message, sizeof message, NULL));
    }
    vd_stream_free(sync->stream);
    (void)pthread_mutex_destroy(&sync->lock);
    free(sync);
    return VD_OK;
}

static const struct vd_disk_ops SYNC_OPS = {
    .name = "nfc-sync",
    .read = sync_read,
    .write = sync_write,
    .flush = sync_flush,
    .map = sync_map,
    .info = sync_info,
    .close = sync_close,
};

static int open_file(struct sync_disk *sync, struct vd_nfc_sync_geometry *ret, struct vd_error *err)
{
    const struct vd_nfc_options *options = &sync->options;
    uint8_t message[VD_NFC_MESSAGE_BYTES + VD_NFC_PATH_MAX_BYTES];
    size_t length = strlen(options->path) + 1;
    if (length > VD_NFC_PATH_MAX_BYTES)
        return vd_error_set(err, VD_E_NAME_TOO_LONG, "the path has more than %u bytes",
                            VD_NFC_PATH_MAX_BYTES - 1);
    struct vd_nfc_sync_open open = {(uint32_t)length,
                                    OPEN_FLAGS | (options->read_only ? OPEN_READ : 0), false};
    vd_nfc_sync_open_encode(&open, message);
    memcpy(message + VD_NFC_MESSAGE_BYTES, options->path, length);
    int r = vd_stream_write(sync->stream, message, VD_NFC_MESSAGE_BYTES + length, err);
    if (r == VD_OK)
        r = vd_nfc_message_read(sync->stream, sync->host, VD_NFC_FSSRVR_DISKGEO, message, NULL,
                                err);
    if (r < 0)
        return r;
    vd_nfc_geometry_decode(message, ret);
    if (options->capacity_bytes)
        ret->capacity_bytes = options->capacity_bytes;
    return VD_OK;
}

static int connect_sync(struct sync_disk *sync, struct vd_nfc_sync_geometry *ret,
                        struct vd_error *err)
{
    const struct vd_nfc_options *options = &sync->options;
    struct vd_nfc_ticket ticket;
    char tag[VD_NFC_TAG_BYTES];
    if (options->dial) {
        (void)snprintf(sync->host, sizeof sync->host, "dialled");
        int r = options->dial(options->dial_data, &sync->stream, err);
        return r < 0 ? r : open_file(sync, ret, err);
    }
    memset(&ticket, 0, sizeof ticket);
    int r = options->tickets.get(options->tickets.data, &ticket, err);
    if (r == VD_OK) {
        (void)snprintf(sync->host, sizeof sync->host, "%s", ticket.host);
        r = vd_stream_connect(ticket.host, ticket.port, &options->timeouts, &sync->stream, err);
    }
    if (r == VD_OK)
        r = vd_nfc_authd(sync->stream, &ticket, options, tag, err);
    explicit_bzero(&ticket, sizeof ticket);
    return r == VD_OK ? open_file(sync, ret, err) : r;
}

int vd_nfc_sync_open(const struct vd_nfc_options *options, struct vd_disk **ret,
                     struct vd_error *err)
{
    if (!options->simulator)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "opening '%s': the host has no asynchronous NFC (ESXi 6.5 and before "
                            "have none), and how it answers without is not public",
                            options->path);
    struct sync_disk *sync = calloc(1, sizeof *sync);
    char *path = strdup(options->path);
    if (!sync || !path) {
        free(sync);
        free(path);
        return vd_error_set(err, VD_E_NO_MEMORY, "opening '%s': out of memory", options->path);
    }
    sync->base.ops = &SYNC_OPS;
    sync->base.path = path;
    sync->base.read_only = options->read_only;
    sync->options = *options;
    sync->options.path = path;
    sync->options.server = NULL; /* no buffers are counted here */
    sync->transport = options->ssl ? "nbdssl" : "nbd";
    (void)pthread_mutex_init(&sync->lock, NULL); /* cannot fail for a default mutex */
    int r = connect_sync(sync, &sync->geometry, err);
    if (r == VD_OK) {
        sync->base.capacity_sectors = sync->geometry.capacity_bytes / VD_SECTOR_BYTES;
        *ret = &sync->base;
        return r;
    }
    vd_stream_free(sync->stream);
    (void)pthread_mutex_destroy(&sync->lock);
    free(path);
    free(sync);
    vd_error_prefix(err, "opening '%s'", options->path);
    return r;
}
