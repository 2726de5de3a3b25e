/* SPDX-License-Identifier: Apache-2.0 */
#include "base/range-lock.h"

#include <assert.h>
#include <stddef.h>

void vd_range_lock_init(struct vd_range_lock *lock)
{
    pthread_mutex_init(&lock->mutex, NULL);
    pthread_cond_init(&lock->released, NULL);
    lock->first = NULL;
}

void vd_range_lock_done(struct vd_range_lock *lock)
{
    assert(!lock->first);
    pthread_cond_destroy(&lock->released);
    pthread_mutex_destroy(&lock->mutex);
}

static bool overlap(const struct vd_sector_range *a, const struct vd_sector_range *b)
{
    return a->start_sectors < b->end_sectors && b->start_sectors < a->end_sectors;
}

static bool must_wait_locked(const struct vd_range_lock *lock, const struct vd_sector_range *range)
{
    const struct vd_sector_range *other = lock->first;
    while (other != range && !overlap(other, range))
        other = other->next;
    return other != range;
}

static struct vd_sector_range **link_of_locked(struct vd_range_lock *lock,
                                               const struct vd_sector_range *range)
{
    struct vd_sector_range **link = &lock->first;
    while (*link != range)
        link = &(*link)->next;
    return link;
}

void vd_range_lock_take(struct vd_range_lock *lock, struct vd_sector_range *range)
{
    pthread_mutex_lock(&lock->mutex);
    range->next = NULL;
    *link_of_locked(lock, NULL) = range;
    while (must_wait_locked(lock, range))
        pthread_cond_wait(&lock->released, &lock->mutex);
    pthread_mutex_unlock(&lock->mutex);
}

void vd_range_lock_release(struct vd_range_lock *lock, struct vd_sector_range *range)
{
    pthread_mutex_lock(&lock->mutex);
    *link_of_locked(lock, range) = range->next;
    pthread_cond_broadcast(&lock->released);
    pthread_mutex_unlock(&lock->mutex);
}
