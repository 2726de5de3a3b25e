/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of at most VD_STEP_BYTES, ending at multiples of it on the disk so that a grain is inflated
 * once. Workers read and inflate. Retiring writes, in order: the kernel lets one writer into a file
 * at a time, so workers that wrote would wait for each other, spinning, in place of inflating. Only
 * a device is written by the workers.
 */
#include "ops/copy.h"

#include "base/units.h"
#include "ops/copy-int.h"
#include "ops/pipeline.h"
#include "ops/runs.h"

#define STEP_SECTORS (VD_STEP_BYTES / VD_SECTOR_BYTES)

struct copy {
    struct vd_disk *disk;
    struct vd_target *target;
    const struct vd_progress *progress;
    uint64_t start_bytes; /* of the disk, copied to the target's first byte */
    uint64_t end_bytes;
    uint64_t end_sectors;
    uint64_t next_sectors; /* planned so far */
    bool by_map;
    struct vd_runs runs;
};

/* The bytes of a step that belong to the range copied. */
struct part {
    uint64_t start_bytes; /* on the disk */
    size_t skip;          /* bytes of the step before it */
    uint64_t length;
};

static struct part part_of(const struct copy *copy, const struct vd_step *step)
{
    uint64_t step_start = vd_sectors_to_bytes(step->start_sectors);
    uint64_t step_end = step_start + vd_sectors_to_bytes(step->length_sectors);
    uint64_t start = VD_MAX(step_start, copy->start_bytes);
    uint64_t end = VD_MIN(step_end, copy->end_bytes);

    return (struct part){start, (size_t)(start - step_start), end - start};
}

int vd_copy_report(const struct vd_progress *progress, uint64_t done, uint64_t total,
                   struct vd_error *err)
{
    if (vd_progress_report(progress, done, total))
        return VD_OK;
    return vd_error_set(err, VD_E_CANCELLED, "stopped at byte %ju of %ju", (uintmax_t)done,
                        (uintmax_t)total);
}

/* Where the data step that begins at next_sectors ends. A hole inside is read along with it; one
 * that reaches past the step is left to the next. */
static int data_end(struct copy *copy, uint64_t *ret, struct vd_error *err)
{
    uint64_t limit = copy->next_sectors - copy->next_sectors % STEP_SECTORS + STEP_SECTORS;
    uint64_t end = copy->next_sectors;

    limit = VD_MIN(limit, copy->end_sectors);
    while (copy->by_map && end < limit) {
        struct vd_run run;
        int r = vd_runs_at(&copy->runs, end, &run, err);

        if (r < 0)
            return r;
        if (vd_run_is_hole(&run) && vd_run_end(&run) >= limit)
            limit = end;
        else
            end = vd_run_end(&run);
    }
    *ret = limit;
    return VD_OK;
}

static uint64_t hole_end(const struct copy *copy, const struct vd_run *run)
{
    uint64_t end = VD_MIN(vd_run_end(run), copy->end_sectors);
    uint64_t most = copy->next_sectors + VD_COPY_ZERO_BYTES / VD_SECTOR_BYTES;

    return vd_target_has_holes(copy->target) ? end : VD_MIN(end, most);
}

static int plan(void *data, struct vd_step *step, struct vd_error *err)
{
    struct copy *copy = data;
    struct vd_run run = {.kind = VD_RUN_DATA};
    uint64_t end;
    int r = VD_OK;

    if (copy->next_sectors >= copy->end_sectors)
        return 0;
    if (copy->by_map)
        r = vd_runs_at(&copy->runs, copy->next_sectors, &run, err);
    if (r < 0)
        return r;
    step->idle = vd_run_is_hole(&run);
    if (step->idle)
        end = hole_end(copy, &run);
    else
        r = data_end(copy, &end, err);
    if (r < 0)
        return r;
    step->start_sectors = copy->next_sectors;
    step->length_sectors = end - copy->next_sectors;
    copy->next_sectors = end;
    return 1;
}

static int write_part(struct copy *copy, const struct vd_step *step, struct vd_error *err)
{
    struct part part = part_of(copy, step);

    return vd_target_write(copy->target, part.start_bytes - copy->start_bytes,
                           step->buffers[0] + part.skip, (size_t)part.length, err);
}

static int work(void *data, struct vd_step *step, struct vd_error *err)
{
    struct copy *copy = data;
    int r =
        vd_disk_read(copy->disk, step->start_sectors, step->length_sectors, step->buffers[0], err);

    if (r == VD_OK && vd_target_is_shared(copy->target))
        r = write_part(copy, step, err);
    return r;
}

static int retire(void *data, struct vd_step *step, struct vd_error *err)
{
    struct copy *copy = data;
    struct part part = part_of(copy, step);
    int r = VD_OK;

    if (step->idle)
        r = vd_target_zero(copy->target, part.start_bytes - copy->start_bytes, part.length, err);
    else if (!vd_target_is_shared(copy->target))
        r = write_part(copy, step, err);
    if (r < 0)
        return r;
    return vd_copy_report(copy->progress, part.start_bytes + part.length - copy->start_bytes,
                          copy->end_bytes - copy->start_bytes, err);
}

static int run_copy(struct copy *copy, struct vd_error *err)
{
    static const struct vd_pipeline_ops ops = {plan, work, retire};
    uint64_t total = copy->end_bytes - copy->start_bytes;
    int r = vd_target_set_size(copy->target, total, err);

    if (r == VD_OK)
        r = vd_copy_report(copy->progress, 0, total, err);
    if (r < 0)
        return r;
    copy->next_sectors = copy->start_bytes / VD_SECTOR_BYTES;
    copy->end_sectors = vd_bytes_to_sectors_up(copy->end_bytes);
    vd_runs_init(&copy->runs, copy->disk, copy->next_sectors, copy->end_sectors);
    return vd_pipeline_run(&ops, copy, 1, err);
}

int vd_copy_disk(struct vd_disk *disk, struct vd_target *target, const struct vd_progress *progress,
                 struct vd_error *err)
{
    struct copy copy = {
        .disk = disk,
        .target = target,
        .progress = progress,
        .end_bytes = vd_sectors_to_bytes(vd_disk_capacity(disk)),
        .by_map = true,
    };

    return run_copy(&copy, err);
}

int vd_copy_range(struct vd_disk *disk, uint64_t offset_bytes, uint64_t length_bytes,
                  struct vd_target *target, const struct vd_progress *progress,
                  struct vd_error *err)
{
    uint64_t capacity_bytes = vd_sectors_to_bytes(vd_disk_capacity(disk));
    struct copy copy = {
        .disk = disk,
        .target = target,
        .progress = progress,
        .start_bytes = offset_bytes,
        .end_bytes = offset_bytes + length_bytes,
    };

    if (!vd_range_inside(offset_bytes, length_bytes, capacity_bytes))
        return vd_error_set(err, VD_E_OUT_OF_RANGE,
                            "cannot read %ju bytes at byte %ju of '%s': the disk has %ju bytes",
                            (uintmax_t)length_bytes, (uintmax_t)offset_bytes, vd_disk_path(disk),
                            (uintmax_t)capacity_bytes);
    return run_copy(&copy, err);
}
