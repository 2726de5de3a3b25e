/* SPDX-License-Identifier: Apache-2.0 */
/* Moving the sectors of a clone: in steps of whole grains, those that no link holds left out. */
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "ops/clone-int.h"
#include "ops/copy-int.h"
#include "ops/pipeline.h"
#include "ops/runs.h"

#define STEP_SECTORS (VD_STEP_BYTES / VD_SECTOR_BYTES)

struct run_clone {
    struct vd_disk *disk;
    const struct vd_clone_sink *sink;
    const struct vd_progress *progress;
    uint64_t next_sectors; /* a multiple of a grain, or the end */
    uint64_t end_sectors;
    struct vd_runs runs;
};

static uint64_t grain_end(const struct run_clone *clone, uint64_t sector)
{
    return VD_MIN(sector + CLONE_GRAIN_SECTORS, clone->end_sectors);
}

/* How far, in whole grains from `sector` on, there is only a hole; `sector` when it is data. */
static int hole_end(struct run_clone *clone, uint64_t sector, uint64_t *ret, struct vd_error *err)
{
    struct vd_run run;
    uint64_t end;
    int r = vd_runs_at(&clone->runs, sector, &run, err);

    if (r < 0)
        return r;
    end = vd_run_is_hole(&run) ? VD_MIN(vd_run_end(&run), clone->end_sectors) : sector;
    if (end < clone->end_sectors)
        end -= end % CLONE_GRAIN_SECTORS;
    *ret = VD_MAX(end, sector);
    return VD_OK;
}

static int data_end(struct run_clone *clone, uint64_t *ret, struct vd_error *err)
{
    uint64_t limit = clone->next_sectors - clone->next_sectors % STEP_SECTORS + STEP_SECTORS;
    uint64_t end = grain_end(clone, clone->next_sectors);

    limit = VD_MIN(limit, clone->end_sectors);
    while (end < limit) {
        uint64_t hole;
        int r = hole_end(clone, end, &hole, err);

        if (r < 0)
            return r;
        if (hole > end)
            break;
        end = grain_end(clone, end);
    }
    *ret = end;
    return VD_OK;
}

static int plan(void *data, struct vd_step *step, struct vd_error *err)
{
    struct run_clone *clone = data;
    uint64_t end;
    int r;

    if (clone->next_sectors >= clone->end_sectors)
        return 0;
    r = hole_end(clone, clone->next_sectors, &end, err);
    if (r < 0)
        return r;
    step->idle = end > clone->next_sectors;
    if (!step->idle)
        r = data_end(clone, &end, err);
    if (r < 0)
        return r;
    step->start_sectors = clone->next_sectors;
    step->length_sectors = end - clone->next_sectors;
    clone->next_sectors = end;
    return 1;
}

static int put_step(const struct run_clone *clone, const struct vd_step *step, struct vd_error *err)
{
    const struct vd_clone_sink *sink = clone->sink;

    if (sink->pack)
        return sink->put_packed(sink->data, step->start_sectors, step->length_sectors,
                                step->buffers[1], (size_t)step->outcome, err);
    return sink->put(sink->data, step->start_sectors, step->length_sectors, step->buffers[0], err);
}

static int work(void *data, struct vd_step *step, struct vd_error *err)
{
    const struct run_clone *clone = data;
    const struct vd_clone_sink *sink = clone->sink;
    size_t length = 0;
    int r =
        vd_disk_read(clone->disk, step->start_sectors, step->length_sectors, step->buffers[0], err);

    if (r == VD_OK && sink->pack)
        r = sink->pack(sink->data, step->start_sectors, step->length_sectors, step->buffers[0],
                       step->buffers[1], &length, err);
    step->outcome = length;
    return r;
}

static int retire(void *data, struct vd_step *step, struct vd_error *err)
{
    struct run_clone *clone = data;
    int r = VD_OK;

    if (!step->idle)
        r = put_step(clone, step, err);
    if (r < 0)
        return r;
    return vd_copy_report(clone->progress,
                          vd_sectors_to_bytes(step->start_sectors + step->length_sectors),
                          vd_sectors_to_bytes(clone->end_sectors), err);
}

int vd_clone_run_disk(struct vd_disk *source, const struct vd_clone_sink *sink,
                      const struct vd_progress *progress, struct vd_error *err)
{
    static const struct vd_pipeline_ops ops = {plan, work, retire};
    struct run_clone clone = {
        .disk = source,
        .sink = sink,
        .progress = progress,
        .end_sectors = vd_disk_capacity(source),
    };

    vd_runs_init(&clone.runs, source, 0, clone.end_sectors);
    return vd_pipeline_run(&ops, &clone, sink->pack ? 2 : 1, err);
}

/* --- from a stream --- */

struct gather {
    const struct vd_clone_sink *sink;
    uint64_t capacity_sectors;
    uint64_t grain; /* being gathered */
    bool used;
    uint8_t bytes[CLONE_GRAIN_SECTORS * VD_SECTOR_BYTES];
};

static int put_gathered(struct gather *gather, struct vd_error *err)
{
    uint64_t start = gather->grain * CLONE_GRAIN_SECTORS;
    uint64_t count = VD_MIN(gather->capacity_sectors - start, (uint64_t)CLONE_GRAIN_SECTORS);
    int r = VD_OK;

    if (gather->used)
        r = gather->sink->put(gather->sink->data, start, count, gather->bytes, err);
    gather->used = false;
    memset(gather->bytes, 0, sizeof gather->bytes);
    return r;
}

static int gather_part(struct gather *gather, uint64_t sector, const uint8_t *bytes, uint64_t count,
                       struct vd_error *err)
{
    uint64_t grain = sector / CLONE_GRAIN_SECTORS;
    int r = VD_OK;

    if (gather->used && grain != gather->grain)
        r = put_gathered(gather, err);
    if (r == VD_OK && gather->sink->ascending && grain < gather->grain)
        r = vd_error_set(err, VD_E_NOT_SUPPORTED,
                         "the stream holds the grain of sector %ju after later ones, so it cannot "
                         "be made a stream again without being stored first",
                         (uintmax_t)sector);
    gather->grain = grain;
    gather->used = true;
    memcpy(gather->bytes + vd_sectors_to_bytes(sector % CLONE_GRAIN_SECTORS), bytes,
           (size_t)vd_sectors_to_bytes(count));
    return r;
}

/* The grain of a stream may be smaller than ours, or larger, or cut by the end of the disk. */
static int gather_grain(struct gather *gather, uint64_t sector, const uint8_t *bytes,
                        uint64_t count, struct vd_error *err)
{
    uint64_t end = VD_MIN(sector + count, gather->capacity_sectors);
    int r = VD_OK;

    while (r == VD_OK && sector < end) {
        uint64_t room = CLONE_GRAIN_SECTORS - sector % CLONE_GRAIN_SECTORS;
        uint64_t part = VD_MIN(room, end - sector);

        r = gather_part(gather, sector, bytes, part, err);
        bytes += vd_sectors_to_bytes(part);
        sector += part;
    }
    return r;
}

static int gather_all(struct gather *gather, struct vd_stream_reader *reader,
                      const struct vd_progress *progress, struct vd_error *err)
{
    uint64_t total = vd_sectors_to_bytes(gather->capacity_sectors);
    uint64_t reached = 0;

    for (;;) {
        uint64_t lba_sectors;
        const uint8_t *bytes;
        size_t length;
        int r = vd_stream_reader_next(reader, &lba_sectors, &bytes, &length, err);

        if (r > 0)
            r = gather_grain(gather, lba_sectors, bytes, length / VD_SECTOR_BYTES, err);
        else if (r == 0)
            return put_gathered(gather, err);
        if (r == VD_OK) {
            reached = VD_MAX(reached, vd_sectors_to_bytes(lba_sectors));
            r = vd_copy_report(progress, reached, total, err);
        }
        if (r < 0)
            return r;
    }
}

int vd_clone_run_stream(struct vd_stream_reader *reader, const struct vd_clone_sink *sink,
                        const struct vd_progress *progress, struct vd_error *err)
{
    VD_FREE struct gather *gather = calloc(1, sizeof *gather);
    uint64_t total = vd_sectors_to_bytes(vd_stream_reader_capacity(reader));
    int r;

    if (!gather)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    gather->sink = sink;
    gather->capacity_sectors = vd_stream_reader_capacity(reader);
    r = vd_copy_check_whole(vd_stream_reader_descriptor(reader), err);
    if (r == VD_OK)
        r = gather_all(gather, reader, progress, err);
    return r < 0 ? r : vd_copy_report(progress, total, total, err);
}

/* --- from a raw stream --- */

/* A step is whole grains, so that only the last one may end inside a grain. */
int vd_clone_run_raw(struct vd_raw_stream *raw, const struct vd_clone_sink *sink,
                     const struct vd_progress *progress, struct vd_error *err)
{
    VD_FREE uint8_t *buffer = malloc(VD_STEP_BYTES);
    uint64_t done_bytes = 0;

    if (!buffer)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for the copy buffer");
    for (;;) {
        size_t length;
        int r = vd_raw_stream_next(raw, buffer, &length, err);

        if (r == VD_OK && length == 0)
            return VD_OK;
        if (r == VD_OK)
            r = sink->put(sink->data, vd_bytes_to_sectors_up(done_bytes), length / VD_SECTOR_BYTES,
                          buffer, err);
        done_bytes += length;
        if (r == VD_OK)
            r = vd_copy_report(progress, raw->done_bytes, raw->size_bytes, err);
        if (r < 0)
            return r;
    }
}

int vd_clone_run(const struct vd_clone_source *source, const struct vd_clone_sink *sink,
                 const struct vd_progress *progress, struct vd_error *err)
{
    if (source->reader)
        return vd_clone_run_stream(source->reader, sink, progress, err);
    if (source->raw)
        return vd_clone_run_raw(source->raw, sink, progress, err);
    return vd_clone_run_disk(source->disk, sink, progress, err);
}
