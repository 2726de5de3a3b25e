/* SPDX-License-Identifier: Apache-2.0 */
/* Disks as a whole: made, copied, grown, removed. */
#include <inttypes.h>

#include "base/units.h"
#include "vdisk/failure.h"
#include "vdisk/params.h"
#include "vdisk/session.h"

/* What was told first stays told. */
static int end(struct vd_native_session *session, int r, struct vdisk_error *err)
{
    int ended = vd_native_session_end(session, err);
    return r < 0 ? r : ended;
}

static int check_capacity(uint64_t bytes, struct vdisk_error *err)
{
    if (bytes > 0 && bytes % VD_SECTOR_BYTES == 0)
        return 0;
    return vd_native_fail(err, VD_E_INVALID_ARG,
                          "a capacity of %" PRIu64 " bytes is not a number of 512-byte sectors",
                          bytes);
}

VD_NATIVE_EXPORT int vdisk_create(const struct vdisk_params *params,
                                  const struct vdisk_create_params *create,
                                  struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    struct vd_native_session session;
    struct vdisk_create_params known;
    int r = vd_native_create_params_take(create, &known, err);
    if (r >= 0)
        r = check_capacity(known.capacity_bytes, err);
    if (r >= 0)
        r = vd_native_session_begin(&session, params, VD_NATIVE_CONNECTED, err);
    if (r < 0)
        return r;
    return end(&session, session.provider->create(session.self, &known, err), err);
}

VD_NATIVE_EXPORT int vdisk_clone(const struct vdisk_params *params, const char *path,
                                 const struct vdisk_create_params *create,
                                 struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    struct vd_native_session session;
    struct vdisk_create_params known;
    int r = create ? vd_native_create_params_take(create, &known, err) : 0;
    if (r >= 0 && (!path || path[0] == '\0'))
        r = vd_native_fail(err, VD_E_INVALID_ARG, "cloning a disk: no path for the clone is given");
    if (r >= 0)
        r = vd_native_session_begin(&session, params, VD_NATIVE_CONNECTED, err);
    if (r < 0)
        return r;
    r = session.provider->clone(session.self, path, create ? &known : NULL, err);
    return end(&session, r, err);
}

VD_NATIVE_EXPORT int vdisk_grow(const struct vdisk_params *params, uint64_t capacity_bytes,
                                struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    struct vd_native_session session;
    int r = check_capacity(capacity_bytes, err);
    if (r >= 0)
        r = vd_native_session_begin(&session, params, VD_NATIVE_CONNECTED, err);
    if (r < 0)
        return r;
    r = session.provider->grow(session.self, capacity_bytes / VD_SECTOR_BYTES, err);
    return end(&session, r, err);
}

VD_NATIVE_EXPORT int vdisk_unlink(const struct vdisk_params *params, struct vdisk_error *error)
{
    struct vdisk_error own;
    struct vdisk_error *err = vd_native_error(error, &own);
    struct vd_native_session session;
    int r = vd_native_session_begin(&session, params, VD_NATIVE_CONNECTED, err);
    if (r < 0)
        return r;
    return end(&session, session.provider->unlink(session.self, err), err);
}
