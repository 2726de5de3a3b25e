/* SPDX-License-Identifier: Apache-2.0 */
/* What no program should pass, and some do: each is answered by a code, and nothing is followed,
 * freed twice or waited for in vain. Knows only the public headers. */
#include "disks.h"

#define SECTORS 20483
#define OPEN_RO VIXDISKLIB_FLAG_OPEN_READ_ONLY

static void never(void *data, VixError result)
{
    (void)data;
    (void)result;
    abort(); /* was not accepted */
}

/* Every function that takes a handle. */
static unsigned refusing(VixDiskLibHandle bad, VixDiskLibHandle good)
{
    uint8 sector[512] = {0};
    size_t length;
    uint64 space = 1;
    VixDiskLibInfo *info = (VixDiskLibInfo *)8;
    VixDiskLibBlockList *list = (VixDiskLibBlockList *)8;
    const VixError results[] = {
        VixDiskLib_Close(bad),
        VixDiskLib_GetInfo(bad, &info),
        VixDiskLib_Read(bad, 0, 1, sector),
        VixDiskLib_Write(bad, 0, 1, sector),
        VixDiskLib_ReadAsync(bad, 0, 1, sector, never, NULL),
        VixDiskLib_WriteAsync(bad, 0, 1, sector, never, NULL),
        VixDiskLib_Flush(bad),
        VixDiskLib_Wait(bad),
        VixDiskLib_QueryAllocatedBlocks(bad, 0, 128, 128, &list),
        VixDiskLib_ReadMetadata(bad, "uuid", NULL, 0, &length),
        VixDiskLib_WriteMetadata(bad, "a", "b"),
        VixDiskLib_GetMetadataKeys(bad, NULL, 0, &length),
        VixDiskLib_Shrink(bad, NULL, NULL),
        VixDiskLib_Defragment(bad, NULL, NULL),
        VixDiskLib_SpaceNeededForClone(bad, VIXDISKLIB_DISK_UNKNOWN, &space),
        VixDiskLib_CreateChild(bad, path_of("never.vmdk"), VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL,
                               NULL),
        VixDiskLib_IsAttachPossible(bad, good),
        VixDiskLib_IsAttachPossible(good, bad),
        VixDiskLib_Attach(good, bad),
    };
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        refused += results[i] == VIX_E_INVALID_ARG;
        if (results[i] != VIX_E_INVALID_ARG)
            printf("# call %zu gives %llu\n", i, (unsigned long long)results[i]);
    }
    refused += !info && !list && length == 0 && space == 0;
    refused += VixDiskLib_GetTransportMode(bad) != NULL;
    return refused;
}

static void bad_handle(VixDiskLibHandle bad, VixDiskLibHandle good, const char *what)
{
    warned[0] = '\0';
    is(refusing(bad, good), 21, "%s: every function refuses it", what);
    unsigned lines = 0;
    for (const char *at = warned; (at = strchr(at, '\n')); at++)
        lines++;
    is(lines, 20, "%s: and says so once", what);
}

static void bad_handles(void)
{
    static uint64_t memory[64];
    VixDiskLibHandle good = open_disk("sparse.vmdk", OPEN_RO);
    VixDiskLibHandle closed = open_disk("split.vmdk", OPEN_RO);
    void *memory_once = malloc(512);
    volatile uintptr_t freed = (uintptr_t)memory_once;
    free(memory_once);
    close_disk(closed, "split.vmdk");
    bad_handle(NULL, good, "NULL");
    bad_handle(closed, good, "closed");
    bad_handle((VixDiskLibHandle)(void *)memory, good, "foreign memory");
    bad_handle((VixDiskLibHandle)freed, good, "freed memory");
    bad_handle((VixDiskLibHandle)(uintptr_t)1, good, "1");
    bad_handle((VixDiskLibHandle)UINTPTR_MAX, good, "2^64-1");
    bad_handle((VixDiskLibHandle)(void *)((char *)good + 8), good, "the middle of one");
    bad_handle((VixDiskLibHandle)(void *)connection, good, "a connection");
    ok(!exists("never.vmdk"), "nothing was made");
    close_disk(good, "sparse.vmdk");
}

static void bad_connection(VixDiskLibConnection bad, const char *what)
{
    const VixDiskLibCreateParams params = {.diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
                                           .adapterType = VIXDISKLIB_ADAPTER_IDE,
                                           .capacity = 100};
    VixDiskLibHandle disk = (VixDiskLibHandle)8;
    VixDiskLibConnectParams *copy = (VixDiskLibConnectParams *)8;
    const VixError results[] = {
        VixDiskLib_Open(bad, path_of("sparse.vmdk"), 0, &disk),
        VixDiskLib_Create(bad, path_of("never.vmdk"), &params, NULL, NULL),
        VixDiskLib_Unlink(bad, path_of("sparse.vmdk")),
        VixDiskLib_Grow(bad, path_of("sparse.vmdk"), 99999, FALSE, NULL, NULL),
        VixDiskLib_CheckRepair(bad, path_of("sparse.vmdk"), FALSE),
        VixDiskLib_Clone(bad, path_of("never.vmdk"), connection, path_of("sparse.vmdk"), NULL, NULL,
                         NULL, TRUE),
        VixDiskLib_Clone(connection, path_of("never.vmdk"), bad, path_of("sparse.vmdk"), NULL, NULL,
                         NULL, TRUE),
        VixDiskLib_GetConnectParams(bad, &copy),
        VixDiskLib_Disconnect(bad),
    };
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        refused += results[i] == VIX_E_DISK_INVALID_CONNECTION;
    is(refused, 9, "%s: every function refuses it", what);
    ok(!disk && !copy, "%s: and gives nothing", what);
}

static void bad_connections(void)
{
    static uint64_t memory[64];
    VixDiskLibConnection ended = NULL;
    VixDiskLibHandle disk = open_disk("sparse.vmdk", OPEN_RO);
    is(VixDiskLib_Connect(NULL, &ended), VIX_OK, "Connect");
    is(VixDiskLib_Disconnect(ended), VIX_OK, "Disconnect");
    bad_connection(NULL, "no connection");
    bad_connection(ended, "an ended connection");
    bad_connection((VixDiskLibConnection)(void *)memory, "foreign memory as connection");
    bad_connection((VixDiskLibConnection)(void *)disk, "a disk as connection");
    bad_connection((VixDiskLibConnection)UINTPTR_MAX, "2^64-1 as connection");
    ok(exists("sparse.vmdk") && !exists("never.vmdk"), "nothing was changed");
    close_disk(disk, "sparse.vmdk");
}

static bool was_told(const char *function)
{
    bool told = strstr(warned, function) && strchr(warned, '\n') == warned + strlen(warned) - 1;
    if (!told)
        printf("# %s\n", warned);
    warned[0] = '\0';
    return told;
}

/* A second Free must not free what has come to that place since. */
static void double_frees(void)
{
    VixDiskLibInfo *info = NULL;
    VixDiskLibInfo *next = NULL;
    VixDiskLibBlockList *list = NULL;
    static uint64_t memory[64];
    VixDiskLibHandle disk = open_disk("sparse.vmdk", OPEN_RO);
    warned[0] = '\0';
    is(VixDiskLib_GetInfo(disk, &info), VIX_OK, "GetInfo");
    VixDiskLib_FreeInfo(info);
    is(VixDiskLib_GetInfo(disk, &next), VIX_OK, "GetInfo again");
    is(strlen(warned), 0, "one FreeInfo is no event");
    VixDiskLib_FreeInfo(info);
    ok(was_told("VixDiskLib_FreeInfo"), "FreeInfo twice is told");
    is(next->capacity, SECTORS, "and the other stays");
    VixDiskLib_FreeInfo(next);
    VixDiskLib_FreeInfo((VixDiskLibInfo *)(void *)memory);
    ok(was_told("VixDiskLib_FreeInfo"), "FreeInfo of foreign memory is told");

    is(VixDiskLib_QueryAllocatedBlocks(disk, 0, 20480, 128, &list), VIX_OK, "blocks");
    VixDiskLib_FreeInfo((VixDiskLibInfo *)(void *)list);
    ok(was_told("VixDiskLib_FreeInfo"), "FreeInfo of a list is told");
    is(VixDiskLib_FreeBlockList(list), VIX_OK, "FreeBlockList");
    is(VixDiskLib_FreeBlockList(list), VIX_E_INVALID_ARG, "FreeBlockList twice");
    ok(was_told("VixDiskLib_FreeBlockList"), "is told");

    char *text = VixDiskLib_GetErrorText(3, NULL);
    VixDiskLib_FreeErrorText(text);
    VixDiskLib_FreeErrorText(text);
    ok(was_told("VixDiskLib_FreeErrorText"), "FreeErrorText twice is told");
    static char literal[] = "text";
    VixDiskLib_FreeErrorText(literal);
    ok(was_told("VixDiskLib_FreeErrorText"), "FreeErrorText of a literal is told");

    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    VixDiskLib_FreeConnectParams(params);
    VixDiskLib_FreeConnectParams(params);
    ok(was_told("VixDiskLib_FreeConnectParams"), "FreeConnectParams twice is told");
    VixDiskLibConnectParams own = {0};
    VixDiskLib_FreeConnectParams(&own);
    ok(was_told("VixDiskLib_FreeConnectParams"), "FreeConnectParams of one's own is told");
    close_disk(disk, "sparse.vmdk");
}

static void completed(void *data, VixError result)
{
    unsigned *count = data;
    __atomic_fetch_add(count, result == VIX_OK ? 1u : 1000u, __ATOMIC_RELAXED);
}

/* Close and Exit wait for what is in flight; Disconnect does not end it. */
static void in_flight(void)
{
    unsigned calls = 0;
    VixDiskLibConnection other = NULL;
    VixDiskLibHandle disk = NULL;
    uint8 *bytes = calloc(SECTORS, 512);
    is(create("flight.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, SECTORS), VIX_OK, "Create");
    is(VixDiskLib_Connect(NULL, &other), VIX_OK, "Connect");
    is(VixDiskLib_Open(other, path_of("flight.vmdk"), 0, &disk), VIX_OK, "Open");
    for (uint64 i = 0; i < 300; i++)
        if (VixDiskLib_WriteAsync(disk, i * 60, 60, bytes + i * 60 * 512, completed, &calls) !=
            VIX_ASYNC)
            abort();
    is(VixDiskLib_Disconnect(other), VIX_OK, "Disconnect with requests in flight");
    is(VixDiskLib_Close(disk), VIX_OK, "Close with requests in flight");
    is(calls, 300, "comes after every callback");
    is(VixDiskLib_Close(disk), VIX_E_INVALID_ARG, "Close twice");

    calls = 0;
    disk = open_disk("flight.vmdk", 0);
    for (uint64 i = 0; i < 300; i++)
        if (VixDiskLib_ReadAsync(disk, i * 60, 60, bytes + i * 60 * 512, completed, &calls) !=
            VIX_ASYNC)
            abort();
    VixDiskLib_Exit();
    is(calls, 300, "Exit with requests in flight comes after every callback");
    is(VixDiskLib_InitEx(7, 0, on_log, on_warn, on_warn, folder, path_of("config")), VIX_OK,
       "InitEx");
    is(VixDiskLib_Connect(NULL, &connection), VIX_OK, "Connect");
    is(VixDiskLib_Close(disk), VIX_E_INVALID_ARG, "Close of a handle of the life before");
    free(bytes);
}

static void range(VixDiskLibHandle disk, uint64 start, uint64 count, VixError want)
{
    uint8 sectors[1024];
    const VixError async = want == VIX_OK ? VIX_ASYNC : want;
    unsigned calls = 0;
    memset(sectors, 0x77, sizeof sectors);
    is(VixDiskLib_Read(disk, start, count, sectors), want, "Read %llu from %llu",
       (unsigned long long)count, (unsigned long long)start);
    is(VixDiskLib_Write(disk, start, count, sectors), want, "Write");
    is(VixDiskLib_ReadAsync(disk, start, count, sectors, completed, &calls), async, "ReadAsync");
    is(VixDiskLib_WriteAsync(disk, start, count, sectors, completed, &calls), async, "WriteAsync");
    is(VixDiskLib_Wait(disk), VIX_OK, "Wait");
    is(calls, want == VIX_OK ? 2 : 0, "callbacks");
    ok(sectors[0] == 0x77 && sectors[1023] == 0x77, "nothing is transferred");
}

static void ranges(void)
{
    VixDiskLibHandle disk = open_disk("flight.vmdk", 0);
    range(disk, 0, 0, VIX_OK);
    range(disk, SECTORS, 0, VIX_OK);
    range(disk, SECTORS + 1, 0, VIX_E_DISK_OUTOFRANGE);
    range(disk, UINT64_MAX, 0, VIX_E_DISK_OUTOFRANGE);
    range(disk, SECTORS, 1, VIX_E_DISK_OUTOFRANGE);
    range(disk, SECTORS - 1, 2, VIX_E_DISK_OUTOFRANGE);
    range(disk, UINT64_MAX, 1, VIX_E_DISK_OUTOFRANGE);
    range(disk, UINT64_MAX, 2, VIX_E_DISK_OUTOFRANGE);
    range(disk, 1, UINT64_MAX, VIX_E_DISK_OUTOFRANGE);
    range(disk, 0, UINT64_MAX, VIX_E_DISK_OUTOFRANGE);
    range(disk, UINT64_MAX, UINT64_MAX, VIX_E_DISK_OUTOFRANGE);
    range(disk, 0, UINT64_C(1) << 55, VIX_E_DISK_OUTOFRANGE);
    range(disk, UINT64_C(1) << 63, UINT64_C(1) << 63, VIX_E_DISK_OUTOFRANGE);
    close_disk(disk, "flight.vmdk");
    is(create("endless.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, UINT64_MAX), VIX_E_FILE_TOO_BIG,
       "Create of 2^64-1 sectors");
    is(VixDiskLib_Grow(connection, path_of("flight.vmdk"), UINT64_MAX, TRUE, NULL, NULL),
       VIX_E_FILE_TOO_BIG, "Grow to 2^64-1 sectors");
}

/* Odd addresses, with and without the host's cache. */
static void unaligned(const char *name, VixDiskLibDiskType type, uint32 flags)
{
    struct model model = model_new(SECTORS, 9);
    uint8 *memory = malloc(300 * 512 + 1);
    VixError result = create(name, type, SECTORS);
    VixDiskLibHandle disk = open_disk(name, flags);
    for (uint64 at = 3; at + 300 < SECTORS && result == VIX_OK; at += 1111) {
        fill(model.bytes + at * 512, 300, &model.seed);
        memcpy(memory + 1, model.bytes + at * 512, 300 * 512);
        result = VixDiskLib_Write(disk, at, 300, memory + 1);
        memset(memory, 0, 300 * 512 + 1);
        if (result == VIX_OK)
            result = VixDiskLib_Read(disk, at, 300, memory + 1);
        if (result == VIX_OK && memcmp(memory + 1, model.bytes + at * 512, 300 * 512) != 0)
            result = VIX_E_FAIL;
    }
    is(result, VIX_OK, "%s: odd addresses, flags %u", name, flags);
    close_disk(disk, name);
    disk_is(name, &model);
    free(model.bytes);
    free(memory);
}

/* Strings the caller frees, and overwrites, when a call has returned. */
static void strings(void)
{
    char *path = strdup(path_of("strings.vmdk"));
    char *child = strdup(path_of("strings-child.vmdk"));
    char *key = strdup("my.key");
    char *value = strdup("a value");
    VixDiskLibHandle disk = NULL;
    is(create("strings.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1000), VIX_OK, "Create");
    is(VixDiskLib_Open(connection, path, 0, &disk), VIX_OK, "Open");
    is(VixDiskLib_WriteMetadata(disk, key, value), VIX_OK, "WriteMetadata");
    is(VixDiskLib_CreateChild(disk, child, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL), VIX_OK,
       "CreateChild");
    memset(path, 'x', strlen(path));
    memset(child, 'x', strlen(child));
    memset(key, 'x', strlen(key));
    memset(value, 'x', strlen(value));
    free(path);
    free(child);
    free(key);
    free(value);
    char back[16] = "";
    is(VixDiskLib_ReadMetadata(disk, "my.key", back, sizeof back, NULL), VIX_OK, "ReadMetadata");
    is_text(back, "a value", "the value is the library's own");
    is(VixDiskLib_Defragment(disk, NULL, NULL), VIX_OK, "and so is the path");
    close_disk(disk, "strings.vmdk");
}

int main(void)
{
    if (!start())
        return 0;
    bad_handles();
    bad_connections();
    double_frees();
    in_flight();
    ranges();
    unaligned("odd-flat.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT, 0);
    unaligned("odd-flat-raw.vmdk", VIXDISKLIB_DISK_MONOLITHIC_FLAT,
              VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
    unaligned("odd-sparse-raw.vmdk", VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
              VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
    unaligned("odd-split-raw.vmdk", VIXDISKLIB_DISK_SPLIT_SPARSE, VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
    strings();
    return end();
}
