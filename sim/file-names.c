/* SPDX-License-Identifier: Apache-2.0 */
#include "file-names.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/path.h"
#include "block/fs.h"
#include "ops/clone.h"
#include "ops/rename.h"
#include "ops/unlink.h"
#include "session.h"
#include "vmdk/report.h"

/* Folders in folders that are removed at once. */
#define DEPTH_MAX 32

bool sim_is_disk(const char *path)
{
    struct vd_vmdk_options options = {.flags = VD_VMDK_READ_ONLY | VD_VMDK_SINGLE_LINK};
    VD_CLEANUP(vd_report_free_cleanup) struct vd_report *report = NULL;

    return vd_path_has_suffix(path, ".vmdk") &&
           vd_report_new(path, &options, false, &report, NULL) == VD_OK;
}

static int make_one(const char *path, bool may_exist, struct vd_error *err)
{
    if (mkdir(path, 0777) == 0 || (may_exist && errno == EEXIST))
        return VD_OK;
    return vd_error_set_errno(err, errno, "making the folder '%s'", path);
}

int sim_make_folder(const char *path, bool parents, struct vd_error *err)
{
    VD_FREE char *copy = strdup(path);

    if (!copy)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    for (char *slash = parents ? strchr(copy + 1, '/') : NULL; slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int r = make_one(copy, true, err);
        *slash = '/';
        if (r < 0)
            return r;
    }
    return make_one(path, parents, err);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)walk;
    return kind == FTW_DP ? rmdir(path) : unlink(path);
}

int sim_remove(const char *path, bool deep, struct vd_error *err)
{
    struct stat status;

    if (lstat(path, &status) < 0)
        return vd_error_set_errno(err, errno, "removing '%s'", path);
    if (sim_is_disk(path))
        return vd_unlink(path, NULL, true, err);
    int r = !S_ISDIR(status.st_mode) ? unlink(path)
            : deep ? nftw(path, remove_entry, DEPTH_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT)
                   : rmdir(path);
    return r == 0 ? VD_OK : vd_error_set_errno(err, errno, "removing '%s'", path);
}

static int make_way(const char *to, bool force, struct vd_error *err)
{
    if (access(to, F_OK) != 0)
        return VD_OK;
    if (!force)
        return vd_error_set(err, VD_E_EXISTS, "'%s' exists", to);
    return sim_remove(to, false, err);
}

int sim_move(const char *from, const char *to, bool force, struct vd_error *err)
{
    int r = make_way(to, force, err);

    if (r < 0)
        return r;
    return sim_is_disk(from) ? vd_rename(from, to, NULL, err)
                             : vd_fs_rename(vd_fs_host(), from, to, err);
}

static int copy_file(const char *from, const char *to, struct vd_error *err)
{
    VD_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    VD_CLOSE int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    ssize_t put = out < 0 ? -1 : 1;

    while (put > 0)
        put = sendfile(out, in, NULL, 1u << 20);
    return put == 0 ? VD_OK : vd_error_set_errno(err, errno, "copying '%s' to '%s'", from, to);
}

static int copy_disk(const char *from, const char *to, struct vd_error *err)
{
    struct vd_vmdk_options options = {.flags = VD_VMDK_READ_ONLY};
    struct vd_clone_params params = {0};
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_disk_info info;
    int r = vd_vmdk_open(from, &options, &disk, err);

    if (r < 0)
        return r;
    vd_disk_info(disk, &info);
    if (info.type == VD_DISK_STREAM_OPTIMIZED)
        params.type = VD_DISK_MONOLITHIC_SPARSE;
    return vd_clone(disk, to, &params, NULL, NULL, err);
}

int sim_copy(const char *from, const char *to, bool force, struct vd_error *err)
{
    int r = make_way(to, force, err);

    if (r < 0)
        return r;
    return sim_is_disk(from) ? copy_disk(from, to, err) : copy_file(from, to, err);
}

/* --- the messages --- */

struct names {
    struct sim_session *session;
    uint32_t type;
    struct vd_nfc_names head;
    char *text; /* head.bytes, and a NUL */
};

/* A path of this machine that may be changed. */
static int resolve(const struct names *self, const char *name, bool writing, char **ret,
                   struct vd_error *err)
{
    struct sim *sim = self->session->sim;
    struct sim_owner owner;
    bool deep = self->type == VD_NFC_FILE_CREATEDIR;
    int r = sim_store_resolve(&sim->stores, name, deep, ret, err);

    if (r < 0)
        return r;
    if (!sim_ticket_allows(sim, &self->session->ticket, *ret, writing))
        r = vd_error_set(err, VD_E_ACCESS, "permission check failed for file '%.200s'", name);
    else if (writing && (sim_open_is_used(sim, *ret, false) || sim_owner_of(sim, *ret, &owner)))
        r = vd_error_set(err, VD_E_LOCKED, "'%.200s' is in use", name);
    else if (writing && sim_store_of(&sim->stores, *ret) &&
             strcmp(sim_store_of(&sim->stores, *ret)->folder, *ret) == 0)
        r = vd_error_set(err, VD_E_ACCESS, "'%.200s' is the datastore itself", name);
    return r;
}

static int do_pair(const struct names *self, const char *from, const char *to, struct vd_error *err)
{
    VD_FREE char *source = NULL;
    VD_FREE char *target = NULL;
    bool force = self->head.flags & VD_NFC_FORCE;
    bool is_move = self->type == VD_NFC_FILE_RENAME;
    int r = resolve(self, from, is_move, &source, err);

    if (r == VD_OK)
        r = resolve(self, to, true, &target, err);
    if (r < 0)
        return r;
    return is_move ? sim_move(source, target, force, err) : sim_copy(source, target, force, err);
}

static int do_one(const struct names *self, const char *name, struct vd_error *err)
{
    VD_FREE char *path = NULL;
    bool deep = self->head.flags & VD_NFC_CREATE_HIERARCHY;
    int r = resolve(self, name, true, &path, err);

    if (r < 0)
        return r;
    return self->type == VD_NFC_FILE_CREATEDIR ? sim_make_folder(path, deep, err)
                                               : sim_remove(path, deep, err);
}

/* The name behind `at`; NULL where the data ends. */
static const char *next_name(const struct names *self, const char *at)
{
    const char *end = self->text + self->head.bytes;

    at += strlen(at) + 1;
    return at < end ? at : NULL;
}

/* Indices of failed names, one u16 more behind them. */
static int send_status(const struct names *self, const uint16_t *failed, uint16_t failures,
                       uint16_t successes, struct vd_error *err)
{
    size_t error_bytes = failures ? ((size_t)failures + 1) * 2 : 0;
    struct vd_nfc_status status = {
        .error_bytes = (uint32_t)error_bytes, .failed = failures, .succeeded = successes};
    struct sim_packet *packet = sim_packet_new(VD_NFC_MESSAGE_BYTES + error_bytes);

    if (!packet)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    vd_nfc_status_encode(&status, packet->bytes);
    for (size_t i = 0; i < error_bytes / 2; i++)
        vd_le16_encode(packet->bytes + VD_NFC_MESSAGE_BYTES + 2 * i,
                       i < failures ? failed[i] : UINT16_MAX);
    sim_conn_send(&self->session->conn, packet);
    return VD_OK;
}

static int do_all(const struct names *self, struct vd_error *err)
{
    bool pairs = self->type == VD_NFC_FILE_RENAME || self->type == VD_NFC_FILE_COPY;
    VD_FREE uint16_t *failed = calloc((size_t)self->head.count + 1, sizeof *failed);
    uint16_t failures = 0;
    uint16_t successes = 0;
    const char *at = self->head.bytes ? self->text : NULL;

    if (!failed)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    for (uint32_t i = 0; i < self->head.count; i += pairs ? 2 : 1) {
        struct vd_error why = VD_ERROR_INIT;
        const char *second = pairs && at ? next_name(self, at) : NULL;
        int r = !at || (pairs && !second) ? VD_E_INVALID_ARG
                : pairs                   ? do_pair(self, at, second, &why)
                                          : do_one(self, at, &why);
        if (r < 0) {
            sim_say(self->session->sim, "nfc: %s", vd_error_message(&why, r));
            failed[failures++] = (uint16_t)i;
        } else {
            successes++;
        }
        at = pairs ? second : at;
        at = at ? next_name(self, at) : NULL;
    }
    return send_status(self, failed, failures, successes, err);
}

int sim_file_names(struct sim_session *session, const uint8_t *message, struct vd_error *err)
{
    struct names self = {.session = session, .type = vd_nfc_message_type(message)};

    vd_nfc_names_decode(message, &self.head);
    if (self.head.bytes > VD_NFC_LIST_MAX_BYTES)
        return vd_error_set(err, VD_E_PROTOCOL, "a client sends a list of %u bytes",
                            self.head.bytes);
    int r = sim_read_text(session, self.head.bytes, &self.text, err);
    if (r == VD_OK)
        r = do_all(&self, err);
    free(self.text);
    return r;
}
