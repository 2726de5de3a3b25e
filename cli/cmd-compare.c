/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/json.h"
#include "base/units.h"
#include "commands.h"
#include "disk-open.h"
#include "interrupt.h"
#include "ops/compare.h"
#include "progress-line.h"
#include "terminal.h"

struct comparison {
    struct vd_disk *disks[2];
    uint64_t capacity_bytes[2];
    struct vd_compare_result result;
    bool capacity_counts; /* --strict, and the capacities differ: the content was not compared */
};

static bool is_same(const struct comparison *c)
{
    return c->result.same && !c->capacity_counts;
}

static void print_json(const struct comparison *c, struct vd_json *json)
{
    vd_json_object(json, NULL);
    vd_json_bool(json, "same", is_same(c));
    if (c->result.same)
        vd_json_null(json, "firstDifference");
    else
        vd_json_u64(json, "firstDifference", c->result.first_difference_bytes);
    vd_json_bool(json, "capacityDiffers", c->capacity_bytes[0] != c->capacity_bytes[1]);
    vd_json_array(json, "disks");
    for (int i = 0; i < 2; i++) {
        vd_json_object(json, NULL);
        vd_json_string(json, "path", vd_disk_path(c->disks[i]));
        vd_json_u64(json, "capacity", c->capacity_bytes[i]);
        vd_json_end(json, '}');
    }
    vd_json_end(json, ']');
    vd_json_end(json, '}');
}

static void print_text(const struct comparison *c)
{
    int larger = c->capacity_bytes[1] > c->capacity_bytes[0];
    uint64_t more_bytes = c->capacity_bytes[larger] - c->capacity_bytes[!larger];
    const char *larger_path = vd_disk_path(c->disks[larger]);

    if (c->capacity_counts)
        cli_print(stdout, "Different: '%s' is %" PRIu64 " bytes larger.\n", larger_path,
                  more_bytes);
    else if (!c->result.same && c->result.first_difference_bytes >= c->capacity_bytes[!larger])
        cli_print(stdout,
                  "Different: '%s' is %" PRIu64 " bytes larger and has data at byte %" PRIu64 ".\n",
                  larger_path, more_bytes, c->result.first_difference_bytes);
    else if (!c->result.same)
        cli_print(stdout, "Different: the first byte that differs is %" PRIu64 ".\n",
                  c->result.first_difference_bytes);
    else if (more_bytes > 0)
        cli_print(stdout, "Same content; '%s' is %" PRIu64 " bytes larger and reads zeros there.\n",
                  larger_path, more_bytes);
    else
        puts("Same content.");
}

static int compare_content(const struct cli_args *args, struct comparison *c, struct vd_error *err)
{
    struct cli_progress line;
    int r;

    c->capacity_counts =
        cli_given(args, OPT_STRICT) && c->capacity_bytes[0] != c->capacity_bytes[1];
    if (c->capacity_counts) {
        c->result.same = true; /* as far as it was looked at */
        return VD_OK;
    }
    cli_interrupt_catch();
    cli_progress_init(&line, cli_given(args, OPT_PROGRESS));
    r = vd_compare(c->disks[0], c->disks[1], &line.progress, &c->result, err);
    cli_progress_done(&line);
    return r;
}

static int tell(const struct cli_args *args, const struct comparison *c, struct vd_error *err)
{
    struct vd_json json;

    if (!cli_given(args, OPT_JSON)) {
        print_text(c);
        return VD_OK;
    }
    vd_json_init(&json, stdout, true);
    print_json(c, &json);
    return vd_json_finish(&json, err);
}

enum cli_exit cmd_compare(const struct cli_args *args)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *a = NULL;
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *b = NULL;
    struct vd_error err = VD_ERROR_INIT;
    struct comparison c = {0};
    int r = cli_disk_open(args, args->operands[0], &a, &err);

    if (r == VD_OK)
        r = cli_disk_open(args, args->operands[1], &b, &err);
    if (r < 0)
        return cli_fail(&err, r);
    c.disks[0] = a;
    c.disks[1] = b;
    for (int i = 0; i < 2; i++)
        c.capacity_bytes[i] = vd_sectors_to_bytes(vd_disk_capacity(c.disks[i]));
    r = compare_content(args, &c, &err);
    if (r == VD_OK)
        r = tell(args, &c, &err);
    if (r < 0)
        return cli_fail(&err, r);
    return is_same(&c) ? CLI_DONE : CLI_NEGATIVE;
}
