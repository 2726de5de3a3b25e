/* SPDX-License-Identifier: Apache-2.0 */
/* Random writes, flushes and reopenings of every kind of disk against a plain copy in memory. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "build-disks.h"
#include "build-image.h"
#include "harness.h"
#include "vmdk/create.h"
#include "vmdk/vmdk.h"

enum { STEPS = 3000, MAX_SECTORS = 700, WRITERS = 4, READERS = 3, ROUNDS = 400 };

static struct vd_disk *open_disk(const struct vd_fs *fs, unsigned flags)
{
    /* a few pages, so that tables come and go while some are dirty */
    const struct vd_vmdk_options options = {
        .fs = fs, .flags = flags, .table_budget_bytes = 3 * 16384};
    struct vd_disk *disk = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_vmdk_open(BUILT_DISK, &options, &disk, &err), VD_OK, &err);
    return disk;
}

static void close_disk(struct vd_disk *disk)
{
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_disk_close(disk, &err), VD_OK, &err);
}

static void compare_all(struct vd_disk *disk, const struct built_disk *model)
{
    size_t length = (size_t)model->capacity_sectors * VD_SECTOR_BYTES;
    VD_FREE uint8_t *bytes = malloc(length);
    struct vd_error err = VD_ERROR_INIT;
    check(bytes != NULL);
    check_code_err(vd_disk_read(disk, 0, model->capacity_sectors, bytes, &err), VD_OK, &err);
    check_mem_eq(bytes, model->content, length);
}

static uint64_t random_wish(uint64_t *random)
{
    switch (build_random_below(random, 4)) {
    case 0:
        return 1;
    case 1:
        return 1 + build_random_below(random, 40);
    case 2:
        return 8 * (1 + build_random_below(random, 8));
    default:
        return 1 + build_random_below(random, MAX_SECTORS);
    }
}

static uint64_t random_length(uint64_t *random, uint64_t most)
{
    uint64_t wish = random_wish(random);
    return VD_MIN(wish, most);
}

static void random_write(struct vd_disk *disk, struct built_disk *model, uint64_t *random)
{
    static uint8_t bytes[MAX_SECTORS * VD_SECTOR_BYTES];
    uint64_t start = build_random_below(random, model->capacity_sectors);
    if (build_random_below(random, 3) == 0)
        start = start / 8 * 8;
    uint64_t count = random_length(random, model->capacity_sectors - start);
    built_stamp(bytes, start, count, build_random(random) & 0xffff);
    uint64_t choice = build_random_below(random, 6);
    if (choice <= 1)
        memset(bytes, 0, (size_t)count * VD_SECTOR_BYTES);
    struct vd_error err = VD_ERROR_INIT;
    if (choice == 0)
        check_code_err(vd_disk_zero(disk, start, count, &err), VD_OK, &err);
    else
        check_code_err(vd_disk_write(disk, start, count, bytes, &err), VD_OK, &err);
    memcpy(model->content + start * VD_SECTOR_BYTES, bytes, (size_t)count * VD_SECTOR_BYTES);
}

static void random_read(struct vd_disk *disk, const struct built_disk *model, uint64_t *random)
{
    static uint8_t bytes[MAX_SECTORS * VD_SECTOR_BYTES];
    uint64_t start = build_random_below(random, model->capacity_sectors);
    uint64_t count = random_length(random, model->capacity_sectors - start);
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_disk_read(disk, start, count, bytes, &err), VD_OK, &err);
    check_mem_eq(bytes, model->content + start * VD_SECTOR_BYTES, (size_t)count * VD_SECTOR_BYTES);
}

/* `model` as it is before the first step. */
static void run_steps(struct built_disk *model, int steps, uint64_t seed)
{
    const struct vd_fs *fs = vd_fs_memory_fs(model->files);
    uint64_t random = seed * 0x9e3779b97f4a7c15 + 1;
    struct vd_disk *disk = open_disk(fs, 0);
    for (int step = 0; step < steps; step++) {
        uint64_t choice = build_random_below(&random, 100);
        if (choice < 55) {
            random_write(disk, model, &random);
        } else if (choice < 95) {
            random_read(disk, model, &random);
        } else if (choice < 98) {
            check_code(vd_disk_flush(disk, NULL), VD_OK);
        } else {
            close_disk(disk);
            disk = open_disk(fs, VD_VMDK_READ_ONLY);
            compare_all(disk, model);
            close_disk(disk);
            disk = open_disk(fs, 0);
        }
    }
    compare_all(disk, model);
    close_disk(disk);
}

static void model_run(enum built_kind kind, uint64_t seed)
{
    BUILT model;
    built_make(&model, kind);
    run_steps(&model, STEPS, seed + kind);
}

#define MODEL_TEST(name, kind)                        \
    VD_TEST(random_steps_##name)                      \
    {                                                 \
        model_run(kind, build_random_seed(20260307)); \
    }
MODEL_TEST(monolithic, BUILT_MONOLITHIC)
MODEL_TEST(single, BUILT_SINGLE)
MODEL_TEST(split, BUILT_SPLIT)
MODEL_TEST(sparse_child, BUILT_SPARSE_CHILD)
MODEL_TEST(zero_child, BUILT_ZERO_CHILD)
MODEL_TEST(cowd, BUILT_COWD)
MODEL_TEST(cowd_grains, BUILT_COWD_GRAINS)
MODEL_TEST(sesparse, BUILT_SESPARSE)
MODEL_TEST(flat, BUILT_FLAT)

VD_TEST(random_steps_in_new_disks)
{
    static const struct vd_vmdk_create_params params[] = {
        {.type = VD_DISK_MONOLITHIC_SPARSE, .capacity_sectors = 9001},
        {.type = VD_DISK_MONOLITHIC_SPARSE, .capacity_sectors = 9001, .zeroed_grains = true},
        {.type = VD_DISK_MONOLITHIC_FLAT, .capacity_sectors = 9001},
        {.type = VD_DISK_SPLIT_SPARSE, .capacity_sectors = 9001},
        {.type = VD_DISK_SPLIT_FLAT, .capacity_sectors = 9001},
        {.type = VD_DISK_VMFS_FLAT, .capacity_sectors = 9001},
        {.type = VD_DISK_VMFS_THIN, .capacity_sectors = 9001},
        {.type = VD_DISK_VMFS_SPARSE, .capacity_sectors = 9001},
        {.type = VD_DISK_SE_SPARSE, .capacity_sectors = 9001},
    };
    uint64_t seed = build_random_seed(20260310);
    for (size_t i = 0; i < VD_ARRAY_SIZE(params); i++) {
        BUILT model = {.capacity_sectors = params[i].capacity_sectors};
        struct vd_error err = VD_ERROR_INIT;
        check_code(vd_fs_memory_new(&model.files, NULL), VD_OK);
        model.content = calloc((size_t)model.capacity_sectors, VD_SECTOR_BYTES);
        check(model.content != NULL);
        check_code_err(
            vd_vmdk_create(BUILT_DISK, &params[i], vd_fs_memory_fs(model.files), NULL, &err), VD_OK,
            &err);
        run_steps(&model, STEPS / 4, seed + i);
    }
}

/* --- many threads --- */

struct crowd {
    struct vd_disk *disk;
    struct built_disk *model;
    atomic_bool done;
};

struct member {
    struct crowd *crowd;
    pthread_t thread;
    unsigned number;
};

/* Sector s belongs to writer s % WRITERS, so that writers share every grain and no sector. */
static void *crowd_write(void *data)
{
    struct member *member = data;
    struct crowd *crowd = member->crowd;
    uint64_t random = member->number + 77;
    uint8_t bytes[VD_SECTOR_BYTES], back[VD_SECTOR_BYTES];
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t sector = build_random_below(&random, crowd->model->capacity_sectors);
        sector = sector / WRITERS * WRITERS + member->number;
        if (sector >= crowd->model->capacity_sectors)
            continue;
        built_stamp(bytes, sector, 1, round + 1);
        check_code(vd_disk_write(crowd->disk, sector, 1, bytes, NULL), VD_OK);
        check_code(vd_disk_read(crowd->disk, sector, 1, back, NULL), VD_OK);
        check_mem_eq(back, bytes, sizeof back);
        memcpy(crowd->model->content + sector * VD_SECTOR_BYTES, bytes, sizeof bytes);
        if (round % 100 == 99)
            check_code(vd_disk_flush(crowd->disk, NULL), VD_OK);
    }
    return NULL;
}

static void *crowd_read(void *data)
{
    struct member *member = data;
    struct crowd *crowd = member->crowd;
    uint64_t random = member->number + 7;
    uint8_t bytes[64 * VD_SECTOR_BYTES];
    struct vd_run runs[16];
    size_t num_runs;
    while (!crowd->done) {
        uint64_t sector = build_random_below(&random, crowd->model->capacity_sectors - 64);
        check_code(vd_disk_read(crowd->disk, sector, 64, bytes, NULL), VD_OK);
        check_code(vd_disk_map(crowd->disk, sector, 64, runs, 16, &num_runs, NULL), VD_OK);
    }
    return NULL;
}

static void crowd_run(enum built_kind kind)
{
    BUILT model;
    struct crowd crowd = {.model = &model};
    struct member members[WRITERS + READERS];
    built_make(&model, kind);
    crowd.disk = open_disk(vd_fs_memory_fs(model.files), 0);
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        members[i] = (struct member){.crowd = &crowd, .number = i};
        check(pthread_create(&members[i].thread, NULL, i < WRITERS ? crowd_write : crowd_read,
                             &members[i]) == 0);
    }
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        crowd.done = i >= WRITERS; /* the writers have been joined */
        check(pthread_join(members[i].thread, NULL) == 0);
    }
    compare_all(crowd.disk, &model);
    close_disk(crowd.disk);
    crowd.disk = open_disk(vd_fs_memory_fs(model.files), VD_VMDK_READ_ONLY);
    compare_all(crowd.disk, &model);
    close_disk(crowd.disk);
}

VD_TEST(writers_and_readers_at_once)
{
    for (enum built_kind kind = 0; kind < BUILT_KINDS; kind++)
        crowd_run(kind);
}
