/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include <stdbool.h>

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
    (void)fflush(stdout); /* what was said before comes before */
    cli_print(stderr, "vdisk: %s\n", vd_error_message(err, code));
    return CLI_ERROR;
}

static void log_emit(void *data, enum vd_log_level level, const char *fmt, va_list args)
    VD_PRINTF(3, 0);

static void log_emit(void *data, enum vd_log_level level, const char *fmt, va_list args)
{
    (void)data;
    if (level > VD_LOG_WARNING)
        return;
    vprint_line(stderr, "vdisk: warning: ", fmt, args);
    (void)fputc('\n', stderr);
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
