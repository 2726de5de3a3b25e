/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/json.h"
#include "base/units.h"
#include "commands.h"
#include "disk-open.h"
#include "operation.h"
#include "ops/bench.h"
#include "terminal.h"

#define DEFAULT_AMOUNT_BYTES (UINT64_C(1) << 30)
#define DEFAULT_DEPTH        32u

static double per_second(uint64_t amount, const struct vd_bench_row *row)
{
    return row->seconds > 0 ? (double)amount / row->seconds : 0;
}

static void json_row(struct vd_json *json, const struct vd_bench_row *row)
{
    vd_json_object(json, NULL);
    vd_json_string(json, "operation", row->writes ? "write" : "read");
    vd_json_string(json, "order", row->random ? "random" : "sequential");
    vd_json_u64(json, "blockBytes", row->block_bytes);
    vd_json_u64(json, "depth", row->depth);
    vd_json_u64(json, "operations", row->operations);
    vd_json_u64(json, "bytes", row->bytes);
    vd_json_double(json, "seconds", row->seconds);
    vd_json_double(json, "cpuSeconds", row->cpu_seconds);
    vd_json_end(json, '}');
}

static int print_json(const struct vd_disk *disk, const struct vd_bench_row *rows, size_t count,
                      struct vd_error *err)
{
    struct vd_json json;

    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "path", vd_disk_path(disk));
    vd_json_u64(&json, "capacity", vd_sectors_to_bytes(vd_disk_capacity(disk)));
    vd_json_array(&json, "rows");
    for (size_t i = 0; i < count; i++)
        json_row(&json, &rows[i]);
    vd_json_end(&json, ']');
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

static void print_text(const struct vd_bench_row *rows, size_t count)
{
    printf("%-28s %6s %12s %14s %10s %10s\n", "Test", "Depth", "MiB/s", "Operations/s", "Seconds",
           "CPU");
    for (size_t i = 0; i < count; i++) {
        const struct vd_bench_row *row = &rows[i];
        char name[64];

        (void)snprintf(name, sizeof name, "%s %s, %" PRIu64 " KiB", row->writes ? "write" : "read",
                       row->random ? "at random" : "in order", row->block_bytes / 1024);
        printf("%-28s %6u %12.1f %14.0f %10.3f %10.3f\n", name, row->depth,
               per_second(row->bytes, row) / (double)VD_MIB, per_second(row->operations, row),
               row->seconds, row->cpu_seconds);
    }
}

static int bench_disk(const struct cli_args *args, const struct vd_vmdk_options *vmdk,
                      const struct vd_progress *progress, struct vd_error *err)
{
    const struct vd_bench_options options = {
        .amount_bytes = cli_given(args, OPT_AMOUNT) ? args->amount_bytes : DEFAULT_AMOUNT_BYTES,
        .depth = cli_given(args, OPT_DEPTH) ? (unsigned)args->depth : DEFAULT_DEPTH,
        .write = cli_given(args, OPT_WRITE),
    };
    struct vd_bench_row rows[VD_BENCH_MAX_ROWS];
    struct vd_disk *disk = NULL;
    size_t count = 0;
    int r = options.write ? cli_disk_open_writable(args, args->operands[0], &disk, err)
                          : cli_disk_open(args, args->operands[0], &disk, err);

    (void)vmdk; /* opening looks at the options itself */
    if (r == VD_OK)
        r = vd_bench_run(disk, &options, progress, rows, &count, err);
    if (r == VD_OK && cli_given(args, OPT_JSON))
        r = print_json(disk, rows, count, err);
    else if (r == VD_OK)
        print_text(rows, count);
    int close_result = disk ? vd_disk_close(disk, r < 0 ? NULL : err) : VD_OK;
    return r < 0 ? r : close_result;
}

enum cli_exit cmd_bench(const struct cli_args *args)
{
    return cli_operation_run(args, bench_disk);
}
