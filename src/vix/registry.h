/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every address the library has handed out, so that a pointer from outside is looked up before it
 * is followed: a stale, foreign or wrong one is reported.
 *
 * An object is found while it is registered; who found it holds a reference until vd_vix_put.
 * Ending an object takes it out of the registry, so that only one caller can end it, waits until
 * it is the only holder, and puts the last reference. The memory of the latest dead objects is kept
 * for a while, so that a new object does not appear at an address somebody may still use.
 *
 * The registry is open from the first Init to the last Exit; handles exist only then. Connect
 * params and results are not handles and exist at any time.
 *
 * Threads: any, for all functions. One lock, a leaf; `destroy` is called without it.
 */
#ifndef VD_VIX_REGISTRY_H
#define VD_VIX_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Magic numbers, so that a dead or overwritten object is noticed. */
enum vd_vix_kind {
    VD_VIX_DEAD = 0x64656164,
    VD_VIX_CONNECTION = 0x6e6e6f63,
    VD_VIX_DISK = 0x6b736964,
    VD_VIX_PARAMS = 0x61726170,
    VD_VIX_CLAIMED = 0x6d69616c, /* a disk that one function has for itself */
    VD_VIX_SPENT = 0x746e7073,   /* the handle of a disk that is gone; can only be closed */
    VD_VIX_INFO = 0x6f666e69,    /* results, which the program frees */
    VD_VIX_BLOCKS = 0x6b6f6c62,
    VD_VIX_TEXT = 0x74786574,
};

/* First member of every registered object, which is one malloc'd piece. All fields belong to the
 * registry and are guarded by its lock. */
struct vd_vix_node {
    enum vd_vix_kind kind;
    const void *address; /* what the caller was given */
    unsigned references;
    bool large;                                /* its memory is not kept when it is dead */
    void (*destroy)(struct vd_vix_node *node); /* releases what it holds, not the memory itself */
    struct vd_vix_node *next;
};

void vd_vix_registry_open(void);
/* From now on handles are neither found nor added. */
void vd_vix_registry_close(void);
bool vd_vix_registry_is_open(void);

/* Registers with the one reference that ending it puts. VD_E_NOT_INITIALISED: the caller keeps the
 * object. */
VD_MUST_CHECK int vd_vix_add(struct vd_vix_node *node, const void *address);
/* The object at `address` with a reference, NULL when there is none of that kind. */
struct vd_vix_node *vd_vix_get(const void *address, enum vd_vix_kind kind);
void vd_vix_put(struct vd_vix_node *node);

/* Takes it out; the registry's reference is now the caller's. NULL when there is none. */
struct vd_vix_node *vd_vix_take(const void *address, enum vd_vix_kind kind);
/* As vd_vix_take, of any object of the kind; for the end of the library. Works when closed. */
struct vd_vix_node *vd_vix_take_any(enum vd_vix_kind kind);
/* Makes the object at `address` one of another kind, at once for everybody who looks it up. No
 * reference is taken: who makes a disk claimed has the registry's in its keeping. NULL when there
 * is none of the kind `from`. */
struct vd_vix_node *vd_vix_turn(const void *address, enum vd_vix_kind from, enum vd_vix_kind to);
/* Until there is only one reference. */
void vd_vix_wait_alone(struct vd_vix_node *node);

#endif
