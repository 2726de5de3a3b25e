/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/remote-disk.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "nfc/client.h"
#include "transport/remote-file.h"

#define URL_BYTES (VD_ERROR_TEXT_BYTES)

struct remote_disk {
    struct vd_disk base;
    struct vd_disk *inner;
    struct vd_vsphere *session;
    struct vd_remote_file file;
    bool writable;
    uint16_t port; /* 0: as the ticket says */
    atomic_bool mapless;
    /* Of the first ticket, which is got before the disk is anybody else's. */
    bool has_url;
    char url[URL_BYTES];
    const char *url_head;
    const char *url_tail; /* of the service */
};

static struct remote_disk *remote_of(struct vd_disk *disk)
{
    return (struct remote_disk *)disk;
}

/* --- tickets --- */

static void take_url(struct remote_disk *remote, const struct vd_nfc_ticket *ticket)
{
    size_t length = strlen(ticket->service);
    bool has_tail = length >= 3 && strcmp(ticket->service + length - 3, "ssl") == 0;
    (void)snprintf(remote->url, sizeof remote->url, "%s%s%s://%s@%s:%u", remote->url_head,
                   ticket->service, has_tail ? "" : remote->url_tail, remote->file.path,
                   ticket->host, (unsigned)ticket->port); /* a long path is cut */
    remote->has_url = true;
}

static int get_ticket(void *data, struct vd_nfc_ticket *ret, struct vd_error *err)
{
    struct remote_disk *remote = data;
    const struct vd_remote_file *file = &remote->file;
    int r = file->vm_moid[0]
                ? vd_vsphere_ticket(remote->session, file->vm_moid, file->key, remote->writable,
                                    ret, err)
                : vd_vsphere_file_ticket(remote->session, file->datastore_moid, ret, err);
    if (r < 0)
        return r;
    if (remote->port)
        ret->port = remote->port;
    if (!remote->has_url)
        take_url(remote, ret);
    return VD_OK;
}

/* --- the disk --- */

static int remote_read(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                       void *buffer, struct vd_error *err)
{
    return vd_disk_read(remote_of(self)->inner, start_sectors, count_sectors, buffer, err);
}

static int remote_write(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                        const void *buffer, struct vd_error *err)
{
    return vd_disk_write(remote_of(self)->inner, start_sectors, count_sectors, buffer, err);
}

static int remote_flush(struct vd_disk *self, struct vd_error *err)
{
    return vd_disk_flush(remote_of(self)->inner, err);
}

/* Where the host tells no map all of it is data, which is never wrong. */
static int remote_map(struct vd_disk *self, uint64_t start_sectors, uint64_t count_sectors,
                      struct vd_run *runs, size_t max_runs, size_t *ret_runs, struct vd_error *err)
{
    struct remote_disk *remote = remote_of(self);
    struct vd_error why = VD_ERROR_INIT;
    if (!atomic_load(&remote->mapless)) {
        int r = vd_disk_map(remote->inner, start_sectors, count_sectors, runs, max_runs, ret_runs,
                            &why);
        if (r != VD_E_NOT_SUPPORTED)
            return r < 0 ? vd_error_set(err, r, "%s", vd_error_message(&why, r)) : r;
        atomic_store(&remote->mapless, true);
    }
    runs[0] = (struct vd_run){.start_sectors = start_sectors,
                              .length_sectors = count_sectors,
                              .kind = VD_RUN_DATA,
                              .offset_bytes = vd_sectors_to_bytes(start_sectors),
                              .file = self->path};
    *ret_runs = 1;
    return VD_OK;
}

static void remote_info(struct vd_disk *self, struct vd_disk_info *ret)
{
    struct remote_disk *remote = remote_of(self);
    vd_disk_info(remote->inner, ret);
    if (ret->type == VD_DISK_UNKNOWN)
        ret->type = remote->file.thick ? VD_DISK_VMFS_FLAT : VD_DISK_VMFS_THIN;
}

static const char *remote_meta_get(struct vd_disk *self, const char *key)
{
    return vd_disk_meta_get(remote_of(self)->inner, key);
}

static const char *remote_meta_key(struct vd_disk *self, size_t index)
{
    return vd_disk_meta_key(remote_of(self)->inner, index);
}

static int remote_meta_set(struct vd_disk *self, const char *key, const char *value,
                           struct vd_error *err)
{
    return vd_disk_meta_set(remote_of(self)->inner, key, value, err);
}

static int remote_close(struct vd_disk *self, struct vd_error *err)
{
    struct remote_disk *remote = remote_of(self);
    int r = vd_disk_close(remote->inner, err);
    vd_remote_file_done(&remote->file);
    free(remote);
    return r;
}

static const struct vd_disk_ops REMOTE_OPS = {
    .name = "remote",
    .read = remote_read,
    .write = remote_write,
    .flush = remote_flush,
    .map = remote_map,
    .info = remote_info,
    .meta_get = remote_meta_get,
    .meta_key = remote_meta_key,
    .meta_set = remote_meta_set,
    .close = remote_close,
};

const char *vd_transport_url(const struct vd_disk *disk)
{
    return disk->ops == &REMOTE_OPS ? ((const struct remote_disk *)disk)->url : NULL;
}

int vd_transport_query_allocated(struct vd_disk *disk, uint64_t start_bytes, uint64_t chunk_bytes,
                                 uint64_t chunks, uint8_t *bitmap, struct vd_error *err)
{
    const uint64_t finest = 65536; /* of the wire */
    struct remote_disk *remote = remote_of(disk);
    if (disk->ops != &REMOTE_OPS || atomic_load(&remote->mapless) || chunk_bytes % finest != 0)
        return vd_error_set(err, VD_E_NOT_SUPPORTED, "'%s': chunks are told by its map",
                            disk->path);
    int r = vd_nfc_query_allocated(remote->inner, start_bytes, chunk_bytes, chunks, bitmap, err);
    if (r == VD_E_NOT_SUPPORTED)
        atomic_store(&remote->mapless, true);
    return r;
}

/* --- opening --- */

static const char *url_head(enum vd_transport_compression compression)
{
    static const char *const heads[] = {
        [VD_TRANSPORT_PLAIN] = "",
        [VD_TRANSPORT_ZLIB] = "ZLIB-",
        [VD_TRANSPORT_FASTLZ] = "FASTLZ-",
        [VD_TRANSPORT_SKIPZ] = "SKIPZ-",
    };
    return heads[compression];
}

static enum vd_nfc_compression nfc_compression(enum vd_transport_compression compression)
{
    static const enum vd_nfc_compression kinds[] = {
        [VD_TRANSPORT_PLAIN] = VD_NFC_PLAIN,
        [VD_TRANSPORT_ZLIB] = VD_NFC_ZLIB,
        [VD_TRANSPORT_FASTLZ] = VD_NFC_FASTLZ,
        [VD_TRANSPORT_SKIPZ] = VD_NFC_SKIPZ,
    };
    return kinds[compression];
}

/* Not told: -1. It is a matter of how the host is spoken to, and never a reason to fail. */
static int nfc_version(const struct remote_disk *remote)
{
    int version = -1;
    if (!remote->file.vm_moid[0] ||
        vd_vsphere_nfc_version(remote->session, remote->file.vm_moid, &version, NULL) < 0)
        return -1;
    return version;
}

static struct vd_nfc_options options_of(struct remote_disk *remote,
                                        const struct vd_transport_request *request, bool ssl)
{
    uint32_t io_ms = remote->writable ? VD_MAX(request->nfc_read_ms, request->nfc_write_ms)
                                      : request->nfc_read_ms;
    return (struct vd_nfc_options){
        .tickets = {.get = get_ticket, .data = remote},
        .log = request->log,
        .server = vd_vsphere_host(remote->session),
        .path = remote->file.path,
        .read_only = !remote->writable,
        .ssl = ssl,
        .compression = nfc_compression(request->compression),
        .server_version = nfc_version(remote),
        .buffer_bytes = request->nfc_buffer_bytes,
        .buffer_count = request->nfc_buffer_count,
        .capacity_bytes = remote->file.capacity_bytes,
        .timeouts = {.connect_ms = request->nfc_connect_ms, .io_ms = io_ms, .stop = request->stop},
        .legacy_tls = request->legacy_tls,
        .unverified_tls = request->unverified_tls,
        .simulator = request->simulator,
    };
}

/* Hosts have several words for what they do not let go of. */
static int open_failed(const struct remote_disk *remote, int code, const struct vd_error *why,
                       struct vd_error *err)
{
    if (!remote->file.live || !vd_error_is(code, VD_E_ACCESS))
        return vd_error_set(err, code, "%s", vd_error_message(why, code));
    return vd_error_set(err, VD_E_SNAPSHOT_NEEDED,
                        "opening '%s': the virtual machine runs and writes to it; make a snapshot, "
                        "and open the disk as the snapshot froze it (%s)",
                        remote->file.path, vd_error_message(why, code));
}

static int open_inner(struct remote_disk *remote, const struct vd_transport_request *request,
                      bool ssl, struct vd_error *err)
{
    int r = vd_remote_file_find(request, &remote->file, err);
    if (r < 0)
        return r;
    const struct vd_nfc_options options = options_of(remote, request, ssl);
    struct vd_error why = VD_ERROR_INIT;
    r = vd_nfc_open(&options, &remote->inner, &why);
    if (r < 0)
        return open_failed(remote, r, &why, err);
    remote->base.path = strdup(remote->file.path);
    if (remote->base.path)
        return VD_OK;
    vd_disk_free(remote->inner); /* nothing was written */
    return vd_error_set(err, VD_E_NO_MEMORY, "opening '%s': out of memory", remote->file.path);
}

int vd_remote_disk_open(const struct vd_transport_request *request, bool ssl, struct vd_disk **ret,
                        struct vd_error *err)
{
    struct remote_disk *remote = calloc(1, sizeof *remote);
    if (!remote)
        return vd_error_set(err, VD_E_NO_MEMORY, "opening '%s': out of memory",
                            request->path ? request->path : "");
    remote->session = request->place->session;
    remote->writable = !(request->local->flags & VD_VMDK_READ_ONLY);
    remote->port = (uint16_t)request->nfc_port;
    remote->url_head = url_head(request->compression);
    remote->url_tail = ssl ? "ssl" : "";
    int r = open_inner(remote, request, ssl, err);
    if (r < 0) {
        vd_remote_file_done(&remote->file);
        free(remote);
        return r;
    }
    remote->base.ops = &REMOTE_OPS;
    remote->base.capacity_sectors = vd_disk_capacity(remote->inner);
    remote->base.read_only = !remote->writable;
    *ret = &remote->base;
    return VD_OK;
}
