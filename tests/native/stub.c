/* SPDX-License-Identifier: Apache-2.0 */
/* The libraries of stub.h. STUB_OLD: one of the sixth generation and before, without what came
 * later. STUB_BROKEN: one without a function that all have. */
#include "stub.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "vixDiskLib.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT extern struct stub_control stub_control;
struct stub_control stub_control;

static uint8 content[STUB_SECTORS * 512];
static VixDiskLibGenericLogFunc *log_function;

/* Reading and writing are left out, since threads do that. */
static VixError called(const char *name)
{
    size_t used = strlen(stub_control.calls);
    snprintf(stub_control.calls + used, sizeof stub_control.calls - used, "%s ", name);
    bool fails = stub_control.fail_at && strcmp(stub_control.fail_at, name) == 0;
    return fails ? stub_control.fail_code : VIX_OK;
}

static void *given(const char *name, void *object)
{
    bool nothing = stub_control.nothing_from && strcmp(stub_control.nothing_from, name) == 0;
    return nothing ? NULL : object;
}

__attribute__((format(printf, 1, 2))) static void tell(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (log_function)
        log_function(fmt, args);
    va_end(args);
}

EXPORT VixError VixDiskLib_InitEx(uint32 majorVersion, uint32 minorVersion,
                                  VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn,
                                  VixDiskLibGenericLogFunc *panic, const char *libDir,
                                  const char *configFile)
{
    (void)warn;
    (void)panic;
    log_function = log;
    tell("version %u.%u of '%s' with '%s'\n", majorVersion, minorVersion, libDir,
         configFile ? configFile : "(none)");
    return called("InitEx");
}

EXPORT void VixDiskLib_Exit(void)
{
    (void)called("Exit");
}

EXPORT char *VixDiskLib_GetErrorText(VixError err, const char *locale)
{
    char *text = NULL;
    (void)locale;
    if (stub_control.no_text || asprintf(&text, "story %llu", (unsigned long long)err) < 0)
        return NULL;
    return text;
}

EXPORT void VixDiskLib_FreeErrorText(char *errMsg)
{
    free(errMsg);
}

static const char *shown(const char *text)
{
    return text ? text : "-";
}

static void show_params(const VixDiskLibConnectParams *params, Bool readOnly,
                        const char *snapshotRef, const char *transportModes)
{
    const union VixDiskLibCreds *creds = &params->creds;
    snprintf(stub_control.strings, sizeof stub_control.strings,
             "%s %s %s %d %s %s %s %u %u %d %s %s %s ro=%d %s %s", shown(params->serverName),
             shown(params->vmxSpec), shown(params->thumbPrint), (int)params->credType,
             shown(creds->sessionId.cookie), shown(creds->sessionId.userName),
             shown(creds->sessionId.key), params->port, params->nfcHostPort, (int)params->specType,
             shown(params->spec.vStorageObjSpec.id),
             shown(params->spec.vStorageObjSpec.datastoreMoRef),
             shown(params->spec.vStorageObjSpec.ssId), readOnly, shown(snapshotRef),
             shown(transportModes));
}

EXPORT VixError VixDiskLib_ConnectEx(const VixDiskLibConnectParams *connectParams, Bool readOnly,
                                     const char *snapshotRef, const char *transportModes,
                                     VixDiskLibConnection *connection)
{
    *connection = given("ConnectEx", content);
    if (connectParams)
        show_params(connectParams, readOnly, snapshotRef, transportModes);
    return called("ConnectEx");
}

EXPORT VixError VixDiskLib_Disconnect(VixDiskLibConnection connection)
{
    (void)connection;
    return called("Disconnect");
}

EXPORT VixError VixDiskLib_Open(const VixDiskLibConnection connection, const char *path,
                                uint32 flags, VixDiskLibHandle *diskHandle)
{
    (void)connection;
    (void)path;
    stub_control.open_flags = flags;
    *diskHandle = given("Open", content);
    return called("Open");
}

EXPORT VixError VixDiskLib_Close(VixDiskLibHandle diskHandle)
{
    (void)diskHandle;
    return called("Close");
}

EXPORT VixError VixDiskLib_GetInfo(VixDiskLibHandle diskHandle, VixDiskLibInfo **info)
{
    (void)diskHandle;
    /* Old ones end before the sizes of sectors, which a compiler would not have. */
    uint64 capacity = stub_control.capacity ? stub_control.capacity : STUB_SECTORS;
    void *old = calloc(1, offsetof(VixDiskLibInfo, logicalSectorSize));
    if (old)
        memcpy((char *)old + offsetof(VixDiskLibInfo, capacity), &capacity, sizeof capacity);
    *info = old;
    VixError result = called("GetInfo");
    if (result != VIX_OK || !given("GetInfo", content)) {
        free(*info);
        *info = NULL;
    }
    return result;
}

EXPORT void VixDiskLib_FreeInfo(VixDiskLibInfo *info)
{
    free(info);
}

static void look_at(const void *buffer, uint64 sectors)
{
    if ((uintptr_t)buffer % 4096 != 0)
        stub_control.misaligned = true;
    if (sectors > stub_control.largest)
        stub_control.largest = sectors;
}

static VixError io_result(const char *name, uint64 start, uint64 sectors)
{
    if (stub_control.fail_at && strcmp(stub_control.fail_at, name) == 0)
        return stub_control.fail_code;
    return start + sectors <= STUB_SECTORS ? VIX_OK : VIX_E_DISK_OUTOFRANGE;
}

#ifndef STUB_BROKEN
EXPORT VixError VixDiskLib_Read(VixDiskLibHandle diskHandle, VixDiskLibSectorType startSector,
                                VixDiskLibSectorType numSectors, uint8 *readBuffer)
{
    (void)diskHandle;
    look_at(readBuffer, numSectors);
    VixError result = io_result("Read", startSector, numSectors);
    if (result == VIX_OK)
        memcpy(readBuffer, content + startSector * 512, numSectors * 512);
    return result;
}
#endif

EXPORT VixError VixDiskLib_Write(VixDiskLibHandle diskHandle, VixDiskLibSectorType startSector,
                                 VixDiskLibSectorType numSectors, const uint8 *writeBuffer)
{
    (void)diskHandle;
    look_at(writeBuffer, numSectors);
    VixError result = io_result("Write", startSector, numSectors);
    if (result == VIX_OK)
        memcpy(content + startSector * 512, writeBuffer, numSectors * 512);
    return result;
}

#ifndef STUB_OLD
VixError VixDiskLib_PrepareForAccess(const VixDiskLibConnectParams *params, const char *identity);
VixError VixDiskLib_EndAccess(const VixDiskLibConnectParams *params, const char *identity);

EXPORT VixError VixDiskLib_PrepareForAccess(const VixDiskLibConnectParams *params,
                                            const char *identity)
{
    tell("preparing '%s' for '%s'", shown(params->vmxSpec), identity);
    return called("PrepareForAccess");
}

EXPORT VixError VixDiskLib_EndAccess(const VixDiskLibConnectParams *params, const char *identity)
{
    tell("ending '%s' for '%s'", shown(params->vmxSpec), identity);
    return called("EndAccess");
}

EXPORT VixDiskLibConnectParams *VixDiskLib_AllocateConnectParams(void)
{
    return calloc(1, sizeof(VixDiskLibConnectParams));
}

EXPORT void VixDiskLib_FreeConnectParams(VixDiskLibConnectParams *connectParams)
{
    (void)called("FreeConnectParams");
    free(connectParams);
}

EXPORT const char *VixDiskLib_GetTransportMode(VixDiskLibHandle diskHandle)
{
    (void)diskHandle;
    return stub_control.transport;
}

EXPORT VixError VixDiskLib_Flush(VixDiskLibHandle diskHandle)
{
    (void)diskHandle;
    return called("Flush");
}

/* The rules VMware documents, strictly: nothing past the end of the disk. */
static bool may_ask(uint64 start, uint64 count, uint64 chunk)
{
    uint64 capacity = stub_control.capacity ? stub_control.capacity : STUB_SECTORS;
    return chunk >= 128 && start % chunk == 0 && count % chunk == 0 && count > 0 &&
           count / chunk <= 524288 && start + count <= capacity;
}

/* At most 16 blocks. */
static VixDiskLibBlockList *list_blocks(uint64 start, uint64 end)
{
    VixDiskLibBlockList *list = calloc(1, sizeof *list + 16 * sizeof list->blocks[0]);
    for (uint64 at = start; list && at < end && list->numBlocks < 16; at += 128)
        if (at / 128 % 2 == 0)
            list->blocks[list->numBlocks++] = (VixDiskLibBlock){at, 128};
    if (list && stub_control.backwards && list->numBlocks > 1)
        list->blocks[1].offset = 0;
    return list;
}

EXPORT VixError VixDiskLib_QueryAllocatedBlocks(VixDiskLibHandle diskHandle,
                                                VixDiskLibSectorType startSector,
                                                VixDiskLibSectorType numSectors,
                                                VixDiskLibSectorType chunkSize,
                                                VixDiskLibBlockList **blockList)
{
    (void)diskHandle;
    VixError result = called("QueryAllocatedBlocks");
    *blockList = NULL;
    if (result != VIX_OK)
        return result;
    if (!may_ask(startSector, numSectors, chunkSize))
        return VIX_E_INVALID_ARG;
    if (numSectors / chunkSize > stub_control.largest_query)
        stub_control.largest_query = numSectors / chunkSize;
    *blockList = list_blocks(startSector, startSector + numSectors);
    return *blockList ? VIX_OK : VIX_E_OUT_OF_MEMORY;
}

EXPORT VixError VixDiskLib_FreeBlockList(VixDiskLibBlockList *blockList)
{
    free(blockList);
    return called("FreeBlockList");
}

static VixError answer(const char *text, size_t length, char *buffer, size_t room, size_t *needed)
{
    if (needed)
        *needed = length;
    if (!buffer || room < length)
        return VIX_E_BUFFER_TOOSMALL;
    memcpy(buffer, text, length);
    return VIX_OK;
}

EXPORT VixError VixDiskLib_ReadMetadata(VixDiskLibHandle diskHandle, const char *key, char *buf,
                                        size_t bufLen, size_t *requiredLen)
{
    (void)diskHandle;
    if (!stub_control.metadata || strcmp(key, "key") != 0)
        return VIX_E_DISK_KEY_NOTFOUND;
    return answer(stub_control.metadata, strlen(stub_control.metadata) + 1, buf, bufLen,
                  requiredLen);
}

/* "gone" is listed and not there. */
EXPORT VixError VixDiskLib_GetMetadataKeys(VixDiskLibHandle diskHandle, char *keys, size_t maxLen,
                                           size_t *requiredLen)
{
    static const char both[] = "gone\0key\0";
    (void)diskHandle;
    if (!stub_control.metadata)
        return answer("\0", 2, keys, maxLen, requiredLen);
    return answer(both, sizeof both, keys, maxLen, requiredLen);
}
#endif
