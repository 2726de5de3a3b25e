/* SPDX-License-Identifier: Apache-2.0 */
/* A disk of a host without asynchronous NFC: read, written, described, and refused where the
 * setting that says who the host is, is not there. */
#include "server.h"

static uint8 *web, *data;
static size_t web_bytes, data_bytes;

static void refused_without_the_setting(void)
{
    VixDiskLibHandle disk = NULL;
    begin("");
    VixDiskLibConnectParams *params = params_new();
    VixDiskLibConnection connection = connect_to(params, true, NULL);
    forget();
    is(VixDiskLib_Open(connection, WEB, RO, &disk), VIX_E_NOT_SUPPORTED,
       "a host like others: Open");
    ok(strstr(heard.warn, "no asynchronous NFC") != NULL, "and says why");
    is(VixDiskLib_Disconnect(connection), VIX_OK, "Disconnect");
    VixDiskLib_FreeConnectParams(params);
    VixDiskLib_Exit();
}

/* Such a host tells no map: everything is data. */
static void blocks(VixDiskLibHandle disk)
{
    VixDiskLibBlockList *list = NULL;
    is(VixDiskLib_QueryAllocatedBlocks(disk, 0, web_bytes / 512, 128, &list), VIX_OK,
       "QueryAllocatedBlocks");
    ok(list && list->numBlocks == 1 && list->blocks[0].offset == 0 &&
           list->blocks[0].length == web_bytes / 512,
       "one block that is the disk");
    VixDiskLib_FreeBlockList(list);
}

static void description(VixDiskLibHandle disk)
{
    VixDiskLibInfo *info = NULL;
    char value[64];
    size_t needed = 0;
    is(VixDiskLib_GetInfo(disk, &info), VIX_OK, "GetInfo");
    ok(info && info->capacity == web_bytes / 512, "its capacity");
    VixDiskLib_FreeInfo(info);
    is(VixDiskLib_ReadMetadata(disk, "uuid", value, sizeof value, NULL), VIX_E_DISK_KEY_NOTFOUND,
       "ReadMetadata: nothing is told");
    VixError keys = VixDiskLib_GetMetadataKeys(disk, value, sizeof value, &needed);
    ok(keys == VIX_OK && value[0] == 0, "GetMetadataKeys: there are none (%llu)",
       (unsigned long long)keys);
}

static void reading(VixDiskLibConnection connection, const char *mode, uint32 flags)
{
    VixDiskLibHandle disk = open_disk(connection, WEB, RO | flags, mode);
    is_text(VixDiskLib_GetTransportMode(disk), mode, "%s: the transport", mode);
    reads_as(disk, web, web_bytes, mode);
    uint8 sector[512];
    is(VixDiskLib_Read(disk, web_bytes / 512 - 1, 1, sector), VIX_OK, "the last sector");
    ok(memcmp(sector, web + web_bytes - 512, 512) == 0, "which is right");
    is(VixDiskLib_Read(disk, web_bytes / 512, 1, sector), VIX_E_DISK_OUTOFRANGE, "behind the end");
    is(VixDiskLib_Write(disk, 0, 1, sector), VIX_E_FILE_READ_ONLY, "Write on a read-only disk");
    blocks(disk);
    description(disk);
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
}

static void on_done(void *cb_data, VixError result)
{
    if (result == VIX_OK)
        __atomic_add_fetch((unsigned *)cb_data, 1, __ATOMIC_SEQ_CST);
}

static void writing(VixDiskLibConnection connection)
{
    unsigned good = 0;
    VixDiskLibHandle disk = open_disk(connection, DATA, 0, "writing");
    memset(data + 4096, 0x5a, 5 << 20);
    is(VixDiskLib_Write(disk, 8, (5 << 20) / 512, data + 4096), VIX_OK, "Write of 5 MiB");
    memset(data + (7 << 20), 0xa5, 1 << 20);
    is(VixDiskLib_WriteAsync(disk, (7 << 20) / 512, 2048, data + (7 << 20), on_done, &good),
       VIX_ASYNC, "WriteAsync");
    is(VixDiskLib_Wait(disk), VIX_OK, "Wait");
    is(good, 1, "is done");
    is(VixDiskLib_Flush(disk), VIX_OK, "Flush");
    is(VixDiskLib_WriteMetadata(disk, "uuid", "00"), VIX_E_NOT_SUPPORTED, "WriteMetadata");
    reads_as(disk, data, data_bytes, "what was written");
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
    disk = open_disk(connection, DATA, RO, "afterwards");
    reads_as(disk, data, data_bytes, "afterwards");
    is(VixDiskLib_Close(disk), VIX_OK, "Close");
}

int main(void)
{
    web = content_of("web", &web_bytes);
    data = content_of("data", &data_bytes);
    refused_without_the_setting();
    begin("vixDiskLib.vdisk.simulator = 1\n");
    VixDiskLibConnectParams *params = params_new();
    VixDiskLibConnection clear = connect_to(params, false, "nbd");
    VixDiskLibConnection secure = connect_to(params, false, "nbdssl");
    reading(clear, "nbd", 0);
    reading(secure, "nbdssl", VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ);
    writing(secure);
    is(VixDiskLib_Disconnect(clear), VIX_OK, "Disconnect");
    is(VixDiskLib_Disconnect(secure), VIX_OK, "Disconnect");
    VixDiskLib_FreeConnectParams(params);
    VixDiskLib_Exit();
    nothing_secret_was_told();
    free(web);
    free(data);
    return tap_done();
}
