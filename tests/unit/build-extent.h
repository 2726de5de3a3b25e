/* SPDX-License-Identifier: Apache-2.0 */
/* One extent opened over an image in memory, for tests of a single format. */
#ifndef VD_TESTS_BUILD_EXTENT_H
#define VD_TESTS_BUILD_EXTENT_H

#include "block/memory.h"
#include "build-image.h"
#include "harness.h"
#include "vmdk/extent.h"

typedef int build_opener(const struct vd_extent_params *params, struct vd_extent **ret,
                         struct vd_error *err);

/* Zero it before use; done releases it however far opening came. */
struct build_extent {
    struct vd_block *block;
    struct vd_table_cache *cache;
    struct vd_extent *extent;
};

/* The opener's result. */
static inline int build_extent_open(struct build_extent *opened, build_opener *opener,
                                    const struct build_image *image,
                                    const struct vd_extent_line *line, struct vd_error *err)
{
    struct vd_extent_params params = {.line = line};
    check_code(vd_block_memory_new(image->bytes, image->length, &opened->block, NULL), VD_OK);
    check_code(vd_table_cache_new(1u << 20, &opened->cache, NULL), VD_OK);
    params.block = opened->block;
    params.cache = opened->cache;
    return opener(&params, &opened->extent, err);
}

static inline void build_extent_done(struct build_extent *opened)
{
    vd_extent_free(opened->extent);
    vd_table_cache_free(opened->cache);
    vd_block_free(opened->block);
    *opened = (struct build_extent){0};
}

static inline struct vd_lookup build_extent_lookup(const struct build_extent *opened,
                                                   uint64_t sector, uint64_t max_sectors)
{
    struct vd_lookup at = {0};
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_extent_lookup(opened->extent, sector, max_sectors, &at, &err), VD_OK, &err);
    return at;
}

/* Opening must fail with `code` and a sentence that has `part` in it. */
static inline void build_extent_refused(build_opener *opener, const struct build_image *image,
                                        uint64_t line_sectors, int code, const char *part)
{
    struct build_extent opened = {0};
    struct vd_error err = VD_ERROR_INIT;
    struct vd_extent_line line = {.sectors = line_sectors};
    int r = build_extent_open(&opened, opener, image, &line, &err);
    build_extent_done(&opened);
    check_code_err(r, code, &err);
    check_str_has(err.text, part);
}

/* The lookup must fail with `code` and a sentence that has `part` in it. */
static inline void build_extent_lookup_fails(const struct build_extent *opened, uint64_t sector,
                                             int code, const char *part)
{
    struct vd_lookup at = {0};
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(vd_extent_lookup(opened->extent, sector, 1, &at, &err), code, &err);
    check_str_has(err.text, part);
}

static inline void check_lookup(struct vd_lookup got, enum vd_lookup_kind kind,
                                uint64_t length_sectors, uint64_t offset_bytes)
{
    check_int_eq(got.kind, kind);
    check_u64_eq(got.length_sectors, length_sectors);
    check_u64_eq(got.offset_bytes, offset_bytes);
}

#endif
