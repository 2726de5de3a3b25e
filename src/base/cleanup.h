/* SPDX-License-Identifier: Apache-2.0 */
/* Release by scope: ownership is visible where a variable is declared. */
#ifndef VD_BASE_CLEANUP_H
#define VD_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define VD_MUST_CHECK        __attribute__((warn_unused_result))
#define VD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define VD_CLEANUP(fn)       __attribute__((cleanup(fn)))

/* Deliberately drops the result of a VD_MUST_CHECK function; gcc warns in spite of (void). */
#define VD_DISCARD(result) \
    do {                   \
        if (result) {      \
        }                  \
    } while (0)

/* Hands ownership of a pointer to the caller's expression and clears the variable. */
#define VD_TAKE_PTR(p)              \
    __extension__({                 \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })

/* Defines `type_cleanup`, for VD_CLEANUP, from a destructor that takes NULL. */
#define VD_DEFINE_CLEANUP(type, destructor)          \
    static inline void destructor##_cleanup(type *p) \
    {                                                \
        destructor(*p);                              \
    }

static inline void vd_free_cleanup(void *p)
{
    void *q;
    __builtin_memcpy(&q, p, sizeof q);
    free(q);
}
#define VD_FREE VD_CLEANUP(vd_free_cleanup)

static inline void vd_fd_cleanup(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* nothing was written through it, or close was already checked */
}
#define VD_CLOSE         VD_CLEANUP(vd_fd_cleanup)

#define VD_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define VD_MIN(a, b)     ((a) < (b) ? (a) : (b))
#define VD_MAX(a, b)     ((a) > (b) ? (a) : (b))

#endif
