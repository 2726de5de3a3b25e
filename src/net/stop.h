/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wish of a program, or of the person before it, that waits for servers end now. Whoever waits
 * is given one with its timeouts; NULL is one that nobody has.
 *
 * Once it is asked, waits end with VD_E_CANCELLED. Only what settles things with a server (a change
 * whose outcome must be known, taking back, saying good-bye) goes on, and gives up a server that is
 * silent for VD_NET_GRACE_MS.
 */
#ifndef VD_NET_STOP_H
#define VD_NET_STOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define VD_NET_GRACE_MS 2000u

struct vd_net_stop {
    int wake; /* readable once asked, and for ever; -1: waits see it late */
    atomic_bool asked;
};
#define VD_NET_STOP_INIT \
    {                    \
        .wake = -1       \
    }

/* Without descriptors to spare it works too, but late. */
void vd_net_stop_init(struct vd_net_stop *stop);
void vd_net_stop_done(struct vd_net_stop *stop);
/* From any thread, and from a signal handler. */
void vd_net_stop_ask(struct vd_net_stop *stop);
bool vd_net_stop_asked(const struct vd_net_stop *stop);
/* What to poll for reading; -1: nothing. */
int vd_net_stop_fd(const struct vd_net_stop *stop);
/* A pause that a wish ends, also one that is there already: whether there is one. */
bool vd_net_stop_wait(const struct vd_net_stop *stop, uint32_t ms);
/* A pause, ended early by a wish that comes meanwhile, not by one that is there already. */
void vd_net_stop_pause(const struct vd_net_stop *stop, uint32_t ms);

#endif
