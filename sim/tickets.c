/* SPDX-License-Identifier: Apache-2.0 */
#include "tickets.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

bool sim_tickets_init(struct sim_tickets *tickets)
{
    pthread_mutex_init(&tickets->lock, NULL);
    tickets->count = 0;
    tickets->list = calloc(SIM_TICKETS_MAX, sizeof *tickets->list);
    return tickets->list != NULL;
}

void sim_tickets_done(struct sim_tickets *tickets)
{
    if (tickets->list)
        explicit_bzero(tickets->list, SIM_TICKETS_MAX * sizeof *tickets->list);
    free(tickets->list);
    pthread_mutex_destroy(&tickets->lock);
}

int sim_random_uuid(const char *begin, char *text, struct vd_error *err)
{
    uint8_t bytes[16];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return vd_error_set_errno(err, errno, "asking for random bytes");
    char *at = text;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        (void)snprintf(at, 4, "%s%02x", dash ? "-" : "", bytes[i]);
        at += dash ? 3 : 2;
    }
    memcpy(text, begin, strlen(begin));
    return VD_OK;
}

static void forget_locked(struct sim_tickets *tickets, size_t index)
{
    tickets->count--;
    memmove(&tickets->list[index], &tickets->list[index + 1],
            (tickets->count - index) * sizeof *tickets->list);
    explicit_bzero(&tickets->list[tickets->count], sizeof *tickets->list);
}

int sim_tickets_add(struct sim_tickets *tickets, struct sim_ticket *ticket, struct vd_error *err)
{
    int r = ticket->id[0] ? VD_OK : sim_random_uuid("52", ticket->id, err);

    if (r < 0)
        return r;
    pthread_mutex_lock(&tickets->lock);
    if (tickets->count == SIM_TICKETS_MAX)
        forget_locked(tickets, 0);
    tickets->list[tickets->count++] = *ticket;
    pthread_mutex_unlock(&tickets->lock);
    return VD_OK;
}

bool sim_tickets_take(struct sim_tickets *tickets, const char *id, struct sim_ticket *ret)
{
    bool found = false;

    pthread_mutex_lock(&tickets->lock);
    for (size_t i = 0; !found && i < tickets->count; i++) {
        found = strcmp(tickets->list[i].id, id) == 0;
        if (found) {
            *ret = tickets->list[i];
            forget_locked(tickets, i);
        }
    }
    pthread_mutex_unlock(&tickets->lock);
    return found;
}
