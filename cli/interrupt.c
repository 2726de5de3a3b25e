/* SPDX-License-Identifier: Apache-2.0 */
#include "interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Lock-free, so a handler may set it; read by every thread that copies. */
static atomic_int caught_signal;
static struct vd_net_stop stop = VD_NET_STOP_INIT;

/* A call that began to wait just after the flag was looked at is interrupted by the next alarm. */
static void wake_again(int number)
{
    (void)number;
    (void)alarm(1);
}

static void catch_signal(int number)
{
    atomic_store(&caught_signal, number);
    vd_net_stop_ask(&stop);
    (void)alarm(1);
}

void cli_interrupt_catch(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    static bool caught;

    if (caught)
        return;
    caught = true;
    vd_net_stop_init(&stop);

    for (size_t i = 0; i < VD_ARRAY_SIZE(signals); i++) {
        /* No SA_RESTART: a call that waits for a pipe returns, and the flag is seen. */
        struct sigaction catching = {.sa_handler = catch_signal};
        struct sigaction old;

        (void)sigaction(signals[i], NULL, &old); /* cannot fail for these numbers */
        if (old.sa_handler != SIG_IGN)
            (void)sigaction(signals[i], &catching, NULL);
    }
    struct sigaction waking = {.sa_handler = wake_again};
    (void)sigaction(SIGALRM, &waking, NULL);
}

bool cli_interrupted(void)
{
    return atomic_load(&caught_signal) != 0;
}

const struct vd_net_stop *cli_interrupt_stop(void)
{
    return &stop;
}

const char *cli_interrupt_name(void)
{
    switch (atomic_load(&caught_signal)) {
    case SIGINT:
        return "SIGINT";
    case SIGTERM:
        return "SIGTERM";
    default:
        return "SIGHUP";
    }
}
