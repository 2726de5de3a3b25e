/* SPDX-License-Identifier: Apache-2.0 */
/* An image of build-kdmv.h as a file in memory behind a fault injector, opened as an extent. */
#ifndef VD_TESTS_OPEN_KDMV_H
#define VD_TESTS_OPEN_KDMV_H

#include "block/fault.h"
#include "block/memory.h"
#include "build-kdmv.h"
#include "vmdk/extent.h"

struct opened {
    struct vd_fs_memory *files;
    struct vd_fs_fault *fault; /* armed to count reads */
    struct vd_block *block;
    struct vd_table_cache *cache;
    struct vd_extent *extent;
    struct vd_log log;
    int warnings; /* logged so far */
};

/* The image's bytes as a file "s.vmdk" of `size_bytes` (0: their length), not yet an extent. */
void opened_file(struct opened *o, const struct kdmv_image *image, uint64_t size_bytes);
/* A block the caller opened, in an `o` of zeros otherwise. */
void opened_block(struct opened *o, struct vd_block *block);
int opened_extent(struct opened *o, uint64_t line_sectors, struct vd_error *err);
/* All of that, for an image that must open. */
void open_image(struct opened *o, const struct kdmv_image *image);
void opened_close(struct opened *o);
#define OPENED __attribute__((cleanup(opened_close))) struct opened

/* A lookup that must succeed. */
struct vd_lookup look(struct opened *o, uint64_t sector, uint64_t max_sectors);
void check_run(struct opened *o, uint64_t sector, uint64_t max_sectors, enum vd_lookup_kind kind,
               uint64_t length);

#endif
