/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "session.h"

struct slot {
    struct sim_server *server;
    pthread_t thread;
    bool started;  /* the accepting thread's */
    bool finished; /* server->lock, as the next two */
    struct vd_stream *stream;
    struct sim_conn *conn; /* NULL before and after its life */
};

struct sim_server {
    struct sim *sim;
    int fd;
    int stop; /* readable: end */
    pthread_t thread;
    pthread_mutex_t lock;
    bool stopping; /* lock */
    struct slot slots[SIM_CONNECTIONS_MAX];
};

static void announce(void *data, struct sim_conn *conn)
{
    struct slot *slot = data;

    pthread_mutex_lock(&slot->server->lock);
    slot->conn = conn;
    if (conn && slot->server->stopping)
        sim_conn_stop(conn);
    pthread_mutex_unlock(&slot->server->lock);
}

static void *serve(void *data)
{
    struct slot *slot = data;
    struct sim_server *server = slot->server;

    sim_session_serve(server->sim, slot->stream, announce, slot);
    pthread_mutex_lock(&server->lock);
    slot->finished = true;
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* A place whose thread has ended, and is waited for; NULL: all are busy. */
static struct slot *free_slot(struct sim_server *server)
{
    for (size_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
        struct slot *slot = &server->slots[i];
        pthread_mutex_lock(&server->lock);
        bool is_free = !slot->started || slot->finished;
        pthread_mutex_unlock(&server->lock);
        if (!is_free)
            continue;
        if (slot->started)
            (void)pthread_join(slot->thread, NULL); /* fails for no thread of ours */
        *slot = (struct slot){.server = server};
        return slot;
    }
    return NULL;
}

static void begin(struct sim_server *server, int fd)
{
    struct vd_error err = VD_ERROR_INIT;
    struct vd_stream *stream = NULL;

    if (vd_stream_from_fd(fd, NULL, &stream, &err) < 0) {
        sim_say(server->sim, "nfc: %s", err.text);
        return;
    }
    struct slot *slot = free_slot(server);
    if (slot) {
        slot->stream = stream;
        slot->started = pthread_create(&slot->thread, NULL, serve, slot) == 0;
    }
    if (!slot || !slot->started) {
        sim_say(server->sim, "nfc: too many connections");
        vd_stream_free(stream);
    }
}

static void *accept_all(void *data)
{
    struct sim_server *server = data;

    for (;;) {
        struct pollfd fds[] = {{server->fd, POLLIN, 0}, {server->stop, POLLIN, 0}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents)
            return NULL;
        int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            begin(server, fd);
    }
}

static int listen_on(const char *host, uint16_t port, uint16_t *ret_port, struct vd_error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t length = sizeof address;
    int on = 1;
    VD_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return vd_error_set(err, VD_E_INVALID_ARG, "'%s' is no IPv4 address", host);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        return vd_error_set_errno(err, errno, "listening on '%s' port %u", host, port);
    *ret_port = ntohs(address.sin_port);
    int taken = fd;
    fd = -1;
    return taken;
}

int sim_server_start(struct sim *sim, const char *host, uint16_t port, struct sim_server **ret,
                     uint16_t *ret_port, struct vd_error *err)
{
    int fd = listen_on(host, port, ret_port, err);
    if (fd < 0)
        return fd;
    struct sim_server *server = calloc(1, sizeof *server);
    int stop = eventfd(0, EFD_CLOEXEC);
    if (!server || stop < 0) {
        free(server);
        (void)close(fd); /* nothing was sent */
        return vd_error_set_errno(err, errno, "starting the server");
    }
    server->sim = sim;
    server->fd = fd;
    server->stop = stop;
    pthread_mutex_init(&server->lock, NULL);
    int number = pthread_create(&server->thread, NULL, accept_all, server);
    if (number != 0) {
        (void)close(fd);
        (void)close(stop);
        free(server);
        return vd_error_set_errno(err, number, "starting the server");
    }
    *ret = server;
    return VD_OK;
}

void sim_server_stop(struct sim_server *server)
{
    uint64_t one = 1;

    if (!server)
        return;
    if (write(server->stop, &one, sizeof one) < 0)
        abort(); /* an event descriptor that nobody filled */
    (void)pthread_join(server->thread, NULL);
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    for (size_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
        if (server->slots[i].conn)
            sim_conn_stop(server->slots[i].conn);
    }
    pthread_mutex_unlock(&server->lock);
    for (size_t i = 0; i < SIM_CONNECTIONS_MAX; i++) {
        if (server->slots[i].started)
            (void)pthread_join(server->slots[i].thread, NULL);
    }
    (void)close(server->fd);
    (void)close(server->stop);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
