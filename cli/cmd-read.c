/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/units.h"
#include "commands.h"
#include "disk-open.h"
#include "ops/copy.h"
#include "output.h"
#include "terminal.h"

struct reading {
    struct vd_disk *disk;
    uint64_t offset_bytes;
    uint64_t length_bytes;
};

static int write_range(void *data, struct vd_target *target, const struct vd_progress *progress,
                       struct vd_error *err)
{
    const struct reading *reading = data;

    return vd_copy_range(reading->disk, reading->offset_bytes, reading->length_bytes, target,
                         progress, err);
}

/* Said before the target is touched: a file or a pipe that is opened is seen by others. */
static int check_range(const struct cli_args *args, struct reading *reading, struct vd_error *err)
{
    uint64_t capacity_bytes = vd_sectors_to_bytes(vd_disk_capacity(reading->disk));

    reading->offset_bytes = args->offset_bytes;
    reading->length_bytes = args->length_bytes;
    if (!cli_given(args, OPT_LENGTH) && args->offset_bytes <= capacity_bytes)
        reading->length_bytes = capacity_bytes - args->offset_bytes;
    if (vd_range_inside(reading->offset_bytes, reading->length_bytes, capacity_bytes))
        return VD_OK;
    return vd_error_set(err, VD_E_OUT_OF_RANGE,
                        "cannot read '%s' from byte %" PRIu64 " for %" PRIu64
                        " bytes: the disk ends at byte %" PRIu64,
                        vd_disk_path(reading->disk), reading->offset_bytes, reading->length_bytes,
                        capacity_bytes);
}

enum cli_exit cmd_read(const struct cli_args *args)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    struct reading reading;
    const char *output = args->output ? args->output : "-";
    int r = cli_disk_open(args, args->operands[0], &disk, &err);

    if (r == VD_OK) {
        reading.disk = disk;
        r = check_range(args, &reading, &err);
    }
    if (r == VD_OK)
        r = cli_output_check(args, args->operands[0], output, &err);
    if (r < 0)
        return cli_fail(&err, r);
    return cli_output_run(args, output, write_range, &reading);
}
