/* SPDX-License-Identifier: Apache-2.0 */
/* An export's birth, life and end. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "vsphere/lease-int.h"
#include "vsphere/props.h"

#define FIRST_PAUSE_MS   50u /* doubled up to the longest */
#define LONGEST_PAUSE_MS 2000u
#define READY_LIMIT_MS   (15u * 60u * 1000u)
#define TELL_MS          10000u /* between two words to the server, at most */
#define LEAST_TELL_MS    500u
#define WORD_MS          20000u /* for its answer to one; vd_vsphere_lease_free waits for that */
#define ABORT_MS         20000u

/* --- what the server says --- */

enum state { INITIALIZING, READY, GONE };

struct look {
    struct vd_vsphere_lease *lease;
    struct vd_error *err;
    enum state state;
    int32_t percent;
    bool seen, want_info;
};

static int take(void *data, const xmlNode *object)
{
    struct look *look = data;
    const char *what = look->lease->what;
    const char *state = vd_props_text(object, "state");
    const char *moid = vd_xml_child_text(object, "obj");
    struct vd_fault fault;
    if (!moid || strcmp(moid, look->lease->moid) != 0)
        return VD_OK; /* nobody asked for it */
    look->seen = true;
    if (!vd_xml_i32(vd_props_get(object, "initializeProgress"), &look->percent) ||
        look->percent < 0 || look->percent > 100)
        look->percent = 0;
    if (state && strcmp(state, "error") == 0) {
        vd_fault_from_localized(vd_props_get(object, "error"), &fault);
        return vd_fault_tell(&fault, what, look->err);
    }
    look->state = state && strcmp(state, "ready") == 0          ? READY
                  : state && strcmp(state, "initializing") == 0 ? INITIALIZING
                                                                : GONE;
    if (look->state != READY || !look->want_info)
        return VD_OK;
    struct vd_error why = VD_ERROR_INIT;
    vd_lease_info_done(&look->lease->info); /* of an answer that lists it twice */
    int r = vd_lease_info_decode(vd_props_get(object, "info"), &look->lease->info, &why);
    return r < 0 ? vd_error_set(look->err, r, "%s: %s", what, why.text) : VD_OK;
}

static int look_at(struct look *look)
{
    static const char *const paths[] = {"state", "initializeProgress", "error", "info"};
    struct vd_vsphere_lease *lease = look->lease;
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    vd_props_begin(lease->session, &call);
    vd_props_set(&call, "HttpNfcLease", paths, VD_ARRAY_SIZE(paths) - !look->want_info);
    vd_props_object(&call, "HttpNfcLease", lease->moid);
    vd_props_object_end(&call);
    vd_soap_what(&call, "%s", lease->what);
    int r = vd_props_run(lease->session, &call, take, look, look->err);
    if (r == VD_OK && (!look->seen || look->state == GONE))
        return vd_error_set(look->err, VD_E_FAIL,
                            "%s: the server has ended the lease; it waited too long, or somebody "
                            "cancelled it",
                            lease->what);
    return r;
}

static int wait_until_ready(struct vd_vsphere_lease *lease, const struct vd_progress *progress,
                            struct vd_error *err)
{
    uint64_t since = vd_clock_now_ms();
    uint32_t pause = FIRST_PAUSE_MS;
    for (;;) {
        struct look look = {.lease = lease, .err = err, .want_info = true};
        int r = look_at(&look);
        if (r < 0)
            return r;
        bool ready = look.state == READY;
        if (!vd_progress_report(progress, ready ? 100 : (uint64_t)look.percent, 100))
            return vd_error_set(err, VD_E_CANCELLED, "%s: cancelled", lease->what);
        if (ready)
            return VD_OK;
        if (vd_clock_now_ms() - since > READY_LIMIT_MS)
            return vd_error_set(err, VD_E_TIMED_OUT,
                                "%s: the server has not prepared the disks in %u s", lease->what,
                                READY_LIMIT_MS / 1000u);
        vd_net_stop_pause(lease->session->wish, pause);
        pause = VD_MIN(pause * 2, LONGEST_PAUSE_MS);
    }
}

/* --- keeping it --- */

static void note_lost(struct vd_vsphere_lease *lease, const struct vd_error *why)
{
    (void)pthread_mutex_lock(&lease->lock);
    if (lease->lost.code == 0)
        lease->lost = *why;
    (void)pthread_mutex_unlock(&lease->lock);
}

/* False: there is no lease any more. A word that got lost on the way is said again. */
static bool tell_progress(struct vd_vsphere_lease *lease)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    struct vd_error why = VD_ERROR_INIT;
    vd_soap_begin(&call, "HttpNfcLeaseProgress", "HttpNfcLease", lease->moid);
    vd_soap_what(&call, "%s: keeping the lease", lease->what);
    vd_xml_leaf_i64(&call.body, "percent", atomic_load(&lease->percent));
    call.io_ms = WORD_MS;
    int r = vd_soap_run(lease->session, &call, &reply, &why);
    if (r == VD_OK)
        return true;
    if (reply.fault.type[0] == '\0' && r != VD_E_LOGIN) {
        if (r != VD_E_CANCELLED) /* by a stop: nothing to warn of */
            vd_log(lease->session->log, VD_LOG_WARNING, "%s", why.text);
        return true;
    }
    note_lost(lease, &why);
    return false;
}

static bool wait_for_turn(struct vd_vsphere_lease *lease)
{
    uint32_t ms = lease->info.timeout_ms ? lease->info.timeout_ms / 4 : TELL_MS;
    struct timespec until;
    int r = 0;
    ms = VD_MAX(VD_MIN(ms, TELL_MS), LEAST_TELL_MS);
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail for this clock */
    until.tv_sec += ms / 1000u;
    until.tv_nsec += (long)(ms % 1000u) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&lease->lock);
    while (!lease->stop && r == 0)
        r = pthread_cond_timedwait(&lease->stopping, &lease->lock, &until);
    bool stop = lease->stop;
    (void)pthread_mutex_unlock(&lease->lock);
    return !stop;
}

static void *keep(void *data)
{
    while (wait_for_turn(data) && tell_progress(data))
        continue;
    return NULL;
}

static void stop_keeping(struct vd_vsphere_lease *lease)
{
    if (!lease->keeper_runs)
        return;
    (void)pthread_mutex_lock(&lease->lock);
    lease->stop = true;
    (void)pthread_cond_broadcast(&lease->stopping);
    (void)pthread_mutex_unlock(&lease->lock);
    (void)pthread_join(lease->keeper, NULL); /* it is ours and running */
    lease->keeper_runs = false;
}

/* A look that did not come through tells nothing of the lease. */
static bool is_of_the_way(int code)
{
    static const int classes[] = {VD_E_HOST_UNKNOWN, VD_E_REFUSED,   VD_E_TIMED_OUT,
                                  VD_E_DISCONNECTED, VD_E_TLS,       VD_E_CANCELLED,
                                  VD_E_HTTP_STATUS,  VD_E_NO_MEMORY, VD_E_PROTOCOL};
    for (size_t i = 0; i < VD_ARRAY_SIZE(classes); i++)
        if (vd_error_is(code, classes[i]))
            return true;
    return false;
}

int vd_lease_why(struct vd_vsphere_lease *lease, bool ask, struct vd_error *err)
{
    struct vd_error why = VD_ERROR_INIT;
    struct look look = {.lease = lease, .err = &why};
    (void)pthread_mutex_lock(&lease->lock);
    why = lease->lost;
    (void)pthread_mutex_unlock(&lease->lock);
    if (why.code == 0 && ask && look_at(&look) < 0 && !look.seen && is_of_the_way(why.code))
        vd_error_clear(&why);
    return why.code ? vd_error_set(err, why.code, "%s", why.text) : VD_OK;
}

/* --- birth and end --- */

static struct vd_vsphere_lease *lease_new(struct vd_vsphere *session)
{
    struct vd_vsphere_lease *lease = calloc(1, sizeof *lease);
    pthread_condattr_t monotonic;
    if (!lease)
        return NULL;
    (void)pthread_condattr_init(&monotonic); /* none of these fail with these arguments */
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&lease->stopping, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_init(&lease->lock, NULL);
    atomic_init(&lease->percent, 0);
    lease->session = session;
    lease->ended = true; /* not begun */
    return lease;
}

static int ask_for(struct vd_vsphere_lease *lease, const char *vm_moid, const char *snapshot,
                   struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    struct vd_error why = VD_ERROR_INIT;
    if (snapshot)
        vd_soap_begin(&call, "ExportSnapshot", "VirtualMachineSnapshot", snapshot);
    else
        vd_soap_begin(&call, "ExportVm", "VirtualMachine", vm_moid);
    vd_soap_what(&call, "%s", lease->what);
    int r = vd_soap_run(lease->session, &call, &reply, &why);
    if (r < 0 && vd_fault_is(&reply.fault, "InvalidPowerState"))
        return vd_error_set(err, VD_E_BUSY,
                            "%s: the VM is running, and its disks change; make a snapshot and "
                            "export that, or switch the VM off",
                            lease->what);
    if (r < 0)
        return vd_error_set(err, r, "%s", vd_error_message(&why, r));
    r = vd_soap_moid(&call, vd_soap_value(&reply), lease->moid, err);
    lease->ended = r < 0;
    return r;
}

int vd_vsphere_lease_open(struct vd_vsphere *session, const char *vm_moid, const char *snapshot,
                          const struct vd_progress *progress, struct vd_vsphere_lease **ret,
                          struct vd_error *err)
{
    VD_CLEANUP(vd_vsphere_lease_free_cleanup) struct vd_vsphere_lease *lease = lease_new(session);
    if (!lease)
        return vd_error_set(err, VD_E_NO_MEMORY, "exporting a VM: out of memory");
    (void)snprintf(lease->what, sizeof lease->what, "exporting the %s '%.120s'",
                   snapshot ? "snapshot" : "VM", snapshot ? snapshot : vm_moid);
    int r = ask_for(lease, vm_moid, snapshot, err);
    if (r == VD_OK)
        r = wait_until_ready(lease, progress, err);
    if (r < 0)
        return r;
    lease->keeper_runs = pthread_create(&lease->keeper, NULL, keep, lease) == 0;
    if (!lease->keeper_runs)
        return vd_error_set(err, VD_E_NO_MEMORY, "%s: no thread to keep the lease", lease->what);
    *ret = VD_TAKE_PTR(lease);
    return VD_OK;
}

size_t vd_vsphere_lease_count(const struct vd_vsphere_lease *lease)
{
    return lease->info.count;
}

struct vd_vsphere_lease_file vd_vsphere_lease_file(const struct vd_vsphere_lease *lease,
                                                   size_t index)
{
    assert(index < lease->info.count);
    const struct vd_lease_file *file = &lease->info.files[index];
    return (struct vd_vsphere_lease_file){.key = file->key, .disk = file->disk};
}

/* A server without manifests, or a user who may not see it, leaves nothing to compare. */
static int check_manifest(struct vd_vsphere_lease *lease, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    struct vd_error why = VD_ERROR_INIT;
    vd_soap_begin(&call, "HttpNfcLeaseGetManifest", "HttpNfcLease", lease->moid);
    vd_soap_what(&call, "%s: asking for the manifest", lease->what);
    int r = vd_soap_run(lease->session, &call, &reply, &why);
    if (r < 0 && reply.fault.type[0]) {
        vd_log(lease->session->log, VD_LOG_INFO, "%s; the digests are not compared", why.text);
        return VD_OK;
    }
    if (r == VD_OK)
        r = vd_lease_manifest_check(vd_soap_value(&reply), &lease->info, &why);
    return r < 0 ? vd_error_set(err, r, "%s: %s", lease->what, vd_error_message(&why, r)) : VD_OK;
}

/* `method`: HttpNfcLeaseComplete or HttpNfcLeaseAbort. */
static int end(struct vd_vsphere_lease *lease, const char *method, struct vd_error *err)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    vd_soap_begin(&call, method, "HttpNfcLease", lease->moid);
    vd_soap_what(&call, "%s: ending the lease", lease->what);
    call.io_ms = ABORT_MS;
    lease->ended = true;
    return vd_soap_run(lease->session, &call, &reply, err);
}

int vd_vsphere_lease_complete(struct vd_vsphere_lease *lease, struct vd_error *err)
{
    struct vd_error why = VD_ERROR_INIT;
    int r = check_manifest(lease, err);
    if (r < 0)
        return r;
    stop_keeping(lease);
    if (end(lease, "HttpNfcLeaseComplete", &why) < 0)
        vd_log(lease->session->log, VD_LOG_WARNING, "%s", why.text);
    return VD_OK;
}

const char *vd_vsphere_lease_sha256(const struct vd_vsphere_lease *lease, size_t index)
{
    assert(index < lease->info.count);
    return lease->info.files[index].sha256;
}

bool vd_vsphere_lease_verified(const struct vd_vsphere_lease *lease, size_t index)
{
    assert(index < lease->info.count);
    return lease->info.files[index].verified;
}

void vd_vsphere_lease_free(struct vd_vsphere_lease *lease)
{
    struct vd_error why = VD_ERROR_INIT;
    if (!lease)
        return;
    stop_keeping(lease);
    if (!lease->ended && end(lease, "HttpNfcLeaseAbort", &why) < 0)
        vd_log(lease->session->log, VD_LOG_INFO, "%s", why.text);
    vd_lease_info_done(&lease->info);
    (void)pthread_cond_destroy(&lease->stopping);
    (void)pthread_mutex_destroy(&lease->lock);
    free(lease);
}
