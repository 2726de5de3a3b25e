/* SPDX-License-Identifier: Apache-2.0 */
#include "base/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/harness.h"

static struct vd_workers *new_pool(unsigned threads)
{
    struct vd_workers *pool = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_workers_new(threads, &pool, &err), VD_OK, &err);
    return pool;
}

struct count_task {
    struct vd_task task;
    atomic_uint *counter;
};

static void count_run(struct vd_task *task)
{
    struct count_task *self = (struct count_task *)task;
    atomic_fetch_add(self->counter, 1);
    free(self);
}

VD_TEST(runs_everything_before_it_ends)
{
    for (unsigned threads = 0; threads <= 4; threads++) {
        struct vd_workers *pool = new_pool(threads);
        atomic_uint counter = 0;
        for (int i = 0; i < 1000; i++) {
            struct count_task *task = malloc(sizeof *task);
            check(task != NULL);
            task->task.run = count_run;
            task->counter = &counter;
            vd_workers_submit(pool, &task->task);
        }
        vd_workers_free(pool);
        check_u64_eq(counter, 1000);
    }
}

VD_TEST(counts)
{
    struct vd_workers *pool = new_pool(3);
    check_u64_eq(vd_workers_count(pool), 3);
    vd_workers_free(pool);
    pool = new_pool(100000);
    check_u64_eq(vd_workers_count(pool), VD_WORKERS_MAX);
    vd_workers_free(pool);
    pool = new_pool(0);
    check(vd_workers_count(pool) >= 1);
    vd_workers_free(pool); /* never used: there is no thread to end */
    vd_workers_free(NULL);
}

struct order_task {
    struct vd_task task;
    int value;
    int *out;
    int *at;
};

static void order_run(struct vd_task *task)
{
    struct order_task *self = (struct order_task *)task;
    self->out[(*self->at)++] = self->value;
}

VD_TEST(one_thread_keeps_the_order)
{
    enum { COUNT = 50 };
    struct order_task tasks[COUNT];
    int out[COUNT];
    int at = 0;
    struct vd_workers *pool = new_pool(1);
    for (int i = 0; i < COUNT; i++) {
        tasks[i] = (struct order_task){{order_run, NULL}, i, out, &at};
        vd_workers_submit(pool, &tasks[i].task);
    }
    vd_workers_free(pool);
    check_int_eq(at, COUNT);
    for (int i = 0; i < COUNT; i++)
        check_int_eq(out[i], i);
}

/* Tasks that wait for each other finish only when they really run at once. */
struct meet_task {
    struct vd_task task;
    pthread_barrier_t *barrier;
};

static void meet_run(struct vd_task *task)
{
    pthread_barrier_wait(((struct meet_task *)task)->barrier);
}

VD_TEST(threads_run_at_once)
{
    enum { COUNT = 4 };
    for (int round = 0; round < 50; round++) {
        pthread_barrier_t barrier;
        check_int_eq(pthread_barrier_init(&barrier, NULL, COUNT), 0);
        struct meet_task tasks[2 * COUNT];
        struct vd_workers *pool = new_pool(COUNT);
        for (int i = 0; i < 2 * COUNT; i++) {
            tasks[i] = (struct meet_task){{meet_run, NULL}, &barrier};
            vd_workers_submit(pool, &tasks[i].task);
        }
        vd_workers_free(pool);
        pthread_barrier_destroy(&barrier);
    }
}

struct chain_task {
    struct vd_task task;
    struct vd_workers *pool;
    int left;
    bool ran_last;
};

static void chain_run(struct vd_task *task)
{
    struct chain_task *self = (struct chain_task *)task;
    if (self->left-- > 0)
        vd_workers_submit(self->pool, &self->task);
    else
        self->ran_last = true;
}

VD_TEST(tasks_may_submit_while_the_pool_ends)
{
    struct vd_workers *pool = new_pool(2);
    struct chain_task chain = {{chain_run, NULL}, pool, 5000, false};
    vd_workers_submit(pool, &chain.task);
    vd_workers_free(pool);
    check(chain.ran_last);
}

struct mask_task {
    struct vd_task task;
    int blocked;
};

static void mask_run(struct vd_task *task)
{
    struct mask_task *self = (struct mask_task *)task;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    self->blocked = sigismember(&mask, SIGINT) && sigismember(&mask, SIGCHLD);
}

VD_TEST(workers_take_no_signals_and_the_caller_keeps_his)
{
    struct vd_workers *pool = new_pool(1);
    struct mask_task task = {{mask_run, NULL}, 0};
    vd_workers_submit(pool, &task.task);
    vd_workers_free(pool);
    check(task.blocked);

    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    check_int_eq(sigismember(&mask, SIGINT), 0);
}
