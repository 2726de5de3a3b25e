/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of sectors that threads want at once. */
#include <stdatomic.h>
#include <unistd.h>

#include "base/range-lock.h"
#include "harness.h"

enum { THREADS = 6, ROUNDS = 400, SECTORS = 16 };

struct shared {
    struct vd_range_lock lock;
    unsigned counters[SECTORS]; /* each guarded by its range alone */
};

static void *count_up(void *data)
{
    struct shared *shared = data;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned start = round % SECTORS, end = start + 1 + round % (SECTORS - start);
        struct vd_sector_range range = {.start_sectors = start, .end_sectors = end};
        vd_range_lock_take(&shared->lock, &range);
        for (unsigned i = start; i < end; i++)
            shared->counters[i]++;
        vd_range_lock_release(&shared->lock, &range);
    }
    return NULL;
}

static unsigned expected(unsigned sector)
{
    unsigned count = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned start = round % SECTORS;
        if (start <= sector && sector < start + 1 + round % (SECTORS - start))
            count += THREADS;
    }
    return count;
}

VD_TEST(who_holds_a_range_is_alone_in_it)
{
    struct shared shared = {0};
    pthread_t threads[THREADS];
    vd_range_lock_init(&shared.lock);
    for (unsigned i = 0; i < THREADS; i++)
        check_int_eq(pthread_create(&threads[i], NULL, count_up, &shared), 0);
    for (unsigned i = 0; i < THREADS; i++)
        check_int_eq(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 0; i < SECTORS; i++)
        check_u64_eq(shared.counters[i], expected(i));
    vd_range_lock_done(&shared.lock);
}

struct waiter {
    struct vd_range_lock *lock;
    struct vd_sector_range range;
    atomic_bool has;
};

static void *take_and_give_back(void *data)
{
    struct waiter *waiter = data;
    vd_range_lock_take(waiter->lock, &waiter->range);
    atomic_store(&waiter->has, true);
    vd_range_lock_release(waiter->lock, &waiter->range);
    return NULL;
}

VD_TEST(ranges_that_touch_wait_for_nobody_and_those_that_overlap_do)
{
    struct vd_range_lock lock;
    struct vd_sector_range held = {.start_sectors = 10, .end_sectors = 20};
    struct vd_sector_range before = {.start_sectors = 0, .end_sectors = 10};
    struct vd_sector_range behind = {.start_sectors = 20, .end_sectors = UINT64_MAX};
    struct waiter waiter = {.lock = &lock, .range = {.start_sectors = 19, .end_sectors = 21}};
    pthread_t thread;
    vd_range_lock_init(&lock);
    vd_range_lock_take(&lock, &held);
    vd_range_lock_take(&lock, &before); /* or this hangs */
    vd_range_lock_release(&lock, &before);
    check_int_eq(pthread_create(&thread, NULL, take_and_give_back, &waiter), 0);
    usleep(50000);
    check(!atomic_load(&waiter.has));
    vd_range_lock_release(&lock, &held);
    check_int_eq(pthread_join(thread, NULL), 0);
    check(atomic_load(&waiter.has));
    vd_range_lock_take(&lock, &behind);
    vd_range_lock_release(&lock, &behind);
    vd_range_lock_done(&lock);
}
