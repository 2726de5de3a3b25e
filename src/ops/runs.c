/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/runs.h"

#include <assert.h>
#include <string.h>

#include "base/units.h"

void vd_runs_init(struct vd_runs *runs, struct vd_disk *disk, uint64_t start_sectors,
                  uint64_t end_sectors)
{
    assert(start_sectors <= end_sectors && end_sectors <= vd_disk_capacity(disk));
    memset(runs, 0, sizeof *runs);
    runs->disk = disk;
    runs->next_sectors = start_sectors;
    runs->end_sectors = end_sectors;
}

/* 1 when the batch has a run to give, 0 at the end. */
static int fill(struct vd_runs *runs, struct vd_error *err)
{
    int r;

    if (runs->batch_index < runs->batch_count)
        return 1;
    if (runs->next_sectors >= runs->end_sectors)
        return 0;
    r = vd_disk_map(runs->disk, runs->next_sectors, runs->end_sectors - runs->next_sectors,
                    runs->batch, VD_RUNS_BATCH, &runs->batch_count, err);
    if (r < 0) {
        runs->batch_count = runs->batch_index = 0;
        return r;
    }
    assert(runs->batch_count > 0);
    runs->batch_index = 0;
    runs->next_sectors = vd_run_end(&runs->batch[runs->batch_count - 1]);
    return 1;
}

static bool same_file(const struct vd_run *a, const struct vd_run *b)
{
    return a->file == b->file || (a->file && b->file && strcmp(a->file, b->file) == 0);
}

static bool continues(const struct vd_run *a, const struct vd_run *b)
{
    if (a->kind != b->kind || vd_run_end(a) != b->start_sectors)
        return false;
    if (a->kind == VD_RUN_ABSENT)
        return true;
    if (a->link != b->link || a->extent != b->extent)
        return false;
    if (a->kind == VD_RUN_ZERO)
        return true;
    if (a->compressed != b->compressed || !same_file(a, b))
        return false;
    return a->compressed ||
           a->offset_bytes + vd_sectors_to_bytes(a->length_sectors) == b->offset_bytes;
}

int vd_runs_next(struct vd_runs *runs, struct vd_run *ret, struct vd_error *err)
{
    struct vd_run merged;
    int r = fill(runs, err);

    if (r <= 0)
        return r;
    merged = runs->batch[runs->batch_index++];
    /* A failure behind this run is met again, and told, when the next one is asked for. */
    while (fill(runs, NULL) > 0 && continues(&merged, &runs->batch[runs->batch_index]))
        merged.length_sectors += runs->batch[runs->batch_index++].length_sectors;
    *ret = merged;
    return 1;
}

int vd_runs_at(struct vd_runs *runs, uint64_t sector, struct vd_run *ret, struct vd_error *err)
{
    assert(runs->current.length_sectors == 0 || sector >= runs->current.start_sectors);
    while (runs->current.length_sectors == 0 || vd_run_end(&runs->current) <= sector) {
        int r = vd_runs_next(runs, &runs->current, err);

        if (r < 0)
            return r;
        if (r == 0) {
            runs->current = (struct vd_run){
                .start_sectors = sector,
                .length_sectors = UINT64_MAX - sector,
                .kind = VD_RUN_ABSENT,
            };
        }
    }
    *ret = runs->current;
    return VD_OK;
}
