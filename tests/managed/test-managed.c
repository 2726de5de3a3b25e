/* SPDX-License-Identifier: Apache-2.0 */
/* Disks of a machine that is off, on a vCenter or an ESXi host. */
#include <dirent.h>

#include "server.h"

static uint8 *web, *data; /* what the disks hold */
static size_t web_bytes, data_bytes;

static void says_opened(const char *head)
{
    char want[512];
    snprintf(want, sizeof want, "DISKLIB-LINK  : Opened '%s://" WEB "@%s:%s' (0x", head,
             told("VD_HOST"), told("VD_NFC_PORT"));
    ok(strstr(heard.all, want) && strstr(heard.all, "): custom, 131072 sectors / 0 GB."),
       "the log has %s...", want);
}

static void read_over(const char *mode, uint32 flags, const char *what)
{
    VixDiskLibConnectParams *params = params_new();
    VixDiskLibConnection connection = connect_to(params, true, mode);
    VixDiskLib_FreeConnectParams(params);
    VixDiskLibHandle disk = open_disk(connection, WEB, RO | flags, what);
    is_text(VixDiskLib_GetTransportMode(disk), mode, "%s: transport", what);
    reads_as(disk, web, web_bytes, what);
    is(VixDiskLib_Close(disk), VIX_OK, "%s: Close", what);
    is(VixDiskLib_Disconnect(connection), VIX_OK, "%s: Disconnect", what);
}

static void reading(const char *service)
{
    char ssl_service[32], skipz[64];
    snprintf(ssl_service, sizeof ssl_service, "%sssl", service);
    snprintf(skipz, sizeof skipz, "SKIPZ-%s", ssl_service);
    read_over("nbdssl", 0, "nbdssl");
    says_opened(ssl_service);
    read_over("nbd", 0, "nbd");
    says_opened(service);
    read_over("nbdssl", VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB, "nbdssl, zlib");
    read_over("nbdssl", VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ, "nbdssl, fastlz");
    read_over("nbdssl", VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ, "nbdssl, skipz");
    says_opened(skipz);
    read_over("nbd", VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ, "nbd, skipz");
}

static void information(VixDiskLibConnection connection)
{
    char keys[4096], value[256];
    size_t needed = 0;
    VixDiskLibInfo *info = NULL;
    VixDiskLibHandle disk = open_disk(connection, WEB, RO, "information");
    is(VixDiskLib_GetInfo(disk, &info), VIX_OK, "GetInfo");
    is(info->capacity, web_bytes / 512, "its capacity");
    is(info->numLinks, 1, "its links");
    is(info->adapterType, VIXDISKLIB_ADAPTER_IDE, "its adapter");
    is(info->logicalSectorSize, 512, "its sectors");
    VixDiskLib_FreeInfo(info);
    is(VixDiskLib_GetMetadataKeys(disk, NULL, 0, &needed), VIX_E_BUFFER_TOOSMALL, "keys: how many");
    ok(needed > 2 && needed < sizeof keys, "there are some");
    is(VixDiskLib_GetMetadataKeys(disk, keys, needed, NULL), VIX_OK, "the keys");
    is(VixDiskLib_ReadMetadata(disk, "adapterType", value, sizeof value, NULL), VIX_OK, "a value");
    is_text(value, "ide", "which is right");
    is(VixDiskLib_ReadMetadata(disk, "bogus", value, sizeof value, NULL), VIX_E_DISK_KEY_NOTFOUND,
       "no such key");
    is(VixDiskLib_Shrink(disk, NULL, NULL), VIX_E_NOT_SUPPORTED, "Shrink there");
    is(VixDiskLib_Defragment(disk, NULL, NULL), VIX_E_NOT_SUPPORTED, "Defragment there");
    is(VixDiskLib_CreateChild(disk, "/tmp/none", VIXDISKLIB_DISK_MONOLITHIC_SPARSE, NULL, NULL),
       VIX_E_NOT_SUPPORTED, "CreateChild of it");
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
}

/* What no block covers must be zeros, and not everything is covered. */
static void blocks_in(VixDiskLibHandle disk, VixDiskLibSectorType chunk, const char *what)
{
    VixDiskLibBlockList *list = NULL;
    VixDiskLibSectorType sectors = (web_bytes / 512 + chunk - 1) / chunk * chunk;
    bool zeros = true;
    uint64_t at = 0, covered = 0;
    is(VixDiskLib_QueryAllocatedBlocks(disk, 0, sectors, chunk, &list), VIX_OK, "%s", what);
    for (uint32 i = 0; list && i <= list->numBlocks; i++) {
        uint64_t start = i < list->numBlocks ? list->blocks[i].offset : web_bytes / 512;
        for (uint64_t byte = at * 512; byte < start * 512; byte++)
            zeros = zeros && web[byte] == 0;
        if (i < list->numBlocks) {
            at = start + list->blocks[i].length;
            covered += list->blocks[i].length;
        }
    }
    ok(zeros, "%s: what is left out is zeros", what);
    ok(covered > 0 && covered < web_bytes / 512, "%s: %llu sectors", what,
       (unsigned long long)covered);
    is(VixDiskLib_FreeBlockList(list), VIX_OK, "%s: FreeBlockList", what);
}

static void allocated_blocks(VixDiskLibConnection connection)
{
    VixDiskLibHandle disk = open_disk(connection, WEB, RO, "blocks");
    blocks_in(disk, 128, "chunks of 128 sectors");
    blocks_in(disk, 2048, "chunks of 2048 sectors");
    blocks_in(disk, 1000, "chunks of 1000 sectors");
    VixDiskLibBlockList *list = NULL;
    is(VixDiskLib_QueryAllocatedBlocks(disk, 0, 128, 127, &list), VIX_E_INVALID_ARG,
       "chunks that are too small");
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
}

struct async {
    pthread_mutex_t lock;
    unsigned good, bad;
};

static void on_done(void *cb_data, VixError result)
{
    struct async *async = cb_data;
    pthread_mutex_lock(&async->lock);
    *(result == VIX_OK ? &async->good : &async->bad) += 1;
    pthread_mutex_unlock(&async->lock);
}

static void asynchronous(VixDiskLibConnection connection)
{
    enum { STEP = 512 };
    struct async async = {.lock = PTHREAD_MUTEX_INITIALIZER};
    VixDiskLibHandle disk = open_disk(connection, WEB, RO, "asynchronous");
    uint8 *got = calloc(1, web_bytes);
    unsigned accepted = 0;
    for (uint64_t at = 0; at < web_bytes / 512; at += STEP)
        accepted +=
            VixDiskLib_ReadAsync(disk, at, STEP, got + at * 512, on_done, &async) == VIX_ASYNC;
    is(VixDiskLib_Wait(disk), VIX_OK, "Wait");
    is(async.good, accepted, "%u requests ended well", accepted);
    is(async.bad, 0, "and none badly");
    ok(memcmp(got, web, web_bytes) == 0, "every byte is right");
    free(got);
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
}

static void writing(VixDiskLibConnection connection, VixDiskLibConnection read_only)
{
    struct async async = {.lock = PTHREAD_MUTEX_INITIALIZER};
    VixDiskLibHandle disk = open_disk(connection, DATA, 0, "writing");
    memset(data + 4096, 0x5a, 3 << 20);
    is(VixDiskLib_Write(disk, 8, (3 << 20) / 512, data + 4096), VIX_OK, "Write");
    memset(data + (5 << 20), 0xa5, 1 << 20);
    is(VixDiskLib_WriteAsync(disk, (5 << 20) / 512, 2048, data + (5 << 20), on_done, &async),
       VIX_ASYNC, "WriteAsync");
    is(VixDiskLib_Wait(disk), VIX_OK, "Wait");
    is(async.good, 1, "is done");
    is(VixDiskLib_Flush(disk), VIX_OK, "Flush");
    is(VixDiskLib_Write(disk, data_bytes / 512, 1, data), VIX_E_DISK_OUTOFRANGE, "behind the end");
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
    disk = open_disk(connection, DATA, RO, "what was written");
    reads_as(disk, data, data_bytes, "what was written");
    is(VixDiskLib_Write(disk, 0, 1, data), VIX_E_FILE_READ_ONLY, "Write on a read-only disk");
    is(VixDiskLib_Flush(disk), VIX_OK, "Flush on it");
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
    disk = open_disk(read_only, DATA, 0, "a connection for reading");
    is(VixDiskLib_Write(disk, 0, 1, data), VIX_E_FILE_READ_ONLY, "Write on it");
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
}

static void fails(VixDiskLibConnection connection, const char *path, uint32 flags, VixError want,
                  const char *words, const char *what)
{
    VixDiskLibHandle disk = (VixDiskLibHandle)8;
    forget();
    is(VixDiskLib_Open(connection, path, flags, &disk), want, "%s", what);
    ok(!disk, "%s: no handle", what);
    if (!ok(strstr(heard.warn, words) != NULL, "%s: it says '%s'", what, words))
        printf("# %s\n", heard.warn);
}

static void bad_paths(VixDiskLibConnection connection)
{
    fails(connection, "[ds1] web/none.vmdk", 0, VIX_E_FILE_NOT_FOUND, "'" WEB "'", "no such disk");
    fails(connection, "/tmp/web.vmdk", RO, VIX_E_FILE_NOT_FOUND, "no path on a datastore",
          "a path of this machine");
    fails(connection, NULL, RO, VIX_E_INVALID_ARG, "no path", "no path");
    fails(connection, WEB,
          RO | VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB | VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ,
          VIX_E_INVALID_ARG, "0x30", "two compressions");
    VixDiskLibHandle disk = NULL;
    ok(VixDiskLib_Open(connection, "[ds1] web/none.vmdk", RO, &disk) != VIX_OK, "nor for reading");
}

#define NEW_DISK "[ds1] web/new.vmdk"

static Bool on_progress(void *cb_data, int percent)
{
    int *last = cb_data;
    ok(percent > *last && percent <= 100, "progress: %d after %d", percent, *last);
    *last = percent;
    return TRUE;
}

/* `warn` has the words of the call before. */
static void says(VixError got, VixError want, const char *words, const char *what)
{
    is(got, want, "%s", what);
    if (!ok(strstr(heard.warn, words) != NULL, "%s: it says '%s'", what, words))
        printf("# %s\n", heard.warn);
    forget();
}

static uint64 capacity_of(VixDiskLibConnection connection, const char *path)
{
    VixDiskLibInfo *info = NULL;
    VixDiskLibHandle disk = open_disk(connection, path, RO, path);
    is(VixDiskLib_GetInfo(disk, &info), VIX_OK, "%s: GetInfo", path);
    uint64 capacity = info ? info->capacity : 0;
    VixDiskLib_FreeInfo(info);
    is(VixDiskLib_Close(disk), VIX_OK, "%s: Close", path);
    return capacity;
}

/* Made, grown and removed by the server, which has no machine with this disk. */
static void whole_disks(void)
{
    int percent = -1;
    VixDiskLibCreateParams create = {.diskType = VIXDISKLIB_DISK_VMFS_THIN,
                                     .adapterType = VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC,
                                     .hwVersion = 7,
                                     .capacity = 4096};
    VixDiskLibConnectParams *params = params_new();
    params->vmxSpec = NULL;
    VixDiskLibConnection connection = connect_to(params, false, NULL);
    is(VixDiskLib_Create(connection, NEW_DISK, &create, on_progress, &percent), VIX_OK, "Create");
    is(percent, 100, "progress ends at 100");
    is(capacity_of(connection, NEW_DISK), 4096, "its capacity");
    forget();
    says(VixDiskLib_Create(connection, NEW_DISK, &create, NULL, NULL), VIX_E_FILE_ALREADY_EXISTS,
         NEW_DISK, "Create again");
    create.diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE;
    says(VixDiskLib_Create(connection, "[ds1] web/x.vmdk", &create, NULL, NULL),
         VIX_E_NOT_SUPPORTED, "vmfsThin (7)", "Create of a hosted type");
    create.diskType = VIXDISKLIB_DISK_VMFS_FLAT;
    create.capacity = 4097;
    says(VixDiskLib_Create(connection, "[ds1] web/x.vmdk", &create, NULL, NULL), VIX_E_INVALID_ARG,
         "4097 sectors, expected an even number", "Create with half a KiB");
    create.capacity = UINT64_MAX;
    says(VixDiskLib_Create(connection, "[ds1] web/x.vmdk", &create, NULL, NULL), VIX_E_INVALID_ARG,
         "expected an even number", "Create without bounds");
    says(VixDiskLib_Create(connection, "/tmp/x.vmdk", &create, NULL, NULL), VIX_E_INVALID_ARG,
         "expected an even number", "Create here");

    percent = -1;
    is(VixDiskLib_Grow(connection, NEW_DISK, 8192, TRUE, on_progress, &percent), VIX_OK, "Grow");
    is(percent, 100, "progress ends at 100");
    is(capacity_of(connection, NEW_DISK), 8192, "its capacity then");
    forget();
    ok(VixDiskLib_Grow(connection, NEW_DISK, 4096, TRUE, NULL, NULL) != VIX_OK, "no Grow to less");
    is(capacity_of(connection, NEW_DISK), 8192, "which changes nothing");
    forget();
    says(VixDiskLib_Grow(connection, "/tmp/x.vmdk", 8192, TRUE, NULL, NULL), VIX_E_FILE_NOT_FOUND,
         "no path on a datastore", "Grow here");
    says(VixDiskLib_CheckRepair(connection, NEW_DISK, FALSE), VIX_E_NOT_SUPPORTED,
         "connection to a server", "CheckRepair there");
    says(VixDiskLib_Rename(NEW_DISK, "[ds1] web/x.vmdk"), VIX_E_NOT_SUPPORTED,
         "takes no connection", "Rename there");

    is(VixDiskLib_Unlink(connection, NEW_DISK), VIX_OK, "Unlink");
    forget();
    says(VixDiskLib_Unlink(connection, NEW_DISK), VIX_E_FILE_NOT_FOUND, NEW_DISK, "Unlink again");
    says(VixDiskLib_Unlink(connection, NULL), VIX_E_INVALID_ARG, "no path is given",
         "Unlink of nothing");
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
    VixDiskLib_FreeConnectParams(params);
}

static void whole_disks_refused(VixDiskLibConnection read_only)
{
    VixDiskLibCreateParams create = {.diskType = VIXDISKLIB_DISK_VMFS_THIN,
                                     .adapterType = VIXDISKLIB_ADAPTER_IDE,
                                     .capacity = 4096};
    forget();
    says(VixDiskLib_Unlink(read_only, WEB), VIX_E_FILE_READ_ONLY, "for reading only",
         "Unlink on a connection for reading");
    says(VixDiskLib_Grow(read_only, WEB, 1 << 20, FALSE, NULL, NULL), VIX_E_FILE_READ_ONLY,
         "for reading only", "Grow on it");
    says(VixDiskLib_Create(read_only, NEW_DISK, &create, NULL, NULL), VIX_E_FILE_READ_ONLY,
         "for reading only", "Create on it");
}

/* A chain cannot be half here and half there. */
static void mixed_chains(VixDiskLibConnection connection)
{
    char path[4096];
    uint64 space = 0;
    VixDiskLibConnection local = NULL;
    VixDiskLibHandle here = NULL;
    VixDiskLibCreateParams create = {.diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
                                     .adapterType = VIXDISKLIB_ADAPTER_IDE,
                                     .hwVersion = 7,
                                     .capacity = web_bytes / 512};
    snprintf(path, sizeof path, "%s/here.vmdk", told("VD_DISKS"));
    is(VixDiskLib_Connect(NULL, &local), VIX_OK, "a local connection");
    is(VixDiskLib_Create(local, path, &create, NULL, NULL), VIX_OK, "a disk here");
    is(VixDiskLib_Open(local, path, 0, &here), VIX_OK, "which is open");
    VixDiskLibHandle there = open_disk(connection, WEB, RO, "a disk there");
    VixDiskLibHandle other = open_disk(connection, DATA, RO, "another one there");
    forget();
    says(VixDiskLib_IsAttachPossible(there, here), VIX_E_DISK_INVALIDCHAIN, "on a server",
         "IsAttachPossible of both");
    says(VixDiskLib_IsAttachPossible(there, other), VIX_E_NOT_SUPPORTED, "on a server",
         "IsAttachPossible there");
    is(VixDiskLib_SpaceNeededForClone(there, VIXDISKLIB_DISK_MONOLITHIC_FLAT, &space), VIX_OK,
       "SpaceNeededForClone");
    ok(space >= web_bytes, "%llu bytes", (unsigned long long)space);
    says(VixDiskLib_Attach(there, here), VIX_E_DISK_INVALIDCHAIN, "on a server", "Attach of both");
    is(VixDiskLib_Close(there), VIX_OK, "Close of the parent");
    is(VixDiskLib_Close(other), VIX_OK, "Close");
    is(VixDiskLib_Close(here), VIX_OK, "Close of the child");
    is(VixDiskLib_Disconnect(local), VIX_OK, "Disconnect");
}

static void fails_with(VixDiskLibConnectParams *params, const char *modes, VixError want,
                       const char *words, const char *what)
{
    VixDiskLibConnection connection = connect_to(params, true, modes);
    fails(connection, WEB, RO, want, words, what);
    is(VixDiskLib_Disconnect(connection), VIX_OK, "%s: Disconnect", what);
}

static void works_with(VixDiskLibConnectParams *params, const char *modes, const char *mode,
                       const char *what)
{
    VixDiskLibConnection connection = connect_to(params, true, modes);
    VixDiskLibHandle disk = open_disk(connection, WEB, RO, what);
    is_text(VixDiskLib_GetTransportMode(disk), mode, "%s: transport", what);
    is(VixDiskLib_Disconnect(connection), VIX_OK, "%s: Disconnect, before Close", what);
    uint8 sector[512];
    is(VixDiskLib_Read(disk, 0, 1, sector), VIX_OK, "%s: Read", what);
    ok(memcmp(sector, web, 512) == 0, "%s: the right sector", what);
    is(VixDiskLib_Close(disk), VIX_OK, "%s: Close", what);
}

static void trust(void)
{
    char want[256];
    VixDiskLibConnectParams *params = params_new();
    params->thumbPrint = text_of(told("VD_THUMBPRINT_SHA256"));
    works_with(params, NULL, "nbdssl", "a SHA-256 thumbprint");
    params->thumbPrint = text_of("00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33");
    snprintf(want, sizeof want,
             "VixDiskLibVim: Failed to verify SSL certificate: actual thumbprint=%s expected=00:11",
             told("VD_THUMBPRINT"));
    fails_with(params, NULL, VIX_E_FAIL, want, "a wrong thumbprint");
    params->thumbPrint = NULL;
    fails_with(params, NULL, VIX_E_FAIL, "Failed to verify SSL certificate: actual thumbprint=",
               "no thumbprint, and no authority that signed");
    params->thumbPrint = text_of("12");
    fails_with(params, NULL, VIX_E_INVALID_ARG, "thumbprint", "what is no thumbprint");
    VixDiskLib_FreeConnectParams(params);
}

static void credentials(void)
{
    VixDiskLibConnectParams *params = params_new();
    params->creds.uid.password = text_of("wrong-secret");
    fails_with(params, NULL, VIX_E_HOST_USER_PERMISSIONS, "logging in", "a wrong password");
    ok(!strstr(heard.all, "wrong-secret"), "which is not told");
    params->credType = VIXDISKLIB_CRED_SESSIONID;
    params->creds.sessionId.cookie = text_of(told("VD_COOKIE"));
    params->creds.sessionId.userName = NULL;
    params->creds.sessionId.key = NULL;
    works_with(params, NULL, "nbdssl", "a session cookie");
    works_with(params, NULL, "nbdssl", "which goes on");
    params->creds.sessionId.cookie = text_of(strchr(told("VD_COOKIE"), '=') + 1);
    params->creds.sessionId.userName = text_of(told("VD_USER"));
    params->creds.sessionId.key = text_of(told("VD_PASSWORD"));
    works_with(params, NULL, "nbdssl", "a cookie's bare value, with a key");
    VixDiskLib_FreeConnectParams(params);
}

static void transports(void)
{
    VixDiskLibConnectParams *params = params_new();
    works_with(params, "", "nbdssl", "\"\"");
    works_with(params, "san:hotadd:nbd", "nbd", "those that are not there, then nbd");
    works_with(params, "file:nbdssl:nbd", "nbdssl", "the whole list");
    works_with(params, "san", "nbdssl", "nothing that is there");
    fails_with(params, "file", VIX_E_NOT_SUPPORTED, "file: leads to disks on this machine only",
               "file alone");
    VixDiskLib_FreeConnectParams(params);
}

static void specifications(bool esxi)
{
    VixDiskLibConnectParams *params = params_new();
    params->vmxSpec = text_of(esxi ? "web/web.vmx?dcPath=ha-datacenter&dsName=ds1"
                                   : "web/web.vmx?dcPath=Datacenter&dsName=ds1");
    works_with(params, NULL, "nbdssl", "the path of a machine");
    params->vmxSpec = text_of("moref=vm-4711");
    fails_with(params, NULL, VIX_E_VM_NOT_FOUND, "vm-4711", "a machine that is not there");
    params->vmxSpec = NULL;
    works_with(params, NULL, "nbdssl", "no machine: the datastore's file");
    VixDiskLib_FreeConnectParams(params);
}

/* The disk was written to since, and is while its snapshot is read, which stays what it was. */
static void first_class_snapshot(VixDiskLibConnectParams *params, const uint8 *want, size_t bytes)
{
    uint8 sector[512];
    uint8 *got = calloc(1, bytes);
    VixDiskLibConnection now = connect_to(params, false, "nbdssl");
    params->spec.vStorageObjSpec.ssId = text_of(told("VD_FCD_SNAPSHOT"));
    VixDiskLibConnection then = connect_to(params, true, "nbdssl");
    VixDiskLibHandle live = open_disk(now, "", 0, "a first-class disk, to be written to");
    VixDiskLibHandle frozen = open_disk(then, "", RO, "its snapshot");
    for (unsigned round = 0; round < 8; round++) {
        memset(sector, (int)round + 1, sizeof sector);
        is(VixDiskLib_Write(live, round * 1000, 1, sector), VIX_OK, "the disk: Write");
        is(VixDiskLib_Read(frozen, 0, bytes / 512, got), VIX_OK, "its snapshot: Read");
        ok(memcmp(got, want, bytes) == 0, "the snapshot stays what it was");
    }
    is(VixDiskLib_Read(live, 7000, 1, got), VIX_OK, "the disk: Read");
    ok(memcmp(got, sector, sizeof sector) == 0, "the disk has what was written");
    is(VixDiskLib_Close(frozen), VIX_OK, "its snapshot: Close");
    is(VixDiskLib_Close(live), VIX_OK, "the disk: Close");
    is(VixDiskLib_Disconnect(then), VIX_OK, "its snapshot: Disconnect");
    is(VixDiskLib_Disconnect(now), VIX_OK, "the disk: Disconnect");
    params->spec.vStorageObjSpec.ssId = NULL;
    free(got);
}

/* first.vmdk has the content that data.vmdk began with. */
static void first_class_disk(void)
{
    size_t bytes;
    uint8 *want = content_of("data", &bytes);
    VixDiskLibConnectParams *params = params_new();
    VixDiskLibConnection connection;
    params->vmxSpec = NULL;
    params->specType = VIXDISKLIB_SPEC_VSTORAGE_OBJECT;
    params->spec.vStorageObjSpec.id = text_of(told("VD_FCD"));
    params->spec.vStorageObjSpec.datastoreMoRef = text_of(told("VD_DATASTORE"));
    is(VixDiskLib_PrepareForAccess(params, "tests"), VIX_OK, "a first-class disk: Prepare");
    connection = connect_to(params, false, "nbd");
    VixDiskLibHandle disk = open_disk(connection, "", RO, "a first-class disk");
    reads_as(disk, want, bytes, "a first-class disk");
    is(VixDiskLib_Close(disk), VIX_OK, "a first-class disk: Close");
    disk = open_disk(connection, NULL, 0, "a first-class disk, without a path");
    is(VixDiskLib_Write(disk, 0, 8, web), VIX_OK, "a first-class disk: Write");
    is(VixDiskLib_Close(disk), VIX_OK, "a first-class disk: Close");
    is(VixDiskLib_Disconnect(connection), VIX_OK, "a first-class disk: Disconnect");
    first_class_snapshot(params, want, bytes);
    params->spec.vStorageObjSpec.id = text_of("no-such-disk");
    connection = connect_to(params, true, NULL);
    ok(VixDiskLib_Open(connection, "", RO, &disk) != VIX_OK && !disk, "none of that id");
    is(VixDiskLib_Disconnect(connection), VIX_OK, "none of that id: Disconnect");
    VixDiskLib_FreeConnectParams(params);
    free(want);
}

static void datastore(void)
{
    VixDiskLibConnectParams *params = params_new();
    params->vmxSpec = NULL;
    params->specType = VIXDISKLIB_SPEC_DATASTORE;
    params->spec.dsSpec.datastoreMoRef = text_of(told("VD_DATASTORE"));
    params->spec.dsSpec.diskFolder = text_of("web");
    VixDiskLibConnection connection = connect_to(params, true, NULL);
    VixDiskLibHandle disk = open_disk(connection, "web.vmdk", RO, "below a folder");
    reads_as(disk, web, web_bytes, "below a folder");
    is(VixDiskLib_Close(disk), VIX_OK, "below a folder: Close");
    disk = open_disk(connection, WEB, RO, "a whole path");
    is(VixDiskLib_Close(disk), VIX_OK, "a whole path: Close");
    is(VixDiskLib_Disconnect(connection), VIX_OK, "a datastore: Disconnect");
    VixDiskLib_FreeConnectParams(params);
}

static unsigned entries(const char *path)
{
    unsigned count = 0;
    DIR *folder = opendir(path);
    while (folder && readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Descriptors and threads, of this process. */
static void nothing_piles_up(VixDiskLibConnection connection)
{
    unsigned files = entries("/proc/self/fd"), threads = entries("/proc/self/task");
    VixError worst = VIX_OK;
    for (int i = 0; i < 60; i++) {
        VixDiskLibHandle disk = NULL;
        VixDiskLibInfo *info = NULL;
        VixError result = VixDiskLib_Open(connection, WEB, RO, &disk);
        if (result == VIX_OK)
            result = VixDiskLib_GetInfo(disk, &info);
        VixDiskLib_FreeInfo(info);
        worst = result != VIX_OK ? result : worst;
        VixDiskLib_Close(disk);
    }
    is(worst, VIX_OK, "60 disks in turn");
    ok(entries("/proc/self/fd") <= files + 2, "without more descriptors");
    ok(entries("/proc/self/task") <= threads + 2, "nor threads");
}

static void access_held(bool esxi)
{
    VixDiskLibConnectParams *params = params_new();
    is(VixDiskLib_PrepareForAccess(params, "tests"), VIX_OK, "PrepareForAccess");
    is(VixDiskLib_PrepareForAccess(params, "tests"), VIX_OK, "again, the same");
    is(VixDiskLib_PrepareForAccess(params, "others"), esxi ? VIX_OK : VIX_E_OPERATION_DISABLED,
       "somebody else");
    is(VixDiskLib_EndAccess(params, "tests"), VIX_OK, "EndAccess");
    is(VixDiskLib_PrepareForAccess(params, "others"), VIX_OK, "somebody else, now");
    is(VixDiskLib_EndAccess(params, "others"), VIX_OK, "EndAccess");
    is(VixDiskLib_EndAccess(params, "others"), VIX_OK, "EndAccess without need");
    uint32 cleaned = 7, remaining = 7;
    is(VixDiskLib_Cleanup(params, &cleaned, &remaining), VIX_OK, "Cleanup");
    is(cleaned + remaining, 0, "has nothing to do");
    VixDiskLib_FreeConnectParams(params);
}

static void given_params(VixDiskLibConnection connection)
{
    VixDiskLibConnectParams *copy = NULL;
    is(VixDiskLib_GetConnectParams(connection, &copy), VIX_OK, "GetConnectParams");
    is_text(copy->serverName, told("VD_HOST"), "the server");
    is_text(copy->creds.uid.userName, told("VD_USER"), "the user");
    is(copy->port, told_number("VD_PORT"), "the port");
    VixDiskLib_FreeConnectParams(copy);
}

static void on_local(VixDiskLibConnection local, const char *path, const uint8 *want, size_t bytes)
{
    VixDiskLibHandle disk = open_disk(local, path, RO, "the copy");
    reads_as(disk, want, bytes, "the copy");
    is(VixDiskLib_Close(disk), VIX_OK, "the copy: Close");
}

static void clones(VixDiskLibConnection connection)
{
    char copy[4096], stream[4096];
    VixDiskLibConnection local = NULL;
    VixDiskLibCreateParams create = {.diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
                                     .adapterType = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC,
                                     .hwVersion = 7};
    snprintf(copy, sizeof copy, "%s/copy.vmdk", told("VD_DISKS"));
    snprintf(stream, sizeof stream, "%s/stream.vmdk", told("VD_DISKS"));
    is(VixDiskLib_Connect(NULL, &local), VIX_OK, "a local connection");
    is(VixDiskLib_Clone(local, copy, connection, WEB, &create, NULL, NULL, FALSE), VIX_OK,
       "Clone from there");
    on_local(local, copy, web, web_bytes);
    is(VixDiskLib_Clone(local, copy, connection, WEB, &create, NULL, NULL, FALSE),
       VIX_E_FILE_ALREADY_EXISTS, "but not over what is here");
    create.diskType = VIXDISKLIB_DISK_STREAM_OPTIMIZED;
    is(VixDiskLib_Clone(local, stream, connection, DATA, &create, NULL, NULL, FALSE), VIX_OK,
       "as a stream");
    on_local(local, stream, data, data_bytes);

    is(VixDiskLib_Clone(connection, WEB, local, stream, NULL, NULL, NULL, FALSE),
       VIX_E_FILE_ALREADY_EXISTS, "Clone to there, without leave");
    is(VixDiskLib_Clone(connection, WEB, local, stream, NULL, NULL, NULL, TRUE), VIX_OK,
       "Clone to there");
    uint8 *want = calloc(1, web_bytes);
    memcpy(want, data, data_bytes);
    VixDiskLibHandle disk = open_disk(connection, WEB, RO, "what it made");
    reads_as(disk, want, web_bytes, "what it made");
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
    is(VixDiskLib_Clone(connection, DATA, local, copy, NULL, NULL, NULL, TRUE), VIX_E_INVALID_ARG,
       "Clone into what is too small");
    is(VixDiskLib_Clone(connection, WEB, local, copy, NULL, NULL, NULL, TRUE), VIX_OK,
       "Clone back");
    disk = open_disk(connection, WEB, RO, "as it was");
    reads_as(disk, web, web_bytes, "as it was");
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
    is(VixDiskLib_Disconnect(local), VIX_OK, "Disconnect");
    free(want);
}

static void buffers_of(const char *config, VixError want, const char *what)
{
    VixDiskLibHandle disk = NULL;
    begin(config);
    VixDiskLibConnectParams *params = params_new();
    VixDiskLibConnection connection = connect_to(params, true, NULL);
    is(VixDiskLib_Open(connection, WEB, RO, &disk), want, "%s", what);
    if (disk)
        reads_as(disk, web, web_bytes, what);
    VixDiskLib_Close(disk);
    is(VixDiskLib_Disconnect(connection), VIX_OK, "%s: Disconnect", what);
    VixDiskLib_FreeConnectParams(params);
    VixDiskLib_Exit();
}

static void settings(void)
{
    buffers_of(
        "VixDiskLib.nfcAio.Session.BufSizeIn64KB = 16\nvixDiskLib.nfcAio.Session.BufCount=4\n",
        VIX_OK, "buffers of a MiB");
    buffers_of("vixDiskLib.nfcAio.Session.BufSizeIn64K = 1\n", VIX_OK, "buffers of 64 KiB");
    buffers_of(
        "vixDiskLib.nfcAio.Session.BufSizeIn64KB = 32\nvixDiskLib.nfcAio.Session.BufCount = 16\n",
        VIX_E_INVALID_ARG, "more than 16 MiB of buffers");
    buffers_of("vixDiskLib.nfcAio.Session.BufSizeIn64KB = 99999999999\n", VIX_E_INVALID_ARG,
               "buffers without end");
}

int main(int argc, char **argv)
{
    bool esxi = argc > 1 && strcmp(argv[1], "esxi") == 0;
    web = content_of("web", &web_bytes);
    data = content_of("data", &data_bytes);
    begin("");
    is_text(VixDiskLib_ListTransportModes(), "file:nbdssl:nbd", "ListTransportModes");
    reading(esxi ? "nfc" : "vpxa-nfc");
    VixDiskLibConnectParams *params = params_new();
    VixDiskLibConnection connection = connect_to(params, false, NULL);
    VixDiskLibConnection read_only = connect_to(params, true, NULL);
    VixDiskLib_FreeConnectParams(params);
    information(connection);
    allocated_blocks(connection);
    asynchronous(connection);
    writing(connection, read_only);
    bad_paths(connection);
    whole_disks();
    whole_disks_refused(read_only);
    mixed_chains(connection);
    given_params(connection);
    nothing_piles_up(connection);
    clones(connection);
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
    is(VixDiskLib_Disconnect(read_only), VIX_OK, "Disconnect");
    trust();
    credentials();
    transports();
    specifications(esxi);
    datastore();
    if (!esxi)
        first_class_disk();
    access_held(esxi);
    VixDiskLib_Exit();
    settings();
    nothing_secret_was_told();
    free(web);
    free(data);
    return tap_done();
}
