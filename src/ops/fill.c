/* SPDX-License-Identifier: Apache-2.0 */
/* Steps end at multiples of VD_STEP_BYTES, so that a grain is inflated once, and where the kind of
 * what they hold ends. Workers read and write. */
#include "ops/fill.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "ops/copy-int.h"
#include "ops/pipeline.h"
#include "ops/runs.h"

#define STEP_SECTORS (VD_STEP_BYTES / VD_SECTOR_BYTES)

enum { ZEROS = 1 }; /* a step's flag */

struct fill {
    struct vd_disk *source;
    struct vd_disk *target;
    const struct vd_progress *progress;
    uint64_t next_sectors; /* planned so far */
    uint64_t end_sectors;
    struct vd_runs of_source;
    struct vd_runs of_target;
};

static uint64_t step_limit(const struct fill *fill)
{
    uint64_t at = fill->next_sectors;
    return VD_MIN(at - at % STEP_SECTORS + STEP_SECTORS, fill->end_sectors);
}

static int plan(void *data, struct vd_step *step, struct vd_error *err)
{
    struct fill *fill = data;
    struct vd_run from, to;
    uint64_t at = fill->next_sectors;
    if (at >= fill->end_sectors)
        return 0;
    int r = vd_runs_at(&fill->of_source, at, &from, err);
    if (r == VD_OK)
        r = vd_runs_at(&fill->of_target, at, &to, err);
    if (r < 0)
        return r;
    bool zeros = vd_run_is_hole(&from);
    step->idle = zeros && vd_run_is_hole(&to);
    step->flags = zeros ? ZEROS : 0;
    uint64_t end = zeros ? VD_MIN(vd_run_end(&from), vd_run_end(&to)) : vd_run_end(&from);
    end = VD_MIN(end, step->idle ? fill->end_sectors : step_limit(fill));
    step->start_sectors = at;
    step->length_sectors = end - at;
    fill->next_sectors = end;
    return 1;
}

static int work(void *data, struct vd_step *step, struct vd_error *err)
{
    struct fill *fill = data;
    uint8_t *buffer = step->buffers[0];
    int r = VD_OK;
    if (step->flags & ZEROS)
        memset(buffer, 0, (size_t)vd_sectors_to_bytes(step->length_sectors));
    else
        r = vd_disk_read(fill->source, step->start_sectors, step->length_sectors, buffer, err);
    if (r < 0)
        return r;
    return vd_disk_write(fill->target, step->start_sectors, step->length_sectors, buffer, err);
}

static int retire(void *data, struct vd_step *step, struct vd_error *err)
{
    struct fill *fill = data;
    return vd_copy_report(fill->progress,
                          vd_sectors_to_bytes(step->start_sectors + step->length_sectors),
                          vd_sectors_to_bytes(fill->end_sectors), err);
}

int vd_fill_check(const char *source, uint64_t wanted_sectors, const struct vd_disk *target,
                  struct vd_error *err)
{
    uint64_t capacity = vd_disk_capacity(target);
    if (wanted_sectors <= capacity)
        return VD_OK;
    return vd_error_set(err, VD_E_INVALID_ARG,
                        "copying '%s' into '%s': it has %" PRIu64 " sectors, the target only "
                        "%" PRIu64,
                        source, vd_disk_path(target), wanted_sectors, capacity);
}

int vd_fill_disk(struct vd_disk *source, struct vd_disk *target, const struct vd_progress *progress,
                 struct vd_error *err)
{
    static const struct vd_pipeline_ops ops = {plan, work, retire};
    uint64_t wanted = vd_disk_capacity(source);
    struct fill fill = {.source = source,
                        .target = target,
                        .progress = progress,
                        .end_sectors = vd_disk_capacity(target)};
    int r = vd_fill_check(vd_disk_path(source), wanted, target, err);
    if (r < 0)
        return r;
    vd_runs_init(&fill.of_source, source, 0, wanted);
    vd_runs_init(&fill.of_target, target, 0, fill.end_sectors);
    r = vd_copy_report(progress, 0, vd_sectors_to_bytes(fill.end_sectors), err);
    if (r == VD_OK)
        r = vd_pipeline_run(&ops, &fill, 1, err);
    return r < 0 ? r : vd_disk_flush(target, err);
}
