/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator as with-simulator tells it, and what the library says while it is used. Knows only
 * the public headers. */
#ifndef VD_TESTS_MANAGED_SERVER_H
#define VD_TESTS_MANAGED_SERVER_H

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"
#include "vixDiskLib.h"

#define UNUSED __attribute__((unused))
#define RO     VIXDISKLIB_FLAG_OPEN_READ_ONLY
#define WEB    "[ds1] web/web.vmdk"
#define DATA   "[ds1] web/data.vmdk"

static const char *told(const char *name)
{
    const char *value = getenv(name);
    if (!value) {
        fprintf(stderr, "%s is not set: with-simulator runs this program\n", name);
        exit(1);
    }
    return value;
}

static unsigned long told_number(const char *name)
{
    char *end;
    unsigned long value = strtoul(told(name), &end, 10);
    if (*end != '\0')
        exit(1);
    return value;
}

/* Every line the library told, and the warnings since the last `forget`. */
static struct {
    pthread_mutex_t lock;
    char all[1 << 20];
    char warn[65536];
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void append(char *to, size_t size, const char *line)
{
    size_t used = strlen(to);
    if (used + strlen(line) < size)
        memcpy(to + used, line, strlen(line) + 1);
}

__attribute__((format(printf, 2, 0))) static void hear(bool warning, const char *fmt, va_list args)
{
    char line[1024];
    vsnprintf(line, sizeof line, fmt, args);
    pthread_mutex_lock(&heard.lock);
    append(heard.all, sizeof heard.all, line);
    if (warning)
        append(heard.warn, sizeof heard.warn, line);
    pthread_mutex_unlock(&heard.lock);
}

__attribute__((format(printf, 1, 0))) static void on_log(const char *fmt, va_list args)
{
    hear(false, fmt, args);
}

__attribute__((format(printf, 1, 0))) static void on_warn(const char *fmt, va_list args)
{
    hear(true, fmt, args);
}

static UNUSED void forget(void)
{
    pthread_mutex_lock(&heard.lock);
    heard.warn[0] = '\0';
    pthread_mutex_unlock(&heard.lock);
}

/* The interface takes strings it does not change. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* For the machine, with the user and password. */
static UNUSED VixDiskLibConnectParams *params_new(void)
{
    static char machine[256];
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    snprintf(machine, sizeof machine, "moref=%s", told("VD_VM"));
    params->serverName = text_of(told("VD_HOST"));
    params->port = (uint32)told_number("VD_PORT");
    params->thumbPrint = text_of(told("VD_THUMBPRINT"));
    params->vmxSpec = machine;
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = text_of(told("VD_USER"));
    params->creds.uid.password = text_of(told("VD_PASSWORD"));
    return params;
}

static UNUSED VixDiskLibConnection connect_to(VixDiskLibConnectParams *params, bool read_only,
                                              const char *modes)
{
    VixDiskLibConnection connection = NULL;
    is(VixDiskLib_ConnectEx(params, read_only, NULL, modes, &connection), VIX_OK, "ConnectEx");
    return connection;
}

static UNUSED VixDiskLibHandle open_disk(VixDiskLibConnection connection, const char *path,
                                         uint32 flags, const char *what)
{
    VixDiskLibHandle disk = NULL;
    forget();
    if (!is(VixDiskLib_Open(connection, path, flags, &disk), VIX_OK, "%s: Open", what))
        printf("# %s\n", heard.warn);
    return disk;
}

/* The content NAME.raw; the caller's to free. */
static UNUSED uint8 *content_of(const char *name, size_t *ret_bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.raw", told("VD_DISKS"), name);
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    *ret_bytes = (size_t)ftell(file);
    uint8 *bytes = malloc(*ret_bytes);
    rewind(file);
    if (!bytes || fread(bytes, 1, *ret_bytes, file) != *ret_bytes)
        exit(1);
    fclose(file);
    return bytes;
}

/* Reads the whole disk and compares it. */
static UNUSED void reads_as(VixDiskLibHandle disk, const uint8 *want, size_t bytes,
                            const char *what)
{
    uint8 *got = calloc(1, bytes);
    is(VixDiskLib_Read(disk, 0, bytes / 512, got), VIX_OK, "%s: Read of everything", what);
    ok(memcmp(got, want, bytes) == 0, "%s: every byte is right", what);
    free(got);
}

/* The simulator's answers are lines; others may have left some. */
static bool read_answer(unsigned long id, char *line, size_t size)
{
    char want[64];
    snprintf(want, sizeof want, "\"id\":%lu}", id);
    do {
        size_t length = 0;
        while (length + 1 < size && read((int)told_number("VD_ANSWERS"), line + length, 1) == 1 &&
               line[length] != '\n')
            length++;
        line[length] = '\0';
        if (length == 0)
            return false;
    } while (!strstr(line, want));
    return true;
}

/* Changes a fault; -1 where the simulator does not know it, or how often it struck before. */
static UNUSED long set_fault(const char *name, const char *value)
{
    static unsigned long last_id;
    char line[512];
    unsigned long id = ((unsigned long)getpid() << 20) + ++last_id;
    int length = snprintf(line, sizeof line, "{\"fault\": \"%s\", \"value\": %s, \"id\": %lu}\n",
                          name, value, id);
    if (write((int)told_number("VD_FAULTS"), line, (size_t)length) != length ||
        !read_answer(id, line, sizeof line))
        return -1;
    const char *struck = strstr(line, "\"struck\":");
    return struck ? strtol(struck + strlen("\"struck\":"), NULL, 10) : -1;
}

static UNUSED void fault(const char *name, const char *value)
{
    ok(set_fault(name, value) >= 0, "fault %s is %s", name, value);
}

/* A session's id, a ticket's: what servers make of them looks so. */
static UNUSED bool has_uuid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    for (; *text; text++) {
        size_t i = 0;
        while (
            form[i] && text[i] &&
            (form[i] == '-' ? text[i] == '-' : strchr("0123456789abcdefABCDEF", text[i]) != NULL))
            i++;
        if (!form[i])
            return true;
    }
    return false;
}

/* The cookies of the simulator's sessions are 40 digits. */
static UNUSED bool has_long_number(const char *text)
{
    for (; *text; text++) {
        size_t length = strspn(text, "0123456789abcdefABCDEF");
        if (length >= 32)
            return true;
        text += length;
        if (!*text)
            break;
    }
    return false;
}

/* NULL, or what it is that no log may hold. */
static UNUSED const char *secret_in(const char *text)
{
    const char *cookie = strchr(told("VD_COOKIE"), '=') + 1;
    return strstr(text, told("VD_PASSWORD")) ? "the password"
           : strstr(text, cookie)            ? "a cookie"
           : has_uuid(text)                  ? "what looks like a ticket"
           : has_long_number(text)           ? "what looks like a cookie"
                                             : NULL;
}

static UNUSED void nothing_secret_was_told(void)
{
    ok(heard.all[0] != '\0', "the log was told something");
    is_text(secret_in(heard.all), NULL, "but no password, cookie or ticket");
}

static UNUSED void begin(const char *config)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/config", told("VD_DISKS"));
    FILE *file = fopen(path, "w");
    fprintf(file, "tmpDirectory = %s\nvixDiskLib.transport.LogLevel = 6\n%s", told("VD_DISKS"),
            config);
    fclose(file);
    is(VixDiskLib_InitEx(7, 0, on_log, on_warn, on_warn, NULL, path), VIX_OK, "InitEx");
}

#endif
