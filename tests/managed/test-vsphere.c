/* SPDX-License-Identifier: Apache-2.0 */
/* First-class disks, exports, files and tasks that stand still, on the simulator as with-simulator
 * tells it, and what goes wrong in the middle. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/harness.h"
#include "vsphere/vsphere.h"

#define FLAT_PATH    "[ds1] web/data-flat.vmdk"
#define PATIENCE_MS  5000u /* how soon cancelling is noticed */
#define PUT_BYTES    3000017u
#define MOST_EXPORTS 8u

static struct vd_vsphere *session;
static struct vd_error err;

/* --- the simulator, and what is told --- */

static const char *told(const char *name)
{
    const char *value = getenv(name);
    if (!value)
        test_fail("%s is not set: with-simulator runs this program", name);
    return value;
}

static struct {
    pthread_mutex_t lock;
    char text[16384];
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER};

VD_PRINTF(3, 0)
static void hear(void *data, enum vd_log_level level, const char *fmt, va_list args)
{
    char line[1024];
    (void)data;
    (void)level;
    int length = vsnprintf(line, sizeof line, fmt, args);
    (void)pthread_mutex_lock(&heard.lock);
    size_t used = strlen(heard.text);
    if (length > 0 && used + strlen(line) < sizeof heard.text)
        memcpy(heard.text + used, line, strlen(line) + 1);
    (void)pthread_mutex_unlock(&heard.lock);
}

static bool was_heard(const char *words)
{
    (void)pthread_mutex_lock(&heard.lock);
    bool found = strstr(heard.text, words) != NULL;
    (void)pthread_mutex_unlock(&heard.lock);
    return found;
}

static void fault(const char *name, const char *value)
{
    char line[256];
    int length = snprintf(line, sizeof line, "{\"fault\": \"%s\", \"value\": %s}\n", name, value);
    int fd = (int)strtol(told("VD_FAULTS"), NULL, 10);
    check(write(fd, line, (size_t)length) == length);
    (void)usleep(200000); /* the simulator has no answer to that */
}

static void begin(void)
{
    static const struct vd_log log = {.emit = hear};
    const struct vd_vsphere_options options = {
        .server = {.host = told("VD_HOST"),
                   .port = (uint16_t)strtoul(told("VD_PORT"), NULL, 10),
                   .trust = {.thumbprint = told("VD_THUMBPRINT")}},
        .user = told("VD_USER"),
        .password = told("VD_PASSWORD"),
        .log = &log,
    };
    vd_error_clear(&err);
    heard.text[0] = '\0';
    check_code_err(vd_vsphere_connect(&options, &session, &err), VD_OK, &err);
}

static void end(void)
{
    vd_vsphere_free(session);
    session = NULL;
    check(!was_heard(told("VD_PASSWORD")) && !was_heard("/nfc/"));
}

/* Watches, and stops where it is told to. */
struct watch {
    uint64_t stop_at;       /* in the units of the operation; UINT64_MAX: never */
    const char *stop_heard; /* or as soon as that was told; NULL: never */
    uint64_t done, total, stopped_ms;
    bool fell;
};

static bool watch(void *data, uint64_t done, uint64_t total)
{
    struct watch *watch = data;
    watch->fell = watch->fell || done < watch->done;
    watch->done = done;
    watch->total = total;
    bool stop = done >= watch->stop_at || (watch->stop_heard && was_heard(watch->stop_heard));
    if (stop && !watch->stopped_ms)
        watch->stopped_ms = vd_clock_now_ms();
    return !stop;
}

static void stopped_in_time(const struct watch *watch)
{
    check(watch->stopped_ms && vd_clock_now_ms() - watch->stopped_ms < PATIENCE_MS);
}

/* --- first-class disks --- */

static int count_snapshot(void *data, const struct vd_vsphere_fcd_snapshot_info *snapshot)
{
    check(snapshot->created[0] != '\0');
    ++*(unsigned *)data;
    return VD_OK;
}

static unsigned snapshots_of(const char *datastore)
{
    unsigned count = 0;
    check_code_err(vd_vsphere_fcd_snapshot_list(session, datastore, told("VD_FCD"), count_snapshot,
                                                &count, &err),
                   VD_OK, &err);
    return count;
}

static void path_is_another(const char *datastore, const char *snapshot, const char *before)
{
    struct vd_vsphere_fcd *disk = NULL;
    VD_FREE char *path = NULL;
    VD_FREE char *change_id = NULL;
    check_code_err(vd_vsphere_fcd_get(session, datastore, told("VD_FCD"), &disk, &err), VD_OK,
                   &err);
    check_code_err(vd_vsphere_fcd_snapshot(session, datastore, told("VD_FCD"), snapshot, &path,
                                           &change_id, &err),
                   VD_OK, &err);
    check_str_eq(path, before);
    check(strcmp(disk->path, before) != 0);
    vd_vsphere_fcd_free(disk);
}

static void make_and_delete(const char *datastore)
{
    struct watch seen = {.stop_at = UINT64_MAX};
    const struct vd_progress progress = {watch, &seen};
    const struct vd_vsphere_fcd_snapshot_request request = {datastore, told("VD_FCD"), "a & b"};
    struct vd_vsphere_fcd *disk = NULL;
    char id[VD_MOID_BYTES];
    unsigned before = snapshots_of(datastore);
    check_code_err(vd_vsphere_fcd_get(session, datastore, told("VD_FCD"), &disk, &err), VD_OK,
                   &err);
    fault("slow-task", "600");
    check_code_err(vd_vsphere_fcd_snapshot_create(session, &request, &progress, id, &err), VD_OK,
                   &err);
    check(!seen.fell && seen.done == 100 && seen.total == 100);
    check_u64_eq(snapshots_of(datastore), before + 1);
    path_is_another(datastore, id, disk->path);
    fault("slow-task", "null");
    check_code_err(
        vd_vsphere_fcd_snapshot_delete(session, datastore, told("VD_FCD"), id, NULL, &err), VD_OK,
        &err);
    check_u64_eq(snapshots_of(datastore), before);
    check_code(vd_vsphere_fcd_snapshot_delete(session, datastore, told("VD_FCD"), id, NULL, &err),
               VD_E_SNAPSHOT_GONE);
    vd_vsphere_fcd_free(disk);
}

VD_TEST(snapshots_of_a_first_class_disk)
{
    begin();
    make_and_delete(told("VD_DATASTORE"));
    end();
}

VD_TEST(snapshots_by_the_global_catalogue)
{
    begin();
    make_and_delete(NULL);
    fault("expired-session-after", "2");
    make_and_delete(NULL);
    fault("expired-session-after", "null");
    end();
}

static void cancel_snapshot(const char *datastore)
{
    struct watch seen = {.stop_at = 20};
    const struct vd_progress progress = {watch, &seen};
    const struct vd_vsphere_fcd_snapshot_request request = {datastore, told("VD_FCD"), ""};
    char id[VD_MOID_BYTES];
    unsigned before = snapshots_of(datastore);
    vd_error_clear(&err);
    fault("slow-task", "20000");
    check_code(vd_vsphere_fcd_snapshot_create(session, &request, &progress, id, &err),
               VD_E_CANCELLED);
    stopped_in_time(&seen);
    fault("slow-task", "null");
    check_u64_eq(snapshots_of(datastore), before);
}

VD_TEST(a_snapshot_of_a_first_class_disk_is_cancelled)
{
    begin();
    cancel_snapshot(told("VD_DATASTORE"));
    cancel_snapshot(NULL);
    end();
}

/* --- a machine that waits for an answer --- */

VD_TEST(a_task_that_stands_still_says_why)
{
    struct watch seen = {.stop_at = UINT64_MAX, .stop_heard = "Was it moved?"};
    const struct vd_progress progress = {watch, &seen};
    const struct vd_vsphere_snapshot_request request = {.vm_moid = told("VD_VM"), .name = "late"};
    struct vd_vsphere_vm *vm = NULL;
    char moid[VD_MOID_BYTES];
    begin();
    fault("vm-question", "\"Was it moved?\"");
    check_code(vd_vsphere_snapshot_create(session, &request, &progress, moid, &err),
               VD_E_CANCELLED);
    check_str_has(err.text, "the VM waited for an answer: 'Was it moved?'");
    check(was_heard("stands still until somebody answers the VM"));
    check(was_heard("'Was it moved?' (possible answers: 'Yes', 'No')"));
    check_code_err(vd_vsphere_vm_get(session, told("VD_VM"), NULL, &vm, &err), VD_OK, &err);
    check(!vm->question); /* the task took it along */
    vd_vsphere_vm_free(vm);
    fault("vm-question", "null");
    end();
}

/* --- exports --- */

struct stream {
    uint64_t bytes;
    char head[4];
};

static int take_stream(void *data, const void *bytes, size_t size)
{
    struct stream *stream = data;
    if (stream->bytes == 0 && size >= sizeof stream->head)
        memcpy(stream->head, bytes, sizeof stream->head);
    stream->bytes += size;
    return VD_OK;
}

/* Of the machine's first disk; complete: all of them. */
static int export(struct watch *seen, bool all)
{
    VD_CLEANUP(vd_vsphere_lease_free_cleanup) struct vd_vsphere_lease *lease = NULL;
    const struct vd_progress progress = {watch, seen};
    vd_error_clear(&err);
    int r = vd_vsphere_lease_open(session, told("VD_VM"), NULL, NULL, &lease, &err);
    for (size_t i = 0; r == VD_OK && i < (all ? vd_vsphere_lease_count(lease) : 1); i++) {
        struct stream stream = {.bytes = 0};
        const struct vd_vsphere_sink sink = {take_stream, &stream};
        seen->done = 0;
        r = vd_vsphere_lease_read(lease, i, &sink, &progress, &err);
        check(r < 0 || (memcmp(stream.head, "KDMV", 4) == 0 && seen->done == stream.bytes &&
                        seen->total == stream.bytes));
    }
    if (r == VD_OK)
        r = vd_vsphere_lease_complete(lease, &err);
    for (size_t i = 0; r == VD_OK && i < (all ? vd_vsphere_lease_count(lease) : 1); i++)
        check(vd_vsphere_lease_verified(lease, i));
    return r;
}

VD_TEST(a_machine_is_exported)
{
    struct watch seen = {.stop_at = UINT64_MAX};
    begin();
    check_code_err(export(&seen, true), VD_OK, &err);
    end();
}

/* The lease would not last as long as the transfer, and the session does not last either. */
VD_TEST(a_lease_is_kept_alive_across_sessions)
{
    struct watch seen = {.stop_at = UINT64_MAX};
    begin();
    fault("lease-seconds", "5");
    fault("slow-exports", "25"); /* for each piece of 32 KiB: some seven seconds */
    fault("expired-session-after", "6");
    uint64_t since = vd_clock_now_ms();
    check_code_err(export(&seen, false), VD_OK, &err);
    check(vd_clock_now_ms() - since > 5500);
    check(was_heard("logged in again"));
    fault("expired-session-after", "null");
    fault("slow-exports", "null");
    fault("lease-seconds", "null");
    end();
}

VD_TEST(an_export_that_breaks_off)
{
    struct watch seen = {.stop_at = UINT64_MAX};
    begin();
    fault("cut-exports", "1000000");
    check_code(export(&seen, false), VD_E_DISCONNECTED);
    check_str_has(err.text, "cannot be taken up again");
    fault("lease-lost", "\"HostNotConnected\"");
    check_code(export(&seen, false), VD_E_UNREACHABLE);
    check_str_has(err.text, "the host is not connected to the vCenter");
    fault("lease-lost", "null");
    fault("cut-exports", "null");
    fault("lease-fails", "\"NoDiskSpace\"");
    check_code(export(&seen, false), VD_E_DISK_FULL);
    fault("lease-fails", "null");
    end();
}

VD_TEST(an_export_is_cancelled)
{
    struct watch seen = {.stop_at = 500000};
    begin();
    fault("slow-exports", "100");
    check_code(export(&seen, false), VD_E_CANCELLED);
    stopped_in_time(&seen);
    fault("slow-exports", "null");
    seen.stop_at = UINT64_MAX;
    for (unsigned i = 0; i < MOST_EXPORTS; i++) /* the server holds nothing back */
        check_code_err(export(&seen, false), VD_OK, &err);
    end();
}

/* --- files --- */

struct bytes {
    uint8_t *data;
    uint64_t size, room;
};

static int take_bytes(void *data, const void *bytes, size_t size)
{
    struct bytes *to = data;
    check(to->size + size <= to->room);
    memcpy(to->data + to->size, bytes, size);
    to->size += size;
    return VD_OK;
}

/* What is in the file of this machine that the simulator shows as `name` of its datastore. */
static struct bytes content_of(const char *name)
{
    char path[4096];
    struct bytes content = {.data = NULL};
    (void)snprintf(path, sizeof path, "%s/ds1/%s", told("VD_DISKS"), name);
    FILE *file = fopen(path, "rb");
    check(file && fseek(file, 0, SEEK_END) == 0);
    content.room = content.size = (uint64_t)ftell(file);
    rewind(file);
    content.data = malloc(content.size);
    check(content.data && fread(content.data, 1, content.size, file) == content.size);
    (void)fclose(file);
    return content;
}

static int get(const struct vd_vsphere_range *range, struct watch *seen, struct bytes *to)
{
    const struct vd_vsphere_sink sink = {take_bytes, to};
    const struct vd_progress progress = {watch, seen};
    to->size = seen->done = 0;
    vd_error_clear(&err);
    return vd_vsphere_file_get(session, FLAT_PATH, range, &sink, &progress, &err);
}

static void reads_right(const struct vd_vsphere_range *range)
{
    struct bytes want = content_of("web/data-flat.vmdk");
    struct bytes got = {malloc(want.size), 0, want.size};
    struct watch seen = {.stop_at = UINT64_MAX};
    uint64_t start = range ? range->start_bytes : 0;
    uint64_t length = range ? VD_MIN(range->length_bytes, want.size - start) : want.size;
    check_code_err(get(range, &seen, &got), VD_OK, &err);
    check_u64_eq(got.size, length);
    check_mem_eq(got.data, want.data + start, length);
    check(!seen.fell && seen.done == length && seen.total == length);
    free(got.data);
    free(want.data);
}

VD_TEST(files_are_read)
{
    begin();
    reads_right(NULL);
    reads_right(&(const struct vd_vsphere_range){1000, 70000});
    reads_right(&(const struct vd_vsphere_range){10487296 - 7, UINT64_MAX});
    reads_right(&(const struct vd_vsphere_range){0, 99999999});
    end();
}

VD_TEST(a_file_is_taken_up_again_where_the_connection_was_lost)
{
    begin();
    fault("cut-files", "1000000");
    reads_right(NULL);
    check(was_heard("it is taken up again after 1000000 bytes"));
    reads_right(&(const struct vd_vsphere_range){12345, 3000000});
    fault("expired-session-after", "3");
    reads_right(NULL);
    check(was_heard("logged in again"));
    fault("expired-session-after", "null");
    fault("cut-files", "null");
    end();
}

VD_TEST(reading_a_file_is_cancelled_or_refused)
{
    struct bytes got = {malloc(16u << 20), 0, 16u << 20};
    struct watch seen = {.stop_at = 1000000};
    begin();
    check_code(get(NULL, &seen, &got), VD_E_CANCELLED);
    stopped_in_time(&seen);
    seen.stop_at = UINT64_MAX;
    check_code(get(&(const struct vd_vsphere_range){99999999, 5}, &seen, &got), VD_E_OUT_OF_RANGE);
    fault("missing-privilege", "\"Datastore.Browse\"");
    check_code(get(NULL, &seen, &got), VD_E_NO_PERMISSION);
    check_str_has(err.text, "Datastore.Browse");
    fault("missing-privilege", "null");
    free(got.data);
    end();
}

static int give(void *data, uint64_t offset_bytes, void *bytes, size_t size, size_t *ret)
{
    const struct bytes *from = data;
    *ret = VD_MIN(size, from->size - offset_bytes);
    memcpy(bytes, from->data + offset_bytes, *ret);
    return VD_OK;
}

VD_TEST(a_file_is_written_and_read_back)
{
    struct bytes from = {malloc(PUT_BYTES), PUT_BYTES, PUT_BYTES};
    struct bytes got = {malloc(PUT_BYTES), 0, PUT_BYTES};
    const struct vd_vsphere_content_source source = {give, &from, PUT_BYTES};
    const struct vd_vsphere_sink sink = {take_bytes, &got};
    struct watch seen = {.stop_at = UINT64_MAX};
    const struct vd_progress progress = {watch, &seen};
    for (size_t i = 0; i < PUT_BYTES; i++)
        from.data[i] = (uint8_t)(i * 31 >> 3);
    begin();
    fault("expired-session-after", "5");
    check_code_err(vd_vsphere_file_put(session, "[ds1] up/a & b.bin", &source, &progress, &err),
                   VD_OK, &err);
    check(seen.done == PUT_BYTES && seen.total == PUT_BYTES);
    check_code_err(vd_vsphere_file_get(session, "[ds1] up/a & b.bin", NULL, &sink, NULL, &err),
                   VD_OK, &err);
    check_u64_eq(got.size, PUT_BYTES);
    check_mem_eq(got.data, from.data, PUT_BYTES);
    fault("expired-session-after", "null");
    check_code(vd_vsphere_file_put(session, "[ds1] web/web.vmdk", &source, NULL, &err),
               VD_E_LOCKED);
    vd_error_clear(&err);
    seen.stop_at = 1000000;
    check_code(vd_vsphere_file_put(session, "[ds1] up/half", &source, &progress, &err),
               VD_E_CANCELLED);
    vd_error_clear(&err);
    check_code(vd_vsphere_file_get(session, "[ds1] up/half", NULL, &sink, NULL, &err),
               VD_E_NOT_FOUND);
    free(from.data);
    free(got.data);
    end();
}
