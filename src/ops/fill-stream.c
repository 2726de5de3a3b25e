/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream into a disk that is there already. What the stream leaves out, and what of it is zeros,
 * is written only where the target's map has data. Neighbours are gathered into large writes, so
 * that a target far away has many requests under way.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "ops/clone-int.h"
#include "ops/copy-int.h"
#include "ops/fill.h"
#include "ops/runs.h"

#define GATHERED_SECTORS ((UINT64_C(8) << 20) / VD_SECTOR_BYTES)

struct filling {
    struct vd_disk *target;
    struct vd_runs of_target;
    uint64_t reached; /* every sector below is as it shall be, or gathered */
    uint8_t *gathered;
    uint64_t start, count; /* of what is gathered */
};

static int write_gathered(struct filling *self, struct vd_error *err)
{
    int r = self->count == 0
                ? VD_OK
                : vd_disk_write(self->target, self->start, self->count, self->gathered, err);

    self->count = 0;
    return r;
}

/* `bytes` NULL: zeros. */
static int gather(struct filling *self, uint64_t start, uint64_t count, const uint8_t *bytes,
                  struct vd_error *err)
{
    int r = VD_OK;

    if (start != self->start + self->count)
        r = write_gathered(self, err);
    while (r == VD_OK && count > 0) {
        uint64_t piece = VD_MIN(count, GATHERED_SECTORS - self->count);
        uint8_t *to = self->gathered + vd_sectors_to_bytes(self->count);
        size_t length = (size_t)vd_sectors_to_bytes(piece);

        if (self->count == 0)
            self->start = start;
        if (bytes)
            memcpy(to, bytes, length);
        else
            memset(to, 0, length);
        bytes = bytes ? bytes + length : NULL;
        self->count += piece;
        start += piece;
        count -= piece;
        if (self->count == GATHERED_SECTORS)
            r = write_gathered(self, err);
    }
    return r;
}

/* In the order of the disk. */
static int put_zeros(struct filling *self, uint64_t start, uint64_t end, struct vd_error *err)
{
    while (start < end) {
        struct vd_run run;
        uint64_t stop;
        int r = vd_runs_at(&self->of_target, start, &run, err);

        if (r < 0)
            return r;
        stop = VD_MIN(end, vd_run_end(&run));
        if (!vd_run_is_hole(&run))
            r = gather(self, start, stop - start, NULL, err);
        if (r < 0)
            return r;
        start = stop;
    }
    return VD_OK;
}

static int put_in_order(struct filling *self, uint64_t start, uint64_t count, const uint8_t *bytes,
                        struct vd_error *err)
{
    int r = put_zeros(self, self->reached, start, err);

    while (r == VD_OK && count > 0) {
        uint64_t piece = VD_MIN(count, (uint64_t)CLONE_GRAIN_SECTORS);
        size_t length = (size_t)vd_sectors_to_bytes(piece);

        r = vd_bytes_all_zero(bytes, length) ? put_zeros(self, start, start + piece, err)
                                             : gather(self, start, piece, bytes, err);
        start += piece;
        count -= piece;
        bytes += length;
    }
    self->reached = start;
    return r;
}

/* What comes after later sectors overwrites what was put there in its place. */
static int put(void *data, uint64_t start_sectors, uint64_t count_sectors, const void *bytes,
               struct vd_error *err)
{
    struct filling *self = data;
    int r;

    if (start_sectors >= self->reached)
        return put_in_order(self, start_sectors, count_sectors, bytes, err);
    r = gather(self, start_sectors, count_sectors, bytes, err);
    self->reached = VD_MAX(self->reached, start_sectors + count_sectors);
    return r;
}

/* The sectors behind the end of the source. */
static int put_tail(struct filling *self, const struct vd_progress *progress, uint64_t total,
                    struct vd_error *err)
{
    uint64_t end = vd_disk_capacity(self->target);
    int r = VD_OK;

    while (r == VD_OK && self->reached < end) {
        uint64_t stop = VD_MIN(end, self->reached + VD_COPY_ZERO_BYTES / VD_SECTOR_BYTES);

        r = put_zeros(self, self->reached, stop, err);
        self->reached = stop;
        if (r == VD_OK)
            r = vd_copy_report(progress, total, total, err);
    }
    return r < 0 ? r : write_gathered(self, err);
}

static int fill(const struct vd_clone_source *source, const char *name, struct vd_disk *target,
                const struct vd_progress *progress, struct vd_error *err)
{
    uint64_t total = vd_sectors_to_bytes(source->capacity_sectors);
    VD_FREE uint8_t *gathered = NULL;
    struct filling self = {.target = target};
    const struct vd_clone_sink sink = {.put = put, .data = &self};
    int r = vd_fill_check(name, source->capacity_sectors, target, err);

    if (r < 0)
        return r;
    gathered = malloc((size_t)vd_sectors_to_bytes(GATHERED_SECTORS));
    if (!gathered)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for the copy buffer");
    self.gathered = gathered;
    vd_runs_init(&self.of_target, target, 0, vd_disk_capacity(target));
    r = vd_clone_run(source, &sink, progress, err);
    if (r == VD_OK)
        r = put_tail(&self, progress, total, err);
    return r < 0 ? r : vd_disk_flush(target, err);
}

int vd_fill_from_stream(struct vd_stream_reader *reader, const char *name, struct vd_disk *target,
                        const struct vd_progress *progress, struct vd_error *err)
{
    const struct vd_clone_source source = vd_clone_source_of_stream(reader);

    return fill(&source, name, target, progress, err);
}

int vd_fill_from_raw(struct vd_raw_stream *raw, struct vd_disk *target,
                     const struct vd_progress *progress, struct vd_error *err)
{
    const struct vd_clone_source source = vd_clone_source_of_raw(raw);

    if (raw->size_bytes == 0)
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "the size of '%s' must be given, so that it is known to fit before "
                            "'%s' is written to",
                            raw->source->name, vd_disk_path(target));
    return fill(&source, raw->source->name, target, progress, err);
}
