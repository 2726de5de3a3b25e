/* SPDX-License-Identifier: Apache-2.0 */
#include "vdisk/engine-settings.h"

#include <stdio.h>
#include <string.h>

#include "vdisk/failure.h"
#include "vdisk/log.h"
#include "vdisk/params.h"

static void log_problem(void *data, const char *sentence)
{
    (void)data;
    vd_log(vd_native_log(), VD_LOG_WARNING, "%s; the line is not used", sentence);
}

/* One that cannot be read costs its settings, not the disk, as with a VixDiskLib. */
static int read_file(const char *path, struct vd_settings *settings, struct vdisk_error *err)
{
    const struct vd_settings_reader reader = {.problem = log_problem};
    struct vd_error told = VD_ERROR_INIT;
    int r = vd_settings_read(settings, path, &reader, &told);
    if (r == VD_E_NO_MEMORY)
        return vd_native_fail_from(err, r, &told);
    if (r < 0)
        vd_log(vd_native_log(), VD_LOG_WARNING, "%s; its settings are not used",
               vd_error_message(&told, r));
    return 0;
}

/* The first one is the one told. */
static void fail_on_problem(void *data, const char *sentence)
{
    (void)vd_native_fail(data, VD_E_INVALID_ARG, "%s", sentence);
}

static int take_text(const struct vdisk_params *params, struct vd_settings *settings,
                     struct vdisk_error *err)
{
    const struct vd_settings_reader reader = {
        .problem = fail_on_problem, .data = err, .every_line = true};
    struct vd_error told = VD_ERROR_INIT;
    char where[512];
    (void)snprintf(where, sizeof where, "opening '%s': its settings",
                   vd_native_params_name(params)); /* a long name may be cut short */
    int r = vd_settings_parse(settings, where, params->settings, strlen(params->settings), &reader,
                              &told);
    if (r < 0)
        return vd_native_fail_from(err, r, &told);
    return err->code == VDISK_OK ? 0 : -err->sys_errno;
}

int vd_native_settings_take(const struct vdisk_params *params, struct vd_settings *ret,
                            struct vdisk_error *err)
{
    VD_CLEANUP(vd_settings_done) struct vd_settings settings = {0};
    int r = params->config_file ? read_file(params->config_file, &settings, err) : 0;
    if (r >= 0 && params->settings)
        r = take_text(params, &settings, err);
    if (r < 0)
        return r;
    *ret = settings;
    settings = (struct vd_settings){0}; /* theirs now */
    return 0;
}
