/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library loaded and unloaded a hundred times, with a whole life in between, or with one that
 * is not ended: no thread, no file and no memory stays behind. Argument: the library. Knows only
 * the public headers.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "tap.h"
#include "vixDiskLib.h"

#define CYCLES   100
#define REQUESTS 50

/* clang-format off */
#define FUNCTIONS(X)                                                                               \
    X(InitEx) X(Exit) X(Connect) X(Disconnect) X(Open) X(Close) X(ReadAsync) X(Wait) X(GetInfo)    \
    X(FreeInfo) X(GetErrorText) X(FreeErrorText) X(AllocateConnectParams) X(FreeConnectParams)
#define X(name) static __typeof__(&VixDiskLib_##name) vix_##name;
FUNCTIONS(X)
#undef X
/* clang-format on */

static const char *library_path;
static char disk_path[4096];
static char config_path[4096];
static atomic_uint completions;

static void ignore(const char *fmt, va_list args)
{
    (void)fmt;
    (void)args;
}

static void completed(void *data, VixError result)
{
    (void)data;
    atomic_fetch_add(&completions, result == VIX_OK ? 1 : 1000);
}

static void *load(void)
{
    void *library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        ok(false, "dlopen: %s", dlerror());
        exit(tap_done());
    }
/* clang-format off */
#define X(name) *(void **)&vix_##name = dlsym(library, "VixDiskLib_" #name);
    FUNCTIONS(X)
#undef X
    /* clang-format on */
    return library;
}

static unsigned entries_of(const char *path)
{
    unsigned count = 0;
    DIR *entries = opendir(path);
    while (entries && readdir(entries))
        count++;
    if (entries)
        closedir(entries);
    return count;
}

/* A thread that was joined may be listed for a moment more. */
static unsigned threads_now(unsigned want)
{
    unsigned threads = entries_of("/proc/self/task");
    for (int i = 0; i < 200 && threads > want; i++) {
        usleep(10000);
        threads = entries_of("/proc/self/task");
    }
    return threads;
}

static bool read_some(VixDiskLibHandle disk)
{
    static uint8 bytes[REQUESTS * 512];
    bool right = true;
    atomic_store(&completions, 0);
    for (uint64 i = 0; i < REQUESTS && right; i++)
        right = vix_ReadAsync(disk, i, 1, bytes + i * 512, completed, NULL) == VIX_ASYNC;
    return vix_Wait(disk) == VIX_OK && right && atomic_load(&completions) == REQUESTS;
}

static bool live(bool ended)
{
    VixDiskLibConnection local = NULL;
    VixDiskLibHandle disk = NULL;
    VixDiskLibInfo *info = NULL;
    void *library = load();
    VixDiskLibConnectParams *params = vix_AllocateConnectParams();
    bool right = vix_InitEx(7, 0, ignore, ignore, ignore, NULL, config_path) == VIX_OK &&
                 vix_Connect(params, &local) == VIX_OK &&
                 vix_Open(local, disk_path, VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk) == VIX_OK &&
                 vix_GetInfo(disk, &info) == VIX_OK && read_some(disk);
    vix_FreeInfo(info);
    vix_FreeErrorText(vix_GetErrorText(3, NULL));
    vix_FreeConnectParams(params);
    if (ended) {
        right = vix_Close(disk) == VIX_OK && vix_Disconnect(local) == VIX_OK && right;
        vix_Exit();
    }
    return dlclose(library) == 0 && right;
}

static size_t memory_in_use(void)
{
    return mallinfo2().uordblks;
}

int main(int argc, char **argv)
{
    const char *folder = getenv("VD_DISKS");
    if (!folder || argc != 2) {
        puts("1..0 # SKIP run by with-disks, with the library");
        return 0;
    }
    library_path = argv[1];
    snprintf(disk_path, sizeof disk_path, "%s/grandchild.vmdk", folder);
    snprintf(config_path, sizeof config_path, "%s/config", folder);
    bool right = live(true) && live(true); /* what is kept for good is there now */
    unsigned files = entries_of("/proc/self/fd");
    unsigned threads = entries_of("/proc/self/task");
    size_t memory = memory_in_use();
    for (int i = 0; i < CYCLES; i++)
        right = live(true) && right;
    ok(right, "5.5 loaded, used and unloaded %d times", CYCLES);
    is(entries_of("/proc/self/fd"), files, "5.5 no file is left");
    is(threads_now(threads), threads, "5.5 no thread is left");
    size_t grown = memory_in_use() - memory;
    ok((ptrdiff_t)grown < 65536, "5.5 no memory is left (%zd bytes)", (ptrdiff_t)grown);

    ok(live(false), "5.5 unloaded without Exit");
    usleep(100000);
    ok(live(true), "5.5 and loaded again, it is still there");
    load();
    vix_Exit();
    is(entries_of("/proc/self/fd"), files, "5.5 Exit ends what was left");
    is(threads_now(threads), threads, "5.5 threads too");
    return tap_done();
}
