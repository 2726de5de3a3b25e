/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that loads the library as nbdkit's vddk plugin does: by file name, after a fork, symbol
 * by symbol with its own idea of the structures; one thread per handle issues asynchronous reads,
 * another closes; extents are asked for in chunks of 128. Argument: the library.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "vixDiskLib.h"

#define IN_FLIGHT     32
#define READ_SECTORS  64
#define PROBE_SECTORS 128

/* Symbols the plugin cannot do without, and those it can. */
/* clang-format off */
#define REQUIRED(X)                                                                                \
    X(InitEx) X(Exit) X(GetErrorText) X(FreeErrorText) X(FreeConnectParams) X(ConnectEx) X(Open)   \
    X(GetTransportMode) X(Close) X(Disconnect) X(GetInfo) X(FreeInfo) X(Read) X(Write)             \
    X(ReadAsync) X(WriteAsync) X(Flush) X(Wait) X(Create)
#define OPTIONAL(X) X(QueryAllocatedBlocks) X(FreeBlockList) X(AllocateConnectParams)

#define X(name) static __typeof__(&VixDiskLib_##name) vix_##name;
REQUIRED(X)
OPTIONAL(X)
#undef X
/* clang-format on */

static void *find(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    ok(symbol, "%s is there", name);
    return symbol;
}

static void *load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    if (!ok(library, "dlopen, all symbols at once"))
        printf("# %s\n", dlerror());
    if (!library)
        exit(tap_done());
/* clang-format off */
#define X(name) *(void **)&vix_##name = find(library, "VixDiskLib_" #name);
    REQUIRED(X)
    OPTIONAL(X)
#undef X
    /* clang-format on */
    ok(!dlsym(library, "VixDiskLib_NoSuchFunction"), "what does not exist is not found");
    return library;
}

static void told(const char *fmt, va_list args)
{
    (void)fmt;
    (void)args;
}

static _Thread_local bool suppress;
static atomic_uint user_errors;

__attribute__((format(printf, 1, 0))) static void user_error(const char *fmt, va_list args)
{
    if (suppress)
        return;
    atomic_fetch_add(&user_errors, 1);
    printf("# ");
    vprintf(fmt, args);
}

/* One disk, and the thread that issues its reads. */
struct handle {
    VixDiskLibHandle disk;
    VixDiskLibConnection connection;
    VixDiskLibConnectParams *params;
    uint64 capacity;
    uint8 *bytes;
    atomic_uint accepted;
    atomic_uint completed;
    atomic_uint failed;
    atomic_uint refused;
};

struct command {
    struct handle *handle;
    pthread_mutex_t lock; /* taken by the callback, never held while submitting */
    bool done;
};

static void completed(void *data, VixError result)
{
    struct command *command = data;
    pthread_mutex_lock(&command->lock);
    if (command->done)
        abort(); /* called twice */
    command->done = true;
    pthread_mutex_unlock(&command->lock);
    if (result != VIX_OK)
        atomic_fetch_add(&command->handle->failed, 1);
    atomic_fetch_add(&command->handle->completed, 1);
}

static void *issue_reads(void *data)
{
    struct handle *handle = data;
    size_t count = (handle->capacity + READ_SECTORS - 1) / READ_SECTORS;
    struct command *commands = calloc(count, sizeof *commands);
    for (size_t i = 0; i < count; i++) {
        uint64 start = (uint64)i * READ_SECTORS;
        uint64 length = handle->capacity - start;
        commands[i].handle = handle;
        pthread_mutex_init(&commands[i].lock, NULL);
        VixError result =
            vix_ReadAsync(handle->disk, start, length < READ_SECTORS ? length : READ_SECTORS,
                          handle->bytes + start * 512, completed, &commands[i]);
        atomic_fetch_add(result == VIX_ASYNC ? &handle->accepted : &handle->refused, 1);
        if (i % IN_FLIGHT == 0 && vix_Wait(handle->disk) != VIX_OK)
            abort();
    }
    if (vix_ReadAsync(handle->disk, handle->capacity, 1, handle->bytes, completed, NULL) ==
        VIX_ASYNC)
        abort(); /* past the end: refused, and no callback with NULL may come */
    if (vix_Wait(handle->disk) != VIX_OK)
        abort();
    for (size_t i = 0; i < count; i++)
        pthread_mutex_destroy(&commands[i].lock);
    free(commands);
    return NULL;
}

static void open_handle(struct handle *handle, const char *path)
{
    VixDiskLibInfo *info = NULL;
    handle->params = vix_AllocateConnectParams();
    is(vix_ConnectEx(handle->params, 1, NULL, NULL, &handle->connection), VIX_OK, "ConnectEx");
    is(vix_Open(handle->connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY, &handle->disk), VIX_OK,
       "Open");
    is_text(vix_GetTransportMode(handle->disk), "file", "transport mode");
    is(vix_GetInfo(handle->disk, &info), VIX_OK, "GetInfo");
    handle->capacity = info->capacity;
    vix_FreeInfo(info);
    handle->bytes = malloc(handle->capacity * 512);
}

static void close_handle(struct handle *handle)
{
    is(vix_Wait(handle->disk), VIX_OK, "Wait with nothing outstanding");
    is(vix_Close(handle->disk), VIX_OK, "Close from another thread");
    is(vix_Disconnect(handle->connection), VIX_OK, "Disconnect");
    vix_FreeConnectParams(handle->params);
    free(handle->bytes);
}

static bool same_as_file(const struct handle *handle, const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8 sector[512];
    uint64 at = 0;
    while (file && at < handle->capacity && fread(sector, 512, 1, file) == 1 &&
           memcmp(sector, handle->bytes + at * 512, 512) == 0)
        at++;
    if (file)
        fclose(file);
    return at == handle->capacity;
}

/* The plugin asks once whether extents work, quietly; then walks the disk, treating what no block
 * covers as zeros, and rounding the end up. */
static void extents(struct handle *handle)
{
    VixDiskLibBlockList *list = NULL;
    suppress = true;
    is(vix_QueryAllocatedBlocks(handle->disk, 0, PROBE_SECTORS, PROBE_SECTORS, &list), VIX_OK,
       "probe for extents");
    is(vix_FreeBlockList(list), VIX_OK, "FreeBlockList");
    ok(vix_QueryAllocatedBlocks(handle->disk, 1, 1, 1, &list) != VIX_OK, "a probe that fails");
    suppress = false;
    is(atomic_load(&user_errors), 0, "is told on the thread that probes, and stays quiet");

    uint64 end = (handle->capacity + PROBE_SECTORS - 1) / PROBE_SECTORS * PROBE_SECTORS;
    uint64 position = 0;
    is(vix_QueryAllocatedBlocks(handle->disk, 0, end, PROBE_SECTORS, &list), VIX_OK, "extents");
    bool ascending = true;
    bool zeros = true;
    for (uint32 i = 0; i < list->numBlocks; i++) {
        ascending = ascending && list->blocks[i].offset >= position;
        for (uint64 byte = position * 512; byte < list->blocks[i].offset * 512; byte++)
            zeros = zeros && handle->bytes[byte] == 0;
        position = list->blocks[i].offset + list->blocks[i].length;
    }
    ok(ascending, "extents ascend");
    ok(zeros, "holes are zeros");
    ok(position <= handle->capacity, "and end inside the disk");
    vix_FreeBlockList(list);
}

static void read_disk(const char *folder, const char *name)
{
    char path[4096];
    struct handle handle = {0};
    pthread_t thread;
    snprintf(path, sizeof path, "%s/%s.vmdk", folder, name);
    open_handle(&handle, path);
    if (pthread_create(&thread, NULL, issue_reads, &handle) != 0)
        abort();
    pthread_join(thread, NULL);
    is(atomic_load(&handle.refused), 0, "%s: every request is accepted", name);
    is(atomic_load(&handle.completed), atomic_load(&handle.accepted), "%s: and completed", name);
    is(atomic_load(&handle.failed), 0, "%s: without error", name);
    is(atomic_load(&user_errors), 1, "%s: the refused one was told", name);
    atomic_store(&user_errors, 0);
    snprintf(path, sizeof path, "%s/%s.raw", folder, name);
    ok(same_as_file(&handle, path), "%s: and every byte is right", name);
    extents(&handle);
    close_handle(&handle);
}

/* What may be called from a callback works; what would wait for itself says so. */
struct inside {
    struct handle *handle;
    atomic_uint callbacks;
    VixError read;
    VixError wait;
    VixError close;
};

static void more(void *data, VixError result)
{
    struct inside *inside = data;
    uint8 sector[512];
    if (result != VIX_OK || atomic_fetch_add(&inside->callbacks, 1) > 0)
        return;
    inside->wait = vix_Wait(inside->handle->disk);
    inside->close = vix_Close(inside->handle->disk);
    inside->read = vix_Read(inside->handle->disk, 0, 1, sector);
    vix_Exit();
    for (unsigned i = 0; i < 10; i++)
        if (vix_ReadAsync(inside->handle->disk, i, 1, inside->handle->bytes + i * 512, more,
                          inside) != VIX_ASYNC)
            atomic_fetch_add(&inside->callbacks, 1000);
}

static void from_callback(const char *folder)
{
    char path[4096];
    struct handle handle = {0};
    struct inside inside = {.handle = &handle};
    snprintf(path, sizeof path, "%s/sparse.vmdk", folder);
    open_handle(&handle, path);
    suppress = true;
    is(vix_ReadAsync(handle.disk, 0, 1, handle.bytes, more, &inside), VIX_ASYNC, "ReadAsync");
    is(vix_Wait(handle.disk), VIX_OK, "Wait");
    is(atomic_load(&inside.callbacks), 11, "a callback may submit more");
    is(inside.read, VIX_OK, "and read");
    is(inside.wait, VIX_E_OBJECT_IS_BUSY, "but not wait");
    is(inside.close, VIX_E_OBJECT_IS_BUSY, "nor close");
    suppress = false;
    atomic_store(&user_errors, 0); /* those of the callback's thread */
    close_handle(&handle);
}

/* Close itself waits for what is outstanding. */
static void close_drains(const char *folder)
{
    char path[4096];
    struct handle handle = {0};
    struct command commands[IN_FLIGHT];
    snprintf(path, sizeof path, "%s/stream.vmdk", folder);
    open_handle(&handle, path);
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        commands[i] = (struct command){.handle = &handle, .lock = PTHREAD_MUTEX_INITIALIZER};
        if (vix_ReadAsync(handle.disk, 0, handle.capacity / IN_FLIGHT,
                          handle.bytes + i * (handle.capacity / IN_FLIGHT) * 512, completed,
                          &commands[i]) != VIX_ASYNC)
            abort();
    }
    is(vix_Close(handle.disk), VIX_OK, "Close with requests outstanding");
    is(atomic_load(&handle.completed), IN_FLIGHT, "comes after all callbacks");
    is(vix_Disconnect(handle.connection), VIX_OK, "Disconnect");
    vix_FreeConnectParams(handle.params);
    free(handle.bytes);
}

static bool maps_have(const char *library)
{
    char line[4096];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps))
        found = found || strstr(line, library);
    if (maps)
        fclose(maps);
    return found;
}

static int serve(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/config", folder);
    is(vix_InitEx(6, 5, told, user_error, user_error, folder, path), VIX_OK, "InitEx after fork");
    read_disk(folder, "sparse");
    read_disk(folder, "stream");
    read_disk(folder, "flat");
    read_disk(folder, "grandchild");
    from_callback(folder);
    close_drains(folder);
    char *text = vix_GetErrorText(VIX_E_DISK_OUTOFRANGE, NULL);
    ok(text, "GetErrorText");
    vix_FreeErrorText(text);
    vix_Exit();
    ok(!maps_have("/libcurl.so") && !maps_have("/libssl.so") && !maps_have("/libxml2.so"),
       "no library of the network was loaded");
    return tap_done();
}

int main(int argc, char **argv)
{
    const char *folder = getenv("VD_DISKS");
    if (!folder || argc != 2) {
        puts("1..0 # SKIP run by with-disks, with the library");
        return 0;
    }
    void *library = load(argv[1]);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int status = serve(folder);
        dlclose(library);
        exit(status);
    }
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
