/* SPDX-License-Identifier: Apache-2.0 */
/* Random byte ranges, against an array; and the same from many threads. */
#include <pthread.h>

#include "disks.h"

#define CAPACITY ((size_t)2 * 1024 * 1024 + 512 * 7)
#define STEPS    1500

static void fill(uint8_t *bytes, size_t length, unsigned *seed)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)rand_r(seed);
}

/* Many small ranges, some that are large, and often ones that begin or end where sectors do. */
static size_t some_length(unsigned *seed)
{
    unsigned kind = (unsigned)rand_r(seed) % 10;
    size_t length = (size_t)rand_r(seed) % (kind == 0 ? 300000 : kind < 4 ? 5000 : 600);
    return kind % 3 == 1 ? length - length % 512 : length;
}

static size_t some_offset(unsigned *seed)
{
    size_t offset = (size_t)rand_r(seed) % (CAPACITY + 1000);
    return rand_r(seed) % 3 == 0 ? offset - offset % 512 : offset;
}

static void step(struct vdisk *disk, uint8_t *model, uint8_t *buffer, unsigned *seed)
{
    struct vdisk_error error;
    size_t offset = some_offset(seed);
    size_t length = some_length(seed);
    size_t want = offset >= CAPACITY ? 0 : VD_MIN(length, CAPACITY - offset);
    uint8_t *place = buffer + rand_r(seed) % 4;
    if (rand_r(seed) % 2 == 0) {
        check_int_eq(vdisk_read_at(disk, place, length, offset, &error), (int64_t)want);
        check_mem_eq(place, model + VD_MIN(offset, CAPACITY), want);
        return;
    }
    fill(place, length, seed);
    if (want == 0 && length > 0) {
        check_int_eq(vdisk_write_at(disk, place, length, offset, &error), -ENOSPC);
        return;
    }
    check_int_eq(vdisk_write_at(disk, place, length, offset, &error), (int64_t)want);
    if (want > 0)
        memcpy(model + offset, place, want);
}

/* Nothing is left out of the blocks but zeros. */
static int take_block(void *data, uint64_t offset, uint64_t length)
{
    memset((uint8_t *)data + offset, 0, length);
    return 0;
}

static void run(const char *name, uint32_t type, uint32_t flags)
{
    static uint8_t zeros[CAPACITY];
    const char *path = make_disk(name, CAPACITY, type);
    struct vdisk *disk = open_disk(path, flags);
    VD_FREE uint8_t *model = calloc(1, CAPACITY);
    VD_FREE uint8_t *buffer = malloc(CAPACITY);
    unsigned seed = type * 100 + flags;
    check(model != NULL && buffer != NULL);
    for (int i = 0; i < STEPS; i++)
        step(disk, model, buffer, &seed);
    reads_as(disk, model, CAPACITY, 0);
    close_disk(disk);
    disk = open_disk(path, VDISK_READ_ONLY);
    reads_as(disk, model, CAPACITY, 0);
    check_int_eq(vdisk_blocks(disk, 0, UINT64_MAX, take_block, model, NULL), 0);
    check_mem_eq(model, zeros, CAPACITY);
    close_disk(disk);
}

VD_TEST(random_ranges_of_a_sparse_disk)
{
    run("sparse.vmdk", VDISK_TYPE_MONOLITHIC_SPARSE, 0);
}

VD_TEST(random_ranges_of_a_flat_disk)
{
    run("flat.vmdk", VDISK_TYPE_MONOLITHIC_FLAT, 0);
}

VD_TEST(random_ranges_past_the_page_cache)
{
    run("unbuffered.vmdk", VDISK_TYPE_MONOLITHIC_FLAT, VDISK_UNBUFFERED);
}

/* Threads */

#define THREADS 4

struct worker {
    pthread_t thread;
    struct vdisk *disk;
    unsigned number;
    bool good;
};

/* Stripes of 100 bytes, dealt out to the threads, so that every sector belongs to several. */
#define STRIPE_BYTES 100
#define STRIPES      1000

static void *write_stripes(void *data)
{
    struct worker *worker = data;
    char bytes[STRIPE_BYTES];
    memset(bytes, 'a' + (int)worker->number, sizeof bytes);
    worker->good = true;
    for (unsigned i = worker->number; i < STRIPES; i += THREADS) {
        uint64_t offset = (uint64_t)i * STRIPE_BYTES;
        ssize_t done = vdisk_write_at(worker->disk, bytes, sizeof bytes, offset, NULL);
        worker->good = worker->good && done == STRIPE_BYTES;
        done = vdisk_read_at(worker->disk, bytes, sizeof bytes, offset, NULL);
        for (size_t j = 0; j < sizeof bytes; j++)
            worker->good = worker->good && bytes[j] == (char)('a' + worker->number);
        worker->good = worker->good && done == STRIPE_BYTES;
    }
    return NULL;
}

static void run_threads(struct vdisk *disk, void *(*function)(void *))
{
    struct worker workers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.disk = disk, .number = i};
        check_int_eq(pthread_create(&workers[i].thread, NULL, function, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        check_int_eq(pthread_join(workers[i].thread, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        check(workers[i].good);
}

VD_TEST(parts_of_a_sector_written_by_many_threads_are_all_there)
{
    struct vdisk *disk = open_disk(make_disk("a.vmdk", CAPACITY, 1), 0);
    run_threads(disk, write_stripes);
    for (unsigned i = 0; i < STRIPES; i++) {
        char want[STRIPE_BYTES];
        memset(want, 'a' + (int)(i % THREADS), sizeof want);
        reads_as(disk, want, sizeof want, (uint64_t)i * STRIPE_BYTES);
    }
    close_disk(disk);
}

/* Whole sectors and parts of them at once. */
static void *write_mixed(void *data)
{
    struct worker *worker = data;
    unsigned seed = worker->number;
    uint8_t bytes[4096];
    worker->good = true;
    memset(bytes, (int)worker->number + 1, sizeof bytes);
    for (int i = 0; i < 500; i++) {
        uint64_t offset = (uint64_t)rand_r(&seed) % 100000;
        size_t length = (size_t)rand_r(&seed) % sizeof bytes;
        if (worker->number % 2 == 0) {
            offset -= offset % 512;
            length -= length % 512;
        }
        ssize_t done = vdisk_write_at(worker->disk, bytes, length, offset, NULL);
        worker->good = worker->good && done == (ssize_t)length;
    }
    return NULL;
}

VD_TEST(writes_that_overlap_come_one_after_the_other)
{
    struct vdisk *disk = open_disk(make_disk("a.vmdk", CAPACITY, 1), 0);
    run_threads(disk, write_mixed);
    close_disk(disk);
}

/* Each takes what comes, and finds pieces of 1000 bytes unbroken. */
static void *write_in_turn(void *data)
{
    struct worker *worker = data;
    char bytes[1000];
    memset(bytes, 'a' + (int)worker->number, sizeof bytes);
    worker->good = true;
    for (int i = 0; i < 100; i++)
        worker->good =
            worker->good && vdisk_write(worker->disk, bytes, sizeof bytes, NULL) == sizeof bytes;
    return NULL;
}

VD_TEST(sequential_writes_of_many_threads_lose_nothing)
{
    struct vdisk *disk = open_disk(make_disk("a.vmdk", CAPACITY, 1), 0);
    unsigned pieces[THREADS] = {0};
    char bytes[1000];
    char want[1000];
    run_threads(disk, write_in_turn);
    check_int_eq(vdisk_seek(disk, 0, SEEK_CUR, NULL), THREADS * 100 * 1000);
    check_int_eq(vdisk_seek(disk, 0, SEEK_SET, NULL), 0);
    for (int i = 0; i < THREADS * 100; i++) {
        check_int_eq(vdisk_read(disk, bytes, sizeof bytes, NULL), sizeof bytes);
        memset(want, bytes[0], sizeof want);
        check_mem_eq(bytes, want, sizeof want);
        check(bytes[0] >= 'a' && bytes[0] < 'a' + THREADS);
        pieces[bytes[0] - 'a']++;
    }
    for (unsigned i = 0; i < THREADS; i++)
        check_u64_eq(pieces[i], 100);
    close_disk(disk);
}

/* Disks come and go on every thread, and with them the library. */
static void *open_and_close(void *data)
{
    struct worker *worker = data;
    const char *path = (const char *)worker->disk;
    worker->good = true;
    for (int i = 0; i < 25; i++) {
        struct vdisk_params params = params_of(path, VDISK_READ_ONLY);
        struct vdisk *disk = NULL;
        char byte;
        worker->good = worker->good && vdisk_open(&params, &disk, NULL) == 0 &&
                       vdisk_read_at(disk, &byte, 1, 1, NULL) == 1;
        worker->good = vdisk_close(disk, NULL) == 0 && worker->good;
    }
    return NULL;
}

VD_TEST(disks_are_opened_and_closed_on_many_threads)
{
    /* A text where the others have a disk: it is only passed on. */
    run_threads((struct vdisk *)(uintptr_t)make_disk("a.vmdk", CAPACITY, 1), open_and_close);
}
