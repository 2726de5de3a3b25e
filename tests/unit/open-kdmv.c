/* SPDX-License-Identifier: Apache-2.0 */
#include "open-kdmv.h"

#include "tests/harness.h"

static void __attribute__((format(printf, 3, 0)))
count_warning(void *data, enum vd_log_level level, const char *fmt, va_list args)
{
    (void)fmt;
    (void)args;
    if (level == VD_LOG_WARNING)
        ++*(int *)data;
}

void opened_block(struct opened *o, struct vd_block *block)
{
    o->block = block;
    o->log = (struct vd_log){count_warning, &o->warnings};
    check_code(vd_table_cache_new(1 << 20, &o->cache, NULL), VD_OK);
}

void opened_file(struct opened *o, const struct kdmv_image *image, uint64_t size_bytes)
{
    uint64_t size = size_bytes ? size_bytes : image->length;
    struct vd_block *block = NULL;

    *o = (struct opened){0};
    check_code(vd_fs_memory_new(&o->files, NULL), VD_OK);
    check_code(vd_fs_memory_add_sparse(o->files, "s.vmdk", image->bytes, image->length, size, NULL),
               VD_OK);
    check_code(vd_fs_fault_new(vd_fs_memory_fs(o->files), &o->fault, NULL), VD_OK);
    check_code(vd_fs_open(vd_fs_fault_fs(o->fault), "s.vmdk", 0, &block, NULL), VD_OK);
    opened_block(o, block);
    vd_fs_fault_arm(o->fault, VD_FAULT_READ, 0, 0, false);
}

int opened_extent(struct opened *o, uint64_t line_sectors, struct vd_error *err)
{
    struct vd_extent_line line = {.type = VD_EXTENT_SPARSE, .sectors = line_sectors};
    struct vd_extent_params params = {
        .block = o->block, .cache = o->cache, .log = &o->log, .line = &line};

    return vd_extent_sparse_open(&params, &o->extent, err);
}

void open_image(struct opened *o, const struct kdmv_image *image)
{
    struct vd_error err = VD_ERROR_INIT;

    opened_file(o, image, 0);
    check_code_err(opened_extent(o, image->header.capacity_sectors, &err), VD_OK, &err);
}

void opened_close(struct opened *o)
{
    vd_extent_free(o->extent);
    vd_table_cache_free(o->cache);
    vd_block_free(o->block);
    vd_fs_fault_free(o->fault);
    vd_fs_memory_free(o->files);
}
struct vd_lookup look(struct opened *o, uint64_t sector, uint64_t max_sectors)
{
    struct vd_lookup run = {0};
    struct vd_error err = VD_ERROR_INIT;

    check_code_err(vd_extent_lookup(o->extent, sector, max_sectors, &run, &err), VD_OK, &err);
    return run;
}

void check_run(struct opened *o, uint64_t sector, uint64_t max_sectors, enum vd_lookup_kind kind,
               uint64_t length)
{
    struct vd_lookup run = look(o, sector, max_sectors);

    check_int_eq(run.kind, kind);
    check_u64_eq(run.length_sectors, length);
}
