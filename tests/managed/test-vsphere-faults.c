/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong on the way to a vCenter, at every call of a backup program beside the disks:
 * login, holding the machine, a snapshot, what changed, letting go. A call fails with the right
 * code and a sentence, or recovers; the areas that are told are the right ones.
 *
 * test-vsphere-faults 11...: one word for each simulator. */
#include "rows.h"

#include "vsphere/vsphere.h"

#define DISK_KEY   2000
#define DISK_BYTES (64u << 20)
#define PLACES_MAX 90u
#define SLOWEST_S  60.0

struct row {
    const char *fault;
    unsigned first, step;
    int code; /* that a call may fail with; VD_OK: none may */
};

/* Those that last come with waits between attempts, and so at some places only. */
static const struct row rows[] = {
    {"http-stall-once", 1, 3, VD_E_TIMED_OUT},
    {"http-stall-once", 2, 3, VD_E_TIMED_OUT},
    {"http-stall-once", 3, 3, VD_E_TIMED_OUT},
    {"http-drop", 3, 9, VD_E_DISCONNECTED},
    {"http-503", 2, 9, VD_E_HTTP_STATUS},
    {"http-drop-once", 1, 1, VD_E_DISCONNECTED},
    {"http-cut-once", 1, 1, VD_E_DISCONNECTED},
    {"http-500-once", 1, 1, VD_E_HTTP_STATUS},
    {"http-503-once", 1, 1, VD_OK},
    {"truncated-xml-once", 1, 1, VD_E_PROTOCOL},
    {"wrong-answer-once", 1, 1, VD_E_PROTOCOL},
    {"empty-answer-once", 1, 1, VD_E_PROTOCOL},
    {"entity-bomb-once", 1, 1, VD_E_PROTOCOL},
    {"no-session-once", 1, 1, VD_E_LOGIN},
};

/* What came of a visit. */
struct visit {
    int code; /* of the first call that failed */
    const char *at;
    char text[VD_ERROR_TEXT_BYTES];
    uint64_t bytes; /* of changed areas */
    bool right;
};

static bool went(struct visit *visit, const char *call, int code, const struct vd_error *err)
{
    if (code < 0 && !visit->at) {
        visit->at = call;
        visit->code = code;
        snprintf(visit->text, sizeof visit->text, "%s", err->text);
    }
    return code >= 0;
}

static int take_area(void *data, uint64_t start_bytes, uint64_t length_bytes)
{
    struct visit *visit = data;
    visit->right = visit->right && start_bytes + length_bytes <= DISK_BYTES;
    visit->bytes += length_bytes;
    return VD_OK;
}

static void ask_what_changed(struct vd_vsphere *session, struct visit *visit, const char *vm,
                             const char *snapshot)
{
    struct vd_error err = VD_ERROR_INIT;
    const struct vd_vsphere_changes question = {.vm_moid = vm,
                                                .disk_key = DISK_KEY,
                                                .snapshot = snapshot,
                                                .change_id = "*",
                                                .each = take_area,
                                                .data = visit};
    went(visit, "changed areas", vd_vsphere_changed_areas(session, &question, &err), &err);
}

static void be_there(struct vd_vsphere *session, struct visit *visit)
{
    struct vd_error err = VD_ERROR_INIT;
    char vm[VD_MOID_BYTES], snapshot[VD_MOID_BYTES] = "", spec[256];
    const struct vd_vsphere_snapshot_request request = {.vm_moid = vm, .name = "tests"};
    snprintf(spec, sizeof spec, "moref=%s", told("VD_VM"));
    if (!went(visit, "find", vd_vsphere_find_vm(session, spec, vm, &err), &err) ||
        !went(visit, "prepare", vd_vsphere_prepare_access(session, vm, "tests", &err), &err))
        return;
    if (went(visit, "snapshot", vd_vsphere_snapshot_create(session, &request, NULL, snapshot, &err),
             &err)) {
        ask_what_changed(session, visit, vm, snapshot);
        vd_error_clear(&err);
        went(visit, "remove", vd_vsphere_snapshot_remove(session, snapshot, NULL, &err), &err);
    }
    vd_error_clear(&err);
    went(visit, "end", vd_vsphere_end_access(session, vm, "tests", &err), &err);
}

static void log_line(void *data, enum vd_log_level level, const char *fmt, va_list args)
    VD_PRINTF(3, 0);
static void log_line(void *data, enum vd_log_level level, const char *fmt, va_list args)
{
    (void)data;
    (void)level;
    hear(false, fmt, args);
}

static const struct vd_log ear = {.emit = log_line};

static struct vd_vsphere *enter(struct visit *visit, uint32_t io_ms)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vsphere *session = NULL;
    const struct vd_vsphere_options options = {
        .server = {.host = told("VD_HOST"),
                   .port = (uint16_t)told_number("VD_PORT"),
                   .trust = {.thumbprint = told("VD_THUMBPRINT")},
                   .timeouts = {.io_ms = io_ms}},
        .credential = VD_VSPHERE_PASSWORD,
        .user = told("VD_USER"),
        .password = told("VD_PASSWORD"),
        .log = &ear,
    };
    return went(visit, "connect", vd_vsphere_connect(&options, &session, &err), &err) ? session
                                                                                      : NULL;
}

/* Snapshots that a failure left behind. */
static void tidy_up(void)
{
    struct visit visit = {.right = true};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_vsphere *session = enter(&visit, 0);
    struct vd_vsphere_vm *vm = NULL;
    if (session && vd_vsphere_vm_get(session, told("VD_VM"), NULL, &vm, &err) == VD_OK) {
        for (size_t i = vm->snapshot_count; i > 0; i--)
            VD_DISCARD(vd_vsphere_snapshot_remove(session, vm->snapshots[i - 1].moid, NULL, &err));
        VD_DISCARD(vd_vsphere_end_access(session, told("VD_VM"), "tests", &err));
    }
    vd_vsphere_vm_free(vm);
    vd_vsphere_free(session);
}

static bool is_good(const struct row *row, const struct visit *visit, double seconds,
                    uint64_t want_bytes)
{
    const char *secret = secret_in(heard.all);
    if (!secret)
        secret = secret_in(visit->text);
    bool expected = !visit->at || (row->code && visit->code == row->code && visit->text[0]);
    bool whole = visit->at || visit->bytes == want_bytes;
    if (expected && whole && visit->right && !secret && seconds < SLOWEST_S)
        return true;
    printf("%s: %s: %s; %llu bytes changed, expected %llu; %.1f s%s%s\n",
           visit->at ? visit->at : "no call failed", vd_error_name(visit->code), visit->text,
           (unsigned long long)visit->bytes, (unsigned long long)want_bytes, seconds,
           secret ? "; told was " : "", secret ? secret : "");
    return false;
}

static struct visit do_visit(uint32_t io_ms)
{
    struct visit visit = {.right = true};
    struct vd_vsphere *session = enter(&visit, io_ms);
    if (session)
        be_there(session, &visit);
    vd_vsphere_free(session);
    return visit;
}

static bool meet(const struct row *row, unsigned place, uint32_t io_ms, uint64_t want_bytes,
                 bool *good)
{
    char value[32];
    snprintf(value, sizeof value, "%u", place);
    heard.all[0] = '\0';
    if (set_fault(row->fault, value) < 0)
        *good = false;
    double start = seconds_now();
    struct visit visit = do_visit(io_ms);
    double seconds = seconds_now() - start;
    bool struck = set_fault(row->fault, "null") > 0;
    if (!is_good(row, &visit, seconds, want_bytes)) {
        printf("that was %s %u\n", row->fault, place);
        *good = false;
    }
    if (visit.at)
        tidy_up();
    return struck;
}

static bool run_row(size_t number)
{
    const struct row *row = &rows[number];
    struct vd_error err = VD_ERROR_INIT;
    struct visit first = {.right = true};
    struct vd_vsphere *session = enter(&first, 0);
    bool good = session && went(&first, "track",
                                vd_vsphere_track_changes(session, told("VD_VM"), true, &err), &err);
    vd_vsphere_free(session);
    double start = seconds_now();
    if (good)
        first = do_visit(0);
    double ms = (seconds_now() - start) * 2000;
    uint32_t io_ms = !strstr(row->fault, "stall") ? 0 : ms < 500 ? 500 : (uint32_t)ms;
    if (first.at || first.bytes == 0) {
        printf("without a fault: %s: %s\n", first.at ? first.at : "nothing changed", first.text);
        return false;
    }
    bool struck = true;
    unsigned places = 0;
    for (; struck && places < PLACES_MAX; places++)
        struck = meet(row, row->first + places * row->step, io_ms, first.bytes, &good);
    return good && places > 1 && !struck;
}

static const char *row_name(size_t number)
{
    static char name[128];
    snprintf(name, sizeof name, "%s at call %u and every %u-th behind", rows[number].fault,
             rows[number].first, rows[number].step);
    return name;
}

static const char *row_server(size_t number)
{
    (void)number;
    return "11";
}

int main(int argc, char **argv)
{
    const struct row_table table = {.count = sizeof rows / sizeof *rows,
                                    .name = row_name,
                                    .server = row_server,
                                    .run = run_row,
                                    .servers = argv + 1};
    if ((unsigned long)argc - 1 != told_number("VD_SIMULATORS"))
        return 1;
    run_rows(&table);
    return tap_done();
}
