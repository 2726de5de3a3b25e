/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/authd.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* One item of the greeting's list: blanks around it and what follows a '/' do not count. */
static void note_item(const char *item, size_t length, struct vd_nfc_greeting *ret)
{
    char text[64];
    while (length && *item == ' ')
        item++, length--;
    const char *slash = memchr(item, '/', length);
    if (slash)
        length = (size_t)(slash - item);
    while (length && item[length - 1] == ' ')
        length--;
    (void)snprintf(text, sizeof text, "%.*s", (int)VD_MIN(length, sizeof text - 1), item);
    ret->ssl_required = ret->ssl_required || strcmp(text, "SSL Required") == 0;
    ret->nfc_ssl = ret->nfc_ssl || strcmp(text, "NFCSSL supported") == 0;
    ret->sha256 = ret->sha256 || strcmp(text, "SHA256 supported") == 0;
}

int vd_nfc_greeting_parse(const char *line, struct vd_nfc_greeting *ret)
{
    *ret = (struct vd_nfc_greeting){false, false, false};
    if (!starts_with(line, "220 "))
        return VD_E_PROTOCOL;
    const char *item = strstr(line, ": ");
    for (item = item ? item + 2 : NULL; item; item = item ? item + 1 : NULL) {
        const char *comma = strchr(item, ',');
        note_item(item, comma ? (size_t)(comma - item) : strlen(item), ret);
        item = comma;
    }
    return VD_OK;
}

/* A token without blanks or colons. */
static void make_tag(char tag[VD_NFC_TAG_BYTES])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char noise[VD_NFC_TAG_BYTES - 1] = {0};
    /* A tag that can be guessed still binds nothing worse than none. */
    if (getrandom(noise, sizeof noise, 0) != (ssize_t)sizeof noise)
        noise[0] = 1;
    for (size_t i = 0; i < sizeof noise; i++)
        tag[i] = letters[noise[i] % 64];
    tag[VD_NFC_TAG_BYTES - 1] = '\0';
}

/* A host's words in a sentence: nothing but printable characters, and never the ticket. */
static void make_presentable(char *line, const char *secret)
{
    char *found = secret[0] ? strstr(line, secret) : NULL;
    if (found)
        memset(found, '*', strlen(secret));
    for (; *line; line++)
        if ((unsigned char)*line < ' ' || *line == 127)
            *line = '?';
}

struct dialogue {
    struct vd_stream *stream;
    const struct vd_nfc_ticket *ticket;
    struct vd_tls_trust trust;
    struct vd_tls_peer peer;
    char line[VD_NFC_LINE_BYTES]; /* the last reply */
};

static int say(struct dialogue *dialogue, const char *word, const char *argument,
               struct vd_error *err)
{
    char line[VD_NFC_LINE_BYTES];
    int length = snprintf(line, sizeof line, "%s %s\r\n", word, argument);
    int r = vd_stream_write(dialogue->stream, line, (size_t)length, err);
    explicit_bzero(line, sizeof line);
    return r;
}

static int hear(struct dialogue *dialogue, const char *code, const char *what, struct vd_error *err)
{
    int r = vd_stream_read_line(dialogue->stream, dialogue->line, sizeof dialogue->line, err);
    if (r < 0) {
        vd_error_prefix(err, "%s", what);
        return r;
    }
    if (starts_with(dialogue->line, code))
        return VD_OK;
    make_presentable(dialogue->line, dialogue->ticket->session_id);
    return vd_error_set(err, VD_E_LOGIN, "%s: '%s' port %u answers '%.200s' where '%s...' is due",
                        what, dialogue->ticket->host, (unsigned)dialogue->ticket->port,
                        dialogue->line, code);
}

static int greet(struct dialogue *dialogue, bool ssl, struct vd_nfc_greeting *ret,
                 struct vd_error *err)
{
    int r = hear(dialogue, "220 ", "greeting the host's NFC daemon", err);
    if (r < 0)
        return r;
    r = vd_nfc_greeting_parse(dialogue->line, ret);
    if (r == VD_OK && ret->ssl_required && (ret->nfc_ssl || !ssl))
        return VD_OK;
    return vd_error_set(err, VD_E_NOT_SUPPORTED, "'%s' port %u offers no %s",
                        dialogue->ticket->host, (unsigned)dialogue->ticket->port,
                        ret->ssl_required ? "NFC over TLS: use transport nbd" : "TLS");
}

static int compare_thumbprint(struct dialogue *dialogue, struct vd_error *err)
{
    const char *told = dialogue->line + 4; /* behind "200 " */
    if (vd_tls_thumbprint_matches(told, &dialogue->peer))
        return VD_OK;
    return vd_error_set(err, VD_E_CERTIFICATE,
                        "'%s' port %u is not trusted: it says its certificate has the "
                        "thumbprint %.100s, but shows one with %s",
                        dialogue->ticket->host, (unsigned)dialogue->ticket->port, told,
                        dialogue->peer.sha256);
}

static int show_ticket(struct dialogue *dialogue, const struct vd_nfc_greeting *greeting,
                       const char *tag, struct vd_error *err)
{
    int r = say(dialogue, "SESSION", dialogue->ticket->session_id, err); /* has no reply */
    if (r == VD_OK)
        r = say(dialogue, "BANNER", "", err); /* the blank belongs to it */
    if (r == VD_OK)
        r = hear(dialogue, "220 ", "showing the ticket", err);
    if (r == VD_OK && greeting->sha256)
        r = say(dialogue, "THUMBPRINT_SHA2", tag, err);
    if (r == VD_OK && greeting->sha256)
        r = hear(dialogue, "200 ", "asking for the host's thumbprint", err);
    if (r == VD_OK && greeting->sha256)
        r = compare_thumbprint(dialogue, err);
    return r;
}

static int pass_on(struct dialogue *dialogue, bool ssl, struct vd_error *err)
{
    char service[sizeof dialogue->ticket->service + 4];
    const char *stated = dialogue->ticket->service;
    size_t length = strlen(stated);
    bool has_ssl = length >= 3 && strcmp(stated + length - 3, "ssl") == 0;
    if (has_ssl && !ssl)
        length -= 3;
    (void)snprintf(service, sizeof service, "%.*s%s", (int)length, stated,
                   ssl && !has_ssl ? "ssl" : "");
    int r = say(dialogue, "PROXY", service, err);
    return r == VD_OK ? hear(dialogue, "200 ", "asking for the NFC service", err) : r;
}

int vd_nfc_authd(struct vd_stream *stream, const struct vd_nfc_ticket *ticket,
                 const struct vd_nfc_options *options, char tag[VD_NFC_TAG_BYTES],
                 struct vd_error *err)
{
    struct vd_nfc_greeting greeting = {false, false, false};
    struct dialogue dialogue = {
        .stream = stream,
        .ticket = ticket,
        .trust = {.host_name = ticket->host,
                  .thumbprint = ticket->thumbprint,
                  .unverified = options->unverified_tls && !ticket->thumbprint[0],
                  .legacy = options->legacy_tls},
    };
    make_tag(tag);
    int r = greet(&dialogue, options->ssl, &greeting, err);
    if (r == VD_OK)
        r = vd_stream_start_tls(stream, &dialogue.trust, &dialogue.peer, err);
    if (r == VD_OK)
        r = show_ticket(&dialogue, &greeting, tag, err);
    if (r == VD_OK)
        r = pass_on(&dialogue, options->ssl, err);
    if (r == VD_OK)
        vd_stream_drop_tls(stream);
    /* The same certificate again: trusted by its thumbprint now, however it was before. */
    dialogue.trust.thumbprint = dialogue.peer.sha256;
    dialogue.trust.unverified = false;
    if (r == VD_OK && options->ssl)
        r = vd_stream_start_tls(stream, &dialogue.trust, NULL, err);
    if (!greeting.sha256)
        tag[0] = '\0';
    return r;
}
