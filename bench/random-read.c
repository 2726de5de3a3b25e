/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random-read LIBRARY DISK COUNT DEPTH STEP: reads COUNT blocks of 4 KiB through the VixDiskLib
 * functions of LIBRARY and prints the seconds that took, opening not counted. Each read begins STEP
 * bytes after the one before, modulo the disk's size, which is the order `qemu-img bench -S STEP`
 * uses, so both touch the same blocks. DEPTH 1 calls VixDiskLib_Read; above, that many
 * VixDiskLib_ReadAsync are kept under way.
 *
 * The library is loaded by name, so any that has the interface can be measured.
 */
#include <dlfcn.h>
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vixDiskLib.h"

#define BLOCK_SECTORS 8u
#define BLOCK_BYTES   (BLOCK_SECTORS * VIXDISKLIB_SECTOR_SIZE)
#define MAX_DEPTH     256u

static struct {
    __typeof__(&VixDiskLib_InitEx) init;
    __typeof__(&VixDiskLib_Exit) exit;
    __typeof__(&VixDiskLib_ConnectEx) connect;
    __typeof__(&VixDiskLib_Disconnect) disconnect;
    __typeof__(&VixDiskLib_Open) open;
    __typeof__(&VixDiskLib_Close) close;
    __typeof__(&VixDiskLib_GetInfo) get_info;
    __typeof__(&VixDiskLib_FreeInfo) free_info;
    __typeof__(&VixDiskLib_Read) read;
    __typeof__(&VixDiskLib_ReadAsync) read_async;
    __typeof__(&VixDiskLib_Wait) wait;
    __typeof__(&VixDiskLib_GetErrorText) error_text;
} vix;

struct slot {
    _Atomic bool busy;
    uint8 *block;
};

static struct slot slots[MAX_DEPTH];
static sem_t free_slots;
static _Atomic VixError first_error;

/* Puts the address of a function where `ret` points; a void * itself cannot hold one in ISO C. */
static void load_symbol(void *library, const char *name, void *ret, size_t size)
{
    void *found = dlsym(library, name);
    if (found == NULL) {
        (void)fprintf(stderr, "random-read: %s\n", dlerror());
        exit(EXIT_FAILURE);
    }
    memcpy(ret, &found, size);
}

#define LOAD(member, name) load_symbol(library, "VixDiskLib_" name, &vix.member, sizeof vix.member)

static void load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        (void)fprintf(stderr, "random-read: %s\n", dlerror());
        exit(EXIT_FAILURE);
    }
    LOAD(init, "InitEx");
    LOAD(exit, "Exit");
    LOAD(connect, "ConnectEx");
    LOAD(disconnect, "Disconnect");
    LOAD(open, "Open");
    LOAD(close, "Close");
    LOAD(get_info, "GetInfo");
    LOAD(free_info, "FreeInfo");
    LOAD(read, "Read");
    LOAD(read_async, "ReadAsync");
    LOAD(wait, "Wait");
    LOAD(error_text, "GetErrorText");
}

static void demand(VixError result, const char *what)
{
    if (VIX_SUCCEEDED(result) || VIX_ERROR_CODE(result) == VIX_ASYNC)
        return;
    (void)fprintf(stderr, "random-read: %s: %s\n", what, vix.error_text(result, NULL));
    exit(EXIT_FAILURE);
}

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time); /* cannot fail for this clock */
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct slot *take_slot(unsigned depth)
{
    while (sem_wait(&free_slots) != 0 && errno == EINTR)
        ;
    for (unsigned i = 0; i < depth; i++) {
        if (!atomic_exchange(&slots[i].busy, true))
            return &slots[i];
    }
    abort(); /* the semaphore counts the free slots */
}

static void on_done(void *data, VixError result)
{
    struct slot *slot = data;
    if (VIX_FAILED(result))
        atomic_store(&first_error, result);
    atomic_store(&slot->busy, false);
    (void)sem_post(&free_slots);
}

static void read_all(VixDiskLibHandle disk, uint64 blocks, uint64 count, unsigned depth,
                     uint64 step_blocks)
{
    uint64 block = 0;
    for (uint64 i = 0; i < count; i++) {
        if (depth == 1) {
            demand(vix.read(disk, block * BLOCK_SECTORS, BLOCK_SECTORS, slots[0].block), "read");
        } else {
            struct slot *slot = take_slot(depth);
            demand(vix.read_async(disk, block * BLOCK_SECTORS, BLOCK_SECTORS, slot->block, on_done,
                                  slot),
                   "read");
        }
        block = (block + step_blocks) % blocks;
    }
    if (depth > 1)
        demand(vix.wait(disk), "wait");
    demand(atomic_load(&first_error), "read");
}

static void prepare(unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) {
        slots[i].block = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
        if (slots[i].block == NULL) {
            (void)fprintf(stderr, "random-read: out of memory\n");
            exit(EXIT_FAILURE);
        }
    }
    if (sem_init(&free_slots, 0, depth) != 0) {
        perror("random-read: sem_init");
        exit(EXIT_FAILURE);
    }
}

static void run(const char *path, uint64 count, unsigned depth, uint64 step_blocks)
{
    VixDiskLibConnectParams nobody;
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;
    VixDiskLibInfo *info;

    memset(&nobody, 0, sizeof nobody);
    demand(vix.init(7, 0, NULL, NULL, NULL, NULL, NULL), "init");
    demand(vix.connect(&nobody, TRUE, NULL, NULL, &connection), "connect");
    demand(vix.open(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk), path);
    demand(vix.get_info(disk, &info), "info");
    uint64 blocks = info->capacity / BLOCK_SECTORS;
    vix.free_info(info);

    double started = now();
    read_all(disk, blocks, count, depth, step_blocks);
    (void)printf("%.6f\n", now() - started);

    demand(vix.close(disk), "close");
    demand(vix.disconnect(connection), "disconnect");
    vix.exit();
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        (void)fprintf(stderr, "random-read LIBRARY DISK COUNT DEPTH STEP\n");
        return EXIT_FAILURE;
    }
    uint64 count = strtoull(argv[3], NULL, 10);
    unsigned long depth = strtoul(argv[4], NULL, 10);
    uint64 step_bytes = strtoull(argv[5], NULL, 10);
    if (count == 0 || depth == 0 || depth > MAX_DEPTH || step_bytes % BLOCK_BYTES != 0) {
        (void)fprintf(stderr, "random-read: a count, a depth up to %u and a multiple of %u bytes\n",
                      MAX_DEPTH, BLOCK_BYTES);
        return EXIT_FAILURE;
    }
    load(argv[1]);
    prepare((unsigned)depth);
    run(argv[2], count, (unsigned)depth, step_bytes / BLOCK_BYTES);
    return EXIT_SUCCESS;
}
