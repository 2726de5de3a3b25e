/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/task.h"

#include <string.h>

#include "base/clock.h"
#include "vsphere/props.h"
#include "vsphere/question.h"
#include "vsphere/vsphere-int.h"

#define FIRST_PAUSE_MS  100u /* doubled up to the longest */
#define LONGEST_MS      3000u
#define QUESTION_MS     5000u /* between two looks whether the VM waits for an answer */
#define CANCEL_LIMIT_MS 120000u
#define BUSY_LIMIT_MS   120000u

/* One look at a task under way. */
struct look {
    const struct vd_soap_call *call;
    bool catalogue; /* it is a VslmTask */
    struct vd_task *task;
    struct vd_error *err;
    int state; /* 1: ended well, 0: not ended, negative: how it failed */
    int percent;
    bool seen;
    char vm[VD_MOID_BYTES]; /* that the task is about; "": none */
    char question[VD_QUESTION_BYTES];
    uint64_t asked_ms;
};

static int take_failure(struct look *look, const xmlNode *info)
{
    struct vd_error why = VD_ERROR_INIT;
    vd_fault_from_localized(vd_xml_child(info, "error"), &look->task->fault);
    look->state = vd_fault_tell(&look->task->fault, look->call->what, &why);
    (void)vd_error_set(look->err, look->state, "%s%s%s", why.text,
                       look->question[0] ? "; the VM waited for an answer: " : "", look->question);
    return VD_OK;
}

/* Objects are named by a reference, first-class disks and their snapshots by a structure. */
static int take_result(struct look *look, const xmlNode *result)
{
    const xmlNode *id = strcmp(vd_xml_type(result), "ID") == 0 ? vd_xml_child(result, "id") : NULL;
    if (id)
        return vd_soap_moid(look->call, id, look->task->moid, look->err);
    if (vd_xml_ref_type(result)[0] && vd_xml_text(result))
        return vd_soap_moid(look->call, result, look->task->moid, look->err);
    return VD_OK;
}

static void note_vm(struct look *look, const xmlNode *entity)
{
    const char *moid = vd_xml_text(entity);
    if (moid && strcmp(vd_xml_ref_type(entity), "VirtualMachine") == 0)
        (void)snprintf(look->vm, sizeof look->vm, "%s", moid);
}

static int take_info(struct look *look, const xmlNode *info)
{
    const char *state = vd_xml_child_text(info, "state");
    int32_t percent;
    look->seen = true;
    note_vm(look, vd_xml_child(info, "entity"));
    if (!state)
        return vd_soap_broken(look->call, "starts a task that does not tell its state", look->err);
    if (vd_xml_i32(vd_xml_child(info, "progress"), &percent) && percent >= 0 && percent <= 100)
        look->percent = percent;
    if (strcmp(state, "error") == 0)
        return take_failure(look, info);
    if (strcmp(state, "success") != 0)
        return VD_OK;
    look->state = 1;
    return take_result(look, vd_xml_child(info, "result"));
}

static int take_object(void *data, const xmlNode *object)
{
    return take_info(data, vd_props_get(object, "info"));
}

static int ask_catalogue(struct vd_vsphere *session, const char *method, const char *moid,
                         const struct look *look, struct vd_soap_reply *reply)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    vd_soap_begin_catalogue(&call, method, "VslmTask", moid);
    call.settles = true; /* the task goes on, whether somebody looks or not */
    vd_soap_what(&call, "%s", look->call->what);
    return vd_soap_run(session, &call, reply, look->err);
}

/* The result may have to be asked for. */
static int look_at_catalogue(struct vd_vsphere *session, const char *moid, struct look *look)
{
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply result = VD_SOAP_REPLY_INIT;
    int r = ask_catalogue(session, "VslmQueryInfo", moid, look, &reply);
    if (r == VD_OK)
        r = take_info(look, vd_soap_value(&reply));
    if (r < 0 || look->state != 1 || look->task->moid[0])
        return r;
    r = ask_catalogue(session, "VslmQueryTaskResult", moid, look, &result);
    return r < 0 ? r : take_result(look, vd_soap_value(&result));
}

static int look_at(struct vd_vsphere *session, const char *moid, struct look *look)
{
    static const char *const paths[] = {"info"};
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    if (look->catalogue)
        return look_at_catalogue(session, moid, look);
    vd_props_begin(session, &call);
    call.settles = true; /* the task goes on, whether somebody looks or not */
    vd_props_set(&call, "Task", paths, VD_ARRAY_SIZE(paths));
    vd_props_object(&call, "Task", moid);
    vd_props_object_end(&call);
    vd_soap_what(&call, "%s", look->call->what);
    look->seen = false;
    int r = vd_props_run(session, &call, take_object, look, look->err);
    if (r == VD_OK && !look->seen)
        return vd_error_set(look->err, VD_E_NOT_FOUND,
                            "%s: the server has forgotten the task '%s'; whether it did its work "
                            "is not known",
                            look->call->what, moid);
    return r;
}

/* Some tasks cannot be cancelled, and some have just ended: waiting for the end tells. */
static void cancel(struct vd_vsphere *session, const char *moid, bool catalogue)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    if (catalogue)
        vd_soap_begin_catalogue(&call, "VslmCancelTask", "VslmTask", moid);
    else
        vd_soap_begin(&call, "CancelTask", "Task", moid);
    vd_soap_what(&call, "cancelling the task '%s'", moid);
    VD_DISCARD(vd_soap_run(session, &call, &reply, NULL));
}

static int too_long(const struct look *look, bool cancelled, struct vd_error *err)
{
    bool waits = look->question[0] != '\0';
    const char *why = waits ? "; the VM waits for an answer: " : "";
    if (cancelled)
        return vd_error_set(err, VD_E_CANCELLED,
                            "%s: cancelled, but the server's task goes on all the same%s%s",
                            look->call->what, why, look->question);
    return vd_error_set(err, VD_E_TIMED_OUT,
                        "%s: the task has not ended after %u s and goes on at the server%s%s",
                        look->call->what, look->task->limit_ms / 1000u, why, look->question);
}

/* A task stands still while somebody has to answer the VM, which only the VM tells. */
static void look_for_question(struct vd_vsphere *session, struct look *look)
{
    char was[VD_QUESTION_BYTES];
    uint64_t now = vd_clock_now_ms();
    if (look->vm[0] == '\0' || now - look->asked_ms < QUESTION_MS)
        return;
    look->asked_ms = now;
    memcpy(was, look->question, sizeof was);
    if (vd_question_ask(session, look->vm, look->question) == VD_OK && look->question[0] &&
        strcmp(was, look->question) != 0)
        vd_log(session->log, VD_LOG_WARNING,
               "%s: the task stands still until somebody answers the VM '%s' in its user "
               "interface: %s",
               look->call->what, look->vm, look->question);
}

static int wait_for_end(struct vd_vsphere *session, const char *moid, struct look *look)
{
    uint64_t since = vd_clock_now_ms();
    uint32_t pause = FIRST_PAUSE_MS, limit = look->task->limit_ms;
    bool cancelled = false;
    look->asked_ms = since;
    for (;;) {
        int r = look_at(session, moid, look);
        if (r < 0)
            return r;
        if (look->state != 0)
            return look->state;
        if (!cancelled && !vd_progress_report(look->task->progress, (uint64_t)look->percent, 100)) {
            cancelled = true;
            cancel(session, moid, look->catalogue);
            since = vd_clock_now_ms();
            limit = CANCEL_LIMIT_MS;
            pause = FIRST_PAUSE_MS;
        }
        if (vd_clock_now_ms() - since > limit)
            return too_long(look, cancelled, look->err);
        look_for_question(session, look);
        vd_net_stop_pause(session->wish, pause);
        pause = VD_MIN(pause * 2, LONGEST_MS);
    }
}

static int start(struct vd_vsphere *session, struct vd_soap_call *call, struct vd_task *task,
                 char moid[VD_MOID_BYTES], struct vd_error *err)
{
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    int r = vd_soap_run(session, call, &reply, err);
    task->fault = reply.fault;
    return r < 0 ? r : vd_soap_moid(call, vd_soap_value(&reply), moid, err);
}

static int run_once(struct vd_vsphere *session, struct vd_soap_call *call, struct vd_task *task,
                    struct vd_error *err)
{
    char moid[VD_MOID_BYTES];
    struct look look = {.call = call, .catalogue = call->catalogue, .task = task, .err = err};
    task->moid[0] = '\0';
    int r = start(session, call, task, moid, err);
    if (r == VD_OK)
        r = wait_for_end(session, moid, &look);
    return r < 0 ? r : VD_OK;
}

int vd_task_run(struct vd_vsphere *session, struct vd_soap_call *call, struct vd_task *task,
                struct vd_error *err)
{
    uint64_t since = vd_clock_now_ms();
    for (;;) {
        struct vd_error why = VD_ERROR_INIT;
        int r = run_once(session, call, task, &why);
        if (r == VD_OK) {
            /* The end is told; there is nothing left to stop. */
            (void)vd_progress_report(task->progress, 100, 100);
            return VD_OK;
        }
        if (!vd_fault_is(&task->fault, "TaskInProgress") ||
            vd_clock_now_ms() - since > BUSY_LIMIT_MS)
            return vd_error_set(err, r, "%s", vd_error_message(&why, r));
        if (!vd_progress_report(task->progress, 0, 100))
            return vd_error_set(err, VD_E_CANCELLED, "%s: cancelled", call->what);
        vd_net_stop_pause(session->wish, LONGEST_MS / 2);
    }
}
