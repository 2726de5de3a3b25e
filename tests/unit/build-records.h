/* SPDX-License-Identifier: Apache-2.0 */
/* A file of compressed grain records (a 12-byte marker and a zlib stream each), and the simplest
 * extent that finds them, so that compressed runs can be tested without a sparse format around. */
#ifndef VD_TESTS_BUILD_RECORDS_H
#define VD_TESTS_BUILD_RECORDS_H

#include <libdeflate.h>

#include "build-image.h"
#include "vmdk/extent.h"

/* Appends the record of one grain; its place is the answer. */
static inline uint64_t build_record(struct build_image *image, uint64_t lba_sectors,
                                    const void *grain, size_t length)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(1);
    size_t bound = libdeflate_zlib_compress_bound(compressor, length);
    uint8_t *packed = malloc(bound);
    if (!compressor || !packed)
        abort();
    size_t size = libdeflate_zlib_compress(compressor, grain, length, packed, bound);
    uint64_t at = image->length;
    build_image_u64(image, at, lba_sectors);
    build_image_u32(image, at + 8, (uint32_t)size);
    build_image_put(image, at + 12, packed, size);
    build_image_extend(image, (size_t)vd_div_up(image->length, 512) * 512);
    free(packed);
    libdeflate_free_compressor(compressor);
    return at;
}

struct build_records {
    struct vd_extent base;
    uint64_t *places; /* of each grain's record; 0 absent, 1 zeros; owned */
};

static inline int build_records_lookup(struct vd_extent *self, uint64_t sector,
                                       uint64_t max_sectors, struct vd_lookup *ret,
                                       struct vd_error *err)
{
    (void)err; /* cannot fail */
    const struct build_records *records = (const struct build_records *)self;
    uint64_t grain = sector / self->grain_sectors;
    uint64_t left = self->grain_sectors - sector % self->grain_sectors;
    uint64_t place = records->places[grain];
    *ret = (struct vd_lookup){.kind = place ? VD_LOOKUP_ZERO : VD_LOOKUP_ABSENT,
                              .length_sectors = VD_MIN(left, max_sectors)};
    if (place > 1) {
        ret->kind = VD_LOOKUP_COMPRESSED;
        ret->offset_bytes = place;
        ret->grain_start_sectors = grain * self->grain_sectors;
    }
    return 0;
}

static inline void build_records_free(struct vd_extent *self)
{
    free(((struct build_records *)self)->places);
    free(self);
}

/* `places` is handed over. */
static inline struct vd_extent *build_records_open(struct vd_block *block, uint64_t *places,
                                                   uint64_t capacity_sectors,
                                                   uint64_t grain_sectors)
{
    static const struct vd_extent_ops ops = {
        .name = "records",
        .lookup = build_records_lookup,
        .free = build_records_free,
    };
    struct build_records *records = calloc(1, sizeof *records);
    uint64_t file_bytes = 0;
    if (!records || vd_block_size(block, &file_bytes, NULL) < 0)
        abort();
    records->base.file_bytes = file_bytes;
    records->places = places;
    records->base.ops = &ops;
    records->base.block = block;
    records->base.capacity_sectors = capacity_sectors;
    records->base.grain_sectors = grain_sectors;
    records->base.record_form = VD_RECORD_MARKER;
    return &records->base;
}

#endif
