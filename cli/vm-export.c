/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's disks as the streamOptimized VMDKs its server makes of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/units.h"
#include "interrupt.h"
#include "ops/target.h"
#include "progress-line.h"
#include "task-line.h"
#include "terminal.h"
#include "vm-export-map.h"
#include "vm.h"

#define TAIL_BYTES     512u        /* the marker of a stream's end, all zeros */
#define HEAD_BYTES     20u         /* "KDMV", version, flags, capacity in sectors */
#define ROUNDING_BYTES (64u << 10) /* a grain: what a stream's capacity may be rounded up to */

/* A disk on its way to its file. */
struct part {
    char *path;
    struct vd_target *target;
    uint64_t done;
    const struct vd_vsphere_disk *disk;
    char head[HEAD_BYTES];
    char tail[TAIL_BYTES];
    struct vd_error *err; /* of the transfer under way */
};

struct export
{
    const struct cli_args *args;
    const struct vd_machine *machine;
    struct part *parts; /* one for each disk of the machine */
    bool *wanted;       /* likewise */
    size_t count;
    struct vd_vsphere_lease *lease;
    size_t *files; /* the lease's file of each disk */
    struct cli_progress line;
    uint64_t before; /* bytes of the disks that are done */
    bool last;       /* the disk under way is the last one */
};

/* --- where they go --- */

static bool stop(void *data)
{
    (void)data;
    return cli_interrupted();
}

/* Of the machine's name, as far as it fits into the name of a file. */
static char *path_of(const struct export *export, const char *folder, size_t index)
{
    char *path = NULL;
    char *name = strdup(export->machine->vm->name);
    bool slash = folder[0] != '\0' && folder[strlen(folder) - 1] == '/';

    for (char *c = name; c && *c; c++) {
        if (*c == '/' || (unsigned char)*c < 0x20 || (c == name && *c == '.'))
            *c = '_';
    }
    if (name &&
        asprintf(&path, "%s%s%s-disk%zu.vmdk", folder, slash ? "" : "/", name, index + 1) < 0)
        path = NULL;
    free(name);
    return path;
}

static int choose(struct export *export, struct vd_error *err)
{
    const struct vd_vsphere_vm *vm = export->machine->vm;
    const char *const *named = export->args->disks;
    const struct vd_vsphere_disk *disk;
    const char *path;

    for (size_t i = 0; i < export->count; i++)
        export->wanted[i] = !named[0];
    for (; *named; named++) {
        int r = vd_machine_disk(vm, *named, &disk, &path, err);
        if (r < 0)
            return r;
        export->wanted[disk - vm->disks] = true;
    }
    if (export->count == 0)
        return vd_error_set(err, VD_E_NOT_FOUND, "'%s' has no disk", vm->name);
    return VD_OK;
}

static int open_targets(struct export *export, const char *folder, struct vd_error *err)
{
    const struct vd_target_options options = {
        .overwrite = cli_given(export->args, OPT_OVERWRITE),
        .stop = stop,
    };

    if (mkdir(folder, 0777) < 0 && errno != EEXIST)
        return vd_error_set_errno(err, errno, "cannot make the folder '%s'", folder);
    for (size_t i = 0; i < export->count; i++) {
        struct part *part = &export->parts[i];
        if (!export->wanted[i])
            continue;
        part->disk = &export->machine->vm->disks[i];
        part->path = path_of(export, folder, i);
        if (!part->path)
            return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
        int r = vd_target_open(part->path, &options, &part->target, err);
        if (r < 0)
            return r;
        vd_target_set_disk(part->target);
    }
    return VD_OK;
}

/* --- on the way --- */

static void keep_ends(struct part *part, const char *bytes, size_t size)
{
    for (size_t i = 0; part->done + i < sizeof part->head && i < size; i++)
        part->head[part->done + i] = bytes[i];
    size_t kept = size < TAIL_BYTES ? TAIL_BYTES - size : 0;
    memmove(part->tail, part->tail + TAIL_BYTES - kept, kept);
    memcpy(part->tail + kept, bytes + size - (TAIL_BYTES - kept), TAIL_BYTES - kept);
}

/* Servers do not always say which file is which disk. (Virtual Disk Format 5.0: u64 at byte 12) */
static int check_head(const struct part *part, struct vd_error *err)
{
    uint64_t sectors = vd_le64_decode(part->head + 12), want = part->disk->capacity_bytes;

    if (memcmp(part->head, "KDMV", 4) != 0 || sectors > VD_MAX_SECTORS)
        return vd_error_set(err, VD_E_PROTOCOL,
                            "what the server sent for '%s' is not a streamOptimized disk",
                            part->path);
    uint64_t have = vd_sectors_to_bytes(sectors);
    if (have >= want && have - want < ROUNDING_BYTES)
        return VD_OK;
    return vd_error_set(err, VD_E_PROTOCOL,
                        "what the server sent for '%s' is a disk of %" PRIu64
                        " bytes, expected '%s' of %" PRIu64 "; it is another one",
                        part->path, have, part->disk->label, want);
}

static int take(void *data, const void *bytes, size_t size)
{
    struct part *part = data;
    bool early = part->done < HEAD_BYTES;
    int r = vd_target_write(part->target, part->done, bytes, size, part->err);

    keep_ends(part, bytes, size);
    part->done += size;
    return r == VD_OK && early && part->done >= HEAD_BYTES ? check_head(part, part->err) : r;
}

static bool report(void *data, uint64_t done, uint64_t total)
{
    struct export *export = data;
    bool known = export->last && total >= done && total > 0;

    return vd_progress_report(&export->line.progress, export->before + done,
                              known ? export->before + total : 0);
}

/* What the server sent may be an end that nobody would notice but who reads it. */
static int check_stream(const struct part *part, struct vd_error *err)
{
    static const char zeros[TAIL_BYTES];

    if (part->done < 2 * (uint64_t)TAIL_BYTES)
        return vd_error_set(err, VD_E_PROTOCOL,
                            "what the server sent for '%s' is not a streamOptimized disk",
                            part->path);
    if (part->done % TAIL_BYTES == 0 && memcmp(part->tail, zeros, TAIL_BYTES) == 0)
        return VD_OK;
    return vd_error_set(err, VD_E_TRUNCATED,
                        "what the server sent for '%s' ends after %" PRIu64
                        " bytes without the marker of its end",
                        part->path, part->done);
}

static int transfer(struct export *export, size_t index, struct vd_error *err)
{
    struct part *part = &export->parts[index];
    const struct vd_vsphere_sink sink = {take, part};
    const struct vd_progress progress = {report, export};

    part->err = err;
    export->last = true;
    for (size_t i = index + 1; i < export->count; i++)
        export->last = export->last && !export->wanted[i];
    int r = vd_vsphere_lease_read(export->lease, export->files[index], &sink, &progress, err);
    if (r == VD_OK)
        r = check_stream(part, err);
    if (r == VD_OK)
        r = vd_target_set_size(part->target, part->done, err);
    export->before += part->done;
    return r;
}

static int transfer_all(struct export *export, struct vd_error *err)
{
    int r = VD_OK;

    cli_progress_init(&export->line, cli_given(export->args, OPT_PROGRESS));
    for (size_t i = 0; i < export->count && r == VD_OK; i++) {
        if (export->wanted[i])
            r = transfer(export, i, err);
    }
    cli_progress_done(&export->line);
    return r < 0 ? r : vd_vsphere_lease_complete(export->lease, err);
}

static int prepare(struct export *export, struct vd_error *err)
{
    const struct vd_machine *machine = export->machine;
    struct cli_task_line line;
    int r;

    cli_task_line_init(&line, "preparing the export", cli_given(export->args, OPT_PROGRESS));
    r = vd_vsphere_lease_open(machine->session, machine->moid,
                              machine->snapshot[0] ? machine->snapshot : NULL, &line.progress,
                              &export->lease, err);
    cli_task_line_done(&line);
    return r < 0 ? r
                 : cli_export_map(export->lease, machine->vm, export->wanted, export->files, err);
}

/* --- there --- */

static int name_all(struct export *export, struct vd_error *err)
{
    for (size_t i = 0; i < export->count; i++) {
        struct part *part = &export->parts[i];
        int r = export->wanted[i] ? vd_target_finish(part->target, err) : VD_OK;
        if (r < 0)
            return r;
    }
    return VD_OK;
}

static int tell(const struct export *export, struct vd_error *err)
{
    const struct vd_vsphere_vm *vm = export->machine->vm;
    struct vd_json json;
    bool as_json = cli_given(export->args, OPT_JSON);

    if (as_json) {
        vd_json_init(&json, stdout, true);
        vd_json_object(&json, NULL);
        vd_json_string(&json, "vm", vm->name);
        vd_json_array(&json, "files");
    }
    for (size_t i = 0; i < export->count; i++) {
        const struct part *part = &export->parts[i];
        if (export->wanted[i] && !as_json)
            cli_print(stdout, "%s\n", part->path);
        if (!export->wanted[i] || !as_json)
            continue;
        vd_json_object(&json, NULL);
        vd_json_string(&json, "path", part->path);
        vd_json_u64(&json, "disk", i + 1);
        vd_json_string(&json, "label", vm->disks[i].label);
        vd_json_u64(&json, "bytes", part->done);
        vd_json_u64(&json, "capacity", vm->disks[i].capacity_bytes);
        vd_json_string(&json, "sha256", vd_vsphere_lease_sha256(export->lease, export->files[i]));
        vd_json_bool(&json, "verified", vd_vsphere_lease_verified(export->lease, export->files[i]));
        vd_json_end(&json, '}');
    }
    if (!as_json)
        return VD_OK;
    vd_json_end(&json, ']');
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

static void export_done(struct export *export)
{
    vd_vsphere_lease_free(export->lease);
    for (size_t i = 0; export->parts && i < export->count; i++) {
        vd_target_free(export->parts[i].target);
        free(export->parts[i].path);
    }
    free(export->parts);
    free(export->wanted);
    free(export->files);
}

static int run(struct export *export, const char *folder, struct vd_error *err)
{
    int r = choose(export, err);

    if (r == VD_OK)
        r = open_targets(export, folder, err);
    if (r == VD_OK)
        r = prepare(export, err);
    if (r == VD_OK)
        r = transfer_all(export, err);
    if (r == VD_OK)
        r = name_all(export, err);
    return r < 0 ? r : tell(export, err);
}

int cli_vm_export(const struct cli_args *args, const char *operand, const char *rest,
                  struct vd_error *err)
{
    VD_CLEANUP(vd_machine_done) struct vd_machine machine;
    VD_CLEANUP(export_done) struct export export = {.args = args, .machine = &machine};
    int r = cli_vm_find(args, operand, &machine, err);

    if (r < 0)
        return r;
    cli_interrupt_catch();
    export.count = machine.vm->disk_count;
    export.parts = calloc(export.count + 1, sizeof *export.parts);
    export.wanted = calloc(export.count + 1, sizeof *export.wanted);
    export.files = calloc(export.count + 1, sizeof *export.files);
    if (!export.parts || !export.wanted || !export.files)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    return run(&export, rest, err);
}
