/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <ftw.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "control.h"
#include "front.h"
#include "options.h"
#include "server.h"
#include "workload.h"

#define READERS        4u
#define COMMAND_BYTES  (1u << 20)
#define PASSWORD_BYTES 40
#define KEPT_BYTES     (16 << 20)

struct program {
    struct sim sim;
    struct sim_options options;
    struct sim_server *server;
    struct sim_front *front;
    int signals;
    uint16_t nfc_port, port;
    char password[PASSWORD_BYTES];
};

/* --- starting --- */

static int make_identities(struct sim *sim, const char *host, struct vd_error *err)
{
    const char *place = getenv("TMPDIR");
    int n = snprintf(sim->folder, sizeof sim->folder, "%s/vsphere-sim-XXXXXX",
                     place && strlen(place) < 32 ? place : "/tmp");

    if (n < 0 || !mkdtemp(sim->folder)) {
        sim->folder[0] = '\0';
        return vd_error_set_errno(err, errno, "making a temporary folder");
    }
    (void)snprintf(sim->certificate, sizeof sim->certificate, "%s/cert.pem", sim->folder);
    (void)snprintf(sim->key, sizeof sim->key, "%s/key.pem", sim->folder);
    (void)snprintf(sim->second_certificate, sizeof sim->second_certificate, "%s/other-cert.pem",
                   sim->folder);
    (void)snprintf(sim->second_key, sizeof sim->second_key, "%s/other-key.pem", sim->folder);
    int r = vd_tls_make_identity(host, sim->certificate, sim->key, err);
    if (r == VD_OK)
        r = vd_tls_make_identity(host, sim->second_certificate, sim->second_key, err);
    return r < 0 ? r : vd_tls_file_thumbprints(sim->certificate, &sim->thumbprints, err);
}

/* "PATH=ID": for the disk's machine, or everything in its datastore. */
static int add_ticket(struct sim *sim, const char *text, struct vd_error *err)
{
    struct sim_ticket ticket = {.kind = SIM_TICKET_SYSTEM};
    const char *equals = strrchr(text, '=');
    VD_FREE char *path = equals ? strndup(text, (size_t)(equals - text)) : NULL;
    VD_FREE char *host = NULL;
    struct sim_owner owner;

    if (!path || !equals[1] || strlen(equals + 1) >= sizeof ticket.id)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "--ticket is not PATH=ID with an ID of less than %u characters",
                            SIM_TICKET_ID_BYTES);
    (void)snprintf(ticket.id, sizeof ticket.id, "%s", equals + 1);
    int r =
        strcmp(path, "*") == 0 ? VD_OK : sim_store_resolve(&sim->stores, path, true, &host, err);
    if (r == VD_OK && host && sim_owner_of(sim, host, &owner)) {
        ticket.kind = SIM_TICKET_WRITE;
        ticket.vm = owner.vm;
        ticket.key = owner.disk->key;
    } else if (r == VD_OK && host) {
        ticket.kind = SIM_TICKET_FILES;
        ticket.store = sim_store_of(&sim->stores, host);
    }
    return r < 0 ? r : sim_tickets_add(&sim->tickets, &ticket, err);
}

static int take_inventory(struct program *self, struct vd_error *err)
{
    const struct sim_options *options = &self->options;
    int r = VD_OK;

    for (size_t i = 0; r == VD_OK && i < options->num_datastores; i++)
        r = sim_stores_add(&self->sim.stores, options->datastores[i], err);
    for (size_t i = 0; r == VD_OK && i < options->num_vms; i++)
        r = sim_vm_add(&self->sim, options->vms[i], !options->powered_off, err);
    for (size_t i = 0; r == VD_OK && i < options->num_faults; i++)
        r = sim_faults_parse(&self->sim.faults, options->faults[i], err);
    for (size_t i = 0; r == VD_OK && i < options->num_tickets; i++)
        r = add_ticket(&self->sim, options->tickets[i], err);
    return r;
}

static int start_workloads(struct sim *sim, struct vd_error *err)
{
    int r = VD_OK;

    for (struct sim_vm *vm = sim_vm_after(sim, NULL); r == VD_OK && vm;
         vm = sim_vm_after(sim, vm)) {
        pthread_mutex_lock(&vm->operation);
        if (vm->powered)
            r = sim_workload_start(sim, vm, err);
        pthread_mutex_unlock(&vm->operation);
    }
    return r;
}

static int make_password(struct program *self, struct vd_error *err)
{
    if (self->options.password)
        return VD_OK;
    int r = sim_random_uuid("", self->password, err);
    self->options.password = self->password;
    return r;
}

static void choose_version(struct program *self)
{
    static const uint32_t of_profile[] = {[6] = 2, [7] = 7, [8] = 11};
    int asked = self->options.nfc_version;

    self->sim.nfc_version = asked >= 0 ? (uint32_t)asked : of_profile[self->sim.profile];
}

static int start(struct program *self, struct vd_error *err)
{
    struct sim *sim = &self->sim;
    int r = take_inventory(self, err);

    choose_version(self);
    if (r == VD_OK)
        r = make_password(self, err);
    if (r == VD_OK)
        r = make_identities(sim, self->options.host, err);
    if (r == VD_OK)
        r = vd_workers_new(READERS, &sim->readers, err);
    if (r == VD_OK)
        r = sim_server_start(sim, self->options.host, self->options.nfc_port, &self->server,
                             &self->nfc_port, err);
    if (r == VD_OK && !self->options.no_soap)
        r = sim_front_start(sim, &self->options, self->nfc_port, &self->front, &self->port, err);
    return r < 0 ? r : start_workloads(sim, err);
}

/* --- the line --- */

static json_t *vms_json(struct sim *sim)
{
    json_t *list = json_array();

    for (struct sim_vm *vm = sim_vm_after(sim, NULL); vm; vm = sim_vm_after(sim, vm)) {
        json_t *disks = json_array();
        for (size_t i = 0; i < vm->count; i++) {
            VD_FREE char *path = sim_store_name(&sim->stores, vm->disks[i]->leaf);
            json_array_append_new(disks, json_pack("{si ss ss sI}", "key", vm->disks[i]->key,
                                                   "label", vm->disks[i]->label, "path",
                                                   path ? path : "", "capacityBytes",
                                                   (json_int_t)vm->disks[i]->capacity_bytes));
        }
        json_array_append_new(
            list, json_pack("{ss ss so*}", "name", vm->name, "moref", vm->moref, "disks", disks));
    }
    return list;
}

static int print_json(const json_t *json, struct vd_error *err)
{
    VD_FREE char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    if (!text || printf("%s\n", text) < 0 || fflush(stdout) != 0)
        return vd_error_set_errno(err, errno, "writing to standard output");
    return VD_OK;
}

static int print_ready(struct program *self, struct vd_error *err)
{
    struct sim *sim = &self->sim;
    json_t *ready = json_pack("{ss so* si ss ss ss ss so*}", "host", self->options.host, "port",
                              self->front ? json_integer(self->port) : json_null(), "nfcPort",
                              (int)self->nfc_port, "user", self->options.user, "password",
                              self->options.password, "thumbprint", sim->thumbprints.sha1,
                              "thumbprintSha256", sim->thumbprints.sha256, "vms", vms_json(sim));
    int r = print_json(ready, err);

    json_decref(ready);
    return r;
}

/* --- running --- */

static int take_command(struct program *self, const char *line, struct vd_error *err)
{
    json_t *request = json_loads(line, 0, NULL);
    json_t *answer = json_is_object(request)
                         ? sim_control(&self->sim, request)
                         : json_pack("{s{ss ss}}", "error", "fault", "InvalidArgument", "message",
                                     "a line that is no JSON object");
    const char *fault = json_string_value(json_object_get(request, "fault"));
    if (fault && self->front && !json_object_get(answer, "error")) {
        uint64_t struck = sim_front_fault(self->front, fault, json_object_get(request, "value"));
        json_t *all = json_object_get(answer, "struck");
        VD_DISCARD(json_integer_set(all, json_integer_value(all) + (json_int_t)struck));
    }
    int r = print_json(answer, err);
    json_decref(answer);
    json_decref(request);
    return r;
}

/* Whole lines are carried out; what is left waits for its end. */
static int take_lines(struct program *self, struct vd_buf *text, struct vd_error *err)
{
    char *end;
    int r = VD_OK;

    while (r == VD_OK && text->length > 0 && (end = memchr(text->data, '\n', text->length))) {
        size_t length = (size_t)(end - text->data) + 1;
        *end = '\0';
        r = take_command(self, text->data, err);
        memmove(text->data, text->data + length, text->length - length);
        text->length -= length;
    }
    return r;
}

/* 1: the end. */
static int take_input(struct program *self, struct vd_buf *text, struct vd_error *err)
{
    char bytes[4096];
    ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return VD_OK;
    if (got <= 0)
        return 1;
    int r = vd_buf_append(text, bytes, (size_t)got);
    if (r < 0)
        return vd_error_set(err, r, "a line on standard input is longer than %u bytes",
                            COMMAND_BYTES);
    return take_lines(self, text, err);
}

static int run(struct program *self, struct vd_error *err)
{
    struct vd_buf text = VD_BUF_INIT(COMMAND_BYTES);
    int r = VD_OK;

    while (r == VD_OK) {
        struct pollfd fds[] = {
            {STDIN_FILENO, POLLIN, 0},
            {self->signals, POLLIN, 0},
            {self->front ? sim_front_end_fd(self->front) : -1, POLLIN, 0},
        };
        if (poll(fds, 3, -1) < 0)
            r = errno == EINTR ? VD_OK : vd_error_set_errno(err, errno, "waiting");
        else if (fds[1].revents)
            r = 1;
        else if (fds[2].revents)
            r = vd_error_set(err, VD_E_FAIL, "the SOAP front ended");
        else if (fds[0].revents)
            r = take_input(self, &text, err);
    }
    vd_buf_done(&text);
    return r < 0 ? r : VD_OK;
}

/* --- ending --- */

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)walk;
    return kind == FTW_DP ? rmdir(path) : unlink(path);
}

static void stop(struct program *self)
{
    struct sim *sim = &self->sim;

    sim_front_stop(self->front);
    sim_server_stop(self->server);
    for (struct sim_vm *vm = sim->vms; vm; vm = vm->next) {
        struct vd_error err = VD_ERROR_INIT;
        if (sim_workload_stop(vm, &err) < 0)
            sim_say(sim, "workload of '%s': %s", vm->name, err.text);
    }
    vd_workers_free(sim->readers);
    if (sim->folder[0])
        (void)nftw(sim->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS); /* a temporary folder */
    sim_vms_done(sim);
    sim_chains_done(&sim->chains);
    sim_stores_done(&sim->stores);
    sim_tickets_done(&sim->tickets);
    sim_faults_done(&sim->faults);
    pthread_mutex_destroy(&sim->lock);
    sim_options_done(&self->options);
    explicit_bzero(self->password, sizeof self->password);
    if (self->signals >= 0)
        (void)close(self->signals);
}

/* Signals are read, not caught; a client that is gone is no reason to end. */
static int take_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* fails for no set like this */
    (void)signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static int serve(struct program *self, struct vd_error *err)
{
    int r = start(self, err);

    if (r == VD_OK)
        r = print_ready(self, err);
    return r < 0 ? r : run(self, err);
}

/* Fragments come and go all the time: their memory is kept, not fetched anew, page by page, for
 * every one. */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES); /* slower otherwise, no less right; as the next */
    (void)mallopt(M_TRIM_THRESHOLD, 2 * KEPT_BYTES);
}

int main(int argc, char **argv)
{
    static struct program self = {.sim = {.profile = 8, .seed = 1, .workload_per_second = 100}};
    struct vd_error err = VD_ERROR_INIT;

    keep_memory();
    self.signals = take_signals();
    pthread_mutex_init(&self.sim.lock, NULL);
    sim_chains_init(&self.sim.chains);
    int r = sim_faults_init(&self.sim.faults) && sim_tickets_init(&self.sim.tickets)
                ? VD_OK
                : vd_error_set(&err, VD_E_NO_MEMORY, "out of memory");
    if (r == VD_OK)
        r = sim_options_parse(argc, argv, &self.sim, &self.options, &err);
    if (r == VD_OK && self.options.help)
        sim_options_help();
    else if (r == VD_OK && self.options.version)
        (void)printf("vsphere-sim %s\n", VD_VERSION);
    else if (r == VD_OK)
        r = serve(&self, &err);
    stop(&self);
    if (r < 0)
        (void)fprintf(stderr, "vsphere-sim: %s\n", vd_error_message(&err, r));
    return r < 0 ? 2 : 0;
}
