/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "block/fs.h"

#define PROBLEM_BYTES 768u
#define SHOWN_CHARS   120 /* of a name or a value, in a sentence */
#define OUR_PREFIX    "vixDiskLib."

#define MAX_WAIT_MS   3600000u /* no setting makes a call wait longer for one answer */
#define BUFFER_BYTES  65536u

enum kind { TEXT, NUMBER, SWITCH };

static const struct key {
    const char *name;
    enum vd_setting setting;
    enum kind kind;
} keys[] = {
    {"tmpDirectory", VD_SETTING_TMP_DIRECTORY, TEXT},
    {"log.fileName", VD_SETTING_LOG_FILE, TEXT},
    {"vixDiskLib.transport.LogLevel", VD_SETTING_LOG_LEVEL, NUMBER},
    {"vixDiskLib.disklib.AllowOutsideFolder", VD_SETTING_ALLOW_OUTSIDE, SWITCH},
    {"vixDiskLib.nfcAio.Session.BufSizeIn64KB", VD_SETTING_BUFFER_UNITS, NUMBER},
    {"vixDiskLib.nfcAio.Session.BufSizeIn64K", VD_SETTING_BUFFER_UNITS, NUMBER},
    {"vixDiskLib.nfcAio.Session.BufCount", VD_SETTING_BUFFER_COUNT, NUMBER},
    {"vixDiskLib.nfc.AcceptTimeoutMs", VD_SETTING_CONNECT_MS, NUMBER},
    {"vixDiskLib.nfc.RequestTimeoutMs", VD_SETTING_REQUEST_MS, NUMBER},
    {"vixDiskLib.nfc.ReadTimeoutsMs", VD_SETTING_READ_MS, NUMBER},
    {"vixDiskLib.nfc.WriteTimeoutsMs", VD_SETTING_WRITE_MS, NUMBER},
    {"vixDiskLib.vdisk.serverTimeoutMs", VD_SETTING_SERVER_MS, NUMBER},
    {"vixDiskLib.vdisk.caFile", VD_SETTING_CA_FILE, TEXT},
    {"vixDiskLib.vdisk.legacyTls", VD_SETTING_LEGACY_TLS, SWITCH},
    {"vixDiskLib.vdisk.unverifiedTls", VD_SETTING_UNVERIFIED_TLS, SWITCH},
    {"vixDiskLib.vdisk.simulator", VD_SETTING_SIMULATOR, SWITCH},
};

/* Known from other implementations; "*": whatever follows. */
static const char *const without_effect[] = {
    "vixDiskLib.nfc.LogLevel",
    "vixDiskLib.nfcFssrvr.*",
    "vixDiskLib.nfcFssrvrWrite.*",
    "vixDiskLib.transport.san.*",
    "vixDiskLib.transport.hotadd.*",
    "vixDiskLib.disklib.EnableCache",
    "vixDiskLib.linuxSSL.verifyCertificates",
    "vixDiskLib.ssl.enableSslFIPS",
    "vixDiskLib.phoneHome.*",
    "log.fileLevel",
};

/* A piece of a line. */
struct span {
    const char *start;
    const char *end;
};

struct reading {
    struct vd_settings *settings;
    const struct vd_settings_reader *reader;
    const char *where;
    unsigned line;
};

static size_t length_of(const struct span *span)
{
    return (size_t)(span->end - span->start);
}

static int shown(const struct span *span)
{
    return (int)VD_MIN(length_of(span), (size_t)SHOWN_CHARS);
}

static void VD_PRINTF(2, 3) tell(const struct reading *reading, const char *fmt, ...)
{
    char what[PROBLEM_BYTES / 2];
    char sentence[PROBLEM_BYTES];
    va_list args;

    if (!reading->reader->problem)
        return;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args); /* it fits: spans are cut */
    va_end(args);
    (void)snprintf(sentence, sizeof sentence, "%.350s, line %u: %s", reading->where, reading->line,
                   what);
    reading->reader->problem(reading->reader->data, sentence);
}

/* --- one setting --- */

static const struct key *find_key(const struct span *name)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(keys); i++)
        if (strlen(keys[i].name) == length_of(name) &&
            strncasecmp(keys[i].name, name->start, length_of(name)) == 0)
            return &keys[i];
    return NULL;
}

static bool begins_with(const struct span *name, const char *head, size_t length)
{
    return length_of(name) >= length && strncasecmp(name->start, head, length) == 0;
}

static bool has_no_effect(const struct span *name)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(without_effect); i++) {
        size_t length = strlen(without_effect[i]);
        bool open_end = without_effect[i][length - 1] == '*';

        if (begins_with(name, without_effect[i], open_end ? length - 1 : length) &&
            (open_end || length_of(name) == length))
            return true;
    }
    return false;
}

static bool take_number(const char *text, uint64_t most, uint64_t *ret)
{
    char *end;
    unsigned long long value;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value > most)
        return false;
    *ret = value;
    return true;
}

static void forget(struct vd_settings *settings, enum vd_setting setting)
{
    free(VD_TAKE_PTR(settings->texts[setting]));
    settings->numbers[setting] = 0;
}

static int take_value(const struct reading *reading, const struct key *key,
                      const struct span *value)
{
    VD_FREE char *text = strndup(value->start, length_of(value));
    uint64_t number = 0;

    if (!text)
        return VD_E_NO_MEMORY;
    if (text[0] == '\0') {
        forget(reading->settings, key->setting);
        return VD_OK;
    }
    if (key->kind != TEXT && !take_number(text, key->kind == SWITCH ? 1 : UINT64_MAX, &number)) {
        tell(reading, "%s is '%.*s', expected %s", key->name, shown(value), value->start,
             key->kind == SWITCH ? "0 or 1" : "a number");
        return VD_OK;
    }
    forget(reading->settings, key->setting);
    reading->settings->texts[key->setting] = VD_TAKE_PTR(text);
    reading->settings->numbers[key->setting] = number;
    return VD_OK;
}

/* --- lines --- */

/* Narrows it to what is between white space. */
static void trim(struct span *span)
{
    while (span->start < span->end && isspace((unsigned char)*span->start))
        span->start++;
    while (span->start < span->end && isspace((unsigned char)span->end[-1]))
        span->end--;
}

/* To the closing quote, or, without quotes, to white space and a comment. */
static void cut_value(struct span *value)
{
    bool quoted = value->start < value->end && *value->start == '"';
    const char *stop;

    if (quoted)
        value->start++;
    stop = memchr(value->start, quoted ? '"' : '#', length_of(value));
    if (stop)
        value->end = stop;
    if (!quoted)
        trim(value);
}

static int take_line(const struct reading *reading, struct span line)
{
    const char *equals = memchr(line.start, '=', length_of(&line));
    struct span name = {line.start, equals};
    struct span value = {equals ? equals + 1 : NULL, line.end};
    const struct key *key;

    if (!equals) {
        if (reading->reader->every_line)
            tell(reading, "'%.*s' is no setting, expected name = value", shown(&line), line.start);
        return VD_OK;
    }
    trim(&name);
    trim(&value);
    cut_value(&value);
    key = find_key(&name);
    if (key)
        return take_value(reading, key, &value);
    if (!has_no_effect(&name) &&
        (reading->reader->every_line || begins_with(&name, OUR_PREFIX, strlen(OUR_PREFIX))))
        tell(reading, "no setting is called '%.*s'", shown(&name), name.start);
    return VD_OK;
}

static int take_text(struct reading *reading, const char *text, size_t length)
{
    const char *end = text + length;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        struct span line = {text, newline ? newline : end};
        int r = VD_OK;

        reading->line++;
        trim(&line);
        if (line.start < line.end && *line.start != '#')
            r = take_line(reading, line);
        if (r < 0)
            return r;
        text = newline ? newline + 1 : end;
    }
    return VD_OK;
}

int vd_settings_parse(struct vd_settings *settings, const char *where, const char *text,
                      size_t length, const struct vd_settings_reader *reader, struct vd_error *err)
{
    struct reading reading = {.settings = settings, .reader = reader, .where = where};
    int r = take_text(&reading, text, length);

    return r < 0 ? vd_error_set(err, r, "reading %s: out of memory", where) : VD_OK;
}

int vd_settings_read(struct vd_settings *settings, const char *path,
                     const struct vd_settings_reader *reader, struct vd_error *err)
{
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *file = NULL;
    VD_FREE char *text = NULL;
    VD_FREE char *where = NULL;
    size_t length;
    int r = vd_fs_open(vd_fs_host(), path, 0, &file, err);

    if (r < 0)
        return r;
    text = malloc(VD_SETTINGS_MAX_BYTES + 1);
    if (!text || asprintf(&where, "'%s'", path) < 0) {
        where = NULL;
        return vd_error_set(err, VD_E_NO_MEMORY, "reading '%s': out of memory", path);
    }
    r = vd_block_read_some(file, 0, text, VD_SETTINGS_MAX_BYTES + 1, &length, err);
    if (r < 0)
        return r;
    if (length > VD_SETTINGS_MAX_BYTES)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "reading '%s': longer than %u bytes, which no configuration file is",
                            path, VD_SETTINGS_MAX_BYTES);
    return vd_settings_parse(settings, where, text, length, reader, err);
}

int vd_settings_copy(const struct vd_settings *settings, struct vd_settings *ret,
                     struct vd_error *err)
{
    struct vd_settings copy = {0};

    for (size_t i = 0; i < VD_NUM_SETTINGS; i++) {
        copy.numbers[i] = settings->numbers[i];
        copy.texts[i] = settings->texts[i] ? strdup(settings->texts[i]) : NULL;
        if (settings->texts[i] && !copy.texts[i]) {
            vd_settings_done(&copy);
            return vd_error_set(err, VD_E_NO_MEMORY, "copying the settings: out of memory");
        }
    }
    *ret = copy;
    return VD_OK;
}

void vd_settings_done(struct vd_settings *settings)
{
    for (size_t i = 0; i < VD_NUM_SETTINGS; i++)
        free(settings->texts[i]);
    *settings = (struct vd_settings){0};
}

/* --- what they are for --- */

const char *vd_settings_text(const struct vd_settings *settings, enum vd_setting setting)
{
    return settings->texts[setting];
}

uint64_t vd_settings_number(const struct vd_settings *settings, enum vd_setting setting,
                            uint64_t otherwise)
{
    return settings->texts[setting] ? settings->numbers[setting] : otherwise;
}

void vd_settings_to_trust(const struct vd_settings *settings, struct vd_tls_trust *trust)
{
    bool pinned = trust->thumbprint && trust->thumbprint[0] != '\0';

    trust->ca_file = vd_settings_text(settings, VD_SETTING_CA_FILE);
    trust->legacy = vd_settings_number(settings, VD_SETTING_LEGACY_TLS, 0) != 0;
    trust->unverified = !pinned && vd_settings_number(settings, VD_SETTING_UNVERIFIED_TLS, 0) != 0;
}

static uint32_t wait_ms(const struct vd_settings *settings, enum vd_setting setting,
                        uint32_t otherwise)
{
    return (uint32_t)VD_MIN(vd_settings_number(settings, setting, otherwise),
                            (uint64_t)MAX_WAIT_MS);
}

void vd_settings_to_timeouts(const struct vd_settings *settings, struct vd_net_timeouts *timeouts)
{
    timeouts->io_ms = wait_ms(settings, VD_SETTING_SERVER_MS, 0);
}

void vd_settings_to_request(const struct vd_settings *settings,
                            struct vd_transport_request *request)
{
    uint32_t request_ms = wait_ms(settings, VD_SETTING_REQUEST_MS, 0);
    uint64_t units = vd_settings_number(settings, VD_SETTING_BUFFER_UNITS, 0);
    uint64_t count = vd_settings_number(settings, VD_SETTING_BUFFER_COUNT, 0);

    request->nfc_connect_ms = wait_ms(settings, VD_SETTING_CONNECT_MS, 0);
    request->nfc_read_ms = wait_ms(settings, VD_SETTING_READ_MS, request_ms);
    request->nfc_write_ms = wait_ms(settings, VD_SETTING_WRITE_MS, request_ms);
    /* Too many are told by who opens the disk. */
    request->nfc_buffer_bytes =
        (uint32_t)VD_MIN(units, (uint64_t)UINT32_MAX / BUFFER_BYTES) * BUFFER_BYTES;
    request->nfc_buffer_count = (uint32_t)VD_MIN(count, (uint64_t)UINT32_MAX);
    request->legacy_tls = vd_settings_number(settings, VD_SETTING_LEGACY_TLS, 0) != 0;
    request->unverified_tls = vd_settings_number(settings, VD_SETTING_UNVERIFIED_TLS, 0) != 0;
    request->simulator = vd_settings_number(settings, VD_SETTING_SIMULATOR, 0) != 0;
}
