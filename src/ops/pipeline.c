/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of slots. The caller's thread fills the newest and retires the oldest; between the two a
 * slot belongs to a worker. `lock` guards every slot's `done`; all else of a slot is handed over
 * with it.
 */
#include "ops/pipeline.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/workers.h"

struct pipeline;

struct slot {
    struct vd_task task; /* first: the pool hands back a pointer to it */
    struct pipeline *pipeline;
    struct vd_step step;
    int result;
    struct vd_error err;
    bool done; /* under lock */
};

struct pipeline {
    const struct vd_pipeline_ops *ops;
    void *data;
    struct vd_workers *workers;
    uint8_t *memory;
    struct slot *slots;
    size_t num_slots;
    size_t oldest;
    size_t in_flight;
    bool planned_all;
    atomic_bool stop; /* what is queued need not be worked on any more */
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static void work_on(struct vd_task *task)
{
    struct slot *slot = (struct slot *)task;
    struct pipeline *p = slot->pipeline;

    if (!atomic_load(&p->stop))
        slot->result = p->ops->work(p->data, &slot->step, &slot->err);
    (void)pthread_mutex_lock(&p->lock);
    slot->done = true;
    (void)pthread_cond_signal(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
}

/* Fills free slots until the plan ends. A failing plan takes its turn like a failing step, so that
 * an error in an earlier step is told first. */
static void plan_ahead(struct pipeline *p)
{
    while (!p->planned_all && p->in_flight < p->num_slots) {
        struct slot *slot = &p->slots[(p->oldest + p->in_flight) % p->num_slots];
        struct vd_step *step = &slot->step;
        int r;

        vd_error_clear(&slot->err);
        slot->done = false;
        slot->result = 0;
        step->idle = false;
        step->flags = 0;
        step->outcome = 0;
        r = p->ops->plan(p->data, step, &slot->err);
        if (r <= 0)
            p->planned_all = true;
        if (r == 0)
            return;
        p->in_flight++;
        if (r < 0 || step->idle) {
            slot->result = r < 0 ? r : 0;
            slot->done = true;
        } else {
            vd_workers_submit(p->workers, &slot->task);
        }
    }
}

static struct slot *wait_for_oldest(struct pipeline *p)
{
    struct slot *slot = &p->slots[p->oldest];

    (void)pthread_mutex_lock(&p->lock);
    while (!slot->done)
        (void)pthread_cond_wait(&p->changed, &p->lock);
    (void)pthread_mutex_unlock(&p->lock);
    p->oldest = (p->oldest + 1) % p->num_slots;
    p->in_flight--;
    return slot;
}

static int run_steps(struct pipeline *p, struct vd_error *err)
{
    for (;;) {
        struct slot *slot;
        int r;

        plan_ahead(p);
        if (p->in_flight == 0)
            return VD_OK;
        slot = wait_for_oldest(p);
        if (slot->result < 0) {
            if (err)
                *err = slot->err;
            return slot->result;
        }
        r = p->ops->retire(p->data, &slot->step, err);
        if (r != 0)
            return r < 0 ? r : VD_OK;
    }
}

static int allocate(struct pipeline *p, unsigned num_buffers, struct vd_error *err)
{
    int r = vd_workers_new(0, &p->workers, err);

    if (r < 0)
        return r;
    p->num_slots = 2 * VD_MIN(vd_workers_count(p->workers), VD_PIPELINE_MAX_WORKERS);
    p->slots = calloc(p->num_slots, sizeof *p->slots);
    p->memory = malloc(p->num_slots * num_buffers * VD_STEP_ROOM_BYTES);
    if (!p->slots || !p->memory)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for the copy buffers");
    for (size_t i = 0; i < p->num_slots; i++) {
        p->slots[i].task.run = work_on;
        p->slots[i].pipeline = p;
        for (unsigned b = 0; b < num_buffers; b++)
            p->slots[i].step.buffers[b] = p->memory + (i * num_buffers + b) * VD_STEP_ROOM_BYTES;
    }
    return VD_OK;
}

int vd_pipeline_run(const struct vd_pipeline_ops *ops, void *data, unsigned num_buffers,
                    struct vd_error *err)
{
    struct pipeline p = {
        .ops = ops,
        .data = data,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    int r;

    assert(num_buffers >= 1 && num_buffers <= VD_PIPELINE_MAX_BUFFERS);
    r = allocate(&p, num_buffers, err);
    if (r == VD_OK)
        r = run_steps(&p, err);
    atomic_store(&p.stop, true);
    vd_workers_free(p.workers); /* joins: nothing touches the slots after this */
    free(p.slots);
    free(p.memory);
    return r;
}
