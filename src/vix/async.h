/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous requests: queued to the workers, which do what the synchronous call does, then call
 * back. A request holds a reference to its disk until after its callback, so that closing waits.
 */
#ifndef VD_VIX_ASYNC_H
#define VD_VIX_ASYNC_H

#include <pthread.h>

struct vd_vix_disk;
struct vd_vix_request;

/* The requests of one disk. `lock` guards all of it; never held during I/O or a callback. */
struct vd_vix_requests {
    pthread_mutex_t lock;
    pthread_cond_t drained;
    unsigned pending;             /* accepted, callback not yet over */
    struct vd_vix_request *spare; /* memory of finished ones, to use again */
};

void vd_vix_requests_init(struct vd_vix_requests *requests);
void vd_vix_requests_done(struct vd_vix_requests *requests);

/* The disk whose completion callback runs on this thread; NULL outside of one. */
const struct vd_vix_disk *vd_vix_async_current(void);

#endif
