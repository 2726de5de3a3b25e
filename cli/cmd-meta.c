/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "commands.h"
#include "machine-disk.h"
#include "operation.h"
#include "ops/disk-files.h"
#include "terminal.h"
#include "transport/url.h"
#include "vmdk/descriptor-change.h"

static int list_text(struct vd_disk *disk)
{
    const char *key;

    for (size_t i = 0; (key = vd_disk_meta_key(disk, i)); i++) {
        const char *value = vd_disk_meta_get(disk, key);

        cli_print(stdout, "%s = %s\n", key, value ? value : "");
    }
    return VD_OK;
}

static int list_json(struct vd_disk *disk, struct vd_error *err)
{
    struct vd_json json;
    const char *key;

    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    for (size_t i = 0; (key = vd_disk_meta_key(disk, i)); i++)
        vd_json_string(&json, key, vd_disk_meta_get(disk, key));
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

static int get(const struct cli_args *args, struct vd_disk *disk, struct vd_error *err)
{
    const char *value = vd_disk_meta_get(disk, args->operands[2]);
    struct vd_json json;

    if (!value)
        return vd_error_set(err, VD_E_KEY_NOT_FOUND, "'%s' has no key '%s' in its disk database",
                            args->operands[1], args->operands[2]);
    if (!cli_given(args, OPT_JSON)) {
        cli_print(stdout, "%s\n", value);
        return VD_OK;
    }
    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    vd_json_string(&json, args->operands[2], value);
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

static int set_remote(const struct cli_args *args, struct vd_error *err)
{
    struct vd_disk *disk = NULL;
    int r = cli_machine_disk_open(args, args->operands[1], false, &disk, err);
    int close_result;

    if (r == VD_OK)
        r = vd_disk_meta_set(disk, args->operands[2], args->operands[3], err);
    close_result = disk ? vd_disk_close(disk, r < 0 ? NULL : err) : VD_OK;
    return r < 0 ? r : close_result;
}

static int set(const struct cli_args *args, const struct vd_vmdk_options *options,
               struct vd_error *err)
{
    struct vd_disk_files files = {0};
    int r;

    if (vd_url_is(args->operands[1]))
        return set_remote(args, err);
    r = vd_disk_files_open(args->operands[1], options, false, &files, err);
    if (r == VD_OK)
        r = vd_descriptor_set_ddb(files.descriptor, args->operands[2], args->operands[3], err);
    if (r == VD_OK)
        r = vd_disk_files_store(&files, err);
    vd_disk_files_done(&files);
    return r;
}

/* What the leaf has, and for get what its parents have. */
static int show(const struct cli_args *args, const struct vd_vmdk_options *options,
                struct vd_error *err)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;
    struct vd_vmdk_options reading = *options;
    int r;

    reading.flags |= VD_VMDK_READ_ONLY;
    r = vd_url_is(args->operands[1])
            ? cli_machine_disk_open(args, args->operands[1], true, &disk, err)
            : vd_vmdk_open(args->operands[1], &reading, &disk, err);
    if (r < 0)
        return r;
    if (args->num_operands == 3)
        return get(args, disk, err);
    return cli_given(args, OPT_JSON) ? list_json(disk, err) : list_text(disk);
}

static int meta(const struct cli_args *args, const struct vd_vmdk_options *options,
                const struct vd_progress *progress, struct vd_error *err)
{
    static const struct {
        const char *name;
        int operands;
    } verbs[] = {{"list", 2}, {"get", 3}, {"set", 4}};

    (void)progress; /* there is none to tell */
    for (size_t i = 0; i < VD_ARRAY_SIZE(verbs); i++) {
        if (strcmp(args->operands[0], verbs[i].name) == 0 &&
            args->num_operands == verbs[i].operands)
            return verbs[i].operands == 4 ? set(args, options, err) : show(args, options, err);
    }
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "meta: expected list DISK, get DISK KEY or set DISK KEY VALUE; 'vdisk meta "
                        "--help' tells more");
}

enum cli_exit cmd_meta(const struct cli_args *args)
{
    return cli_operation_run(args, meta);
}
