/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "task-line.h"
#include "terminal.h"
#include "vm.h"

/* A signal that comes between the look at its flag and the wait is seen this much later. */
#define WAIT_MS 250

void cli_vm_print_snapshots(const struct vd_vsphere_vm *vm)
{
    for (size_t i = 0; i < vm->snapshot_count; i++) {
        const struct vd_vsphere_snapshot *snapshot = &vm->snapshots[i];
        const char *parent =
            snapshot->parent >= 0 ? vm->snapshots[snapshot->parent].moid : "the base";

        cli_print(stdout, "Snapshot %s: %s, of %s, on %s%s\n", snapshot->moid,
                  snapshot->name ? snapshot->name : "?",
                  snapshot->created ? snapshot->created : "?", parent,
                  snapshot->current ? ", current" : "");
        if (snapshot->description && snapshot->description[0])
            cli_print(stdout, "  %s\n", snapshot->description);
    }
}

void cli_vm_json_snapshots(struct vd_json *json, const struct vd_vsphere_vm *vm)
{
    vd_json_array(json, "snapshots");
    for (size_t i = 0; i < vm->snapshot_count; i++) {
        const struct vd_vsphere_snapshot *snapshot = &vm->snapshots[i];

        vd_json_object(json, NULL);
        vd_json_string(json, "moref", snapshot->moid);
        vd_json_string(json, "name", snapshot->name);
        vd_json_string(json, "description", snapshot->description);
        vd_json_string(json, "created", snapshot->created);
        vd_json_string(json, "parent",
                       snapshot->parent >= 0 ? vm->snapshots[snapshot->parent].moid : NULL);
        vd_json_bool(json, "current", snapshot->current);
        vd_json_end(json, '}');
    }
    vd_json_end(json, ']');
}

int cli_vm_snapshot_list(const struct cli_args *args, const char *operand, const char *rest,
                         struct vd_error *err)
{
    VD_CLEANUP(vd_machine_done) struct vd_machine machine;
    struct vd_json json;
    int r = cli_vm_find(args, operand, &machine, err);

    (void)rest; /* there is none */
    if (r < 0)
        return r;
    if (!cli_given(args, OPT_JSON)) {
        cli_vm_print_snapshots(machine.vm);
        return VD_OK;
    }
    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "vm", machine.vm->name);
    vd_json_string(&json, "moref", machine.moid);
    cli_vm_json_snapshots(&json, machine.vm);
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

/* `keep_going`: it is cleaned up, whatever else is asked. */
static int remove_snapshot(const struct cli_args *args, struct vd_vsphere *session,
                           const char *moid, bool keep_going, struct vd_error *err)
{
    struct cli_task_line line;
    int r;

    cli_task_line_init(&line, "removing the snapshot", cli_given(args, OPT_PROGRESS));
    line.keep_going = keep_going;
    r = vd_vsphere_snapshot_remove(session, moid, &line.progress, err);
    cli_task_line_done(&line);
    return r;
}

int cli_vm_snapshot_remove(const struct cli_args *args, const char *operand, const char *rest,
                           struct vd_error *err)
{
    VD_CLEANUP(vd_machine_done) struct vd_machine machine;
    const struct vd_vsphere_snapshot *snapshot;
    int r = cli_vm_find(args, operand, &machine, err);

    if (r == VD_OK)
        r = vd_machine_snapshot(machine.vm, rest, &snapshot, err);
    if (r < 0)
        return r;
    cli_interrupt_catch();
    return remove_snapshot(args, machine.session, snapshot->moid, false, err);
}

int cli_vm_snapshot_consolidate(const struct cli_args *args, const char *operand, const char *rest,
                                struct vd_error *err)
{
    VD_CLEANUP(vd_machine_done) struct vd_machine machine;
    struct cli_task_line line;
    int r = cli_vm_find(args, operand, &machine, err);

    (void)rest; /* there is none */
    if (r < 0)
        return r;
    cli_interrupt_catch();
    cli_task_line_init(&line, "consolidating", cli_given(args, OPT_PROGRESS));
    r = vd_vsphere_consolidate(machine.session, machine.moid, &line.progress, err);
    cli_task_line_done(&line);
    return r;
}

/* --- create --- */

static int tell_created(const struct cli_args *args, const struct vd_machine *machine,
                        const char *moid, struct vd_error *err)
{
    VD_CLEANUP(vd_vsphere_vm_free_cleanup) struct vd_vsphere_vm *frozen = NULL;
    struct vd_json json;
    int r;

    if (!cli_given(args, OPT_JSON)) {
        cli_print(stdout, "%s\n", moid);
        return fflush(stdout) == 0
                   ? VD_OK
                   : vd_error_set_errno(err, errno, "cannot write to standard output");
    }
    r = vd_vsphere_vm_get(machine->session, machine->moid, moid, &frozen, err);
    if (r < 0)
        return r;
    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "vm", machine->vm->name);
    vd_json_string(&json, "moref", machine->moid);
    vd_json_string(&json, "snapshot", moid);
    cli_vm_json_disks(&json, frozen);
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

/* Until standard input ends or a signal comes; what is read is not looked at. */
static int wait_for_end(struct vd_error *err)
{
    while (!cli_interrupted()) {
        struct pollfd wait = {.fd = STDIN_FILENO, .events = POLLIN};
        char bytes[256];
        ssize_t n;

        if (poll(&wait, 1, WAIT_MS) <= 0)
            continue;
        n = read(STDIN_FILENO, bytes, sizeof bytes);
        if (n == 0)
            return VD_OK;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return vd_error_set_errno(err, errno, "cannot wait for the end of standard input");
    }
    return VD_OK;
}

/* The snapshot goes, and if that fails too the sentence says where it still is. */
static int take_back(const struct cli_args *args, const struct vd_machine *machine,
                     const char *moid, struct vd_error *err)
{
    int r = remove_snapshot(args, machine->session, moid, true, err);

    if (r == VD_E_SNAPSHOT_GONE) {
        vd_error_clear(err);
        return VD_OK;
    }
    if (r < 0)
        vd_error_prefix(err, "the snapshot %s of '%s' was made and is still there", moid,
                        machine->vm->name);
    return r;
}

static int hold(const struct cli_args *args, const struct vd_machine *machine, const char *moid,
                struct vd_error *err)
{
    struct vd_error removal_err = VD_ERROR_INIT;
    int r = tell_created(args, machine, moid, err);
    int removal;

    if (r == VD_OK && cli_given(args, OPT_HOLD))
        r = wait_for_end(err);
    if (r == VD_OK && !cli_given(args, OPT_HOLD))
        return VD_OK;
    removal = take_back(args, machine, moid, &removal_err);
    if (removal < 0) {
        *err = removal_err;
        r = removal;
    }
    return r;
}

/* Stopped in the middle: the server may have been done already. Then it is taken back. */
static int create(const struct cli_args *args, const struct vd_machine *machine, const char *name,
                  char moid[VD_MOID_BYTES], struct vd_error *err)
{
    struct vd_vsphere_snapshot_request request = {
        .vm_moid = machine->moid,
        .name = name,
        .description = args->description,
        .quiesce = cli_given(args, OPT_QUIESCE),
    };
    struct cli_task_line line;
    int r;

    cli_interrupt_catch();
    cli_task_line_init(&line, "creating the snapshot", cli_given(args, OPT_PROGRESS));
    r = vd_vsphere_snapshot_create(machine->session, &request, &line.progress, moid, err);
    cli_task_line_done(&line);
    if (r < 0 || !cli_interrupted())
        return r;
    r = take_back(args, machine, moid, err);
    return r < 0 ? r : vd_error_set(err, VD_E_CANCELLED, "the snapshot was removed again");
}

int cli_vm_snapshot_create(const struct cli_args *args, const char *operand, const char *rest,
                           struct vd_error *err)
{
    VD_CLEANUP(vd_machine_done) struct vd_machine machine;
    char moid[VD_MOID_BYTES];
    int r = cli_vm_find(args, operand, &machine, err);

    if (r == VD_OK)
        r = create(args, &machine, rest, moid, err);
    return r < 0 ? r : hold(args, &machine, moid, err);
}
