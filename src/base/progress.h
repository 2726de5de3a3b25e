/* SPDX-License-Identifier: Apache-2.0 */
/* Progress of a long operation, and the way to stop it. */
#ifndef VD_BASE_PROGRESS_H
#define VD_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* `report` is called on the thread that runs the operation, with no lock held, with `done` never
 * falling and a last call with done == total on success. False asks the operation to stop with
 * VD_E_CANCELLED. A NULL pointer means nobody watches. Units are the operation's own (bytes). */
struct vd_progress {
    bool (*report)(void *data, uint64_t done, uint64_t total);
    void *data;
};

static inline bool vd_progress_report(const struct vd_progress *progress, uint64_t done,
                                      uint64_t total)
{
    return !progress || !progress->report || progress->report(progress->data, done, total);
}

#endif
