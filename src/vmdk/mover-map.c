/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>

#include "vmdk/mover-int.h"

static struct vd_run run_told(const struct vd_plan_run *run, uint64_t start_sectors)
{
    struct vd_run told = {.start_sectors = start_sectors, .length_sectors = run->length_sectors};
    if (run->kind == VD_LOOKUP_ABSENT) {
        told.kind = VD_RUN_ABSENT;
        told.unknown = run->needs_parent;
        return told;
    }
    told.link = (uint32_t)run->depth;
    told.extent = (uint32_t)run->extent_index;
    if (run->kind == VD_LOOKUP_ZERO) {
        told.kind = VD_RUN_ZERO;
        return told;
    }
    told.kind = VD_RUN_DATA;
    told.compressed = run->kind == VD_LOOKUP_COMPRESSED;
    told.offset_bytes = run->at.offset_bytes;
    told.file = run->extent->path;
    return told;
}

static int run_map(struct vd_plan *plan, struct vd_run *ret, struct vd_error *err)
{
    struct vd_plan_run run;
    int r = vd_plan_next(plan, &run, err);
    if (r < 0)
        return r;
    if (run.kind == VD_LOOKUP_DATA) {
        r = vd_extent_split_hole(run.extent->extent, &run.at, err);
        if (r < 0)
            return r;
        run.kind = run.at.kind;
        run.length_sectors = run.at.length_sectors;
    }
    *ret = run_told(&run, plan->position);
    vd_plan_advance(plan, run.length_sectors);
    return 0;
}

int vd_mover_map(struct vd_mover *mover, uint64_t start_sectors, uint64_t count_sectors,
                 struct vd_run *runs, size_t max_runs, size_t *ret_runs, struct vd_error *err)
{
    assert(count_sectors > 0 && max_runs > 0);
    struct vd_plan plan;
    size_t done = 0;
    vd_plan_init(&plan, mover, start_sectors, count_sectors);
    while (plan.position < plan.end && done < max_runs) {
        /* What fails behind the first run is told when the caller comes back for it. */
        struct vd_error *told = done == 0 ? err : NULL;
        int r = run_map(&plan, &runs[done], told);
        if (r < 0 && done > 0)
            break;
        if (r < 0) {
            vd_error_prefix(err, "mapping sector %" PRIu64 " of '%s'", plan.position,
                            mover->links[0]->path);
            return r;
        }
        done++;
    }
    *ret_runs = done;
    return 0;
}
