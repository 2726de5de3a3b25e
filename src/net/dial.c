/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

#define STOP_LOOK_MS 100u /* the resolver's end cannot be waited for together with a stop */

bool vd_dial_is_address(const char *host)
{
    struct in6_addr scratch;
    return inet_pton(AF_INET, host, &scratch) == 1 || inet_pton(AF_INET6, host, &scratch) == 1;
}

void vd_dial_peer_name(int fd, char *text, size_t size)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getpeername(fd, (struct sockaddr *)&address, &length) == 0 &&
        getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        (void)snprintf(text, size, "%s:%s", host, port);
    else
        (void)snprintf(text, size, "the peer");
}

/* How long, and who ends it before. */
struct wait {
    uint64_t deadline_ms;
    const struct vd_net_stop *stop;
};

static uint64_t left_ms(uint64_t deadline_ms)
{
    uint64_t now = vd_clock_now_ms();
    return deadline_ms > now ? deadline_ms - now : 0;
}

/* A lookup that can be left behind: its request lives on the heap, and the resolver's thread may
 * still write to it after a time-out. */
struct lookup {
    struct gaicb request;
    struct addrinfo hints;
    char port[8];
    char host[256];
};

static int name_failed(const char *host, int why, struct vd_error *err)
{
    if (why == EAI_MEMORY)
        return vd_error_set(err, VD_E_NO_MEMORY, "looking up '%s': out of memory", host);
    return vd_error_set(err, VD_E_HOST_UNKNOWN, "the host name '%s' does not resolve: %s", host,
                        gai_strerror(why));
}

static int wait_for_lookup(struct lookup *lookup, const struct wait *wait)
{
    const struct gaicb *list[] = {&lookup->request};
    for (;;) {
        int why = gai_error(&lookup->request);
        uint64_t left = left_ms(wait->deadline_ms);
        if (why != EAI_INPROGRESS || left == 0 || vd_net_stop_asked(wait->stop))
            return why;
        if (wait->stop)
            left = VD_MIN(left, (uint64_t)STOP_LOOK_MS);
        struct timespec time = {(time_t)(left / 1000), (long)(left % 1000) * 1000000};
        (void)gai_suspend(list, 1, &time); /* gai_error tells how it went */
    }
}

/* The resolver has a thread of its own for this. */
static int ask(struct lookup *lookup, const struct wait *wait)
{
    struct gaicb *list[] = {&lookup->request};
    int why = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
    return why ? why : wait_for_lookup(lookup, wait);
}

/* Nobody is asked, so that it does not wait. */
static int take_address(struct lookup *lookup)
{
    lookup->hints.ai_flags |= AI_NUMERICHOST;
    return getaddrinfo(lookup->host, lookup->port, &lookup->hints, &lookup->request.ar_result);
}

static int unresolved(const char *host, const struct wait *wait, struct vd_error *err)
{
    if (vd_net_stop_asked(wait->stop))
        return vd_error_set(err, VD_E_CANCELLED, "connecting to '%s': cancelled", host);
    return vd_error_set(err, VD_E_CONNECT_TIMED_OUT, "the host name '%s' was not resolved in time",
                        host);
}

/* *ret is to be freed by freeaddrinfo. */
static int look_up(const char *host, uint16_t port, const struct wait *wait, struct addrinfo **ret,
                   struct vd_error *err)
{
    if (vd_net_stop_asked(wait->stop))
        return unresolved(host, wait, err);
    VD_FREE struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return vd_error_set(err, VD_E_NO_MEMORY, "looking up '%s': out of memory", host);
    if (strlen(host) >= sizeof lookup->host)
        return vd_error_set(err, VD_E_HOST_UNKNOWN,
                            "the host name '%.60s...' is longer than 255 characters", host);
    (void)snprintf(lookup->port, sizeof lookup->port, "%u", (unsigned)port);
    (void)snprintf(lookup->host, sizeof lookup->host, "%s", host);
    lookup->hints.ai_socktype = SOCK_STREAM;
    lookup->hints.ai_flags = AI_NUMERICSERV;
    lookup->request.ar_name = lookup->host;
    lookup->request.ar_service = lookup->port;
    lookup->request.ar_request = &lookup->hints;
    int why = vd_dial_is_address(host) ? take_address(lookup) : ask(lookup, wait);
    if (why == EAI_INPROGRESS) {
        if (gai_cancel(&lookup->request) != EAI_CANCELED)
            (void)VD_TAKE_PTR(lookup); /* the resolver still writes there: left to it */
        return unresolved(host, wait, err);
    }
    if (why != 0)
        return name_failed(host, why, err);
    *ret = lookup->request.ar_result;
    return VD_OK;
}

/* 0, or the errno of what went wrong. */
static int await_connection(int fd, const struct wait *wait)
{
    for (;;) {
        struct pollfd pollers[] = {{fd, POLLOUT, 0}, {vd_net_stop_fd(wait->stop), POLLIN, 0}};
        uint64_t left = left_ms(wait->deadline_ms);
        int n = poll(pollers, 2, left > INT_MAX ? INT_MAX : (int)left);
        if (vd_net_stop_asked(wait->stop))
            return ECANCELED;
        if (n == 0)
            return ETIMEDOUT;
        if (n < 0 && errno == EINTR)
            continue;
        int why = 0;
        socklen_t length = sizeof why;
        if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &length) < 0)
            return errno;
        return why;
    }
}

static int dial_one(const struct addrinfo *address, const struct wait *wait, int *ret_fd)
{
    VD_CLOSE int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int why = 0;
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
        why = errno == EINPROGRESS || errno == EINTR ? await_connection(fd, wait) : errno;
    if (why == 0) {
        *ret_fd = fd;
        fd = -1;
    }
    return why;
}

static int dial_failed(const char *host, uint16_t port, int why, struct vd_error *err)
{
    unsigned at = port;
    if (why == ETIMEDOUT)
        return vd_error_set(err, VD_E_CONNECT_TIMED_OUT,
                            "connecting to '%s' port %u: no answer in time; a firewall may block "
                            "the port",
                            host, at);
    if (why == ECONNREFUSED)
        return vd_error_set(err, VD_E_REFUSED,
                            "connecting to '%s' port %u: refused; nothing listens there, or a "
                            "firewall answers",
                            host, at);
    if (why == ECANCELED)
        return vd_error_set(err, VD_E_CANCELLED, "connecting to '%s' port %u: cancelled", host, at);
    int r = vd_error_set_errno(err, why, "connecting to '%s' port %u", host, at);
    return why == ENOMEM || why == EMFILE || why == ENFILE ? r
                                                           : vd_error_recode(err, VD_E_UNREACHABLE);
}

int vd_dial_look_up(const char *host, uint16_t port, uint32_t ms, const struct vd_net_stop *stop,
                    struct addrinfo **ret, struct vd_error *err)
{
    const struct wait wait = {vd_clock_now_ms() + ms, stop};
    return look_up(host, port, &wait, ret, err);
}

int vd_dial(const char *host, uint16_t port, uint32_t ms, const struct vd_net_stop *stop,
            int *ret_fd, struct vd_error *err)
{
    const struct wait wait = {vd_clock_now_ms() + ms, stop};
    struct addrinfo *addresses = NULL;
    int r = look_up(host, port, &wait, &addresses, err);
    if (r < 0)
        return r;
    int why = EHOSTUNREACH;
    for (struct addrinfo *address = addresses; address; address = address->ai_next) {
        why = dial_one(address, &wait, ret_fd);
        if (why == 0 || why == ECANCELED)
            break;
    }
    freeaddrinfo(addresses);
    return why == 0 ? VD_OK : dial_failed(host, port, why, err);
}
