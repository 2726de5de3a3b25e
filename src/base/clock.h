/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VD_BASE_CLOCK_H
#define VD_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of a clock that never steps back; only differences mean something. */
static inline uint64_t vd_clock_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

#endif
