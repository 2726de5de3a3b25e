/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/mover-int.h"

#include <assert.h>

#include "base/checked.h"
#include "base/units.h"

/* A link that has a parent is asked for no more than 1 GiB at once: what it does not hold is
 * remembered only while one plan lives, and whoever maps a large disk in small portions would have
 * the whole rest of its tables walked for each. */
#define PLAN_WINDOW_SECTORS (UINT64_C(1) << 21)

void vd_plan_init(struct vd_plan *plan, const struct vd_mover *mover, uint64_t start_sectors,
                  uint64_t count_sectors)
{
    assert(vd_range_inside(start_sectors, count_sectors, mover->links[0]->capacity_sectors));
    plan->mover = mover;
    plan->position = start_sectors;
    plan->end = start_sectors + count_sectors;
    plan->depth = 0; /* so no limit is valid, and none needs a value */
}

/* Where what the link at `depth` is asked for ends. */
static uint64_t plan_limit(const struct vd_plan *plan)
{
    return plan->depth > 0 ? plan->limits[plan->depth - 1] : plan->end;
}

/* Asks the extent of `link` that holds the position. */
static int link_lookup(const struct vd_plan *plan, const struct vd_link *link,
                       struct vd_plan_run *ret, struct vd_error *err)
{
    size_t index = vd_link_extent_at(link, plan->position);
    const struct vd_link_extent *extent = &link->extents[index];
    assert(plan->position >= extent->start_sectors);
    uint64_t sector = plan->position - extent->start_sectors;
    uint64_t left = extent->extent->capacity_sectors - sector;
    uint64_t max = VD_MIN(left, plan_limit(plan) - plan->position);
    if (plan->depth + 1 < plan->mover->num_links)
        max = VD_MIN(max, PLAN_WINDOW_SECTORS);
    struct vd_lookup at;
    int r = vd_extent_lookup(extent->extent, sector, max, &at, err);
    if (r < 0)
        return r;
    *ret = (struct vd_plan_run){
        .kind = at.kind,
        .length_sectors = at.length_sectors,
        .depth = plan->depth,
        .extent_index = index,
        .extent = extent,
        .sector = sector,
        .at = at,
    };
    return 0;
}

/* No open link holds what is left up to the limit. */
static int plan_nobody(const struct vd_plan *plan, bool needs_parent, struct vd_plan_run *ret)
{
    *ret = (struct vd_plan_run){
        .kind = VD_LOOKUP_ABSENT,
        .length_sectors = plan_limit(plan) - plan->position,
        .needs_parent = needs_parent,
    };
    return 0;
}

int vd_plan_next(struct vd_plan *plan, struct vd_plan_run *ret, struct vd_error *err)
{
    assert(plan->position < plan->end);
    const struct vd_mover *mover = plan->mover;
    while (plan->depth < mover->num_links) {
        const struct vd_link *link = mover->links[plan->depth];
        if (plan->position >= link->capacity_sectors)
            return plan_nobody(plan, false,
                               ret); /* a parent smaller than its child ends in zeros */
        int r = link_lookup(plan, link, ret, err);
        if (r < 0 || ret->kind != VD_LOOKUP_ABSENT)
            return r;
        plan->limits[plan->depth] = plan->position + ret->length_sectors;
        plan->depth++;
    }
    return plan_nobody(plan, mover->missing_parent, ret);
}

void vd_plan_advance(struct vd_plan *plan, uint64_t sectors)
{
    plan->position += sectors;
    assert(plan->position <= plan_limit(plan));
    while (plan->depth > 0 && plan->limits[plan->depth - 1] <= plan->position)
        plan->depth--;
}
