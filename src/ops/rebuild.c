/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rebuild.h"

#include "base/units.h"
#include "ops/temp-file.h"
#include "vmdk/sparse-rewrite.h"

int vd_rebuild_open(const char *path, const struct vd_vmdk_options *options,
                    const struct vd_progress *progress, struct vd_rebuild *ret,
                    struct vd_error *err)
{
    struct vd_vmdk_options single = options ? *options : (struct vd_vmdk_options){0};
    struct vd_rebuild rebuild = {.progress = progress};
    size_t budget = single.table_budget_bytes;
    int r = vd_disk_files_open(path, options, false, &rebuild.files, err);

    single.flags |= VD_VMDK_SINGLE_LINK | VD_VMDK_READ_ONLY;
    if (r == VD_OK)
        r = vd_table_cache_new(budget ? budget : VD_VMDK_TABLE_BUDGET_BYTES, &rebuild.cache, err);
    if (r == VD_OK)
        r = vd_link_open(path, &single, rebuild.cache, &rebuild.link, err);
    if (r < 0)
        vd_rebuild_done(&rebuild);
    else
        *ret = rebuild;
    return r;
}

void vd_rebuild_done(struct vd_rebuild *rebuild)
{
    vd_link_free(rebuild->link);
    vd_table_cache_free(rebuild->cache);
    vd_disk_files_done(&rebuild->files);
    rebuild->link = NULL;
    rebuild->cache = NULL;
}

bool vd_rebuild_is_raw(const struct vd_rebuild *rebuild)
{
    for (size_t i = 0; i < rebuild->link->num_extents; i++) {
        if (rebuild->link->extents[i].extent->grain_sectors != 0)
            return false;
    }
    return true;
}

int vd_rebuild_check(const struct vd_rebuild *rebuild, const char *what, struct vd_error *err)
{
    const struct vd_link *link = rebuild->link;

    for (size_t i = 0; i < link->num_extents; i++) {
        int r = vd_sparse_check_rewrite(link->extents[i].extent, err);

        if (r < 0) {
            vd_error_prefix(err, "%s '%s'", what, link->path);
            return r;
        }
    }
    return VD_OK;
}

static int close_and_replace(const struct vd_rebuild *rebuild, const char *temp, const char *path,
                             struct vd_block **block, struct vd_error *err)
{
    int r = vd_block_close(VD_TAKE_PTR(*block), err);

    if (r == VD_OK)
        r = vd_fs_rename_replacing(rebuild->files.fs, temp, path, err);
    return r;
}

/* 1 when the new file is to be dropped. */
static int is_no_gain(const struct vd_link_extent *old, struct vd_block *made, struct vd_error *err)
{
    uint64_t size_bytes;
    int r = vd_block_size(made, &size_bytes, err);

    return r < 0 ? r : size_bytes >= old->extent->file_bytes;
}

static int write_anew(const struct vd_rebuild *rebuild, const struct vd_link_extent *old,
                      uint64_t capacity_sectors, struct vd_block *to, struct vd_error *err)
{
    struct vd_sparse_rewrite rewrite = {
        .from = old->extent,
        .capacity_sectors = capacity_sectors,
        .geometry = rebuild->geometry,
        .drop_zeros = rebuild->drop_zeros,
        .descriptor = rebuild->files.embedded ? rebuild->files.descriptor : NULL,
        .progress = rebuild->progress,
        .progress_start_bytes = vd_sectors_to_bytes(old->start_sectors),
        .progress_total_bytes = vd_sectors_to_bytes(rebuild->link->capacity_sectors),
    };

    return vd_sparse_rewrite(&rewrite, to, err);
}

int vd_rebuild_extent(struct vd_rebuild *rebuild, size_t index, uint64_t capacity_sectors,
                      bool only_smaller, struct vd_error *err)
{
    const struct vd_link_extent *old = &rebuild->link->extents[index];
    VD_CLEANUP(vd_block_free_cleanup) struct vd_block *block = NULL;
    VD_FREE char *temp = NULL;
    VD_FREE char *path = NULL;
    bool dropped = false;
    int r = vd_fs_real_path(rebuild->files.fs, old->path, &path, err);

    if (r == VD_OK)
        r = vd_temp_file_create(rebuild->files.fs, path, &temp, &block, err);
    if (r < 0)
        return r;
    r = write_anew(rebuild, old, capacity_sectors, block, err);
    if (r == VD_OK && only_smaller) {
        r = is_no_gain(old, block, err);
        dropped = r > 0;
    }
    if (r == VD_OK)
        r = close_and_replace(rebuild, temp, path, &block, err);
    if (r != VD_OK)
        VD_DISCARD(vd_fs_unlink(rebuild->files.fs, temp, NULL)); /* the first failure counts */
    if (r < 0 || dropped)
        return r < 0 ? r : VD_OK;
    return vd_fs_sync_folder(rebuild->files.fs, rebuild->files.folder, err);
}
