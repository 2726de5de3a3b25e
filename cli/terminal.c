/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "interrupt.h"

/* C0, DEL, and C1 as UTF-8 writes it. Newlines are the caller's own, and only at the end. */
static bool is_control(const char *c)
{
    unsigned char first = (unsigned char)c[0];
    unsigned char second = first ? (unsigned char)c[1] : 0;

    if (first == '\n' && second == '\0')
        return false;
    return first < 0x20 || first == 0x7f || (first == 0xc2 && second >= 0x80 && second <= 0x9f);
}

static void put_visible(FILE *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (!is_control(c)) {
            (void)fputc(*c, out);
            continue;
        }
        fprintf(out, "\\x%02x", (unsigned char)*c);
        if ((unsigned char)*c == 0xc2)
            fprintf(out, "\\x%02x", (unsigned char)*++c);
    }
}

static void vprint_line(FILE *out, const char *before, const char *fmt, va_list args)
    VD_PRINTF(3, 0);

static void vprint_line(FILE *out, const char *before, const char *fmt, va_list args)
{
    VD_FREE char *text = NULL;

    if (vasprintf(&text, fmt, args) < 0)
        text = NULL;
    flockfile(out);
    (void)fputs(before, out);
    put_visible(out, text ? text : "out of memory\n");
    funlockfile(out);
}

void cli_print(FILE *out, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vprint_line(out, "", fmt, args);
    va_end(args);
}

enum cli_exit cli_fail(const struct vd_error *err, int code)
{
    const char *message = vd_error_message(err, code);

    (void)fflush(stdout); /* what was said before comes before */
    if (code == VD_E_CANCELLED && cli_interrupted())
        cli_print(stderr, "vdisk: interrupted by %s: %s\n", cli_interrupt_name(), message);
    else
        cli_print(stderr, "vdisk: %s\n", message);
    return CLI_ERROR;
}

/* Warnings wait until it is known how the command ends: an error is told in one sentence, and what
 * a damaged disk gave cause to warn of on the way there is part of that story. */
#define MAX_WARNINGS 32

static struct {
    pthread_mutex_t lock; /* guards the rest; warnings come from any thread */
    char *texts[MAX_WARNINGS];
    size_t count; /* told in all; only the first MAX_WARNINGS are kept */
} warnings = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void log_emit(void *data, enum vd_log_level level, const char *fmt, va_list args)
    VD_PRINTF(3, 0);

static void log_emit(void *data, enum vd_log_level level, const char *fmt, va_list args)
{
    char *text;

    (void)data;
    if (level > VD_LOG_WARNING || vasprintf(&text, fmt, args) < 0)
        return;
    pthread_mutex_lock(&warnings.lock);
    if (warnings.count < MAX_WARNINGS)
        warnings.texts[warnings.count] = VD_TAKE_PTR(text);
    warnings.count++;
    pthread_mutex_unlock(&warnings.lock);
    free(text);
}

static void empty_locked(bool show)
{
    for (size_t i = 0; i < VD_MIN(warnings.count, (size_t)MAX_WARNINGS); i++) {
        if (show)
            cli_print(stderr, "vdisk: warning: %s\n", warnings.texts[i]);
        free(warnings.texts[i]);
    }
    if (show && warnings.count > MAX_WARNINGS)
        cli_print(stderr, "vdisk: warning: %zu more warnings are not shown\n",
                  warnings.count - MAX_WARNINGS);
    warnings.count = 0;
}

void cli_warnings_tell(void)
{
    pthread_mutex_lock(&warnings.lock);
    empty_locked(true);
    pthread_mutex_unlock(&warnings.lock);
}

void cli_warnings_end(bool show)
{
    pthread_mutex_lock(&warnings.lock);
    empty_locked(show);
    pthread_mutex_unlock(&warnings.lock);
}

const struct vd_log cli_log = {log_emit, NULL};

struct vd_source_options cli_source_options(const struct cli_args *args)
{
    return (struct vd_source_options){
        .format = args->format,
        .vmdk =
            {
                .log = &cli_log,
                .flags = args->vmdk_flags | VD_VMDK_READ_ONLY,
                .parent_folders = args->parent_dirs[0] ? args->parent_dirs : NULL,
            },
    };
}
