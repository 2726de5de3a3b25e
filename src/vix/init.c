/* SPDX-License-Identifier: Apache-2.0 */
/* Start and end of the library. */
#include "vix/library.h"

#include <pthread.h>
#include <stdbool.h>

#include "transport/transport.h"
#include "vix/async.h"
#include "vix/config.h"
#include "vix/connection.h"
#include "vix/disk.h"
#include "vix/export.h"
#include "vix/fork.h"
#include "vix/registry.h"
#include "vix/report.h"

/* For disks of this machine, and of others. A disk there keeps 16 requests of 1 MiB under way, so
 * that this is enough for four; threads start when they are needed. */
struct pools {
    struct vd_workers *local;
    struct vd_workers *remote;
};

/* `lock` guards all, and is not held while anything is told or waited for. `workers` changes only
 * while no disk exists. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    unsigned users; /* Inits without their Exit */
    bool stopping;
    struct pools workers;
    struct pools left_behind; /* in a forked child: the parent's, whose threads are not here */
} library = {.lock = PTHREAD_MUTEX_INITIALIZER, .stopped = PTHREAD_COND_INITIALIZER};

struct vd_workers *vd_vix_workers(bool remote)
{
    return remote ? library.workers.remote : library.workers.local;
}

/* More than there are processors: a thread waits while storage reads for it, and storage that reads
 * for 32 at once reads three times as much as for two. Threads start only when no other is about to
 * take a task, so what is in the page cache is served by few. */
#define LOCAL_WORKERS 32u

static int pools_start(struct pools *ret, struct vd_error *err)
{
    struct pools pools = {0};
    int r = vd_workers_new(LOCAL_WORKERS, &pools.local, err);
    if (r == VD_OK)
        r = vd_workers_new(VD_WORKERS_MAX, &pools.remote, err);
    if (r == VD_OK)
        *ret = pools;
    else
        vd_workers_free(pools.local);
    return r;
}

static int start_locked(struct vd_error *err)
{
    while (library.stopping)
        (void)pthread_cond_wait(&library.stopped, &library.lock); /* fails only on misuse */
    if (library.users == 0) {
        int r = pools_start(&library.workers, err);
        if (r < 0)
            return r;
        vd_vix_fork_watch();
        vd_vix_registry_open();
    }
    library.users++;
    return VD_OK;
}

/* A configuration that cannot be read costs its settings, not the library. */
static void load_configuration(const char *path, bool first)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = VD_OK;
    if (path && path[0] != '\0')
        r = vd_vix_config_load(path, &err);
    else if (first)
        r = vd_vix_config_load_default(&err);
    if (r < 0)
        vd_vix_warn("VixDiskLib: configuration not used: %s.", vd_error_message(&err, r));
}

/* Programs look for the first line to learn the version of the interface. */
static void tell_start(uint32 major, uint32 minor, const char *folder)
{
    vd_vix_info("VMware VixDiskLib (" VD_VIX_VERSION ") Release build-0");
    vd_vix_info("VixDiskLib: this is virtual-disks " VD_VERSION
                ", an independent implementation of that interface.");
    vd_vix_info("VixDiskLib: the program is written for version %u.%u, libDir is \"%s\".", major,
                minor, folder ? folder : "");
    vd_vix_info("VixDiskLib: Advanced transport module not loaded.");
    vd_vix_info("VixDiskLib: Using transport modes from DiskLib: %s.", vd_transport_modes());
}

VD_VIX_EXPORT VixError VixDiskLib_InitEx(uint32 majorVersion, uint32 minorVersion,
                                         VixDiskLibGenericLogFunc *log,
                                         VixDiskLibGenericLogFunc *warn,
                                         VixDiskLibGenericLogFunc *panic, const char *libDir,
                                         const char *configFile)
{
    struct vd_error err = VD_ERROR_INIT;
    (void)pthread_mutex_lock(&library.lock); /* a static mutex, never misused */
    int r = start_locked(&err);
    bool first = r == VD_OK && library.users == 1;
    (void)pthread_mutex_unlock(&library.lock);
    if (r < 0)
        return vd_error_vix(r);

    vd_vix_report_use(log, warn, panic);
    load_configuration(configFile, first);
    if (first)
        tell_start(majorVersion, minorVersion, libDir);
    return VIX_OK;
}

VD_VIX_EXPORT VixError VixDiskLib_Init(uint32 majorVersion, uint32 minorVersion,
                                       VixDiskLibGenericLogFunc *log,
                                       VixDiskLibGenericLogFunc *warn,
                                       VixDiskLibGenericLogFunc *panic, const char *libDir)
{
    return VixDiskLib_InitEx(majorVersion, minorVersion, log, warn, panic, libDir, NULL);
}

static void stop(void)
{
    vd_vix_registry_close();
    vd_vix_disks_end();
    vd_vix_connections_end();
    vd_workers_free(library.workers.local);
    vd_workers_free(library.workers.remote);
    vd_vix_report_done();
    vd_vix_config_clear();

    (void)pthread_mutex_lock(&library.lock); /* a static mutex, never misused */
    library.workers = (struct pools){0};
    library.stopping = false;
    (void)pthread_cond_broadcast(&library.stopped); /* cannot fail on a valid condition */
    (void)pthread_mutex_unlock(&library.lock);
}

VD_VIX_EXPORT void VixDiskLib_Exit(void)
{
    if (vd_vix_async_current()) {
        vd_vix_warn("VixDiskLib: VixDiskLib_Exit: called from a completion callback, which would "
                    "wait for itself; ignored.");
        return;
    }
    (void)pthread_mutex_lock(&library.lock); /* a static mutex, never misused */
    bool called_for = library.users > 0;
    unsigned left = called_for ? --library.users : 0;
    bool last = called_for && left == 0;
    library.stopping = library.stopping || last;
    (void)pthread_mutex_unlock(&library.lock);

    if (last)
        stop();
    else if (left > 0)
        vd_vix_info("VixDiskLib: VixDiskLib_Exit: Unmatched Init calls so far: %u.", left);
}

void vd_vix_library_fork(enum vd_vix_fork when)
{
    if (when == VD_VIX_FORK_BEFORE) {
        (void)pthread_mutex_lock(&library.lock); /* a static mutex, never misused */
        return;
    }
    if (when == VD_VIX_FORK_CHILD) {
        library.users = 0;
        library.stopping = false;
        library.left_behind = library.workers.local ? library.workers : library.left_behind;
        library.workers = (struct pools){0};
        (void)pthread_cond_init(&library.stopped, NULL); /* who waited is not here */
    }
    (void)pthread_mutex_unlock(&library.lock);
}

VD_VIX_EXPORT const char *VixDiskLib_ListTransportModes(void)
{
    return vd_transport_modes();
}
