/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random-io LIBRARY read|write|read-direct DISK COUNT DEPTH STEP BYTES: reads or writes COUNT
 * blocks of BYTES through the VixDiskLib functions of LIBRARY and prints the seconds that took,
 * opening and closing not counted. Each block begins STEP bytes after the one before, modulo the
 * disk's size, which is the order `qemu-img bench -S STEP` uses, so both touch the same blocks.
 * DEPTH 1 calls VixDiskLib_Read or Write; above, that many ReadAsync or WriteAsync are kept under
 * way. read-direct opens with VIXDISKLIB_FLAG_OPEN_UNBUFFERED.
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

#define ALIGN_BYTES 4096u
#define MAX_DEPTH   256u
#define MAX_BYTES   (64u << 20)

/* What is to be done, as the command line says it. */
static struct {
    bool writes;
    bool unbuffered;
    uint64 count;
    uint64 step_bytes;
    uint64 block_bytes;
    unsigned depth;
} job;

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
    __typeof__(&VixDiskLib_Write) write;
    __typeof__(&VixDiskLib_WriteAsync) write_async;
    __typeof__(&VixDiskLib_Wait) wait;
    __typeof__(&VixDiskLib_GetErrorText) error_text;
} vix;

static uint8 *blocks_of_memory[MAX_DEPTH];
static sem_t all_done;
static _Atomic VixError first_error;

/* Requests that are under way submit the next one when they are done, as those of `qemu-img bench`
 * do; this says which block is next. */
static struct {
    VixDiskLibHandle disk;
    uint64 blocks; /* of the disk */
    _Atomic uint64 submitted;
    _Atomic uint64 done;
} run;

/* Puts the address of a function where `ret` points; a void * itself cannot hold one in ISO C. */
static void load_symbol(void *library, const char *name, void *ret, size_t size)
{
    void *found = dlsym(library, name);
    if (found == NULL) {
        (void)fprintf(stderr, "random-io: %s\n", dlerror());
        exit(EXIT_FAILURE);
    }
    memcpy(ret, &found, size);
}

#define LOAD(member, name) load_symbol(library, "VixDiskLib_" name, &vix.member, sizeof vix.member)

static void load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        (void)fprintf(stderr, "random-io: %s\n", dlerror());
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
    LOAD(write, "Write");
    LOAD(write_async, "WriteAsync");
    LOAD(wait, "Wait");
    LOAD(error_text, "GetErrorText");
}

static void demand(VixError result, const char *what)
{
    if (VIX_SUCCEEDED(result) || VIX_ERROR_CODE(result) == VIX_ASYNC)
        return;
    (void)fprintf(stderr, "random-io: %s: %s\n", what, vix.error_text(result, NULL));
    exit(EXIT_FAILURE);
}

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time); /* cannot fail for this clock */
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void on_done(void *memory, VixError result);

static void submit_next(uint8 *memory)
{
    uint64 index = atomic_fetch_add(&run.submitted, 1);
    if (index >= job.count)
        return;
    uint64 sectors = job.block_bytes / VIXDISKLIB_SECTOR_SIZE;
    uint64 step = job.step_bytes / job.block_bytes;
    uint64 sector = index % run.blocks * (step % run.blocks) % run.blocks * sectors;
    VixError result = job.writes
                          ? vix.write_async(run.disk, sector, sectors, memory, on_done, memory)
                          : vix.read_async(run.disk, sector, sectors, memory, on_done, memory);
    demand(result, job.writes ? "write" : "read");
}

static void on_done(void *memory, VixError result)
{
    if (VIX_FAILED(result))
        atomic_store(&first_error, result);
    submit_next(memory);
    if (atomic_fetch_add(&run.done, 1) + 1 == job.count)
        (void)sem_post(&all_done); /* cannot overflow */
}

/* Block by block, each waited for. */
static void run_one_by_one(void)
{
    uint64 sectors = job.block_bytes / VIXDISKLIB_SECTOR_SIZE;
    uint64 step = job.step_bytes / job.block_bytes;
    uint64 block = 0;
    for (uint64 i = 0; i < job.count; i++) {
        if (job.writes)
            demand(vix.write(run.disk, block * sectors, sectors, blocks_of_memory[0]), "write");
        else
            demand(vix.read(run.disk, block * sectors, sectors, blocks_of_memory[0]), "read");
        block = (block + step) % run.blocks;
    }
}

static void run_at_once(void)
{
    for (unsigned i = 0; i < job.depth && i < job.count; i++)
        submit_next(blocks_of_memory[i]);
    while (sem_wait(&all_done) != 0 && errno == EINTR)
        ;
    demand(vix.wait(run.disk), "wait");
    demand(atomic_load(&first_error), "reading or writing");
}

static void prepare(void)
{
    for (unsigned i = 0; i < job.depth; i++) {
        blocks_of_memory[i] = aligned_alloc(ALIGN_BYTES, job.block_bytes);
        if (blocks_of_memory[i] == NULL) {
            (void)fprintf(stderr, "random-io: out of memory\n");
            exit(EXIT_FAILURE);
        }
        memset(blocks_of_memory[i], 0x5a, job.block_bytes);
    }
    if (sem_init(&all_done, 0, 0) != 0) {
        perror("random-io: sem_init");
        exit(EXIT_FAILURE);
    }
}

static void open_and_run(const char *path)
{
    VixDiskLibConnectParams nobody;
    VixDiskLibConnection connection;
    VixDiskLibInfo *info;
    uint32 flags = job.writes ? 0 : VIXDISKLIB_FLAG_OPEN_READ_ONLY;

    if (job.unbuffered)
        flags |= VIXDISKLIB_FLAG_OPEN_UNBUFFERED;
    memset(&nobody, 0, sizeof nobody);
    demand(vix.init(7, 0, NULL, NULL, NULL, NULL, NULL), "init");
    demand(vix.connect(&nobody, job.writes ? FALSE : TRUE, NULL, NULL, &connection), "connect");
    demand(vix.open(connection, path, flags, &run.disk), path);
    demand(vix.get_info(run.disk, &info), "info");
    run.blocks = info->capacity * VIXDISKLIB_SECTOR_SIZE / job.block_bytes;
    vix.free_info(info);

    double started = now();
    if (job.depth == 1)
        run_one_by_one();
    else
        run_at_once();
    (void)printf("%.6f\n", now() - started);

    demand(vix.close(run.disk), "close");
    demand(vix.disconnect(connection), "disconnect");
    vix.exit();
}

static void usage(void)
{
    (void)fprintf(stderr,
                  "random-io LIBRARY read|write|read-direct DISK COUNT DEPTH STEP BYTES\n"
                  "depth 1 to %u; BYTES a multiple of %u, STEP a multiple of BYTES\n",
                  MAX_DEPTH, ALIGN_BYTES);
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    if (argc != 8)
        usage();
    job.writes = strcmp(argv[2], "write") == 0;
    job.unbuffered = strcmp(argv[2], "read-direct") == 0;
    job.count = strtoull(argv[4], NULL, 10);
    uint64 depth = strtoull(argv[5], NULL, 10);
    job.step_bytes = strtoull(argv[6], NULL, 10);
    job.block_bytes = strtoull(argv[7], NULL, 10);
    if (job.count == 0 || depth == 0 || depth > MAX_DEPTH || job.block_bytes == 0 ||
        job.block_bytes > MAX_BYTES || job.block_bytes % ALIGN_BYTES != 0 ||
        job.step_bytes % job.block_bytes != 0)
        usage();
    job.depth = (unsigned)depth;
    load(argv[1]);
    prepare();
    open_and_run(argv[3]);
    return EXIT_SUCCESS;
}
