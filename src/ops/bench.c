/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/bench.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/units.h"
#include "base/workers.h"

#define RANDOM_SECTORS (4096u / VD_SECTOR_BYTES)
#define ORDER_SECTORS  (VD_MIB / VD_SECTOR_BYTES)
#define ALIGN_BYTES    4096u /* what unbuffered transfers need */
#define MAP_RUNS       4u
#define PARTS_PER_ROW  1000u /* of the progress */

static_assert(VD_BENCH_MAX_DEPTH == VD_WORKERS_MAX, "one thread per block under way");

/* One row while it is measured. Fixed, but for the atomics and what `lock` guards. */
struct measuring {
    struct vd_disk *disk;
    bool writes;
    uint64_t block_sectors;
    uint64_t blocks; /* of the disk */
    uint64_t step;   /* has no divisor in common with them */
    uint64_t count;  /* how many to touch at most */
    uint64_t deadline_ms;
    const struct vd_progress *progress;
    uint64_t rows_before; /* of rows_total */
    uint64_t rows_total;
    _Atomic uint64_t next;
    _Atomic uint64_t operations;
    _Atomic uint64_t sectors;
    _Atomic uint64_t write_ns; /* of all threads */
    pthread_mutex_t lock;
    int code; /* the first failure, and its story */
    struct vd_error failure;
};

/* One thread's part. The first one reports, on the caller's thread. */
struct part {
    struct vd_task task;
    struct measuring *measuring;
    bool reports;
};

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now); /* cannot fail for the clocks used here */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(struct measuring *m, int code, const struct vd_error *err)
{
    (void)pthread_mutex_lock(&m->lock);
    if (m->code == 0) {
        m->code = code;
        m->failure = *err;
    }
    (void)pthread_mutex_unlock(&m->lock);
    atomic_store(&m->next, m->count); /* the others need not go on */
}

/* 1 when all of the range is stored in the disk's own link as it is, so that writing it changes
 * nothing but bytes. */
static int is_stored(struct vd_disk *disk, uint64_t start, uint64_t count, struct vd_error *err)
{
    struct vd_run runs[MAP_RUNS];
    size_t told = 0;
    uint64_t end = start + count;
    while (start < end) {
        int r = vd_disk_map(disk, start, end - start, runs, MAP_RUNS, &told, err);
        if (r < 0)
            return r;
        for (size_t i = 0; i < told; i++) {
            if (runs[i].kind != VD_RUN_DATA || runs[i].link != 0 || runs[i].compressed)
                return 0;
            start += runs[i].length_sectors;
        }
    }
    return 1;
}

static int write_back(struct measuring *m, uint64_t start, uint64_t count, void *buffer,
                      struct vd_error *err)
{
    int r = is_stored(m->disk, start, count, err);
    if (r <= 0)
        return r;
    r = vd_disk_read(m->disk, start, count, buffer, err);
    if (r < 0)
        return r;
    uint64_t started = now_ns(CLOCK_MONOTONIC);
    r = vd_disk_write(m->disk, start, count, buffer, err);
    atomic_fetch_add(&m->write_ns, now_ns(CLOCK_MONOTONIC) - started);
    return r < 0 ? r : 1;
}

/* 1 when the block was moved, 0 when there is nothing to write. */
static int move_block(struct measuring *m, uint64_t index, void *buffer, struct vd_error *err)
{
    uint64_t start = index % m->blocks * m->step % m->blocks * m->block_sectors;
    uint64_t count = VD_MIN(m->block_sectors, vd_disk_capacity(m->disk) - start);
    int r = m->writes ? write_back(m, start, count, buffer, err)
                      : vd_disk_read(m->disk, start, count, buffer, err);
    if (r < 0 || (m->writes && r == 0))
        return r;
    atomic_fetch_add(&m->operations, 1);
    atomic_fetch_add(&m->sectors, count);
    return 1;
}

static int go_on(const struct part *part, uint64_t index, struct vd_error *err)
{
    const struct measuring *m = part->measuring;
    uint64_t done = m->rows_before * PARTS_PER_ROW + index * PARTS_PER_ROW / m->count;
    if (!part->reports || vd_progress_report(m->progress, done, m->rows_total * PARTS_PER_ROW))
        return VD_OK;
    return vd_error_set(err, VD_E_CANCELLED, "measuring '%s' was stopped", vd_disk_path(m->disk));
}

static void run_part(struct vd_task *task)
{
    struct part *part = (struct part *)task;
    struct measuring *m = part->measuring;
    struct vd_error err = VD_ERROR_INIT;
    VD_FREE void *buffer =
        aligned_alloc(ALIGN_BYTES, (size_t)vd_sectors_to_bytes(m->block_sectors));
    int r = VD_OK;

    if (!buffer)
        r = vd_error_set(&err, VD_E_NO_MEMORY, "no memory to measure '%s'", vd_disk_path(m->disk));
    while (r >= 0) {
        uint64_t index = atomic_fetch_add(&m->next, 1);
        if (index >= m->count || (index > 0 && vd_clock_now_ms() >= m->deadline_ms))
            return;
        r = go_on(part, index, &err);
        if (r >= 0)
            r = move_block(m, index, buffer, &err);
    }
    fail(m, r, &err);
}

/* All but the first part on threads of their own. */
static int run_parts(struct measuring *m, unsigned depth, struct vd_error *err)
{
    struct part parts[VD_BENCH_MAX_DEPTH];
    struct vd_workers *workers = NULL;
    int r = depth > 1 ? vd_workers_new(depth - 1, &workers, err) : VD_OK;
    if (r < 0)
        return r;
    for (unsigned i = 0; i < depth; i++)
        parts[i] = (struct part){.task.run = run_part, .measuring = m, .reports = i == 0};
    for (unsigned i = 1; i < depth; i++)
        vd_workers_submit(workers, &parts[i].task);
    run_part(&parts[0].task);
    vd_workers_free(workers); /* all have ended then */
    return VD_OK;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b > 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* A step of about the golden section of the disk: far from where the last ones were. Below 2^32, so
 * that its products stay below 2^64 (a disk has at most 2^55 blocks, of which 2^32 are stepped
 * through). */
static uint64_t random_step(uint64_t blocks)
{
    uint64_t step = (uint64_t)((double)blocks * 0.6180339887) | 1u;
    while (common_divisor(step, blocks) != 1)
        step += 2;
    return step;
}

static void set_range(struct measuring *m, const struct vd_bench_options *options, bool random)
{
    uint64_t capacity = vd_disk_capacity(m->disk);
    m->block_sectors = random ? RANDOM_SECTORS : ORDER_SECTORS;
    m->blocks = vd_div_up(capacity, m->block_sectors);
    if (random)
        m->blocks = VD_MIN(m->blocks, UINT32_MAX);
    m->step = random ? random_step(m->blocks) : 1;
    uint64_t wanted = vd_div_up(options->amount_bytes, vd_sectors_to_bytes(m->block_sectors));
    m->count = VD_MIN(m->blocks, VD_MAX(wanted, 1));
}

static int run_and_flush(struct measuring *m, unsigned depth, struct vd_error *err)
{
    int r = run_parts(m, depth, err);
    if (r >= 0 && m->code < 0) {
        *err = m->failure;
        r = m->code;
    }
    if (r < 0 || !m->writes)
        return r;
    uint64_t started = now_ns(CLOCK_MONOTONIC);
    r = vd_disk_flush(m->disk, err);
    /* Each thread waited for its own; the flush was waited for by all. */
    atomic_fetch_add(&m->write_ns, (now_ns(CLOCK_MONOTONIC) - started) * depth);
    return r;
}

static int measure_row(struct measuring *m, const struct vd_bench_options *options,
                       struct vd_bench_row *row, struct vd_error *err)
{
    struct vd_error failure = VD_ERROR_INIT;
    m->writes = row->writes;
    set_range(m, options, row->random);
    m->deadline_ms = vd_clock_now_ms() + VD_BENCH_ROW_MS;
    (void)pthread_mutex_init(&m->lock, NULL); /* default attributes: cannot fail on Linux */
    uint64_t started = now_ns(CLOCK_MONOTONIC);
    uint64_t cpu_started = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    int r = run_and_flush(m, row->depth, &failure);
    uint64_t taken = now_ns(CLOCK_MONOTONIC) - started;
    row->cpu_seconds = (double)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_started) / 1e9;
    (void)pthread_mutex_destroy(&m->lock); /* nobody holds it */
    row->block_bytes = vd_sectors_to_bytes(m->block_sectors);
    row->operations = m->operations;
    row->bytes = vd_sectors_to_bytes(m->sectors);
    row->seconds = (double)(row->writes ? m->write_ns / row->depth : taken) / 1e9;
    if (r < 0 && err)
        *err = failure;
    return r;
}

int vd_bench_run(struct vd_disk *disk, const struct vd_bench_options *options,
                 const struct vd_progress *progress, struct vd_bench_row rows[VD_BENCH_MAX_ROWS],
                 size_t *ret_rows, struct vd_error *err)
{
    size_t count = 0;
    assert(options->depth >= 1 && options->depth <= VD_BENCH_MAX_DEPTH);
    for (int writes = 0; writes <= (options->write ? 1 : 0); writes++) {
        rows[count++] = (struct vd_bench_row){.writes = writes, .depth = 1};
        rows[count++] = (struct vd_bench_row){.writes = writes, .random = true, .depth = 1};
        if (options->depth > 1)
            rows[count++] =
                (struct vd_bench_row){.writes = writes, .random = true, .depth = options->depth};
    }
    for (size_t i = 0; i < count; i++) {
        struct measuring m = {
            .disk = disk, .progress = progress, .rows_before = i, .rows_total = count};
        int r = measure_row(&m, options, &rows[i], err);
        if (r < 0)
            return r;
    }
    /* Too late to stop. */
    (void)vd_progress_report(progress, count * PARTS_PER_ROW, count * PARTS_PER_ROW);
    *ret_rows = count;
    return VD_OK;
}
