/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/compare.h"

#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "ops/copy-int.h"
#include "ops/pipeline.h"
#include "ops/runs.h"

#define STEP_SECTORS  (VD_STEP_BYTES / VD_SECTOR_BYTES)
#define NO_DIFFERENCE UINT64_MAX

/* step->flags: bit n says that side n has data in the step and must be read */
struct compare {
    struct vd_disk *disks[2];
    struct vd_runs runs[2];
    const struct vd_progress *progress;
    uint64_t next_sectors;
    uint64_t end_sectors; /* of the larger disk */
    uint64_t first_difference_bytes;
};

static uint64_t offset_at(const struct vd_run *run, uint64_t sector)
{
    return run->offset_bytes + vd_sectors_to_bytes(sector - run->start_sectors);
}

/* Equal without a look: both holes, or the very same stored bytes. */
static bool known_equal(const struct vd_run *a, const struct vd_run *b, uint64_t sector)
{
    if (vd_run_is_hole(a) || vd_run_is_hole(b))
        return vd_run_is_hole(a) && vd_run_is_hole(b);
    return !a->compressed && !b->compressed && a->file && b->file &&
           strcmp(a->file, b->file) == 0 && offset_at(a, sector) == offset_at(b, sector);
}

static int runs_at(struct compare *compare, uint64_t sector, struct vd_run run[2],
                   struct vd_error *err)
{
    int r = vd_runs_at(&compare->runs[0], sector, &run[0], err);

    return r < 0 ? r : vd_runs_at(&compare->runs[1], sector, &run[1], err);
}

/* A step that must be read: up to the next boundary, or to where equality is known again. */
static int plan_reading(struct compare *compare, struct vd_step *step, struct vd_error *err)
{
    uint64_t start = compare->next_sectors;
    uint64_t limit = VD_MIN(start - start % STEP_SECTORS + STEP_SECTORS, compare->end_sectors);
    uint64_t sector = start;

    while (sector < limit) {
        struct vd_run run[2];
        uint64_t end;
        int r = runs_at(compare, sector, run, err);

        if (r < 0)
            return r;
        end = VD_MIN(vd_run_end(&run[0]), vd_run_end(&run[1]));
        if (known_equal(&run[0], &run[1], sector) && end >= limit)
            break;
        for (unsigned side = 0; side < 2; side++) {
            if (!vd_run_is_hole(&run[side]))
                step->flags |= 1u << side;
        }
        sector = end;
    }
    step->length_sectors = VD_MIN(sector, limit) - start;
    return VD_OK;
}

static int plan(void *data, struct vd_step *step, struct vd_error *err)
{
    struct compare *compare = data;
    struct vd_run run[2];
    int r;

    if (compare->next_sectors >= compare->end_sectors)
        return 0;
    r = runs_at(compare, compare->next_sectors, run, err);
    if (r < 0)
        return r;
    step->start_sectors = compare->next_sectors;
    step->idle = known_equal(&run[0], &run[1], compare->next_sectors);
    if (step->idle) {
        uint64_t end = VD_MIN(vd_run_end(&run[0]), vd_run_end(&run[1]));

        step->length_sectors = VD_MIN(end, compare->end_sectors) - compare->next_sectors;
        step->outcome = NO_DIFFERENCE;
    } else {
        r = plan_reading(compare, step, err);
    }
    compare->next_sectors += step->length_sectors;
    return r < 0 ? r : 1;
}

/* The step as `side` reads it, zeros past its end. */
static int read_side(const struct compare *compare, unsigned side, struct vd_step *step,
                     struct vd_error *err)
{
    struct vd_disk *disk = compare->disks[side];
    uint64_t capacity = vd_disk_capacity(disk);
    uint64_t left = capacity > step->start_sectors ? capacity - step->start_sectors : 0;
    uint64_t count = VD_MIN(left, step->length_sectors);
    size_t read_bytes = (size_t)vd_sectors_to_bytes(count);
    size_t step_bytes = (size_t)vd_sectors_to_bytes(step->length_sectors);

    memset(step->buffers[side] + read_bytes, 0, step_bytes - read_bytes);
    if (!(step->flags & 1u << side)) {
        memset(step->buffers[side], 0, read_bytes);
        return VD_OK;
    }
    return vd_disk_read(disk, step->start_sectors, count, step->buffers[side], err);
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t length)
{
    size_t low = 0;

    /* Sector by sector at memcmp's speed, then byte by byte in the one that differs. */
    while (low < length && memcmp(a + low, b + low, VD_SECTOR_BYTES) == 0)
        low += VD_SECTOR_BYTES;
    while (low < length && a[low] == b[low])
        low++;
    return low;
}

static int work(void *data, struct vd_step *step, struct vd_error *err)
{
    const struct compare *compare = data;
    size_t length = (size_t)vd_sectors_to_bytes(step->length_sectors);
    int r = read_side(compare, 0, step, err);
    size_t at;

    if (r == VD_OK)
        r = read_side(compare, 1, step, err);
    if (r < 0)
        return r;
    step->outcome = NO_DIFFERENCE;
    if (memcmp(step->buffers[0], step->buffers[1], length) != 0) {
        at = first_difference(step->buffers[0], step->buffers[1], length);
        step->outcome = vd_sectors_to_bytes(step->start_sectors) + at;
    }
    return VD_OK;
}

static int retire(void *data, struct vd_step *step, struct vd_error *err)
{
    struct compare *compare = data;
    uint64_t done_sectors = step->start_sectors + step->length_sectors;

    if (step->outcome != NO_DIFFERENCE) {
        compare->first_difference_bytes = step->outcome;
        return 1;
    }
    return vd_copy_report(compare->progress, vd_sectors_to_bytes(done_sectors),
                          vd_sectors_to_bytes(compare->end_sectors), err);
}

int vd_compare(struct vd_disk *a, struct vd_disk *b, const struct vd_progress *progress,
               struct vd_compare_result *ret, struct vd_error *err)
{
    static const struct vd_pipeline_ops ops = {plan, work, retire};
    struct compare compare = {
        .disks = {a, b},
        .progress = progress,
        .end_sectors = VD_MAX(vd_disk_capacity(a), vd_disk_capacity(b)),
        .first_difference_bytes = NO_DIFFERENCE,
    };
    int r;

    vd_runs_init(&compare.runs[0], a, 0, vd_disk_capacity(a));
    vd_runs_init(&compare.runs[1], b, 0, vd_disk_capacity(b));
    r = vd_pipeline_run(&ops, &compare, 2, err);
    if (r < 0)
        return r;
    ret->same = compare.first_difference_bytes == NO_DIFFERENCE;
    ret->first_difference_bytes = ret->same ? 0 : compare.first_difference_bytes;
    return VD_OK;
}
