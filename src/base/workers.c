/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that runs out of tasks looks for more for a moment before it sleeps: to put a thread to
 * sleep and wake it costs several times what a read from the page cache takes, so a caller who
 * submits one small task after the other would spend most of his time waking. While as many threads
 * look as tasks wait, nobody is woken; so a task that takes long never keeps others from a thread.
 *
 * One lock guards everything in struct vd_workers but `limit` and `looks`, which are fixed at
 * birth, and the atomic `queued`; no task runs under it. A thread is started when a task finds
 * nobody idle, so a pool grows to what it is used for. Threads leave only when the pool is stopping
 * and the queue is empty; a task that submits more keeps its own thread busy, so nothing queued is
 * ever left behind.
 */
#include "base/workers.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* Some microseconds, as long as a sleep and a wake-up take. */
#define LOOKS 400u

struct vd_workers {
    unsigned limit;
    unsigned looks; /* 0 with one processor, where looking would only keep others from working */
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct vd_task *first; /* the queue */
    struct vd_task *last;
    atomic_uint queued; /* changed under the lock, looked at without it */
    unsigned looking;   /* threads awake and about to take a task */
    unsigned idle;      /* threads waiting on `work` */
    bool stopping;
    unsigned started;
    pthread_t threads[VD_WORKERS_MAX];
};

static struct vd_task *pop_locked(struct vd_workers *pool)
{
    struct vd_task *task = pool->first;
    if (!task)
        return NULL;
    pool->first = task->next;
    if (!pool->first)
        pool->last = NULL;
    pool->queued--;
    return task;
}

static void push_locked(struct vd_workers *pool, struct vd_task *task)
{
    task->next = NULL;
    if (pool->last)
        pool->last->next = task;
    else
        pool->first = task;
    pool->last = task;
    pool->queued++;
}

static inline void pause_processor(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* Lets go of the lock until a task is queued, or for a moment. */
static void look_unlocked(struct vd_workers *pool)
{
    if (pool->looks == 0)
        return;
    pool->looking++;
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->looks; i++) {
        if (atomic_load_explicit(&pool->queued, memory_order_relaxed) > 0)
            break;
        pause_processor();
    }
    pthread_mutex_lock(&pool->lock);
    pool->looking--;
}

/* The next task; NULL when this thread is to end. */
static struct vd_task *wait_locked(struct vd_workers *pool)
{
    for (;;) {
        struct vd_task *task = pop_locked(pool);
        if (!task && !pool->stopping) {
            look_unlocked(pool);
            task = pop_locked(pool);
        }
        if (task || pool->stopping)
            return task;
        pool->idle++;
        pthread_cond_wait(&pool->work, &pool->lock);
        pool->idle--;
    }
}

static void *worker_main(void *data)
{
    struct vd_workers *pool = data;

    pthread_mutex_lock(&pool->lock);
    for (struct vd_task *task; (task = wait_locked(pool)) != NULL;) {
        pthread_mutex_unlock(&pool->lock);
        task->run(task);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* The embedding program's signals are its own: our threads take none. A thread inherits the mask of
 * its creator, so that there is no moment at which it could. */
static void start_thread_locked(struct vd_workers *pool)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&pool->threads[pool->started], NULL, worker_main, pool) == 0)
        pool->started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static unsigned online_cpus(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 && count <= VD_WORKERS_MAX ? (unsigned)count : count > 0 ? VD_WORKERS_MAX : 1;
}

int vd_workers_new(unsigned threads, struct vd_workers **ret, struct vd_error *err)
{
    struct vd_workers *pool = calloc(1, sizeof *pool);
    if (!pool)
        return vd_error_set(err, VD_E_NO_MEMORY,
                            "cannot make a pool of worker threads: out of "
                            "memory");
    pool->limit = threads ? VD_MIN(threads, VD_WORKERS_MAX) : online_cpus();
    pool->looks = online_cpus() > 1 ? LOOKS : 0;
    pthread_mutex_init(&pool->lock, NULL); /* cannot fail without attributes on Linux */
    pthread_cond_init(&pool->work, NULL);
    *ret = pool;
    return VD_OK;
}

void vd_workers_submit(struct vd_workers *pool, struct vd_task *task)
{
    assert(task->run);

    pthread_mutex_lock(&pool->lock);
    /* Threads to come count only beyond the tasks already waiting for them. */
    unsigned coming = pool->idle + pool->looking;
    if (coming <= pool->queued && pool->started < pool->limit && !pool->stopping)
        start_thread_locked(pool);
    bool alone = pool->started == 0;
    if (!alone) {
        push_locked(pool, task);
        if (pool->queued > pool->looking && pool->idle > 0)
            pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);

    if (alone)
        task->run(task);
}

void vd_workers_free(struct vd_workers *pool)
{
    if (!pool)
        return;

    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    unsigned started = pool->started; /* final: no thread is started while stopping */
    pthread_mutex_unlock(&pool->lock);

    for (unsigned i = 0; i < started; i++)
        pthread_join(pool->threads[i], NULL);
    assert(!pool->first);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

unsigned vd_workers_count(const struct vd_workers *pool)
{
    return pool->limit;
}
