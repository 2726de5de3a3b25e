/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "commands.h"
#include "terminal.h"
#include "vm.h"

struct verb {
    const char *words[2]; /* the second NULL: there is one word */
    int rest_least;       /* operands behind HOST or HOST/VM */
    int rest_most;
    cli_vm_verb run;
};

static const struct verb verbs[] = {
    {{"list", NULL}, 0, 0, cli_vm_list},
    {{"show", NULL}, 0, 0, cli_vm_show},
    {{"disks", NULL}, 0, 0, cli_vm_disks},
    {{"changed", NULL}, 0, 1, cli_vm_changed},
    {{"tracking", NULL}, 1, 1, cli_vm_tracking},
    {{"snapshot", "list"}, 0, 0, cli_vm_snapshot_list},
    {{"snapshot", "create"}, 1, 1, cli_vm_snapshot_create},
    {{"snapshot", "remove"}, 1, 1, cli_vm_snapshot_remove},
    {{"snapshot", "consolidate"}, 0, 0, cli_vm_snapshot_consolidate},
    {{"export", NULL}, 1, 1, cli_vm_export},
    {{"file", "get"}, 2, 2, cli_vm_file_get},
    {{"file", "put"}, 2, 2, cli_vm_file_put},
};

static bool fits(const struct verb *verb, const struct cli_args *args)
{
    int words = verb->words[1] ? 2 : 1;
    int rest = args->num_operands - words - 1;

    if (rest < verb->rest_least || rest > verb->rest_most)
        return false;
    for (int i = 0; i < words; i++) {
        if (strcmp(verb->words[i], args->operands[i]) != 0)
            return false;
    }
    return true;
}

/* What only some take. */
static int check_options(const struct verb *verb, const struct cli_args *args, struct vd_error *err)
{
    uint64_t of_create = CLI_BIT(OPT_QUIESCE) | CLI_BIT(OPT_DESCRIPTION) | CLI_BIT(OPT_HOLD);
    bool writes_here = verb->run == cli_vm_export || verb->run == cli_vm_file_get;

    if (verb->run != cli_vm_snapshot_create && (args->given & of_create))
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "vm: --quiesce, --description and --hold are for snapshot create");
    if (verb->run != cli_vm_export && cli_given(args, OPT_DISK))
        return vd_error_set(err, VD_E_INVALID_ARG, "vm: --disk is for export");
    if (!writes_here && cli_given(args, OPT_OVERWRITE))
        return vd_error_set(err, VD_E_INVALID_ARG, "vm: --overwrite is for export and file get");
    return VD_OK;
}

static int run(const struct cli_args *args, struct vd_error *err)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(verbs); i++) {
        int words = verbs[i].words[1] ? 2 : 1;
        const char *rest = args->num_operands > words + 1 ? args->operands[words + 1] : NULL;
        int r;

        if (!fits(&verbs[i], args))
            continue;
        r = check_options(&verbs[i], args, err);
        return r < 0 ? r : verbs[i].run(args, args->operands[words], rest, err);
    }
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "vm: expected list HOST, show HOST/VM, disks HOST/VM, snapshot list "
                        "HOST/VM, snapshot create|remove HOST/VM NAME, snapshot consolidate "
                        "HOST/VM, tracking HOST/VM on|off, changed HOST/VM[/DISK] [ID], export "
                        "HOST/VM FOLDER, file get HOST PATH FILE, or file put HOST FILE PATH; "
                        "'vdisk vm --help' tells more");
}

enum cli_exit cmd_vm(const struct cli_args *args)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = run(args, &err);

    return r < 0 ? cli_fail(&err, r) : CLI_DONE;
}

int cli_vm_find(const struct cli_args *args, const char *operand, struct vd_machine *ret,
                struct vd_error *err)
{
    VD_CLEANUP(vd_url_done) struct vd_url url;
    int r = vd_url_parse(operand, VD_URL_VM, &url, err);

    *ret = (struct vd_machine){0};
    return r < 0 ? r : cli_machine_find(args, &url, ret, err);
}
