/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FLAT, VMFS and VMFSTHIN extents, and devices: raw sectors from an offset of a file. The extent
 * holds every one of its sectors; a file that ends too early is refused, or, where the caller asked
 * for it and only reads, is zeros from its end on.
 */
#include "vmdk/extent.h"

#include <assert.h>
#include <inttypes.h>

#include "base/checked.h"
#include "base/units.h"

struct flat_extent {
    struct vd_extent base;
    uint64_t offset_bytes;   /* of the first sector in the file */
    uint64_t stored_sectors; /* that the file really has, a last partial one counted */
};

static int flat_lookup(struct vd_extent *self, uint64_t sector, uint64_t max_sectors,
                       struct vd_lookup *ret, struct vd_error *err)
{
    (void)err; /* cannot fail */
    const struct flat_extent *flat = (const struct flat_extent *)self;
    if (sector >= flat->stored_sectors) {
        *ret = (struct vd_lookup){.kind = VD_LOOKUP_ZERO, .length_sectors = max_sectors};
        return 0;
    }
    uint64_t length = VD_MIN(max_sectors, flat->stored_sectors - sector);
    *ret = (struct vd_lookup){
        .kind = VD_LOOKUP_DATA,
        .length_sectors = length,
        .stored_sectors = length,
        .offset_bytes = flat->offset_bytes + vd_sectors_to_bytes(sector),
    };
    return 0;
}

/* Every sector has its place, so a barrier is all there is to do. */
static int flat_flush(struct vd_extent *self, struct vd_error *err)
{
    return vd_block_flush(self->block, err);
}

static void flat_free(struct vd_extent *self)
{
    free(self);
}

static const struct vd_extent_ops flat_ops = {
    .name = "flat",
    .lookup = flat_lookup,
    .flush = flat_flush,
    .free = flat_free,
};

/* The file ends before the extent does. */
static int flat_short(const struct vd_extent_params *params, uint64_t file_bytes,
                      uint64_t needed_bytes, struct vd_error *err)
{
    const char *path = vd_block_path(params->block);
    if (!params->fill_short || params->writable)
        return vd_error_set(err, VD_E_TRUNCATED,
                            "opening '%s': the file has %" PRIu64 " bytes, its extent of %" PRIu64
                            " sectors at sector %" PRIu64 " needs %" PRIu64,
                            path, file_bytes, params->line->sectors, params->line->offset_sectors,
                            needed_bytes);
    vd_log(params->log, VD_LOG_WARNING,
           "'%s' has %" PRIu64 " bytes where its extent needs %" PRIu64
           ": what is missing reads as zeros",
           path, file_bytes, needed_bytes);
    return 0;
}

/* Both ends of the extent in the file, in bytes. */
static int flat_range(const struct vd_extent_params *params, uint64_t *ret_start, uint64_t *ret_end,
                      struct vd_error *err)
{
    const struct vd_extent_line *line = params->line;
    uint64_t end_sectors;
    if (!vd_sectors_to_bytes_checked(line->offset_sectors, ret_start) ||
        !vd_add_u64(line->offset_sectors, line->sectors, &end_sectors) ||
        !vd_sectors_to_bytes_checked(end_sectors, ret_end))
        return vd_error_set(err, VD_E_DESC_EXTENT,
                            "opening '%s': extent of %" PRIu64 " sectors at sector %" PRIu64
                            ", expected an end within %" PRIu64 " sectors",
                            vd_block_path(params->block), line->sectors, line->offset_sectors,
                            VD_MAX_SECTORS);
    return 0;
}

static int flat_new(const struct vd_extent_params *params, uint64_t file_bytes,
                    uint64_t start_bytes, struct vd_extent **ret, struct vd_error *err)
{
    struct flat_extent *flat = calloc(1, sizeof *flat);
    if (!flat)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory opening '%s'",
                            vd_block_path(params->block));
    uint64_t available = file_bytes > start_bytes ? file_bytes - start_bytes : 0;
    flat->offset_bytes = start_bytes;
    flat->stored_sectors = VD_MIN(vd_bytes_to_sectors_up(available), params->line->sectors);
    flat->base.ops = &flat_ops;
    flat->base.block = params->block;
    flat->base.cache = params->cache;
    flat->base.capacity_sectors = params->line->sectors;
    flat->base.file_bytes = file_bytes;
    flat->base.facts.format = "flat";
    *ret = &flat->base;
    return 0;
}

int vd_extent_flat_open(const struct vd_extent_params *params, struct vd_extent **ret,
                        struct vd_error *err)
{
    assert(params->block);
    uint64_t start_bytes = 0, end_bytes = 0, file_bytes = 0;
    int r = flat_range(params, &start_bytes, &end_bytes, err);
    if (r < 0)
        return r;
    r = vd_block_size(params->block, &file_bytes, err);
    if (r < 0)
        return r;
    if (file_bytes < end_bytes) {
        r = flat_short(params, file_bytes, end_bytes, err);
        if (r < 0)
            return r;
    }
    return flat_new(params, file_bytes, start_bytes, ret, err);
}
