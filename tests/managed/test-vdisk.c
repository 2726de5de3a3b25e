/* SPDX-License-Identifier: Apache-2.0 */
/* The native interface's own engine on disks of a server. Knows only the public header. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "vdisk/vdisk.h"

#define WEB "[ds1] web/web.vmdk"

static char heard[1 << 18];

static const char *told(const char *name)
{
    const char *value = getenv(name);
    if (!value)
        exit(1);
    return value;
}

static void hear(void *data, int level, const char *line)
{
    size_t used = strlen(heard);
    (void)data;
    (void)level;
    if (used + strlen(line) + 1 < sizeof heard)
        snprintf(heard + used, sizeof heard - used, "%s\n", line);
}

static struct vdisk_params params_of(void)
{
    static char machine[256];
    struct vdisk_params params = VDISK_PARAMS_INIT;
    snprintf(machine, sizeof machine, "moref=%s", told("VD_VM"));
    params.path = WEB;
    params.flags = VDISK_READ_ONLY;
    params.server = told("VD_HOST");
    params.port = (uint32_t)strtoul(told("VD_PORT"), NULL, 10);
    params.thumbprint = told("VD_THUMBPRINT");
    params.user = told("VD_USER");
    params.password = told("VD_PASSWORD");
    params.vmx_spec = machine;
    params.identity = "tests";
    return params;
}

static char *content(size_t *ret_bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/web.raw", told("VD_DISKS"));
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        exit(1);
    *ret_bytes = (size_t)ftell(file);
    char *bytes = malloc(*ret_bytes);
    rewind(file);
    if (!bytes || fread(bytes, 1, *ret_bytes, file) != *ret_bytes)
        exit(1);
    fclose(file);
    return bytes;
}

static struct vdisk *open_with(const struct vdisk_params *params, const char *what)
{
    struct vdisk_error error = VDISK_ERROR_INIT;
    struct vdisk *disk = NULL;
    if (!is(vdisk_open(params, &disk, &error), 0, "%s: open", what))
        printf("# %s\n", error.text);
    return disk;
}

struct seen {
    const char *want;
    uint64_t at, covered;
    bool zeros;
};

static int see(void *data, uint64_t offset, uint64_t length)
{
    struct seen *seen = data;
    for (uint64_t i = seen->at; i < offset; i++)
        seen->zeros = seen->zeros && seen->want[i] == 0;
    seen->at = offset + length;
    seen->covered += length;
    return 0;
}

static void reads(struct vdisk *disk, const char *want, size_t bytes, const char *what)
{
    char *got = malloc(bytes);
    ok(vdisk_read_at(disk, got, bytes, 0, NULL) == (ssize_t)bytes, "%s: read everything", what);
    ok(memcmp(got, want, bytes) == 0, "%s: every byte is right", what);
    ok(vdisk_read_at(disk, got, 1000, 12345, NULL) == 1000 && memcmp(got, want + 12345, 1000) == 0,
       "%s: and from any byte on", what);
    free(got);
}

static void tells(struct vdisk *disk, const char *want, size_t bytes)
{
    struct vdisk_info info = VDISK_INFO_INIT;
    struct seen seen = {.want = want, .zeros = true};
    char *value = NULL;
    is(vdisk_get_info(disk, &info, NULL), 0, "info");
    is_text(info.transport, "nbdssl", "its transport");
    is(info.capacity_bytes, bytes, "its capacity");
    is(vdisk_meta_get(disk, "adapterType", &value, NULL), 0, "meta");
    is_text(value, "ide", "its adapter");
    vdisk_free(value);
    is(vdisk_blocks(disk, 0, UINT64_MAX, see, &seen, NULL), 0, "blocks");
    ok(seen.zeros && seen.covered > 0 && seen.covered < bytes, "leave out zeros alone");
}

static void refused(const struct vdisk_params *params, uint32_t code, const char *what)
{
    struct vdisk_error error = VDISK_ERROR_INIT;
    struct vdisk *disk = NULL;
    ok(vdisk_open(params, &disk, &error) < 0 && !disk, "%s: refused", what);
    is(error.code, code, "%s: with its code", what);
    ok(error.text[0] != '\0' && !strstr(error.text, told("VD_PASSWORD")), "%s: %s", what,
       error.text);
}

static void clones(const struct vdisk_params *params, const char *want, size_t bytes)
{
    char path[4096];
    struct vdisk_create_params create = VDISK_CREATE_PARAMS_INIT;
    struct vdisk_params local = VDISK_PARAMS_INIT;
    snprintf(path, sizeof path, "%s/native.vmdk", told("VD_DISKS"));
    is(vdisk_clone(params, path, &create, NULL), 0, "clone");
    local.path = path;
    local.flags = VDISK_READ_ONLY;
    struct vdisk *disk = open_with(&local, "the clone");
    reads(disk, want, bytes, "the clone");
    is(vdisk_close(disk, NULL), 0, "the clone: close");
}

struct found {
    char path[2][256], change_id[2][256];
    unsigned count;
    int answer;
};

static int find(void *data, const struct vdisk_vm_disk *disk)
{
    struct found *found = data;
    if (found->count < 2) {
        snprintf(found->path[found->count], sizeof found->path[0], "%s", disk->path);
        snprintf(found->change_id[found->count], sizeof found->change_id[0], "%s",
                 disk->change_id ? disk->change_id : "");
    }
    found->count++;
    return found->answer;
}

static int stop_with_7(void *data, uint64_t offset, uint64_t length)
{
    (void)data;
    (void)offset;
    (void)length;
    return 7;
}

static void fails(int got, const struct vdisk_error *error, int want, const char *words)
{
    is(got, want, "fails");
    if (!ok(strstr(error->text, words) != NULL, "and says '%s'", words))
        printf("# %s\n", error->text);
}

/* Its disks, a snapshot, and what changed on one. */
static void the_machine(struct vdisk_params params)
{
    struct vdisk_error error = VDISK_ERROR_INIT;
    struct found found = {.count = 0};
    struct seen seen = {.zeros = true, .want = ""};
    char *snapshot = NULL;
    struct vdisk *disk;
    params.path = NULL;
    is(vdisk_vm_disks(&params, find, &found, &error), 0, "disks of the machine");
    is(found.count, 2, "are two");
    is_text(found.path[0], WEB, "the first");
    found.answer = -3;
    is(vdisk_vm_disks(&params, find, &found, &error), -3, "a list that is ended");
    found = (struct found){.count = 0};
    is(vdisk_vm_track_changes(&params, 1, &error), 0, "tracking on");
    is(vdisk_vm_snapshot(&params, "tests", &snapshot, &error), 0, "a snapshot");
    params.snapshot = snapshot;
    is(vdisk_vm_disks(&params, find, &found, &error), 0, "disks as they were");
    ok(found.change_id[0][0] != '\0', "with a change ID");
    params.path = WEB;
    params.flags = VDISK_READ_ONLY;
    disk = open_with(&params, "as it was");
    is(vdisk_changed(disk, found.change_id[0], see, &seen, &error), 0, "what changed since");
    ok(seen.covered == 0, "is nothing");
    is(vdisk_changed(disk, "*", stop_with_7, NULL, &error), 7, "a query that is ended");
    fails(vdisk_changed(disk, "bogus/7", see, &seen, &error), &error, -ESTALE, "full backup");
    fails(vdisk_changed(disk, "", see, &seen, &error), &error, -EINVAL, "no change ID");
    is(vdisk_close(disk, NULL), 0, "as it was: close");
    is(vdisk_vm_remove_snapshot(&params, &error), 0, "the snapshot goes");
    fails(vdisk_vm_remove_snapshot(&params, &error), &error, -ENOENT, snapshot);
    vdisk_free(snapshot);
    params.snapshot = NULL;
    fails(vdisk_vm_remove_snapshot(&params, &error), &error, -EINVAL, "none is named");
    params.vmx_spec = NULL;
    fails(vdisk_vm_disks(&params, find, &found, &error), &error, -EINVAL, "none is named");
    params.server = NULL;
    params.path = "/tmp/x.vmdk";
    fails(vdisk_vm_disks(&params, find, &found, &error), &error, -ENOTSUP, "only a server");
    params.libdir = "/nowhere";
    ok(vdisk_vm_disks(&params, find, &found, &error) < 0, "nor of a library");
}

static int stop_at_once(void *data, int percent)
{
    (void)data;
    (void)percent;
    return 0;
}

/* Made, grown and removed by the server. */
static void whole_disks(struct vdisk_params params)
{
    struct vdisk_create_params create = VDISK_CREATE_PARAMS_INIT;
    struct vdisk_error error = VDISK_ERROR_INIT;
    struct vdisk *disk;
    params.path = "[ds1] web/made.vmdk";
    params.vmx_spec = NULL;
    params.identity = NULL;
    create.capacity_bytes = 2 << 20;
    ok(vdisk_create(&params, &create, &error) < 0, "no hosted type there");
    is(error.code, VDISK_E_NOT_SUPPORTED, "which is not supported");
    create.type = VDISK_TYPE_VMFS_THIN;
    if (!is(vdisk_create(&params, &create, &error), 0, "create there"))
        printf("# %s\n", error.text);
    is(vdisk_grow(&params, 3 << 20, NULL), 0, "grow");
    disk = open_with(&params, "the new one");
    ok(vdisk_size(disk) == 3 << 20, "it has its size");
    is(vdisk_close(disk, NULL), 0, "the new one: close");
    is(vdisk_unlink(&params, NULL), 0, "unlink");
    ok(vdisk_unlink(&params, &error) < 0 && error.code == VDISK_E_NOT_FOUND, "only once");
    create.progress = stop_at_once;
    int r = vdisk_create(&params, &create, &error);
    ok(r == -ECANCELED || r == 0, "a create that is stopped, or was done: %s", error.text);
    if (r == 0)
        is(vdisk_unlink(&params, NULL), 0, "unlink again");
}

/* How the server is reached and trusted, given as lines of text. */
static void settings(struct vdisk_params params)
{
    char *value = NULL;
    params.settings = "vixDiskLib.nfcAio.Session.BufSizeIn64KB = 32\n"
                      "vixDiskLib.nfcAio.Session.BufCount = 16\n";
    refused(&params, VDISK_E_INVALID_ARG, "more than 16 MiB of buffers");
    params.settings = "vixDiskLib.nfc.ReadTimeoutMs = 1";
    refused(&params, VDISK_E_INVALID_ARG, "a setting that is none");
    params.thumbprint = NULL;
    params.settings = "vixDiskLib.vdisk.unverifiedTls = 1\nvixDiskLib.nfc.ReadTimeoutsMs = 20000\n"
                      "vixDiskLib.nfcAio.Session.BufSizeIn64KB = 1\n";
    struct vdisk *disk = open_with(&params, "whoever it is");
    is(vdisk_close(disk, NULL), 0, "whoever it is: close");
    params.thumbprint = told("VD_THUMBPRINT");
    params.flags = 0;
    params.settings = NULL;
    disk = open_with(&params, "a real server");
    ok(vdisk_meta_set(disk, "comment", "new", NULL) < 0, "its database is not written");
    is(vdisk_close(disk, NULL), 0, "a real server: close");
    params.settings = "vixDiskLib.vdisk.simulator = 1";
    disk = open_with(&params, "the simulator");
    is(vdisk_meta_set(disk, "comment", "new", NULL), 0, "its database is written");
    is(vdisk_meta_get(disk, "comment", &value, NULL), 0, "and read");
    is_text(value, "new", "with the new value");
    vdisk_free(value);
    is(vdisk_close(disk, NULL), 0, "the simulator: close");
}

int main(void)
{
    size_t bytes;
    char *web = content(&bytes);
    struct vdisk_params params = params_of();
    vdisk_set_log(hear, NULL);
    struct vdisk *disk = open_with(&params, "for reading");
    reads(disk, web, bytes, "for reading");
    tells(disk, web, bytes);
    is(vdisk_close(disk, NULL), 0, "close");
    clones(&params, web, bytes);
    settings(params);
    whole_disks(params);
    the_machine(params);

    params.flags = VDISK_FASTLZ;
    disk = open_with(&params, "for writing");
    memset(web + 1000, 'x', 70000);
    ok(vdisk_write_at(disk, web + 1000, 70000, 1000, NULL) == 70000, "write");
    reads(disk, web, bytes, "for writing");
    is(vdisk_close(disk, NULL), 0, "close");

    params.flags = VDISK_READ_ONLY | VDISK_ZLIB | VDISK_SKIPZ;
    refused(&params, VDISK_E_INVALID_ARG, "two compressions");
    params.flags = VDISK_READ_ONLY;
    params.thumbprint = NULL;
    refused(&params, VDISK_E_FAIL, "no thumbprint, and no authority");
    params.thumbprint = told("VD_THUMBPRINT_SHA256");
    params.path = "[ds1] web/none.vmdk";
    params.flags = 0;
    refused(&params, VDISK_E_NOT_FOUND, "no such disk");
    ok(!strstr(heard, told("VD_PASSWORD")), "no password was told");
    free(web);
    return tap_done();
}
