/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mover's inside: a plan walks a range of the disk's sectors and says, run by run, which link
 * answers for it; reading and mapping are two ways to carry a plan out.
 *
 * A link that does not hold a range hands it to its parent; the plan remembers for each link it
 * came through where that range ends, so no table is looked at twice for one request and nothing
 * recurses.
 */
#ifndef VD_VMDK_MOVER_INT_H
#define VD_VMDK_MOVER_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "vmdk/grain-cache.h"
#include "vmdk/mover.h"

/* Writers of grains that are not stored yet hold the stripes of those grains, in rising order, so
 * that no grain is allocated twice. */
#define VD_MOVER_STRIPES 64u

/* How far one extent of the leaf has come. */
struct vd_mover_extent {
    atomic_bool begun;   /* begin_write has succeeded; set under begin_lock */
    atomic_bool changed; /* since the last flush */
};

/* Fixed after vd_mover_new but for the cache, which has its own lock, and the writing parts. */
struct vd_mover {
    struct vd_link *const *links;
    size_t num_links;
    bool missing_parent;
    struct vd_grain_cache *grains;
    /* writing */
    struct vd_mover_extent *leaf; /* one per extent of the leaf */
    pthread_mutex_t begin_lock;   /* one begin_write at a time */
    pthread_mutex_t flush_lock;   /* one flush at a time */
    pthread_mutex_t stripes[VD_MOVER_STRIPES];
};

struct vd_plan {
    const struct vd_mover *mover;
    uint64_t position; /* the next sector to plan */
    uint64_t end;
    size_t depth; /* the link to ask next */
    /* limits[i]: link i holds nothing of [position, limits[i]), for i < depth. Never rising. */
    uint64_t limits[VD_VMDK_MAX_LINKS];
};

/* Who answers for the sectors at the plan's position. */
struct vd_plan_run {
    enum vd_lookup_kind kind; /* ABSENT: no open link holds it */
    uint64_t length_sectors;
    bool needs_parent;                   /* ABSENT: a parent that is not open may hold it */
    size_t depth;                        /* the rest is for the other kinds: the link, */
    size_t extent_index;                 /* its extent, */
    const struct vd_link_extent *extent; /* that extent, */
    uint64_t sector;                     /* the position in that extent, */
    struct vd_lookup at;                 /* and the extent's answer */
};

/* [start, start + count) inside the leaf. */
void vd_plan_init(struct vd_plan *plan, const struct vd_mover *mover, uint64_t start_sectors,
                  uint64_t count_sectors);
/* The run at the position, which must be before the end. Does not advance. */
VD_MUST_CHECK int vd_plan_next(struct vd_plan *plan, struct vd_plan_run *ret, struct vd_error *err);
/* Goes on behind `sectors` of the run last told, 1 to its length. */
void vd_plan_advance(struct vd_plan *plan, uint64_t sectors);

#endif
