/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fault-injection hooks of the interface. Their numbers name places in other programs' code for
 * SAN, HotAdd and servers, so what is set is kept and can be asked for, and nothing here fails
 * because of it.
 */
#include <pthread.h>
#include <stddef.h>

#define VDDK_FAULT_IS_EXTERN
#include "vddkFaultInjection.h"
#include "vix/export.h"

/* `lock` guards all. */
static struct {
    pthread_mutex_t lock;
    vddkFaultEntry entries[VDDK_FAULT_INJECTION_LAST_ENTRY];
} faults = {.lock = PTHREAD_MUTEX_INITIALIZER};

static Bool is_id(int id)
{
    return id >= 0 && id < VDDK_FAULT_INJECTION_LAST_ENTRY;
}

static Bool is_enabled(int id, int *faultErr)
{
    if (!is_id(id))
        return FALSE;
    (void)pthread_mutex_lock(&faults.lock); /* a static mutex, never misused */
    vddkFaultEntry entry = faults.entries[id];
    (void)pthread_mutex_unlock(&faults.lock);
    if (entry.enabled && faultErr)
        *faultErr = entry.faultErr;
    return entry.enabled;
}

VD_VIX_EXPORT IsFaultEnabled_T VixDiskLib_IsFaultEnabled = is_enabled;

VD_VIX_EXPORT Bool VixDiskLib_SetInjectedFault(int id, Bool enabled, int faultErr)
{
    if (!is_id(id))
        return FALSE;
    (void)pthread_mutex_lock(&faults.lock); /* a static mutex, never misused */
    faults.entries[id] = (vddkFaultEntry){.enabled = enabled != 0, .faultErr = faultErr};
    (void)pthread_mutex_unlock(&faults.lock);
    return TRUE;
}

/* Switches a function, by its name, to go wrong now and then. There is none of that kind. */
VD_VIX_EXPORT void Perturb_Enable(const char *fName, int enable)
{
    (void)fName;
    (void)enable;
}
