/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon in front of NFC: greeting, TLS, a few lines, and the way to the service. Lines and
 * replies as observed by public clients of ESXi 5 to 8 (PROVENANCE.md). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "session.h"

#define LINE_BYTES 1024u
#define TAG_BYTES  256u
/* Lines of one client before it asks for a service. */
#define LINES_MAX 64

struct dialogue {
    struct sim *sim;
    struct vd_stream *stream;
    char id[SIM_TICKET_ID_BYTES]; /* "": no SESSION yet */
    uint64_t steps;               /* towards the client */
    bool tagged;
};

static const char greeting_text[] =
    "VMware Authentication Daemon Version 1.10: SSL Required, ServerDaemonProtocol:SOAP, "
    "MKSDisplayProtocol:VNC , VMXARGS supported, NFCSSL supported";

/* Until the client goes, or as long as any wait of a stream may last. */
static int say_nothing(struct dialogue *self, struct vd_error *err)
{
    char byte;
    size_t got = 1;
    int r = VD_OK;

    while (r == VD_OK && got > 0)
        r = vd_stream_read(self->stream, &byte, 1, &got, err);
    return r < 0 ? r : vd_error_set(err, VD_E_DISCONNECTED, "silent, as asked for");
}

static int say_without_end(struct dialogue *self, struct vd_error *err)
{
    static const char some[4096] = "220 VMware Authentication Daemon and";
    int r = VD_OK;

    while (r == VD_OK)
        r = vd_stream_write(self->stream, some, sizeof some, err);
    return r;
}

/* Before each line and each handshake. */
static int step(struct dialogue *self, struct vd_error *err)
{
    static const char refusal[] = "530 Not now, as asked for\r\n";
    struct sim_faults *faults = &self->sim->faults;
    uint64_t number = ++self->steps;

    if (sim_fault_is_at(faults, SIM_AUTHD_DROP, number))
        return vd_error_set(err, VD_E_DISCONNECTED, "cut, as asked for");
    if (sim_fault_is_at(faults, SIM_AUTHD_STALL, number))
        return say_nothing(self, err);
    if (sim_fault_is_at(faults, SIM_AUTHD_ENDLESS, number))
        return say_without_end(self, err);
    if (!sim_fault_is_at(faults, SIM_AUTHD_REFUSE, number))
        return VD_OK;
    int r = vd_stream_write(self->stream, refusal, sizeof refusal - 1, err);
    return r < 0 ? r : vd_error_set(err, VD_E_ACCESS, "refused, as asked for");
}

/* Hosts 6.0 do not have the /t, and only 8 has THUMBPRINT_SHA2. */
static int greet(struct dialogue *self, struct vd_error *err)
{
    char line[LINE_BYTES];
    int n = snprintf(line, sizeof line, "220 %s%s%s\r\n", greeting_text,
                     self->sim->nfc_version > 0 ? "/t" : "",
                     self->sim->profile >= 8 ? ", SHA256 supported" : "");

    int r = step(self, err);
    return r < 0 ? r : vd_stream_write(self->stream, line, (size_t)n, err);
}

static int reply(struct dialogue *self, const char *text, struct vd_error *err)
{
    char line[LINE_BYTES];
    int n = snprintf(line, sizeof line, "%s\r\n", text);
    int r = step(self, err);

    return r < 0 ? r : vd_stream_write(self->stream, line, (size_t)n, err);
}

static int reply_thumbprint(struct dialogue *self, const char *tag, bool sha256,
                            struct vd_error *err)
{
    char line[VD_TLS_SHA256_TEXT_BYTES + 8];

    if (!self->id[0] || (sha256 && self->sim->profile < 8))
        return reply(self, "530 Please login with USER and PASS", err);
    if (!*tag || strlen(tag) >= TAG_BYTES || strpbrk(tag, ": "))
        return reply(self, "501 Invalid arguments", err);
    self->tagged = true;
    (void)snprintf(line, sizeof line, "200 %s",
                   sha256 ? self->sim->thumbprints.sha256 : self->sim->thumbprints.sha1);
    return reply(self, line, err);
}

static bool is_service(const char *name, bool *ret_ssl)
{
    size_t length = strlen(name);

    *ret_ssl = length > 3 && strcmp(name + length - 3, "ssl") == 0;
    length -= *ret_ssl ? 3 : 0;
    return (length == 3 && strncmp(name, "nfc", 3) == 0) ||
           (length == 8 && strncmp(name, "vpxa-nfc", 8) == 0);
}

static int second_handshake(struct dialogue *self, struct vd_error *err)
{
    bool wrong = sim_fault(&self->sim->faults, SIM_WRONG_SECOND) > 0;
    struct vd_tls_identity identity = {
        .certificate_file = wrong ? self->sim->second_certificate : self->sim->certificate,
        .key_file = wrong ? self->sim->second_key : self->sim->key,
        .tls12_only = true,
    };

    int r = step(self, err);
    return r < 0 ? r : vd_stream_accept_tls(self->stream, &identity, err);
}

/* The service the ticket is for, or the end. */
static int proxy(struct dialogue *self, const char *service, struct sim_ticket *ret,
                 struct vd_error *err)
{
    bool ssl;
    int r;

    if (!is_service(service, &ssl)) {
        r = reply(self, "501 Invalid arguments", err);
        return r < 0 ? r
                     : vd_error_set(err, VD_E_INVALID_ARG, "there is no service '%.80s'", service);
    }
    bool good = self->id[0] && sim_tickets_take(&self->sim->tickets, self->id, ret);
    explicit_bzero(self->id, sizeof self->id);
    if (!good || sim_fault(&self->sim->faults, SIM_REFUSE_TICKETS) > 0) {
        r = reply(self, "530 Please login with USER and PASS", err);
        return r < 0 ? r : vd_error_set(err, VD_E_ACCESS, "the ticket is unknown, or used");
    }
    r = reply(self, ssl ? "200 Connect ha-nfcssl" : "200 Connect ha-nfc", err);
    if (r < 0)
        return r;
    vd_stream_drop_tls(self->stream);
    return ssl ? second_handshake(self, err) : VD_OK;
}

/* The argument of `line` where it is this command. */
static const char *argument(const char *line, const char *command)
{
    size_t length = strlen(command);

    if (strncasecmp(line, command, length) != 0 || (line[length] && line[length] != ' '))
        return NULL;
    return line + length + strspn(line + length, " ");
}

static int answer(struct dialogue *self, const char *line, struct vd_error *err)
{
    const char *text;

    if ((text = argument(line, "SESSION")) != NULL) {
        (void)snprintf(self->id, sizeof self->id, "%s", text);
        return VD_OK; /* no reply: who waits for one hangs */
    }
    if (argument(line, "BANNER")) {
        char banner[LINE_BYTES];
        (void)snprintf(banner, sizeof banner, "220 %s", greeting_text);
        return reply(self, banner, err);
    }
    if ((text = argument(line, "THUMBPRINT_SHA2")) != NULL)
        return reply_thumbprint(self, text, true, err);
    if ((text = argument(line, "THUMBPRINT")) != NULL)
        return reply_thumbprint(self, text, false, err);
    if (argument(line, "USER"))
        return reply(self, "331 Password required for user.", err);
    if (argument(line, "PASS"))
        return reply(self, "530 Login incorrect", err);
    return reply(self, "530 Please login with USER and PASS", err);
}

static void strip(char *line)
{
    size_t length = strlen(line);

    while (length > 0 && line[length - 1] == ' ')
        line[--length] = '\0';
}

static int talk(struct dialogue *self, struct sim_ticket *ret, struct vd_error *err)
{
    char line[LINE_BYTES];

    for (int i = 0; i < LINES_MAX; i++) {
        const char *service;
        int r = vd_stream_read_line(self->stream, line, sizeof line, err);
        if (r < 0)
            return r;
        strip(line);
        service = argument(line, "PROXY");
        if (service)
            return proxy(self, service, ret, err);
        r = answer(self, line, err);
        explicit_bzero(line, sizeof line);
        if (r < 0)
            return r;
    }
    return vd_error_set(err, VD_E_PROTOCOL, "a client sends %d lines and asks for no service",
                        LINES_MAX);
}

int sim_authd(struct sim *sim, struct vd_stream *stream, struct sim_ticket *ret, bool *ret_tagged,
              struct vd_error *err)
{
    struct dialogue self = {.sim = sim, .stream = stream};
    struct vd_tls_identity identity = {sim->certificate, sim->key, true};
    int r = greet(&self, err);

    if (r == VD_OK)
        r = step(&self, err);
    if (r == VD_OK)
        r = vd_stream_accept_tls(stream, &identity, err);
    if (r == VD_OK)
        r = talk(&self, ret, err);
    *ret_tagged = self.tagged;
    return r;
}
