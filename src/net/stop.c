/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

void vd_net_stop_init(struct vd_net_stop *stop)
{
    atomic_init(&stop->asked, false);
    stop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void vd_net_stop_done(struct vd_net_stop *stop)
{
    vd_fd_cleanup(&stop->wake);
    stop->wake = -1;
}

void vd_net_stop_ask(struct vd_net_stop *stop)
{
    uint64_t one = 1;
    int before = errno;
    atomic_store(&stop->asked, true);
    /* Fails only where it is readable already. */
    if (stop->wake < 0 || write(stop->wake, &one, sizeof one) < 0)
        errno = before;
}

bool vd_net_stop_asked(const struct vd_net_stop *stop)
{
    return stop && atomic_load(&stop->asked);
}

int vd_net_stop_fd(const struct vd_net_stop *stop)
{
    return stop ? stop->wake : -1;
}

bool vd_net_stop_wait(const struct vd_net_stop *stop, uint32_t ms)
{
    uint64_t until = vd_clock_now_ms() + ms;
    for (;;) {
        uint64_t now = vd_clock_now_ms();
        struct pollfd wake = {vd_net_stop_fd(stop), POLLIN, 0};
        bool asked = vd_net_stop_asked(stop);
        if (now >= until || asked)
            return asked;
        /* A signal may end it early, and so may what this waits for: both are looked at above. */
        (void)poll(&wake, 1, (int)VD_MIN(until - now, (uint64_t)INT_MAX));
    }
}

void vd_net_stop_pause(const struct vd_net_stop *stop, uint32_t ms)
{
    (void)vd_net_stop_wait(vd_net_stop_asked(stop) ? NULL : stop, ms); /* either will do */
}
