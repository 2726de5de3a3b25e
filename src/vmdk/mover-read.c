/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "vmdk/mover-int.h"

/* A read that waits to see whether the next run continues it in the file and in the buffer. */
struct pending_read {
    struct vd_block *block; /* NULL: nothing waits */
    uint64_t offset_bytes;
    uint8_t *buffer;
    size_t length;
    uint64_t sector; /* of the disk, for messages */
};

struct reading {
    const struct vd_mover *mover;
    struct pending_read pending;
    uint64_t sector; /* of the disk, where things stand; for messages */
};

static int pending_flush(struct reading *reading, struct vd_error *err)
{
    struct pending_read *pending = &reading->pending;
    if (!pending->block)
        return 0;
    int r =
        vd_block_read(pending->block, pending->offset_bytes, pending->buffer, pending->length, err);
    if (r < 0)
        reading->sector = pending->sector;
    pending->block = NULL;
    return r;
}

static bool pending_continues(const struct pending_read *pending, const struct vd_block *block,
                              uint64_t offset_bytes, const uint8_t *buffer)
{
    return pending->block == block && pending->offset_bytes + pending->length == offset_bytes &&
           pending->buffer + pending->length == buffer;
}

/* DATA. What the file no longer has of it, at its end, is zeros. */
static int data_read(struct reading *reading, const struct vd_plan_run *run, uint8_t *buffer,
                     struct vd_error *err)
{
    const struct vd_extent *extent = run->extent->extent;
    struct pending_read *pending = &reading->pending;
    uint64_t in_file = extent->file_bytes - run->at.offset_bytes;
    size_t length = (size_t)vd_sectors_to_bytes(run->length_sectors);
    size_t stored = (size_t)VD_MIN(vd_sectors_to_bytes(run->at.stored_sectors), in_file);

    if (!pending_continues(pending, extent->block, run->at.offset_bytes, buffer)) {
        int r = pending_flush(reading, err);
        if (r < 0)
            return r;
        *pending = (struct pending_read){.block = extent->block,
                                         .offset_bytes = run->at.offset_bytes,
                                         .buffer = buffer,
                                         .sector = reading->sector};
    }
    pending->length += stored;
    memset(buffer + stored, 0, length - stored);
    return 0;
}

static int parent_needed(const struct vd_mover *mover, struct vd_error *err)
{
    const struct vd_link *last = mover->links[mover->num_links - 1];
    const char *hint = last->descriptor->parent_hint;
    return vd_error_set(err, VD_E_PARTIAL_CHAIN,
                        "no open link holds it, and '%s', the parent of '%s', is not open",
                        hint ? hint : "(unnamed)", last->path);
}

static int run_read(struct reading *reading, const struct vd_plan_run *run, uint8_t *buffer,
                    struct vd_error *err)
{
    switch (run->kind) {
    case VD_LOOKUP_DATA:
        return data_read(reading, run, buffer, err);
    case VD_LOOKUP_COMPRESSED:
        return vd_grain_cache_read(reading->mover->grains, run->extent->extent, run->sector,
                                   &run->at, buffer, err);
    case VD_LOOKUP_ABSENT:
        if (run->needs_parent)
            return parent_needed(reading->mover, err);
        break;
    case VD_LOOKUP_ZERO:
        break;
    }
    memset(buffer, 0, (size_t)vd_sectors_to_bytes(run->length_sectors));
    return 0;
}

static int plan_read(struct reading *reading, struct vd_plan *plan, uint8_t *buffer,
                     struct vd_error *err)
{
    while (plan->position < plan->end) {
        struct vd_plan_run run;
        reading->sector = plan->position;
        int r = vd_plan_next(plan, &run, err);
        if (r < 0)
            return r;
        r = run_read(reading, &run, buffer, err);
        if (r < 0)
            return r;
        buffer += vd_sectors_to_bytes(run.length_sectors);
        vd_plan_advance(plan, run.length_sectors);
    }
    return pending_flush(reading, err);
}

int vd_mover_read(struct vd_mover *mover, uint64_t start_sectors, uint64_t count_sectors,
                  void *buffer, struct vd_error *err)
{
    struct vd_plan plan;
    struct reading reading = {.mover = mover};
    vd_plan_init(&plan, mover, start_sectors, count_sectors);
    int r = plan_read(&reading, &plan, buffer, err);
    if (r < 0)
        vd_error_prefix(err, "reading sector %" PRIu64 " of '%s'", reading.sector,
                        mover->links[0]->path);
    return r;
}
