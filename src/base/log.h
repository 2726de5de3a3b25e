/* SPDX-License-Identifier: Apache-2.0 */
/* A log is a function the embedding program gives; the library itself never prints. */
#ifndef VD_BASE_LOG_H
#define VD_BASE_LOG_H

#include <stdarg.h>

#include "base/cleanup.h"

enum vd_log_level { VD_LOG_ERROR, VD_LOG_WARNING, VD_LOG_INFO, VD_LOG_DEBUG };

/* `emit` may be called from any thread, on the thread where the event happened, with no lock held.
 * `fmt` has no newline. NULL `emit` drops everything. Passed by pointer; the struct and `data` must
 * outlive every object it was given to. NULL log pointers are allowed everywhere. */
struct vd_log {
    void (*emit)(void *data, enum vd_log_level level, const char *fmt, va_list args)
        VD_PRINTF(3, 0);
    void *data;
};

void vd_log(const struct vd_log *log, enum vd_log_level level, const char *fmt, ...)
    VD_PRINTF(3, 4);

#endif
