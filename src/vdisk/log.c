/* SPDX-License-Identifier: Apache-2.0 */
#include "vdisk/log.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES 2048

/* Guards the two behind it. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static vdisk_log_fn *function;
static void *function_data;

static vdisk_log_fn *log_function(void **ret_data)
{
    pthread_mutex_lock(&mutex);
    vdisk_log_fn *found = function;
    *ret_data = function_data;
    pthread_mutex_unlock(&mutex);
    return found;
}

VD_NATIVE_EXPORT void vdisk_set_log(vdisk_log_fn *log, void *data)
{
    pthread_mutex_lock(&mutex);
    function = log;
    function_data = data;
    pthread_mutex_unlock(&mutex);
}

/* What other libraries say ends in a newline. */
static void trim(char *line)
{
    size_t length = strlen(line);
    while (length > 0 && strchr(" \t\r\n", line[length - 1]))
        length--;
    line[length] = '\0';
}

static_assert((int)VD_LOG_ERROR == VDISK_LOG_ERROR && (int)VD_LOG_DEBUG == VDISK_LOG_DEBUG,
              "levels need no translation");

static void VD_PRINTF(3, 0)
    emit(void *unused, enum vd_log_level level, const char *fmt, va_list args)
{
    char line[LINE_BYTES];
    void *data;
    vdisk_log_fn *tell = log_function(&data);
    (void)unused;
    if (!tell || vsnprintf(line, sizeof line, fmt, args) < 0)
        return;
    trim(line);
    tell(data, (int)level, line);
}

static void VD_PRINTF(3, 0)
    emit_brief(void *unused, enum vd_log_level level, const char *fmt, va_list args)
{
    if (level < VD_LOG_DEBUG)
        emit(unused, level, fmt, args);
}

const struct vd_log *vd_native_log_brief(void)
{
    static const struct vd_log log = {.emit = emit_brief};
    return &log;
}

const struct vd_log *vd_native_log(void)
{
    static const struct vd_log log = {.emit = emit};
    return &log;
}
