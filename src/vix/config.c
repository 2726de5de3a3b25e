/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/config.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"
#include "block/fs.h"
#include "vix/fork.h"

struct setting {
    char *name;
    char *value;
    struct setting *next;
};

/* `lock` guards the list, latest setting first. */
static struct {
    pthread_mutex_t lock;
    struct setting *settings;
} config = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void settings_free(struct setting *settings)
{
    while (settings) {
        struct setting *next = settings->next;
        free(settings->name);
        free(settings->value);
        free(settings);
        settings = next;
    }
}
VD_DEFINE_CLEANUP(struct setting *, settings_free)

static void replace_settings(struct setting *settings)
{
    (void)pthread_mutex_lock(&config.lock); /* a static mutex, never misused */
    struct setting *old = config.settings;
    config.settings = settings;
    (void)pthread_mutex_unlock(&config.lock);
    settings_free(old);
}

static int setting_add(struct setting **settings, const char *name, size_t name_length,
                       const char *value, size_t value_length)
{
    struct setting *setting = calloc(1, sizeof *setting);
    if (!setting)
        return VD_E_NO_MEMORY;
    setting->name = strndup(name, name_length);
    setting->value = strndup(value, value_length);
    setting->next = *settings;
    if (!setting->name || !setting->value) {
        setting->next = NULL;
        settings_free(setting);
        return VD_E_NO_MEMORY;
    }
    *settings = setting;
    return VD_OK;
}

/* Narrows [*start, *end) to what is between white space. */
static void trim(const char **start, const char **end)
{
    while (*start < *end && isspace((unsigned char)**start))
        ++*start;
    while (*start < *end && isspace((unsigned char)(*end)[-1]))
        --*end;
}

/* To the closing quote, or, without quotes, to white space and a comment. */
static void cut_value(const char **start, const char **end)
{
    const char *stop;
    if (*start < *end && **start == '"') {
        ++*start;
        stop = memchr(*start, '"', (size_t)(*end - *start));
    } else {
        stop = memchr(*start, '#', (size_t)(*end - *start));
    }
    if (stop)
        *end = stop;
}

static int line_parse(struct setting **settings, const char *line, const char *end)
{
    trim(&line, &end);
    const char *equals = memchr(line, '=', (size_t)(end - line));
    if (line == end || *line == '#' || !equals)
        return VD_OK;

    const char *name_end = equals;
    const char *value = equals + 1;
    trim(&line, &name_end);
    trim(&value, &end);
    bool quoted = value < end && *value == '"';
    cut_value(&value, &end);
    if (!quoted)
        trim(&value, &end);
    return setting_add(settings, line, (size_t)(name_end - line), value, (size_t)(end - value));
}

static int text_parse(struct setting **settings, const char *text, size_t length)
{
    const char *end = text + length;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline : end;
        int r = line_parse(settings, text, line_end);
        if (r < 0)
            return r;
        text = newline ? newline + 1 : end;
    }
    return VD_OK;
}

/* Adds the file's settings before those there are. */
static int file_parse(struct setting **settings, const char *path, struct vd_error *err)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *file = NULL;
    int r = vd_fs_open(vd_fs_host(), path, 0, &file, err);
    if (r < 0)
        return r;
    VD_FREE char *text = malloc(VD_VIX_CONFIG_MAX_BYTES + 1);
    if (!text)
        return vd_error_set(err, VD_E_NO_MEMORY, "reading '%s': out of memory", path);
    size_t length;
    r = vd_block_read_some(file, 0, text, VD_VIX_CONFIG_MAX_BYTES + 1, &length, err);
    if (r < 0)
        return r;
    if (length > VD_VIX_CONFIG_MAX_BYTES)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "reading '%s': longer than %u bytes, which no configuration file is",
                            path, VD_VIX_CONFIG_MAX_BYTES);
    if (text_parse(settings, text, length) < 0)
        return vd_error_set(err, VD_E_NO_MEMORY, "reading '%s': out of memory", path);
    return VD_OK;
}

int vd_vix_config_load(const char *path, struct vd_error *err)
{
    VD_CLEANUP(settings_free_cleanup) struct setting *settings = NULL;
    int r = file_parse(&settings, path, err);
    if (r < 0)
        return r;
    replace_settings(VD_TAKE_PTR(settings));
    return VD_OK;
}

static int optional_parse(struct setting **settings, const char *path, struct vd_error *err)
{
    struct vd_error reason = VD_ERROR_INIT;
    int r = file_parse(settings, path, &reason);
    if (r == VD_E_NOT_FOUND)
        return VD_OK;
    return r < 0 ? vd_error_set(err, r, "%s", vd_error_message(&reason, r)) : VD_OK;
}

static int home_parse(struct setting **settings, const char *name, struct vd_error *err)
{
    const char *home = getenv("HOME");
    if (!home || home[0] != '/')
        return VD_OK;
    VD_FREE char *path = vd_path_join(home, name);
    if (!path)
        return vd_error_set(err, VD_E_NO_MEMORY, "reading '%s/%s': out of memory", home, name);
    return optional_parse(settings, path, err);
}

int vd_vix_config_load_default(struct vd_error *err)
{
    static const char *const system_places[] = {"/etc/vmware/config", "/usr/lib/vmware/settings",
                                                "/usr/lib/vmware/config"};
    static const char *const home_places[] = {".vmware/config", ".vmware/preferences"};
    VD_CLEANUP(settings_free_cleanup) struct setting *settings = NULL;
    int r = VD_OK;

    for (size_t i = 0; i < VD_ARRAY_SIZE(system_places) && r == VD_OK; i++)
        r = optional_parse(&settings, system_places[i], err);
    for (size_t i = 0; i < VD_ARRAY_SIZE(home_places) && r == VD_OK; i++)
        r = home_parse(&settings, home_places[i], err);
    if (r < 0)
        return r;
    replace_settings(VD_TAKE_PTR(settings));
    return VD_OK;
}

void vd_vix_config_clear(void)
{
    replace_settings(NULL);
}

void vd_vix_config_fork(enum vd_vix_fork when)
{
    if (when == VD_VIX_FORK_BEFORE)
        (void)pthread_mutex_lock(&config.lock); /* a static mutex, never misused */
    else
        (void)pthread_mutex_unlock(&config.lock);
}

char *vd_vix_config_text(const char *name)
{
    char *value = NULL;
    (void)pthread_mutex_lock(&config.lock); /* a static mutex, never misused */
    const struct setting *setting = config.settings;
    while (setting && strcasecmp(setting->name, name) != 0)
        setting = setting->next;
    if (setting && setting->value[0] != '\0')
        value = strdup(setting->value);
    (void)pthread_mutex_unlock(&config.lock);
    return value;
}

uint64_t vd_vix_config_u64(const char *name, uint64_t otherwise)
{
    VD_FREE char *text = vd_vix_config_text(name);
    if (!text || !isdigit((unsigned char)text[0]))
        return otherwise;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' ? value : otherwise;
}
