/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nfc-query HOST PORT THUMBPRINT USER MOREF PATH nbd|nbdssl: how long
 * VixDiskLib_QueryAllocatedBlocks takes for the whole disk, in the smallest chunks there are and as
 * many of them at a time as a call may ask for; connecting and opening not counted. The password is
 * in the environment, as VD_PASSWORD. One line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vixDiskLib.h"

#define CHUNK_SECTORS VIXDISKLIB_MIN_CHUNK_SIZE
#define CALL_SECTORS  ((VixDiskLibSectorType)CHUNK_SECTORS * VIXDISKLIB_MAX_CHUNK_NUMBER)

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time); /* cannot fail for this clock */
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void expect_ok(VixError result, const char *what)
{
    if (result == VIX_OK)
        return;
    (void)fprintf(stderr, "nfc-query: %s: %s\n", what, VixDiskLib_GetErrorText(result, NULL));
    exit(EXIT_FAILURE);
}

static VixDiskLibConnection connect_to(char **argv, const char *transport)
{
    char machine[256];
    VixDiskLibConnection connection = NULL;
    VixDiskLibConnectParams *params = VixDiskLib_AllocateConnectParams();
    if (!params)
        exit(EXIT_FAILURE);
    (void)snprintf(machine, sizeof machine, "moref=%s", argv[5]);
    params->serverName = argv[1];
    params->port = (uint32)strtoul(argv[2], NULL, 10);
    params->thumbPrint = argv[3];
    params->vmxSpec = machine;
    params->credType = VIXDISKLIB_CRED_UID;
    params->creds.uid.userName = argv[4];
    params->creds.uid.password = getenv("VD_PASSWORD");
    expect_ok(VixDiskLib_ConnectEx(params, TRUE, NULL, transport, &connection), "connecting");
    VixDiskLib_FreeConnectParams(params);
    return connection;
}

static VixDiskLibSectorType capacity_of(VixDiskLibHandle disk)
{
    VixDiskLibInfo *info = NULL;
    expect_ok(VixDiskLib_GetInfo(disk, &info), "asking for the capacity");
    VixDiskLibSectorType capacity = info->capacity;
    VixDiskLib_FreeInfo(info);
    return capacity;
}

static void time_query(VixDiskLibHandle disk)
{
    VixDiskLibSectorType capacity = capacity_of(disk);
    uint64 blocks = 0;
    unsigned calls = 0;
    double start = now();
    for (VixDiskLibSectorType at = 0; at < capacity; at += CALL_SECTORS, calls++) {
        VixDiskLibSectorType left = capacity - at;
        VixDiskLibBlockList *list = NULL;
        expect_ok(VixDiskLib_QueryAllocatedBlocks(
                      disk, at, left < CALL_SECTORS ? left : CALL_SECTORS, CHUNK_SECTORS, &list),
                  "asking what is allocated");
        blocks += list->numBlocks;
        expect_ok(VixDiskLib_FreeBlockList(list), "freeing the answer");
    }
    (void)printf("{\"ms\": %.3f, \"blocks\": %llu, \"calls\": %u}\n", (now() - start) * 1e3,
                 (unsigned long long)blocks, calls);
}

int main(int argc, char **argv)
{
    VixDiskLibHandle disk = NULL;
    if (argc != 8) {
        (void)fprintf(stderr, "nfc-query: see the head of nfc-query.c\n");
        return EXIT_FAILURE;
    }
    expect_ok(VixDiskLib_InitEx(8, 0, NULL, NULL, NULL, NULL, NULL), "starting the library");
    VixDiskLibConnection connection = connect_to(argv, argv[7]);
    expect_ok(VixDiskLib_Open(connection, argv[6], VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk),
              "opening");
    time_query(disk);
    expect_ok(VixDiskLib_Close(disk), "closing");
    expect_ok(VixDiskLib_Disconnect(connection), "disconnecting");
    VixDiskLib_Exit();
    return EXIT_SUCCESS;
}
