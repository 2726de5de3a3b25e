/* SPDX-License-Identifier: Apache-2.0 */
/* What a program may take for granted, as far as disks on this machine show it. README.md in this
 * folder says what the numbers are, and which of them wait for what. Knows only the public headers.
 */
#include <ctype.h>
#include <stddef.h>

#include "disks.h"

#define SECTORS 20483
#define OPEN_RO VIXDISKLIB_FLAG_OPEN_READ_ONLY

static void layout(void)
{
    ok(sizeof(VixDiskLibConnectParams) == 128 && sizeof(VixDiskLibCreateParams) == 32 &&
           sizeof(VixDiskLibInfo) == 64 && sizeof(VixDiskLibBlock) == 16 &&
           offsetof(VixDiskLibBlockList, blocks) == 8 && sizeof(Bool) == 1 && sizeof(uint64) == 8,
       "13.1 structures have their sizes; offsets, enums and codes are in test-layout.c");
}

static void versions(void)
{
    static const uint32 pairs[][2] = {{1, 0}, {1, 2}, {6, 5}, {6, 7}, {7, 0}, {8, 0}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        is(VixDiskLib_InitEx(pairs[i][0], pairs[i][1], NULL, NULL, NULL, NULL, path_of("config")),
           VIX_OK, "13.3 InitEx %u.%u", pairs[i][0], pairs[i][1]);
        is(VixDiskLib_InitEx(pairs[i][0], pairs[i][1], NULL, NULL, NULL, NULL, NULL), VIX_OK,
           "13.3 InitEx again, all NULL");
        VixDiskLib_Exit();
        VixDiskLib_Exit();
    }
    VixDiskLib_Exit();
    ok(true, "13.3 one Exit too many");
}

static void literals(void)
{
    static char moref[] = "moref=vm-1";
    static char server[] = "vc.example.com";
    static char word[] = "secret";
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    ok(params, "13.4 AllocateConnectParams before InitEx");
    params->vmxSpec = moref;
    params->serverName = server;
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = word;
    params->creds.uid.password = word;
    VixDiskLib_FreeConnectParams(params);
    is_text(word, "secret", "13.4 FreeConnectParams leaves the caller's strings alone");
}

static void connects(const VixDiskLibConnectParams *params, const char *snapshot,
                     const char *transports, const char *what)
{
    VixDiskLibConnection local = NULL;
    VixDiskLibHandle disk = NULL;
    is(VixDiskLib_ConnectEx(params, TRUE, snapshot, transports, &local), VIX_OK,
       "13.5 ConnectEx: %s", what);
    is(VixDiskLib_Open(local, path_of("sparse.vmdk"), 0, &disk), VIX_OK, "13.5 %s: Open", what);
    is(VixDiskLib_Close(disk), VIX_OK, "13.5 %s: Close", what);
    is(VixDiskLib_Disconnect(local), VIX_OK, "13.5 %s: Disconnect", what);
}

static void local_connections(void)
{
    static const size_t sizes[] = {72, 80, 128};
    connects(NULL, NULL, NULL, "NULL params");
    for (size_t i = 0; i < 3; i++) {
        char name[32];
        unsigned char *memory = malloc(256);
        memset(memory, 0xa5, 256);
        memset(memory, 0, sizes[i]);
        snprintf(name, sizeof name, "%zu bytes, then garbage", sizes[i]);
        connects((VixDiskLibConnectParams *)(void *)memory, NULL, NULL, name);
        free(memory);
    }
    static char empty[] = "";
    VixDiskLibConnectParams params = {
        .vmxSpec = empty, .serverName = empty, .thumbPrint = empty, .vimApiVer = empty};
    params.credType = VIXDISKLIB_CRED_UID;
    params.creds.uid.userName = empty;
    params.creds.uid.password = empty;
    connects(&params, "", "", "empty strings");
    connects(NULL, NULL, "bogus", "a transport that is none");
}

static void strings_are_copied(void)
{
    VixDiskLibConnection local = NULL;
    VixDiskLibHandle disk = NULL;
    char *server = strdup("");
    char *path = strdup(path_of("sparse.vmdk"));
    size_t length = strlen(path);
    VixDiskLibConnectParams params = {.serverName = server, .vmxSpec = server};
    is(VixDiskLib_Connect(&params, &local), VIX_OK, "13.6 Connect");
    memset(&params, 0xff, sizeof params);
    free(server);
    is(VixDiskLib_Open(local, path, 0, &disk), VIX_OK, "13.6 Open after the strings are gone");
    memset(path, 'x', length);
    free(path);
    VixDiskLibInfo *info = NULL;
    is(VixDiskLib_GetInfo(disk, &info), VIX_OK, "13.6 GetInfo after the path is gone");
    VixDiskLib_FreeInfo(info);
    is(VixDiskLib_Close(disk), VIX_OK, "13.6 Close");
    is(VixDiskLib_Disconnect(local), VIX_OK, "13.6 Disconnect");
}

static void does_not_open(const char *name, VixError want)
{
    VixDiskLibHandle disk = (VixDiskLibHandle)8;
    is(VixDiskLib_Open(connection, path_of(name), 0, &disk), want, "13.7 Open: %s", name);
    ok(!disk, "13.7 Open: %s: the handle is NULL", name);
}

static void open_failures(void)
{
    does_not_open("nothing.vmdk", VIX_E_FILE_NOT_FOUND);
    does_not_open("text.vmdk", VIX_E_DISK_INVALIDDISK);
    if (geteuid() != 0) {
        chmod(path_of("text.vmdk"), 0);
        does_not_open("text.vmdk", VIX_E_FILE_ACCESS_ERROR);
        chmod(path_of("text.vmdk"), 0600);
    } else {
        does_not_open("inner/outside.vmdk", VIX_E_FILE_ACCESS_ERROR); /* for root too */
    }
}

static void reading_connection(void)
{
    VixDiskLibConnection reading = NULL;
    VixDiskLibHandle disk = NULL;
    uint8 sector[512] = {0};
    is(VixDiskLib_ConnectEx(NULL, TRUE, NULL, NULL, &reading), VIX_OK, "13.8 ConnectEx, readOnly");
    is(VixDiskLib_Open(reading, path_of("sparse.vmdk"), 0, &disk), VIX_OK, "13.8 Open, no flag");
    is(VixDiskLib_Write(disk, 0, 1, sector), VIX_E_FILE_READ_ONLY, "13.8 Write fails");
    is(VixDiskLib_Close(disk), VIX_OK, "13.8 Close");
    is(VixDiskLib_Disconnect(reading), VIX_OK, "13.8 Disconnect");
}

static void old_create_params(void)
{
    unsigned char *memory = malloc(64);
    VixDiskLibCreateParams *params = (VixDiskLibCreateParams *)(void *)memory;
    memset(memory, 0xe7, 64);
    memset(memory, 0, 24);
    params->diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE;
    params->adapterType = VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC;
    params->hwVersion = 4;
    params->capacity = SECTORS;
    is(VixDiskLib_Create(connection, path_of("check.vmdk"), params, NULL, NULL), VIX_OK,
       "13.9 Create, 24 bytes and garbage");
    free(memory);
    VixDiskLibHandle disk = open_disk("check.vmdk", 0);
    is(capacity_of(disk), SECTORS, "13.9 its capacity");
    close_disk(disk, "13.9 check.vmdk");
}

struct count {
    pthread_mutex_t lock;
    unsigned calls;
    unsigned failed;
};

static void completed(void *data, VixError result)
{
    struct count *count = data;
    pthread_mutex_lock(&count->lock);
    count->calls++;
    count->failed += result != VIX_OK;
    pthread_mutex_unlock(&count->lock);
}

static void asynchronous(void)
{
    struct count count = {.lock = PTHREAD_MUTEX_INITIALIZER};
    uint8 *bytes = calloc(SECTORS, 512);
    unsigned accepted = 0;
    VixDiskLibHandle disk = open_disk("check.vmdk", 0);
    for (uint64 i = 0; i < 200; i++) {
        accepted += VixDiskLib_WriteAsync(disk, i * 100, 64, bytes + i * 51200, completed,
                                          &count) == VIX_ASYNC;
        accepted += VixDiskLib_ReadAsync(disk, i * 100 + 64, 36, bytes + i * 51200 + 32768,
                                         completed, &count) == VIX_ASYNC;
    }
    is(accepted, 400, "13.10 every request gives 25000");
    is(VixDiskLib_Wait(disk), VIX_OK, "13.10 Wait");
    is(count.calls, 400, "13.10 drains: one callback each");
    is(count.failed, 0, "13.10 with VIX_OK");
    is(VixDiskLib_ReadAsync(disk, SECTORS, 1, bytes, completed, &count), VIX_E_DISK_OUTOFRANGE,
       "13.10 an error");
    is(VixDiskLib_WriteAsync(disk, 0, 1, NULL, completed, &count), VIX_E_INVALID_ARG,
       "13.10 another");
    is(VixDiskLib_Wait(disk), VIX_OK, "13.10 Wait with nothing outstanding");
    is(count.calls, 400, "13.10 errors have no callback");
    close_disk(disk, "13.10 check.vmdk");
    free(bytes);
}

struct worker {
    pthread_t thread;
    VixDiskLibHandle disk;
    uint8 mark;
    bool right;
};

static void *work(void *data)
{
    struct worker *worker = data;
    uint8 out[8 * 512];
    uint8 in[8 * 512];
    memset(out, worker->mark, sizeof out);
    worker->right = true;
    for (uint64 i = 0; i < 100 && worker->right; i++) {
        uint64 at = (i * 4 + worker->mark) * 8;
        worker->right = VixDiskLib_Write(worker->disk, at, 8, out) == VIX_OK &&
                        VixDiskLib_Read(worker->disk, at, 8, in) == VIX_OK &&
                        memcmp(in, out, sizeof in) == 0;
    }
    return NULL;
}

static void concurrent(void)
{
    struct worker workers[4];
    bool right = true;
    VixDiskLibHandle disk = open_disk("check.vmdk", 0);
    for (uint8 i = 0; i < 4; i++) {
        workers[i] = (struct worker){.disk = disk, .mark = i};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(workers[i].thread, NULL);
        right = right && workers[i].right;
    }
    ok(right, "13.11 Read and Write on one handle from four threads");
    close_disk(disk, "13.11 check.vmdk");
}

static void across_the_end(void)
{
    uint8 sectors[1024];
    VixDiskLibHandle disk = open_disk("check.vmdk", OPEN_RO);
    memset(sectors, 0x77, sizeof sectors);
    is(VixDiskLib_Read(disk, SECTORS - 1, 2, sectors), VIX_E_DISK_OUTOFRANGE,
       "13.12 Read across the end");
    ok(sectors[0] == 0x77 && sectors[1023] == 0x77, "13.12 transfers nothing");
    close_disk(disk, "13.12 check.vmdk");
}

static void size_queries(void)
{
    size_t needed = 0;
    VixDiskLibHandle disk = open_disk("check.vmdk", OPEN_RO);
    is(VixDiskLib_ReadMetadata(disk, "adapterType", NULL, 0, &needed), 24, "13.13 a value's size");
    is(needed, sizeof "buslogic", "13.13 is right");
    char *value = malloc(needed);
    is(VixDiskLib_ReadMetadata(disk, "adapterType", value, needed, NULL), VIX_OK,
       "13.13 second call, no length");
    is_text(value, "buslogic", "13.13 the value");
    free(value);
    is(VixDiskLib_GetMetadataKeys(disk, NULL, 0, &needed), 24, "13.13 the keys' size");
    char *keys = malloc(needed);
    is(VixDiskLib_GetMetadataKeys(disk, keys, needed, NULL), VIX_OK,
       "13.13 second call, no length");
    ok(keys[needed - 1] == '\0' && keys[needed - 2] == '\0', "13.13 keys end in two NULs");
    free(keys);
    close_disk(disk, "13.13 check.vmdk");
}

static VixError blocks(VixDiskLibHandle disk, uint64 start, uint64 count, uint64 chunk)
{
    VixDiskLibBlockList *list = NULL;
    VixError result = VixDiskLib_QueryAllocatedBlocks(disk, start, count, chunk, &list);
    uint64 last = 0;
    for (uint32 i = 0; list && i < list->numBlocks; i++) {
        if (i > 0 && list->blocks[i].offset <= last)
            result = VIX_E_FAIL; /* neither ascending nor merged */
        last = list->blocks[i].offset + list->blocks[i].length;
    }
    if (list && (last > SECTORS || VixDiskLib_FreeBlockList(list) != VIX_OK))
        result = VIX_E_FAIL;
    return result;
}

static void allocated_blocks(void)
{
    VixDiskLibHandle disk = open_disk("grandchild.vmdk", OPEN_RO);
    is(blocks(disk, 0, 20608, 128), VIX_OK, "13.14 a chain, its tail too");
    is(blocks(disk, 0, 20736, 128), VIX_E_INVALID_ARG, "13.14 a chunk past the end");
    is(blocks(disk, 0, 127, 127), VIX_E_INVALID_ARG, "13.14 chunks too small");
    is(blocks(disk, 0, 131073, 131073), VIX_E_INVALID_ARG, "13.14 chunks too large");
    is(blocks(disk, 1, 128, 128), VIX_E_INVALID_ARG, "13.14 an unaligned start");
    is(blocks(disk, 0, UINT64_C(524289) * 128, 128), VIX_E_INVALID_ARG, "13.14 too many chunks");
    VixDiskLibBlockList *list = NULL;
    is(VixDiskLib_QueryAllocatedBlocks(disk, 0, 20608, 128, &list), VIX_OK, "13.14 the chain");
    bool base = false;
    bool leaf = false;
    for (uint32 i = 0; i < list->numBlocks; i++) {
        uint64 end = list->blocks[i].offset + list->blocks[i].length;
        base = base || (list->blocks[i].offset <= 6144 && end > 6144);
        leaf = leaf || (list->blocks[i].offset <= 10000 && end > 10000);
    }
    ok(base && leaf, "13.14 shows what every link holds");
    VixDiskLib_FreeBlockList(list);
    close_disk(disk, "13.14 grandchild.vmdk");
}

static void ends(void)
{
    VixDiskLibConnection other = NULL;
    VixDiskLibHandle disk = NULL;
    uint8 sector[512];
    is(VixDiskLib_Connect(NULL, &other), VIX_OK, "13.15 Connect");
    is(VixDiskLib_Open(other, path_of("sparse.vmdk"), 0, &disk), VIX_OK, "13.15 Open");
    is(VixDiskLib_Disconnect(other), VIX_OK, "13.15 Disconnect before Close");
    is(VixDiskLib_Read(disk, 0, 1, sector), VIX_OK, "13.15 Read");
    is(VixDiskLib_Close(disk), VIX_OK, "13.15 Close");

    VixDiskLibHandle parent = open_disk("base.vmdk", OPEN_RO);
    VixDiskLibHandle child = open_disk("child.vmdk", OPEN_RO | VIXDISKLIB_FLAG_OPEN_SINGLE_LINK);
    is(VixDiskLib_Attach(parent, child), VIX_OK, "13.15 Attach");
    is(VixDiskLib_Close(parent), VIX_OK, "13.15 then Close of the parent");
    is(VixDiskLib_Read(child, 0, 1, sector), VIX_OK, "13.15 the chain reads");
    close_disk(child, "13.15 child.vmdk");
}

static void error_texts(void)
{
    char *text = VixDiskLib_GetErrorText(1, NULL);
    is_text(text, "Unknown error", "13.16 the text of 1");
    VixDiskLib_FreeErrorText(text);
    VixDiskLib_FreeErrorText(NULL);
    ok(true, "13.16 FreeErrorText(NULL)");
}

static void child_info(void)
{
    VixDiskLibInfo *info = NULL;
    VixDiskLibHandle parent = open_disk("check.vmdk", OPEN_RO);
    is(VixDiskLib_CreateChild(parent, path_of("check-child.vmdk"),
                              VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL),
       VIX_OK, "13.17 CreateChild");
    close_disk(parent, "13.17 check.vmdk");
    VixDiskLibHandle child = open_disk("check-child.vmdk", OPEN_RO);
    is(VixDiskLib_GetInfo(child, &info), VIX_OK, "13.17 GetInfo");
    is(info->numLinks, 2, "13.17 two links");
    ok(info->parentFileNameHint && strstr(info->parentFileNameHint, "check.vmdk"),
       "13.17 the hint is set");
    VixDiskLib_FreeInfo(info);
    close_disk(child, "13.17 check-child.vmdk");
}

int main(void)
{
    folder = getenv("VD_DISKS");
    if (folder) {
        layout();
        versions();
        literals();
    }
    if (!start())
        return 0;
    local_connections();
    strings_are_copied();
    open_failures();
    reading_connection();
    old_create_params();
    asynchronous();
    concurrent();
    across_the_end();
    size_queries();
    allocated_blocks();
    ends();
    error_texts();
    child_info();
    return end();
}
