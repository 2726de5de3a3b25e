/* SPDX-License-Identifier: Apache-2.0 */
#include "front.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/path.h"
#include "control.h"

#define FRONT_NAME "vsphere-sim-soap"
#define READY_MS   60000
#define END_MS     5000
#define TOLD_S     10
#define CHANNEL_FD 3
#define THREADS    8u

struct sim_front {
    struct sim *sim;
    int fd;
    int end; /* readable: it has ended */
    pid_t pid;
    FILE *in;
    pthread_t reader;
    bool reading;
    struct vd_workers *workers;
    pthread_mutex_t lock; /* writing to fd */
    pthread_mutex_t told_lock;
    pthread_cond_t told_changed;
    const char *asked; /* told_lock: the fault that is waited for; NULL: none, or it was told */
    uint64_t struck;   /* told_lock: what it had done */
};

struct request {
    struct vd_task task;
    struct sim_front *front;
    json_t *json;
};

static void send_json(struct sim_front *front, const json_t *json)
{
    VD_FREE char *text = json_dumps(json, JSON_COMPACT);
    size_t length = text ? strlen(text) : 0;

    if (!text)
        return;
    text[length++] = '\n';
    pthread_mutex_lock(&front->lock);
    for (size_t done = 0; done < length;) {
        ssize_t put = send(front->fd, text + done, length - done, MSG_NOSIGNAL);
        if (put < 0 && errno != EINTR)
            break; /* it is gone, which its end tells */
        done += put > 0 ? (size_t)put : 0;
    }
    pthread_mutex_unlock(&front->lock);
}

/* An answer that comes when nobody waits for it any more is none to the next question. */
static void note_told(struct sim_front *front, const json_t *line)
{
    const char *name = json_string_value(json_object_get(line, "told"));

    pthread_mutex_lock(&front->told_lock);
    if (name && front->asked && strcmp(name, front->asked) == 0) {
        front->asked = NULL;
        front->struck = (uint64_t)json_integer_value(json_object_get(line, "struck"));
        pthread_cond_signal(&front->told_changed);
    }
    pthread_mutex_unlock(&front->told_lock);
}

uint64_t sim_front_fault(struct sim_front *front, const char *name, json_t *value)
{
    struct timespec until;
    uint64_t struck = 0;
    int number = 0;
    json_t *event =
        json_pack("{ss ss sO* sb}", "event", "fault", "fault", name, "value", value, "tell", 1);

    (void)clock_gettime(CLOCK_REALTIME, &until); /* cannot fail for this clock */
    until.tv_sec += TOLD_S;
    pthread_mutex_lock(&front->told_lock);
    front->asked = name;
    send_json(front, event);
    while (front->asked && number == 0)
        number = pthread_cond_timedwait(&front->told_changed, &front->told_lock, &until);
    if (!front->asked)
        struck = front->struck;
    front->asked = NULL;
    pthread_mutex_unlock(&front->told_lock);
    json_decref(event);
    return struck;
}

static void run(struct vd_task *task)
{
    struct request *self = (struct request *)task; /* its first member */
    json_t *answer = sim_control(self->front->sim, self->json);

    if (answer)
        send_json(self->front, answer);
    json_decref(answer);
    json_decref(self->json);
    free(self);
}

static void take_line(struct sim_front *front, const char *line)
{
    struct request *request = calloc(1, sizeof *request);
    json_error_t why;

    if (request)
        request->json = json_loads(line, 0, &why);
    if (request && json_object_get(request->json, "told")) {
        note_told(front, request->json);
        json_decref(request->json);
        free(request);
        return;
    }
    if (!request || !json_is_object(request->json)) {
        sim_say(front->sim, "front: a line that is no request");
        json_decref(request ? request->json : NULL);
        free(request);
        return;
    }
    request->front = front;
    request->task.run = run;
    vd_workers_submit(front->workers, &request->task);
}

static void *read_all(void *data)
{
    struct sim_front *front = data;
    char *line = NULL;
    size_t size = 0;
    uint64_t one = 1;

    while (getline(&line, &size, front->in) > 0)
        take_line(front, line);
    free(line);
    if (write(front->end, &one, sizeof one) < 0)
        abort(); /* an event descriptor that nobody filled */
    return NULL;
}

/* --- starting --- */

static char *beside(const char *folder, const char *name)
{
    char *path = vd_path_join(folder, name);

    if (path && access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static char *find_program(void)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        return NULL;
    self[length] = '\0';
    VD_FREE char *folder = vd_path_folder(self);
    char *found = folder ? beside(folder, FRONT_NAME) : NULL;
    return found || !folder ? found : beside(folder, "soap/" FRONT_NAME);
}

static int spawn(struct sim_front *front, const char *program, int channel, struct vd_error *err)
{
    char *argv[] = {(char[]){FRONT_NAME}, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;

    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, 2, 1); /* standard output is for our one line */
    posix_spawn_file_actions_adddup2(&actions, channel, CHANNEL_FD);
    int number = posix_spawn(&front->pid, program, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return number == 0 ? VD_OK : vd_error_set_errno(err, number, "starting '%s'", program);
}

static json_t *stores_json(const struct sim *sim)
{
    json_t *list = json_array();

    for (size_t i = 0; i < sim->stores.count; i++)
        json_array_append_new(list, json_pack("{ss ss}", "name", sim->stores.list[i].name, "dir",
                                              sim->stores.list[i].folder));
    return list;
}

static json_t *vms_json(struct sim *sim)
{
    json_t *list = json_array();

    for (struct sim_vm *vm = sim->vms; vm; vm = vm->next)
        json_array_append_new(list, json_pack("{ss ss sb ss ss so*}", "name", vm->name, "vmx",
                                              vm->vmx, "poweredOn", (int)vm->powered, "uuid",
                                              vm->uuid, "instanceUuid", vm->instance_uuid, "disks",
                                              sim_disks_json(sim, vm)));
    return list;
}

static json_t *configuration(struct sim *sim, const struct sim_options *options, uint16_t nfc_port)
{
    char listen[64];

    (void)snprintf(listen, sizeof listen, "%s:%u", options->host, options->port);
    return json_pack("{sb si si ss ss ss ss ss ss si ss ss so* so* so*}", "esxi", (int)sim->esxi,
                     "profile", sim->profile, "nfcVersion", (int)sim->nfc_version, "listen", listen,
                     "cert", sim->certificate, "key", sim->key, "user", options->user, "password",
                     options->password, "nfcHost", options->host, "nfcPort", (int)nfc_port,
                     "thumbprint", sim->thumbprints.sha1, "thumbprintSha256",
                     sim->thumbprints.sha256, "datastores", stores_json(sim), "vms", vms_json(sim),
                     "faults", sim_faults_json(&sim->faults));
}

static void adopt(char **mine, json_t *theirs)
{
    const char *moref = json_string_value(json_object_get(theirs, "moref"));
    char *copy = moref ? strdup(moref) : NULL;

    if (copy) {
        free(*mine);
        *mine = copy;
    }
}

static void adopt_names(struct sim *sim, json_t *ready)
{
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(ready, "vms"), i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        for (struct sim_vm *vm = sim->vms; vm && name; vm = vm->next) {
            if (strcmp(vm->name, name) == 0)
                adopt(&vm->moref, item);
        }
    }
    json_array_foreach(json_object_get(ready, "datastores"), i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        for (size_t s = 0; s < sim->stores.count && name; s++) {
            if (strcmp(sim->stores.list[s].name, name) == 0)
                adopt(&sim->stores.list[s].moref, item);
        }
    }
}

static int wait_ready(struct sim_front *front, uint16_t *ret_port, struct vd_error *err)
{
    struct pollfd fd = {front->fd, POLLIN, 0};
    VD_FREE char *line = NULL;
    size_t size = 0;

    if (poll(&fd, 1, READY_MS) <= 0 || getline(&line, &size, front->in) <= 0)
        return vd_error_set(err, VD_E_FAIL, "%s ended, or was silent, before it was ready",
                            FRONT_NAME);
    json_t *ready = json_loads(line, 0, NULL);
    const char *why = json_string_value(json_object_get(ready, "error"));
    json_int_t port = json_integer_value(json_object_get(ready, "port"));
    int r = VD_OK;
    if (!json_is_true(json_object_get(ready, "ready")) || port <= 0 || port > UINT16_MAX)
        r = vd_error_set(err, VD_E_FAIL, "%s: %s", FRONT_NAME, why ? why : "it is not ready");
    if (r == VD_OK) {
        adopt_names(front->sim, ready);
        *ret_port = (uint16_t)port;
    }
    json_decref(ready);
    return r;
}

static int start_reader(struct sim_front *front, struct vd_error *err)
{
    int r = vd_workers_new(THREADS, &front->workers, err);

    if (r < 0)
        return r;
    int number = pthread_create(&front->reader, NULL, read_all, front);
    front->reading = number == 0;
    return number == 0 ? VD_OK : vd_error_set_errno(err, number, "reading from %s", FRONT_NAME);
}

static int open_channel(struct sim_front *front, int *ret_theirs, struct vd_error *err)
{
    int pair[2];

    front->end = eventfd(0, EFD_CLOEXEC);
    if (front->end < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return vd_error_set_errno(err, errno, "making a channel to %s", FRONT_NAME);
    front->fd = pair[0];
    *ret_theirs = pair[1];
    int copy = fcntl(front->fd, F_DUPFD_CLOEXEC, 0);
    front->in = copy < 0 ? NULL : fdopen(copy, "re");
    return front->in ? VD_OK : vd_error_set_errno(err, errno, "making a channel to %s", FRONT_NAME);
}

int sim_front_start(struct sim *sim, const struct sim_options *options, uint16_t nfc_port,
                    struct sim_front **ret, uint16_t *ret_port, struct vd_error *err)
{
    VD_FREE char *program = find_program();
    VD_CLOSE int theirs = -1;
    struct sim_front *front = NULL;

    if (!program)
        return vd_error_set(err, VD_E_NOT_FOUND,
                            FRONT_NAME " is not beside vsphere-sim: build it with the packages "
                                       "golang-go and golang-github-vmware-govmomi-dev installed, "
                                       "or give --no-soap for NFC alone");
    front = calloc(1, sizeof *front);
    if (!front)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    *front = (struct sim_front){.sim = sim, .fd = -1, .end = -1};
    pthread_mutex_init(&front->lock, NULL);
    pthread_mutex_init(&front->told_lock, NULL);
    pthread_cond_init(&front->told_changed, NULL);
    int r = open_channel(front, &theirs, err);
    if (r == VD_OK)
        r = spawn(front, program, theirs, err);
    if (theirs >= 0)
        (void)close(theirs); /* the front has its own, so that its end is seen */
    theirs = -1;
    json_t *told = r == VD_OK ? configuration(sim, options, nfc_port) : NULL;
    if (told)
        send_json(front, told);
    json_decref(told);
    if (r == VD_OK)
        r = wait_ready(front, ret_port, err);
    if (r == VD_OK)
        r = start_reader(front, err);
    if (r < 0)
        sim_front_stop(front);
    else
        *ret = front;
    return r;
}

int sim_front_end_fd(const struct sim_front *front)
{
    return front->end;
}

static void wait_for_end(const struct sim_front *front)
{
    struct timespec pause = {0, 10000000};

    for (int ms = 0; ms < END_MS; ms += 10) {
        if (waitpid(front->pid, NULL, WNOHANG) != 0)
            return;
        (void)nanosleep(&pause, NULL); /* a shorter one does no harm */
    }
    (void)kill(front->pid, SIGKILL); /* our own child, not waited for yet */
    (void)waitpid(front->pid, NULL, 0);
}

void sim_front_stop(struct sim_front *front)
{
    if (!front)
        return;
    if (front->fd >= 0)
        (void)shutdown(front->fd, SHUT_RDWR); /* it may be gone already */
    if (front->reading)
        (void)pthread_join(front->reader, NULL);
    vd_workers_free(front->workers);
    if (front->pid > 0)
        wait_for_end(front);
    if (front->in)
        (void)fclose(front->in); /* only read */
    if (front->fd >= 0)
        (void)close(front->fd);
    if (front->end >= 0)
        (void)close(front->end);
    pthread_cond_destroy(&front->told_changed);
    pthread_mutex_destroy(&front->told_lock);
    pthread_mutex_destroy(&front->lock);
    free(front);
}
