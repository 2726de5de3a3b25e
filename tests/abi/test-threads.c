/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads, many handles, and what a fork leaves of them. The numbers are explained in
 * README.md in this folder. Knows only the public headers. */
#include <stdatomic.h>
#include <time.h>

#include "disks.h"

#define THREADS 8
#define ROUNDS  12
#define SECTORS 4099
#define PIECE   16
#define FLIGHT  200

/* Waited for: a test that hangs says nothing. */
#define CHILD_SECONDS 20

/* Opens, writes, reads, asks and closes, over and over, a disk of its own and one that all read. */
struct life {
    pthread_t thread;
    unsigned index;
    atomic_uint calls;
    atomic_uint failed;
    const char *wrong; /* the first step that was; NULL */
};

static void completed(void *data, VixError result)
{
    struct life *life = data;
    atomic_fetch_add(&life->calls, 1);
    if (result != VIX_OK)
        atomic_fetch_add(&life->failed, 1);
}

static const char *in_flight(struct life *life, VixDiskLibHandle disk, uint8 *bytes)
{
    unsigned before = atomic_load(&life->calls);
    for (uint64 i = 0; i < FLIGHT; i++)
        if (VixDiskLib_WriteAsync(disk, i * PIECE, PIECE, bytes + i * PIECE * 512, completed,
                                  life) != VIX_ASYNC)
            return "WriteAsync";
    if (VixDiskLib_Wait(disk) != VIX_OK)
        return "Wait";
    return atomic_load(&life->calls) == before + FLIGHT ? NULL : "Wait came too early";
}

static const char *use(struct life *life, VixDiskLibHandle own, VixDiskLibHandle shared, uint8 *out,
                       uint8 *in)
{
    VixDiskLibInfo *info = NULL;
    VixDiskLibBlockList *list = NULL;
    const char *wrong = in_flight(life, own, out);
    if (wrong)
        return wrong;
    if (VixDiskLib_Read(own, 0, FLIGHT * PIECE, in) != VIX_OK)
        return "Read";
    if (memcmp(in, out, FLIGHT * PIECE * 512) != 0)
        return "what Read gives";
    if (VixDiskLib_Read(shared, 100, 200, in) != VIX_OK)
        return "Read of the shared disk";
    if (VixDiskLib_GetInfo(own, &info) != VIX_OK)
        return "GetInfo";
    VixDiskLib_FreeInfo(info);
    if (VixDiskLib_QueryAllocatedBlocks(own, 0, 4096, 128, &list) != VIX_OK)
        return "QueryAllocatedBlocks";
    if (VixDiskLib_FreeBlockList(list) != VIX_OK)
        return "FreeBlockList";
    VixDiskLib_FreeErrorText(VixDiskLib_GetErrorText(life->index, NULL));
    return NULL;
}

static const char *use_paths(struct life *life, VixDiskLibConnection local, const char *own_path,
                             const char *shared_path)
{
    VixDiskLibHandle own = NULL;
    VixDiskLibHandle shared = NULL;
    unsigned seed = life->index + 1;
    uint8 *out = malloc(FLIGHT * PIECE * 512);
    uint8 *in = malloc(FLIGHT * PIECE * 512);
    const char *wrong = "Open";
    fill(out, FLIGHT * PIECE, &seed);
    if (VixDiskLib_Open(local, own_path, 0, &own) == VIX_OK &&
        VixDiskLib_Open(local, shared_path, VIXDISKLIB_FLAG_OPEN_READ_ONLY, &shared) == VIX_OK)
        wrong = use(life, own, shared, out, in);
    if (own && VixDiskLib_Close(own) != VIX_OK && !wrong)
        wrong = "Close";
    if (shared && VixDiskLib_Close(shared) != VIX_OK && !wrong)
        wrong = "Close of the shared disk";
    free(out);
    free(in);
    return wrong;
}

static const char *live_once(struct life *life, const char *own_path, const char *shared_path)
{
    VixDiskLibConnection local = NULL;
    if (VixDiskLib_InitEx(6, 7, NULL, NULL, NULL, NULL, NULL) != VIX_OK)
        return "InitEx";
    const char *wrong = "ConnectEx";
    if (VixDiskLib_ConnectEx(NULL, FALSE, NULL, NULL, &local) == VIX_OK) {
        wrong = use_paths(life, local, own_path, shared_path);
        if (VixDiskLib_Disconnect(local) != VIX_OK && !wrong)
            wrong = "Disconnect";
    }
    VixDiskLib_Exit();
    return wrong;
}

static void *live(void *data)
{
    struct life *life = data;
    char own[4096];
    char shared[4096];
    snprintf(own, sizeof own, "%s/life-%u.vmdk", folder, life->index);
    snprintf(shared, sizeof shared, "%s/grandchild.vmdk", folder);
    for (int i = 0; i < ROUNDS && !life->wrong; i++)
        life->wrong = live_once(life, own, shared);
    return NULL;
}

static void lives(void)
{
    static struct life all[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        static const VixDiskLibDiskType types[] = {1, 2, 3, 4};
        char name[32];
        snprintf(name, sizeof name, "life-%u.vmdk", i);
        is(create(name, types[i % 4], SECTORS), VIX_OK, "%s: Create", name);
        all[i].index = i;
        if (pthread_create(&all[i].thread, NULL, live, &all[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(all[i].thread, NULL);
        if (!ok(!all[i].wrong, "5.5 thread %u opens, writes, reads and closes", i))
            printf("# %s\n", all[i].wrong);
        is(all[i].failed, 0, "6.6 thread %u: every request succeeds", i);
        is(all[i].calls, ROUNDS * FLIGHT, "6.6 thread %u: and has one callback", i);
    }
}

/* One handle, opened here, used and closed elsewhere, while others look at it. */
static void *close_it(void *data)
{
    return VixDiskLib_Close(data) == VIX_OK ? data : NULL;
}

static void *read_until_closed(void *data)
{
    uint8 sector[512];
    VixError result;
    while ((result = VixDiskLib_Read(data, 7, 1, sector)) == VIX_OK)
        continue;
    return result == VIX_E_INVALID_ARG ? data : NULL;
}

static void closed_elsewhere(void)
{
    pthread_t readers[4];
    pthread_t closer;
    void *result;
    bool right = true;
    VixDiskLibHandle disk = open_disk("sparse.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    for (int i = 0; i < 4; i++)
        if (pthread_create(&readers[i], NULL, read_until_closed, disk) != 0)
            abort();
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    if (pthread_create(&closer, NULL, close_it, disk) != 0)
        abort();
    pthread_join(closer, &result);
    ok(result, "5.5 Close on another thread, while four read");
    for (int i = 0; i < 4; i++) {
        pthread_join(readers[i], &result);
        right = right && result;
    }
    ok(right, "5.5 whose reads succeed, and then find no disk");
}

/* Init and Exit from everywhere: the library lives while anybody wants it. */
static void *start_and_end(void *data)
{
    bool *right = data;
    for (int i = 0; i < 50; i++) {
        VixDiskLibConnection local = NULL;
        if (VixDiskLib_InitEx(7, 0, NULL, NULL, NULL, NULL, NULL) != VIX_OK ||
            VixDiskLib_Connect(NULL, &local) != VIX_OK || VixDiskLib_Disconnect(local) != VIX_OK)
            *right = false;
        VixDiskLib_Exit();
    }
    return NULL;
}

static void counted(void)
{
    pthread_t threads[THREADS];
    bool right[THREADS];
    bool all = true;
    for (unsigned i = 0; i < THREADS; i++) {
        right[i] = true;
        if (pthread_create(&threads[i], NULL, start_and_end, &right[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        all = all && right[i];
    }
    ok(all, "6.1 InitEx and Exit on eight threads at once");
}

/* Did the child end by itself, and well? */
static bool ends_well(pid_t child)
{
    int status = 1;
    for (int i = 0; i < CHILD_SECONDS * 100; i++) {
        if (waitpid(child, &status, WNOHANG) == child)
            return WIFEXITED(status) && WEXITSTATUS(status) == 0;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return false;
}

static int whole_life(void)
{
    struct life life = {.index = 0};
    char own[4096];
    char shared[4096];
    snprintf(own, sizeof own, "%s/life-0.vmdk", folder);
    snprintf(shared, sizeof shared, "%s/sparse.vmdk", folder);
    const char *wrong = live_once(&life, own, shared);
    if (wrong)
        fprintf(stderr, "# %s\n", wrong);
    return wrong ? 1 : 0;
}

static void fork_before(void)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(whole_life());
    ok(ends_well(child), "5.5 InitEx after a fork, the library used and ended before it");
}

/* Threads do not go along with a fork: the child finds the library not started, and can start it;
 * nothing there waits for threads that are not. */
static int after_fork(VixDiskLibHandle disk)
{
    struct life life = {0};
    uint8 sector[512];
    if (VixDiskLib_ReadAsync(disk, 0, 1, sector, completed, &life) != VIX_E_DISK_NOINIT)
        return 1;
    VixDiskLib_Exit();
    if (VixDiskLib_Read(disk, 0, 1, sector) != VIX_E_DISK_NOINIT)
        return 2;
#ifdef __SANITIZE_THREAD__
    return 0; /* which knows no threads made after a fork of several */
#else
    return whole_life() ? 3 : 0;
#endif
}

static void fork_after(void)
{
    struct life life = {0};
    uint8 sector[512];
    VixDiskLibHandle disk = open_disk("sparse.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    is(VixDiskLib_ReadAsync(disk, 0, 1, sector, completed, &life), VIX_ASYNC, "ReadAsync");
    is(VixDiskLib_Wait(disk), VIX_OK, "Wait: now there are threads");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(after_fork(disk));
    ok(ends_well(child), "5.5 a fork after InitEx: nothing hangs in the child");
    is(VixDiskLib_ReadAsync(disk, 0, 1, sector, completed, &life), VIX_ASYNC,
       "5.5 and the parent goes on");
    is(VixDiskLib_Wait(disk), VIX_OK, "Wait");
    close_disk(disk, "sparse.vmdk");
}

int main(void)
{
    folder = getenv("VD_DISKS");
    if (folder)
        counted();
    if (!start())
        return 0;
    lives();
    closed_elsewhere();
    fork_after();
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
    VixDiskLib_Exit();
    fork_before();
    return tap_done();
}
