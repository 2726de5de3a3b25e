/* SPDX-License-Identifier: Apache-2.0 */
#include "nfc/budget.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* More hosts at a time share the last place: a budget that is too careful. */
#define HOSTS_MAX 64u

static struct {
    char host[256];
    uint64_t taken_bytes;
} hosts[HOSTS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards hosts */

static uint64_t *place_of_locked(const char *host)
{
    size_t unused = HOSTS_MAX - 1;
    for (size_t i = 0; i < HOSTS_MAX; i++) {
        if (strcmp(hosts[i].host, host) == 0)
            return &hosts[i].taken_bytes;
        if (hosts[i].taken_bytes == 0 && unused == HOSTS_MAX - 1)
            unused = i;
    }
    (void)snprintf(hosts[unused].host, sizeof hosts[unused].host, "%s", host);
    return &hosts[unused].taken_bytes;
}

uint32_t vd_nfc_budget_take(const char *host)
{
    uint32_t size = VD_NFC_WANTED_BYTES;
    (void)pthread_mutex_lock(&lock);
    uint64_t *taken = place_of_locked(host);
    while (size > VD_NFC_LEAST_BYTES &&
           *taken + (uint64_t)size * VD_NFC_WANTED_COUNT > VD_NFC_BUDGET_BYTES)
        size /= 2;
    *taken += (uint64_t)size * VD_NFC_WANTED_COUNT;
    (void)pthread_mutex_unlock(&lock);
    return size;
}

void vd_nfc_budget_give_back(const char *host, uint32_t buffer_bytes)
{
    (void)pthread_mutex_lock(&lock);
    uint64_t *taken = place_of_locked(host);
    uint64_t bytes = (uint64_t)buffer_bytes * VD_NFC_WANTED_COUNT;
    *taken = *taken > bytes ? *taken - bytes : 0;
    (void)pthread_mutex_unlock(&lock);
}
