/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup-vixdisklib DISK RAW: copies what a virtual disk holds into a sparse raw file, through
 * VixDiskLib.
 *
 *     cc examples/backup-vixdisklib.c -Iinclude/vixdisklib -lvixDiskLib -o backup-vixdisklib
 */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <vixDiskLib.h>

#define CHUNK  ((VixDiskLibSectorType)128) /* what is asked for, in sectors */
#define WINDOW (CHUNK * 16384)             /* and at a time; at most 524288 chunks */

static void check(VixError error, const char *what)
{
    if (VIX_FAILED(error))
        errx(1, "%s: %s", what, VixDiskLib_GetErrorText(error, NULL));
}

static void copy(VixDiskLibHandle disk, int raw, VixDiskLibBlock block)
{
    static uint8 piece[2048 * VIXDISKLIB_SECTOR_SIZE];

    while (block.length > 0) {
        VixDiskLibSectorType count = block.length < 2048 ? block.length : 2048;
        size_t bytes = (size_t)count * VIXDISKLIB_SECTOR_SIZE;
        check(VixDiskLib_Read(disk, block.offset, count, piece), "cannot read");
        if (pwrite(raw, piece, bytes, (off_t)(block.offset * 512)) != (ssize_t)bytes)
            err(1, "cannot write the raw file");
        block.offset += count;
        block.length -= count;
    }
}

static void copy_window(VixDiskLibHandle disk, int raw, VixDiskLibSectorType start,
                        VixDiskLibSectorType count)
{
    VixDiskLibBlockList *list;

    check(VixDiskLib_QueryAllocatedBlocks(disk, start, count, CHUNK, &list), "cannot list blocks");
    for (uint32 i = 0; i < list->numBlocks; i++)
        copy(disk, raw, list->blocks[i]);
    VixDiskLib_FreeBlockList(list);
}

int main(int argc, char **argv)
{
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;
    VixDiskLibInfo *info;
    VixDiskLibSectorType start = 0;

    if (argc != 3)
        errx(1, "usage: backup-vixdisklib DISK RAW");
    check(VixDiskLib_InitEx(7, 0, NULL, NULL, NULL, NULL, NULL), "cannot start");
    check(VixDiskLib_ConnectEx(NULL, TRUE, NULL, NULL, &connection), "cannot connect");
    check(VixDiskLib_Open(connection, argv[1], VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk), argv[1]);
    check(VixDiskLib_GetInfo(disk, &info), argv[1]);
    int raw = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (raw < 0 || ftruncate(raw, (off_t)(info->capacity * VIXDISKLIB_SECTOR_SIZE)) < 0)
        err(1, "cannot make '%s'", argv[2]);
    for (; info->capacity - start >= CHUNK; start += WINDOW) { /* whole chunks */
        VixDiskLibSectorType left = (info->capacity - start) / CHUNK * CHUNK;
        copy_window(disk, raw, start, left < WINDOW ? left : WINDOW);
        if (left < WINDOW)
            break;
    }
    start = info->capacity / CHUNK * CHUNK; /* and the rest of one, which cannot be asked for */
    copy(disk, raw, (VixDiskLibBlock){start, info->capacity - start});
    if (fsync(raw) < 0 || close(raw) < 0)
        err(1, "cannot write '%s'", argv[2]);
    VixDiskLib_FreeInfo(info);
    check(VixDiskLib_Close(disk), "cannot close");
    check(VixDiskLib_Disconnect(connection), "cannot disconnect");
    VixDiskLib_Exit();
    return 0;
}
