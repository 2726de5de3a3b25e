/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shaped after the Go library vmware/virtual-disks and Velero's plugin on top of it: "" wherever
 * there is nothing to say, never NULL; every string is freed as soon as the call that got it has
 * returned; PrepareForAccess before, EndAccess after; one handle used by several threads at once,
 * aligned I/O without a lock, unaligned by reading, changing and writing under one; 16007 is the
 * end of the file. The params are allocated by the library and never freed.
 */
#include "compiled.h"

#define THREADS        4
#define PIECES         100
#define WORKERS_PIECE  64
#define OPEN_FOR_WRITE 0

/* A string that is gone after the call: overwritten, then freed. */
static char *lent(const char *text)
{
    return strdup(text);
}

static void give_back(char *text)
{
    memset(text, '#', strlen(text));
    free(text);
}

static Bool progress(void *data, int percent)
{
    (void)data;
    return percent <= 100;
}

struct session {
    VixDiskLibConnectParams *params;
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;
    uint64 sectors;
    uint8 *model;
    pthread_mutex_t unaligned;
};

/* Params are good for one call: afterwards every pointer in them is stale. */
static void lend_params(struct session *session)
{
    VixDiskLibConnectParams *params = session->params;
    params->vmxSpec = lent("");
    params->serverName = lent("");
    params->thumbPrint = lent("");
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = lent("");
    params->creds.uid.password = lent("");
}

static void take_params_back(struct session *session)
{
    VixDiskLibConnectParams *params = session->params;
    give_back(params->vmxSpec);
    give_back(params->serverName);
    give_back(params->thumbPrint);
    give_back(params->creds.uid.userName);
    give_back(params->creds.uid.password);
}

static void announce(struct session *session, __typeof__(vix.PrepareForAccess) call,
                     const char *what)
{
    char *identity = lent("consumer of the interface");
    lend_params(session);
    is(call(session->params, identity), VIX_OK, "%s", what);
    take_params_back(session);
    give_back(identity);
}

static void connect_as_go(struct session *session, bool read_only, const char *modes)
{
    char *transport = lent(modes);
    session->params = vix.AllocateConnectParams();
    announce(session, vix.PrepareForAccess, "PrepareForAccess, with nothing remote");
    lend_params(session);
    is(vix.ConnectEx(session->params, read_only, "", transport, &session->connection), VIX_OK,
       "ConnectEx with transport modes '%s'", modes);
    take_params_back(session);
    give_back(transport);
}

static void open_as_go(struct session *session, const char *name, uint32 flags)
{
    VixDiskLibInfo *info = (void *)(uintptr_t)0x1111;
    char *path = lent(path_of(name));
    session->disk = (void *)(uintptr_t)0x2222;
    is(vix.Open(session->connection, path, flags, &session->disk), VIX_OK, "%s: Open", name);
    give_back(path);
    is(vix.GetInfo(session->disk, &info), VIX_OK, "GetInfo");
    session->sectors = info->capacity;
    vix.FreeInfo(info);
}

static void close_as_go(struct session *session)
{
    is(vix.Close(session->disk), VIX_OK, "Close");
    is(vix.Disconnect(session->connection), VIX_OK, "Disconnect");
    announce(session, vix.EndAccess, "EndAccess");
}

struct routine {
    struct session *session;
    pthread_t thread;
    uint64 first, sectors;
    unsigned seed;
    unsigned faults;
};

static void aligned(struct routine *routine, uint64 start, uint64 count)
{
    struct session *session = routine->session;
    uint8 *at = session->model + start * VIXDISKLIB_SECTOR_SIZE;
    uint8 back[WORKERS_PIECE * VIXDISKLIB_SECTOR_SIZE];
    for (uint64 i = 0; i < count * VIXDISKLIB_SECTOR_SIZE; i++)
        at[i] = (uint8)rand_r(&routine->seed);
    routine->faults += vix.Write(session->disk, start, count, at) != VIX_OK;
    routine->faults += vix.Read(session->disk, start, count, back) != VIX_OK;
    routine->faults += memcmp(back, at, count * VIXDISKLIB_SECTOR_SIZE) != 0;
}

/* Some bytes of one sector. */
static void unaligned(struct routine *routine, uint64 sector)
{
    struct session *session = routine->session;
    uint8 whole[VIXDISKLIB_SECTOR_SIZE];
    pthread_mutex_lock(&session->unaligned);
    routine->faults += vix.Read(session->disk, sector, 1, whole) != VIX_OK;
    memset(whole + 100, 0x5a, 200);
    routine->faults += vix.Write(session->disk, sector, 1, whole) != VIX_OK;
    memcpy(session->model + sector * VIXDISKLIB_SECTOR_SIZE, whole, sizeof whole);
    pthread_mutex_unlock(&session->unaligned);
}

static void *run_routine(void *data)
{
    struct routine *routine = data;
    for (unsigned i = 0; i < PIECES; i++) {
        uint64 room = routine->sectors - WORKERS_PIECE;
        uint64 start = routine->first + (uint64)rand_r(&routine->seed) % room;
        aligned(routine, start, (uint64)rand_r(&routine->seed) % WORKERS_PIECE + 1);
        unaligned(routine, start);
    }
    return NULL;
}

static void run_routines(struct session *session)
{
    struct routine routines[THREADS];
    unsigned faults = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        uint64 each = session->sectors / THREADS;
        routines[i] =
            (struct routine){.session = session, .first = i * each, .sectors = each, .seed = i + 1};
        if (pthread_create(&routines[i].thread, NULL, run_routine, &routines[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(routines[i].thread, NULL);
        faults += routines[i].faults;
    }
    is(faults, 0, "threads read and write through one handle");
}

static void end_of_file(struct session *session)
{
    uint8 two[2 * VIXDISKLIB_SECTOR_SIZE];
    memset(two, 0x77, sizeof two);
    is(vix.Read(session->disk, session->sectors, 1, two), VIX_E_DISK_OUTOFRANGE, "end of file");
    is(vix.Read(session->disk, session->sectors - 1, 2, two), VIX_E_DISK_OUTOFRANGE,
       "a read over the end");
    ok(two[0] == 0x77 && two[sizeof two - 1] == 0x77, "transfers nothing");
}

/* Every block is read; the rest must be zeros. */
static void allocated(struct session *session)
{
    uint64 chunk = VIXDISKLIB_MIN_CHUNK_SIZE;
    uint64 whole = session->sectors / chunk * chunk;
    VixDiskLibBlockList *list = NULL;
    uint8 *copy = calloc(session->sectors, VIXDISKLIB_SECTOR_SIZE);
    bool good = vix.QueryAllocatedBlocks(session->disk, 0, whole, chunk, &list) == VIX_OK;
    ok(good, "QueryAllocatedBlocks");
    for (uint32 i = 0; good && i < list->numBlocks; i++)
        good = vix.Read(session->disk, list->blocks[i].offset, list->blocks[i].length,
                        copy + list->blocks[i].offset * VIXDISKLIB_SECTOR_SIZE) == VIX_OK;
    is(vix.FreeBlockList(list), VIX_OK, "FreeBlockList");
    ok(good && memcmp(copy, session->model, whole * VIXDISKLIB_SECTOR_SIZE) == 0,
       "the blocks hold all there is");
    free(copy);
}

static void read_and_write(const char *name, const char *raw, const char *modes)
{
    struct session session = {.unaligned = PTHREAD_MUTEX_INITIALIZER};
    connect_as_go(&session, false, modes);
    open_as_go(&session, name, OPEN_FOR_WRITE);
    session.model = content_of(raw, session.sectors * VIXDISKLIB_SECTOR_SIZE);
    allocated(&session);
    run_routines(&session);
    allocated(&session);
    end_of_file(&session);
    close_as_go(&session);
    disk_holds(name, session.model, session.sectors * VIXDISKLIB_SECTOR_SIZE);
    free(session.model);
}

/* Velero's way to read: compressed over the network where there is one, and read-only. */
static void read_as_velero(void)
{
    struct session session = {0};
    connect_as_go(&session, true, "nbd");
    open_as_go(&session, "stream.vmdk",
               VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ | VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    session.model = content_of("stream.raw", session.sectors * VIXDISKLIB_SECTOR_SIZE);
    allocated(&session);
    close_as_go(&session);
    free(session.model);
}

/* Disconnects without closing, as after a GetInfo that failed. */
static void left_open(void)
{
    struct session session = {0};
    connect_as_go(&session, true, "");
    open_as_go(&session, "flat.vmdk", VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    is(vix.Disconnect(session.connection), VIX_OK, "Disconnect with the disk open");
}

static void operations(void)
{
    struct session session = {0};
    uint32 cleaned = 7;
    uint32 left = 7;
    uint64 space = 0;
    connect_as_go(&session, false, "file");
    is(vix.Grow(session.connection, path_of("base2.vmdk"), 40960, TRUE, progress, NULL), VIX_OK,
       "Grow");
    is(vix.Rename(path_of("base2.vmdk"), path_of("renamed.vmdk")), VIX_OK, "Rename");
    is(vix.CheckRepair(session.connection, path_of("renamed.vmdk"), FALSE), VIX_OK, "CheckRepair");
    open_as_go(&session, "renamed.vmdk", VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
    is(session.sectors, 40960, "the capacity it was grown to");
    is(vix.SpaceNeededForClone(session.disk, VIXDISKLIB_DISK_MONOLITHIC_FLAT, &space), VIX_OK,
       "SpaceNeededForClone");
    ok(space >= 40960 * 512, "is the capacity at least");
    is(vix.Defragment(session.disk, progress, NULL), VIX_OK, "Defragment");
    is(vix.Shrink(session.disk, progress, NULL), VIX_OK, "Shrink");
    is(vix.CreateChild(session.disk, path_of("young.vmdk"), VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
                       progress, NULL),
       VIX_OK, "CreateChild");
    close_as_go(&session);
    connect_as_go(&session, false, "file");
    is(vix.Unlink(session.connection, path_of("young.vmdk")), VIX_OK, "Unlink");
    ok(!exists("young.vmdk"), "and it is gone");
    is(vix.Disconnect(session.connection), VIX_OK, "Disconnect");
    lend_params(&session);
    is(vix.Cleanup(session.params, &cleaned, &left), VIX_OK, "Cleanup");
    take_params_back(&session);
    ok(cleaned == 0 && left == 0, "with nothing to clean");
}

int main(void)
{
    if (!consumer_start())
        return 0;
    if (!bind_kit())
        return tap_done();
    ok(run("cp base.vmdk base2.vmdk"), "a disk to change");
    char *config = lent(path_of("config"));
    char *nowhere = lent("");
    is(vix.InitEx(7, 0, NULL, NULL, NULL, nowhere, config), VIX_OK, "InitEx without callbacks");
    give_back(config);
    give_back(nowhere);
    read_and_write("sparse.vmdk", "sparse.raw", "");
    read_and_write("split.vmdk", "split.raw", "file:nbdssl:nbd");
    read_and_write("grandchild.vmdk", "grandchild.raw", "bogus");
    read_as_velero();
    left_open();
    operations();
    vix.Exit();
    return tap_done();
}
