/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "vix/fork.h"
#include "vix/report.h"

/* Of sentences about one configuration; what does not fit is not told. */
#define MAX_PROBLEMS_BYTES 65536u

/* `lock` guards the settings. */
static struct {
    pthread_mutex_t lock;
    struct vd_settings settings;
} config = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What is being read. Problems wait, each with its zero byte, until the settings are in force,
 * which say where warnings go. */
struct loading {
    struct vd_settings settings;
    struct vd_buf problems;
};

#define LOADING                                      \
    VD_CLEANUP(loading_done)                         \
    struct loading loading = {                       \
        .problems = VD_BUF_INIT(MAX_PROBLEMS_BYTES), \
    }

static void loading_done(struct loading *loading)
{
    vd_settings_done(&loading->settings);
    vd_buf_done(&loading->problems);
}

static void replace_settings(struct vd_settings *settings)
{
    (void)pthread_mutex_lock(&config.lock); /* a static mutex, never misused */
    struct vd_settings old = config.settings;
    config.settings = *settings;
    (void)pthread_mutex_unlock(&config.lock);
    *settings = (struct vd_settings){0};
    vd_settings_done(&old);
}

static void use(struct loading *loading)
{
    const char *at = vd_buf_text(&loading->problems);
    const char *end = at + loading->problems.length;
    replace_settings(&loading->settings);
    for (; at < end; at += strlen(at) + 1)
        vd_vix_warn("VixDiskLib: configuration: %s; the line is not used.", at);
}

static void keep_problem(void *data, const char *sentence)
{
    struct loading *loading = data;
    VD_DISCARD(vd_buf_append(&loading->problems, sentence, strlen(sentence) + 1));
}

static int file_read(struct loading *loading, const char *path, struct vd_error *err)
{
    const struct vd_settings_reader reader = {.problem = keep_problem, .data = loading};
    return vd_settings_read(&loading->settings, path, &reader, err);
}

int vd_vix_config_load(const char *path, struct vd_error *err)
{
    LOADING;
    int r = file_read(&loading, path, err);
    if (r == VD_OK)
        use(&loading);
    return r;
}

static int optional_read(struct loading *loading, const char *path, struct vd_error *err)
{
    struct vd_error reason = VD_ERROR_INIT;
    int r = file_read(loading, path, &reason);
    if (r == VD_E_NOT_FOUND)
        return VD_OK;
    return r < 0 ? vd_error_set(err, r, "%s", vd_error_message(&reason, r)) : VD_OK;
}

static int home_read(struct loading *loading, const char *name, struct vd_error *err)
{
    const char *home = getenv("HOME");
    if (!home || home[0] != '/')
        return VD_OK;
    VD_FREE char *path = vd_path_join(home, name);
    if (!path)
        return vd_error_set(err, VD_E_NO_MEMORY, "reading '%s/%s': out of memory", home, name);
    return optional_read(loading, path, err);
}

int vd_vix_config_load_default(struct vd_error *err)
{
    static const char *const system_places[] = {"/etc/vmware/config", "/usr/lib/vmware/settings",
                                                "/usr/lib/vmware/config"};
    static const char *const home_places[] = {".vmware/config", ".vmware/preferences"};
    LOADING;
    int r = VD_OK;

    for (size_t i = 0; i < VD_ARRAY_SIZE(system_places) && r == VD_OK; i++)
        r = optional_read(&loading, system_places[i], err);
    for (size_t i = 0; i < VD_ARRAY_SIZE(home_places) && r == VD_OK; i++)
        r = home_read(&loading, home_places[i], err);
    if (r == VD_OK)
        use(&loading);
    return r;
}

void vd_vix_config_clear(void)
{
    struct vd_settings none = {0};
    replace_settings(&none);
}

void vd_vix_config_fork(enum vd_vix_fork when)
{
    if (when == VD_VIX_FORK_BEFORE)
        (void)pthread_mutex_lock(&config.lock); /* a static mutex, never misused */
    else
        (void)pthread_mutex_unlock(&config.lock);
}

int vd_vix_config_copy(struct vd_settings *ret, struct vd_error *err)
{
    (void)pthread_mutex_lock(&config.lock); /* a static mutex, never misused */
    int r = vd_settings_copy(&config.settings, ret, err);
    (void)pthread_mutex_unlock(&config.lock);
    return r;
}

char *vd_vix_config_text(enum vd_setting setting)
{
    (void)pthread_mutex_lock(&config.lock); /* a static mutex, never misused */
    const char *text = vd_settings_text(&config.settings, setting);
    char *copy = text ? strdup(text) : NULL;
    (void)pthread_mutex_unlock(&config.lock);
    return copy;
}

uint64_t vd_vix_config_number(enum vd_setting setting, uint64_t otherwise)
{
    (void)pthread_mutex_lock(&config.lock); /* a static mutex, never misused */
    uint64_t number = vd_settings_number(&config.settings, setting, otherwise);
    (void)pthread_mutex_unlock(&config.lock);
    return number;
}
