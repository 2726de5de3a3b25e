/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/json.h"
#include "base/units.h"
#include "commands.h"
#include "disk-open.h"
#include "ops/runs.h"
#include "terminal.h"

static const char *kind_text(enum vd_run_kind kind)
{
    switch (kind) {
    case VD_RUN_DATA:
        return "data";
    case VD_RUN_ZERO:
        return "zero";
    case VD_RUN_ABSENT:
        return "absent";
    }
    return "?";
}

static void json_run(struct vd_json *json, const struct vd_run *run)
{
    vd_json_object(json, NULL);
    vd_json_u64(json, "start", vd_sectors_to_bytes(run->start_sectors));
    vd_json_u64(json, "length", vd_sectors_to_bytes(run->length_sectors));
    vd_json_string(json, "kind", kind_text(run->kind));
    if (run->kind != VD_RUN_ABSENT) {
        vd_json_u64(json, "depth", run->link);
        vd_json_u64(json, "extent", run->extent);
    }
    if (run->kind == VD_RUN_DATA) {
        vd_json_string(json, "file", run->file);
        vd_json_u64(json, "offset", run->offset_bytes);
        vd_json_bool(json, "compressed", run->compressed);
    }
    vd_json_end(json, '}');
}

/* An error after the first run still leaves valid JSON, which then tells the problem. */
static int map_json(struct vd_disk *disk, struct vd_runs *runs, struct vd_error *err)
{
    struct vd_error write_err = VD_ERROR_INIT;
    struct vd_json json;
    struct vd_run run;
    int r = vd_runs_next(runs, &run, err);
    int write_result;

    if (r < 0)
        return r;
    vd_json_init(&json, stdout, false);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "path", vd_disk_path(disk));
    vd_json_u64(&json, "capacity", vd_sectors_to_bytes(vd_disk_capacity(disk)));
    vd_json_array(&json, "runs");
    for (; r > 0; r = vd_runs_next(runs, &run, err))
        json_run(&json, &run);
    vd_json_end(&json, ']');
    if (r < 0)
        vd_json_string(&json, "problem", vd_error_message(err, r));
    vd_json_end(&json, '}');
    write_result = vd_json_finish(&json, &write_err);
    if (r == 0 && write_result < 0) {
        *err = write_err;
        r = write_result;
    }
    return r;
}

static void text_run(const struct vd_run *run)
{
    printf("%16" PRIu64 " %16" PRIu64 " %-6s", vd_sectors_to_bytes(run->start_sectors),
           vd_sectors_to_bytes(run->length_sectors), kind_text(run->kind));
    if (run->kind == VD_RUN_ABSENT) {
        putchar('\n');
        return;
    }
    printf(" %4" PRIu32 " %6" PRIu32, run->link, run->extent);
    if (run->kind == VD_RUN_DATA)
        cli_print(stdout, " %16" PRIu64 " %s%s", run->offset_bytes, run->file ? run->file : "",
                  run->compressed ? " (compressed)" : "");
    putchar('\n');
}

static int map_text(struct vd_runs *runs, struct vd_error *err)
{
    struct vd_run run;
    int r = vd_runs_next(runs, &run, err);

    if (r < 0)
        return r;
    printf("%16s %16s %-6s %4s %6s %16s %s\n", "Start", "Length", "Kind", "Link", "Extent",
           "Offset", "File");
    for (; r > 0; r = vd_runs_next(runs, &run, err))
        text_run(&run);
    return r;
}

enum cli_exit cmd_map(const struct cli_args *args)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    struct vd_runs runs;
    int r = cli_disk_open(args, args->operands[0], &disk, &err);

    if (r < 0)
        return cli_fail(&err, r);
    vd_runs_init(&runs, disk, 0, vd_disk_capacity(disk));
    r = cli_given(args, OPT_JSON) ? map_json(disk, &runs, &err) : map_text(&runs, &err);
    return r < 0 ? cli_fail(&err, r) : CLI_DONE;
}
