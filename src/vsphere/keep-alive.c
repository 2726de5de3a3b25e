/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that asks the time now and then, so that the server does not take the session for
 * forgotten. Where the session is over all the same, the question logs in again. */
#include <time.h>

#include "vsphere/vsphere-int.h"

#define QUESTION_MS                                                               \
    10000u /* vd_vsphere_free waits for a question under way: no longer than this \
            */

static void ask_time(struct vd_vsphere *session)
{
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    VD_CLEANUP(vd_soap_reply_done) struct vd_soap_reply reply = VD_SOAP_REPLY_INIT;
    struct vd_error err = VD_ERROR_INIT;
    vd_soap_begin(&call, "CurrentTime", "ServiceInstance", "ServiceInstance");
    vd_soap_what(&call, "keeping the session alive");
    call.io_ms = QUESTION_MS;
    if (vd_soap_run(session, &call, &reply, &err) < 0)
        vd_log(session->log, VD_LOG_WARNING, "%s", err.text);
}

/* False: it is over. */
static bool wait_for_turn(struct vd_vsphere *session)
{
    struct timespec until;
    int r = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail for this clock */
    until.tv_sec += session->keep_alive_ms / 1000u;
    until.tv_nsec += (long)(session->keep_alive_ms % 1000u) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&session->lock);
    while (!session->stop && r == 0)
        r = pthread_cond_timedwait(&session->stopping, &session->lock, &until);
    bool stop = session->stop;
    (void)pthread_mutex_unlock(&session->lock);
    return !stop;
}

static void *keep(void *data)
{
    while (wait_for_turn(data))
        ask_time(data);
    return NULL;
}

void vd_session_keep(struct vd_vsphere *session)
{
    session->keeper_runs = pthread_create(&session->keeper, NULL, keep, session) == 0;
    if (!session->keeper_runs)
        vd_log(session->log, VD_LOG_WARNING,
               "no thread to keep the session with '%s' alive; it is renewed where it ends",
               session->host);
}

void vd_session_stop_keeping(struct vd_vsphere *session)
{
    if (!session->keeper_runs)
        return;
    (void)pthread_mutex_lock(&session->lock);
    session->stop = true;
    (void)pthread_cond_broadcast(&session->stopping);
    (void)pthread_mutex_unlock(&session->lock);
    (void)pthread_join(session->keeper, NULL); /* it is ours and running */
    session->keeper_runs = false;
}
