/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/space.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/units.h"
#include "commands.h"
#include "disk-open.h"
#include "terminal.h"
#include "vmdk/descriptor.h"

static const char *type_text(const struct cli_args *args, struct vd_disk *disk)
{
    struct vd_disk_info info;

    if (args->output_type)
        return args->output_type;
    vd_disk_info(disk, &info);
    return vd_disk_type_text(info.type);
}

static int tell_json(const struct cli_args *args, struct vd_disk *disk, uint64_t bytes,
                     struct vd_error *err)
{
    struct vd_json json;

    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "path", vd_disk_path(disk));
    vd_json_string(&json, "type", type_text(args, disk));
    vd_json_u64(&json, "capacity", vd_sectors_to_bytes(vd_disk_capacity(disk)));
    vd_json_u64(&json, "required", bytes);
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

static int tell(const struct cli_args *args, enum vd_disk_type type, struct vd_error *err)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    uint64_t bytes = 0;
    int r = cli_disk_open(args, args->operands[0], &disk, err);

    if (r == VD_OK)
        r = vd_space_needed(disk, type, &bytes, err);
    if (r < 0)
        return r;
    if (cli_given(args, OPT_JSON))
        return tell_json(args, disk, bytes, err);
    printf("%" PRIu64 "\n", bytes);
    return VD_OK;
}

enum cli_exit cmd_space(const struct cli_args *args)
{
    struct vd_error err = VD_ERROR_INIT;
    enum vd_disk_type type;
    int r = cli_output_type(args, VD_DISK_UNKNOWN, &type, &err);

    if (r == VD_OK)
        r = tell(args, type, &err);
    return r < 0 ? cli_fail(&err, r) : CLI_DONE;
}
