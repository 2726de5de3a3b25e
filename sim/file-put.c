/* SPDX-License-Identifier: Apache-2.0 */
/* FILE_PUT: a file or a disk arrives. There is no word to the client before the data has ended, so
 * what fails early swallows the rest. The new file gets its name when it is complete. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/units.h"
#include "block/fs.h"
#include "ops/rename.h"
#include "ops/unlink.h"
#include "rle.h"
#include "session.h"
#include "vmdk/create.h"

struct upload {
    struct sim_session *session;
    struct vd_nfc_file file;
    char *name;    /* as the client has it */
    char *path;    /* of this machine */
    char *partial; /* until it is complete */
    int fd;        /* of a raw file */
    struct vd_disk *disk;
    struct sim_rle_target target;
    struct vd_error err; /* the first that went wrong */
};

static bool is_disk(const struct upload *self)
{
    return self->file.type == VD_NFC_DISK || self->file.type == VD_NFC_DELTA_DISK;
}

static int put_entry(void *data, const char *key, const char *value, struct vd_error *err)
{
    struct upload *self = data;
    bool forced = self->file.flags & (VD_NFC_FORCE_LSILOGIC | VD_NFC_ADAPTER_IDE);

    if (forced && strcmp(key, "adapterType") == 0)
        return VD_OK;
    return vd_disk_meta_set(self->disk, key, value, err);
}

static int put_sectors(void *data, uint64_t start, uint64_t count, const void *bytes,
                       struct vd_error *err)
{
    struct upload *self = data;

    return bytes ? vd_disk_write(self->disk, start, count, bytes, err) : VD_OK; /* it is new */
}

static int create_disk(struct upload *self, struct vd_error *err)
{
    struct vd_vmdk_create_params params = {
        .type = VD_DISK_VMFS_THIN, /* whatever is asked for: nobody's real disk is to fill up */
        .capacity_sectors = self->file.size_bytes / VD_SECTOR_BYTES,
        .adapter = self->file.flags & VD_NFC_ADAPTER_IDE ? "ide" : "lsilogic",
    };
    if (self->file.size_bytes == 0 || self->file.size_bytes % VD_SECTOR_BYTES)
        return vd_error_set(err, VD_E_INVALID_ARG, "a disk of %ju bytes, expected whole sectors",
                            (uintmax_t)self->file.size_bytes);
    int r = vd_vmdk_create(self->partial, &params, NULL, NULL, err);
    if (r == VD_OK)
        r = vd_vmdk_open(self->partial, NULL, &self->disk, err);
    self->target =
        (struct sim_rle_target){put_entry, put_sectors, self, params.capacity_sectors, 0};
    return r;
}

static int create_raw(struct upload *self, struct vd_error *err)
{
    self->fd = open(self->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return self->fd >= 0 ? VD_OK : vd_error_set_errno(err, errno, "making '%s'", self->partial);
}

static int begin(struct upload *self, struct vd_error *err)
{
    struct sim *sim = self->session->sim;
    char random[40];
    int r = sim_store_resolve(&sim->stores, self->name, false, &self->path, err);

    if (r == VD_OK && !sim_ticket_allows(sim, &self->session->ticket, self->path, true))
        r = vd_error_set(err, VD_E_ACCESS, "permission check failed for file '%.200s'", self->name);
    if (r == VD_OK && !(self->file.flags & VD_NFC_CREATE_OVERWRITE) &&
        access(self->path, F_OK) == 0)
        r = vd_error_set(err, VD_E_EXISTS, "'%.200s' exists", self->name);
    if (r == VD_OK && sim_open_is_used(sim, self->path, false))
        r = vd_error_set(err, VD_E_LOCKED, "'%.200s' is open", self->name);
    if (r == VD_OK)
        r = sim_random_uuid("", random, err);
    if (r < 0)
        return r;
    VD_FREE char *folder = vd_path_folder(self->path);
    if (!folder || asprintf(&self->partial, "%s/.sim-%s.vmdk", folder, random) < 0) {
        self->partial = NULL;
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    }
    return is_disk(self) ? create_disk(self, err) : create_raw(self, err);
}

static int put_raw(struct upload *self, const uint8_t *bytes, size_t size, struct vd_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t put = write(self->fd, bytes + done, size - done);
        if (put < 0 && errno != EINTR)
            return vd_error_set_errno(err, errno, "writing '%s'", self->partial);
        done += put > 0 ? (size_t)put : 0;
    }
    return VD_OK;
}

/* Every FILE_DATA up to the empty one. Fails only where the connection does. */
static int receive(struct upload *self, struct vd_error *err)
{
    VD_FREE uint8_t *payload = malloc(VD_NFC_DATA_MAX_BYTES);
    uint8_t message[VD_NFC_MESSAGE_BYTES + VD_NFC_DATA_HEAD_BYTES];
    uint32_t size = 0;

    if (!payload)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    do {
        int r = sim_conn_read(&self->session->conn, message, sizeof message, err);
        if (r < 0)
            return r;
        if (vd_nfc_message_type(message) != VD_NFC_FILE_DATA ||
            vd_nfc_data_decode(message + VD_NFC_MESSAGE_BYTES, &size) < 0)
            return vd_error_set(err, VD_E_PROTOCOL, "a client sends message %u in a file's place",
                                vd_nfc_message_type(message));
        r = sim_conn_read(&self->session->conn, payload, size, err);
        if (r < 0)
            return r;
        if (self->err.code || size == 0)
            continue;
        VD_DISCARD(is_disk(self) ? sim_rle_decode(&self->target, payload, size, &self->err)
                                 : put_raw(self, payload, size, &self->err));
    } while (size > 0);
    return VD_OK;
}

static int finish_disk(struct upload *self, struct vd_error *err)
{
    int r = vd_disk_close(VD_TAKE_PTR(self->disk), err);

    if (r == VD_OK && self->target.next_sectors != self->target.capacity_sectors)
        r = vd_error_set(err, VD_E_PROTOCOL, "a disk of %ju sectors ends after %ju",
                         (uintmax_t)self->target.capacity_sectors,
                         (uintmax_t)self->target.next_sectors);
    if (r == VD_OK && access(self->path, F_OK) == 0)
        r = vd_unlink(self->path, NULL, true, err);
    return r < 0 ? r : vd_rename(self->partial, self->path, NULL, err);
}

static int finish(struct upload *self, struct vd_error *err)
{
    if (self->err.code)
        return self->err.code;
    if (is_disk(self))
        return finish_disk(self, err);
    bool replace = self->file.flags & VD_NFC_CREATE_OVERWRITE;
    return replace ? vd_fs_rename_replacing(vd_fs_host(), self->partial, self->path, err)
                   : vd_fs_rename(vd_fs_host(), self->partial, self->path, err);
}

static void done(struct upload *self, bool failed)
{
    vd_disk_free(self->disk);
    if (self->fd >= 0)
        (void)close(self->fd); /* without a promise to be durable */
    if (failed && self->partial && is_disk(self))
        VD_DISCARD(vd_unlink(self->partial, NULL, false, NULL)); /* it may not be there */
    else if (failed && self->partial)
        (void)unlink(self->partial); /* it may not be there */
    free(self->name);
    free(self->path);
    free(self->partial);
}

int sim_file_put(struct sim_session *session, const uint8_t *message, struct vd_error *err)
{
    struct upload self = {.session = session, .fd = -1};
    struct sim_refusal refusal;

    vd_nfc_file_decode(message, &self.file);
    if (self.file.path_bytes > VD_NFC_PATH_MAX_BYTES)
        return vd_error_set(err, VD_E_PROTOCOL, "a client puts a path of %u bytes",
                            self.file.path_bytes);
    int r = sim_read_text(session, self.file.path_bytes, &self.name, err);
    if (r < 0)
        return r;
    VD_DISCARD(begin(&self, &self.err));
    r = receive(&self, err);
    if (r == VD_OK)
        VD_DISCARD(finish(&self, &self.err));
    if (r == VD_OK && self.err.code)
        sim_refuse_error(&refusal, self.err.code, self.name, &self.err);
    if (r == VD_OK)
        r = self.err.code ? sim_send_refusal(session, &refusal, err)
                          : sim_send_plain(session, VD_NFC_PUTFILE_DONE, err);
    done(&self, r < 0 || self.err.code);
    return r;
}
