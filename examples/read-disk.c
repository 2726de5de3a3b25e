/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read-disk DISK >RAW: writes the whole content of a local virtual disk to standard output through
 * VixDiskLib, and tells on standard error what it read. It needs the public headers alone:
 *
 *     cc examples/read-disk.c -Iinclude/vixdisklib -Lbuild/src/vix -lvixDiskLib -o read-disk
 */
#include <stdio.h>
#include <stdlib.h>

#include "vixDiskLib.h"

#define CHUNK_SECTORS 2048

static int complain(const char *what, VixError error)
{
    char *text = VixDiskLib_GetErrorText(error, NULL);

    fprintf(stderr, "read-disk: %s: %s\n", what, text ? text : "unknown error");
    VixDiskLib_FreeErrorText(text);
    return EXIT_FAILURE;
}

static int tell(VixDiskLibHandle disk, VixDiskLibSectorType *ret_capacity)
{
    VixDiskLibInfo *info = NULL;
    VixError error = VixDiskLib_GetInfo(disk, &info);

    if (VIX_FAILED(error))
        return complain("cannot tell what the disk is", error);
    *ret_capacity = info->capacity;
    fprintf(stderr, "%llu sectors, %d links, read through '%s'\n",
            (unsigned long long)info->capacity, info->numLinks, VixDiskLib_GetTransportMode(disk));
    VixDiskLib_FreeInfo(info);
    return EXIT_SUCCESS;
}

static int copy(VixDiskLibHandle disk, VixDiskLibSectorType capacity, uint8 *buffer)
{
    for (VixDiskLibSectorType start = 0; start < capacity; start += CHUNK_SECTORS) {
        VixDiskLibSectorType left = capacity - start;
        size_t count = left < CHUNK_SECTORS ? (size_t)left : CHUNK_SECTORS;
        VixError error = VixDiskLib_Read(disk, start, count, buffer);

        if (VIX_FAILED(error))
            return complain("cannot read", error);
        if (fwrite(buffer, VIXDISKLIB_SECTOR_SIZE, count, stdout) != count) {
            perror("read-disk: cannot write to standard output");
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}

static int read_disk(VixDiskLibHandle disk)
{
    VixDiskLibSectorType capacity;
    uint8 *buffer;
    int status = tell(disk, &capacity);

    if (status != EXIT_SUCCESS)
        return status;
    buffer = malloc((size_t)CHUNK_SECTORS * VIXDISKLIB_SECTOR_SIZE);
    if (!buffer) {
        perror("read-disk");
        return EXIT_FAILURE;
    }
    status = copy(disk, capacity, buffer);
    free(buffer);
    return status;
}

static int open_and_read(VixDiskLibConnection connection, const char *path)
{
    VixDiskLibHandle disk = NULL;
    VixError error = VixDiskLib_Open(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk);
    int status;

    if (VIX_FAILED(error))
        return complain(path, error);
    status = read_disk(disk);
    error = VixDiskLib_Close(disk);
    if (VIX_FAILED(error))
        return complain("cannot close the disk", error);
    return status;
}

static int connect_and_read(const char *path)
{
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams(); /* all zero: local */
    VixDiskLibConnection connection = NULL;
    VixError error = VixDiskLib_ConnectEx(params, TRUE, NULL, "file", &connection);
    int status;

    VixDiskLib_FreeConnectParams(params);
    if (VIX_FAILED(error))
        return complain("cannot connect", error);
    status = open_and_read(connection, path);
    (void)VixDiskLib_Disconnect(connection); /* everything was read by now */
    return status;
}

int main(int argc, char **argv)
{
    VixError error;
    int status;

    if (argc != 2) {
        fputs("usage: read-disk DISK >RAW\n", stderr);
        return EXIT_FAILURE;
    }
    error = VixDiskLib_InitEx(7, 0, NULL, NULL, NULL, NULL, NULL);
    if (VIX_FAILED(error))
        return complain("cannot start the library", error);
    status = connect_and_read(argv[1]);
    VixDiskLib_Exit();
    if (fflush(stdout) != 0) {
        perror("read-disk: cannot write to standard output");
        return EXIT_FAILURE;
    }
    return status;
}
