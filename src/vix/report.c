/* SPDX-License-Identifier: Apache-2.0 */
#include "vix/report.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vix/config.h"
#include "vix/default-log.h"
#include "vix/error-text.h"
#include "vix/fork.h"

struct callbacks {
    bool wanted; /* between the first Init and the last Exit */
    VixDiskLibGenericLogFunc *log;
    VixDiskLibGenericLogFunc *warn;
    VixDiskLibGenericLogFunc *panic; /* kept; asserts end the process without asking anybody */
};

static pthread_mutex_t callbacks_lock = PTHREAD_MUTEX_INITIALIZER;
static struct callbacks callbacks; /* guarded by callbacks_lock */

void vd_vix_report_use(VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn,
                       VixDiskLibGenericLogFunc *panic)
{
    (void)pthread_mutex_lock(&callbacks_lock); /* a static mutex, never misused */
    callbacks.wanted = true;
    if (log)
        callbacks.log = log;
    if (warn)
        callbacks.warn = warn;
    if (panic)
        callbacks.panic = panic;
    (void)pthread_mutex_unlock(&callbacks_lock);
}

void vd_vix_report_done(void)
{
    (void)pthread_mutex_lock(&callbacks_lock); /* a static mutex, never misused */
    memset(&callbacks, 0, sizeof callbacks);
    (void)pthread_mutex_unlock(&callbacks_lock);
    vd_vix_default_log_done();
}

void vd_vix_report_fork(enum vd_vix_fork when)
{
    if (when == VD_VIX_FORK_BEFORE) {
        (void)pthread_mutex_lock(&callbacks_lock); /* a static mutex, never misused */
        return;
    }
    if (when == VD_VIX_FORK_CHILD)
        memset(&callbacks, 0, sizeof callbacks);
    (void)pthread_mutex_unlock(&callbacks_lock);
}

static struct callbacks current_callbacks(void)
{
    (void)pthread_mutex_lock(&callbacks_lock); /* a static mutex, never misused */
    struct callbacks current = callbacks;
    (void)pthread_mutex_unlock(&callbacks_lock);
    return current;
}

static void call(VixDiskLibGenericLogFunc *callback, const char *fmt, ...) VD_PRINTF(2, 3);
static void call(VixDiskLibGenericLogFunc *callback, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    callback(fmt, args);
    va_end(args);
}

/* A path can hold any byte; a log line is one line. */
static void make_one_line(char *line)
{
    for (; *line; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            *line = '?';
}

static void format_line(char line[VD_VIX_LINE_BYTES], const char *fmt, va_list args)
    VD_PRINTF(2, 0);
static void format_line(char line[VD_VIX_LINE_BYTES], const char *fmt, va_list args)
{
    int length = vsnprintf(line, VD_VIX_LINE_BYTES, fmt, args);
    if (length >= VD_VIX_LINE_BYTES)
        memcpy(line + VD_VIX_LINE_BYTES - sizeof "...", "...", sizeof "...");
    if (length < 0)
        line[0] = '\0';
    make_one_line(line);
}

static void emit(void *data, enum vd_log_level level, const char *fmt, va_list args)
    VD_PRINTF(3, 0);
static void emit(void *data, enum vd_log_level level, const char *fmt, va_list args)
{
    (void)data; /* there is one library */
    struct callbacks current = current_callbacks();
    if (!current.wanted)
        return;
    if (level >= VD_LOG_DEBUG && vd_vix_config_number(VD_SETTING_LOG_LEVEL, 3) < VD_SETTING_VERBOSE)
        return;

    char line[VD_VIX_LINE_BYTES];
    format_line(line, fmt, args);
    VixDiskLibGenericLogFunc *callback = level <= VD_LOG_WARNING ? current.warn : current.log;
    if (callback)
        call(callback, "%s\n", line);
    else
        vd_vix_default_log_write(line);
}

const struct vd_log *vd_vix_log(void)
{
    static const struct vd_log log = {.emit = emit, .data = NULL};
    return &log;
}

void vd_vix_info(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    emit(NULL, VD_LOG_INFO, fmt, args);
    va_end(args);
}

void vd_vix_warn(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    emit(NULL, VD_LOG_WARNING, fmt, args);
    va_end(args);
}

VixError vd_vix_result(const char *function, int code, const struct vd_error *err)
{
    if (code >= 0)
        return VIX_OK;
    VixError result = vd_error_vix(code);
    vd_vix_warn("VixDiskLib: %s: %s. Error %u (%s).", function, vd_error_message(err, code),
                (unsigned)result, vd_vix_error_text(result));
    return result;
}
