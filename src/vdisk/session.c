/* SPDX-License-Identifier: Apache-2.0 */
#include "vdisk/session.h"

#include "vdisk/failure.h"
#include "vdisk/log.h"
#include "vdisk/params.h"

static int step_do(struct vd_native_session *session, enum vd_native_step step,
                   struct vdisk_error *err)
{
    const struct vd_native_provider *provider = session->provider;
    switch (step) {
    case VD_NATIVE_LOADED:
        return provider->load(&session->params, &session->self, err);
    case VD_NATIVE_PREPARED:
        return provider->prepare(session->self, err);
    case VD_NATIVE_CONNECTED:
        return provider->connect(session->self, err);
    case VD_NATIVE_OPEN:
    default:
        return provider->open(session->self, err);
    }
}

static int step_undo(struct vd_native_session *session, enum vd_native_step step,
                     struct vdisk_error *err)
{
    const struct vd_native_provider *provider = session->provider;
    switch (step) {
    case VD_NATIVE_OPEN:
        return provider->close(session->self, err);
    case VD_NATIVE_CONNECTED:
        return provider->disconnect(session->self, err);
    case VD_NATIVE_PREPARED:
        return provider->end_access(session->self, err);
    case VD_NATIVE_LOADED:
    default:
        provider->unload(session->self);
        return 0;
    }
}

/* A failure beside the one that is told. */
static void steps_undo(struct vd_native_session *session, unsigned done, struct vdisk_error *err)
{
    while (done-- > 0) {
        struct vdisk_error own;
        struct vdisk_error *used = vd_native_error(err->code == VDISK_OK ? err : NULL, &own);
        if (step_undo(session, (enum vd_native_step)done, used) < 0 && used == &own)
            vd_log(vd_native_log(), VD_LOG_WARNING, "%s", own.text);
    }
}

int vd_native_session_begin(struct vd_native_session *session, const struct vdisk_params *params,
                            enum vd_native_step goal, struct vdisk_error *err)
{
    *session = (struct vd_native_session){.reached = goal};
    int r = vd_native_params_take(params, goal == VD_NATIVE_LOADED, &session->params, err);
    if (r < 0)
        return r;
    session->provider = session->params.libdir ? &vd_native_vix_disk : &vd_native_engine;
    for (unsigned step = 0; r >= 0 && step <= (unsigned)goal; step++) {
        r = step_do(session, (enum vd_native_step)step, err);
        if (r < 0)
            steps_undo(session, step, err);
    }
    if (r < 0)
        vd_native_params_done(&session->params);
    return r;
}

int vd_native_session_end(struct vd_native_session *session, struct vdisk_error *err)
{
    steps_undo(session, (unsigned)session->reached + 1, err);
    vd_native_params_done(&session->params);
    return err->code == VDISK_OK ? 0 : -err->sys_errno;
}
