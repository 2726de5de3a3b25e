/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of threads that runs small tasks in the order they were given (first in, first started).
 * All functions are thread-safe except vd_workers_free. */
#ifndef VD_BASE_WORKERS_H
#define VD_BASE_WORKERS_H

#include "base/error.h"

struct vd_workers;

/* A task is embedded in the caller's own request, so queueing allocates nothing. It must stay in
 * place until `run` was called; `run` may free it, and may submit further tasks. */
struct vd_task {
    void (*run)(struct vd_task *task);
    struct vd_task *next; /* the pool's */
};

/* `threads` 0 = one per online CPU, at most VD_WORKERS_MAX. Threads start at the first submit, so a
 * pool that is never used costs nothing, and block all signals. */
#define VD_WORKERS_MAX 64
VD_MUST_CHECK int vd_workers_new(unsigned threads, struct vd_workers **ret, struct vd_error *err);
/* Never fails: where no thread could be started the task runs on the caller. */
void vd_workers_submit(struct vd_workers *pool, struct vd_task *task);
/* Runs what is queued, then joins every thread. Must not be called from a task. NULL allowed. */
void vd_workers_free(struct vd_workers *pool);
unsigned vd_workers_count(const struct vd_workers *pool);

#endif
