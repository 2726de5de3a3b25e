/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extents of a link. An extent line's type says whether the file is raw; which sparse format it
 * has, the file itself says: the type word only tells what to expect.
 */
#include "vmdk/link.h"

#include <assert.h>
#include <inttypes.h>

#include "vmdk/link-int.h"
#include "vmdk/probe.h"

typedef int extent_opener(const struct vd_extent_params *params, struct vd_extent **ret,
                          struct vd_error *err);

void vd_link_extent_done(struct vd_link_extent *extent)
{
    vd_extent_free(extent->extent);
    vd_block_free(extent->block);
    *extent = (struct vd_link_extent){0};
}

void vd_link_free(struct vd_link *link)
{
    if (link == NULL)
        return;
    for (size_t i = 0; i < link->num_extents; i++)
        vd_link_extent_done(&link->extents[i]);
    free(link->extents);
    vd_block_free(link->container);
    vd_block_free(link->guard);
    vd_descriptor_free(link->descriptor);
    vd_folders_done(&link->folders);
    free(link->path);
    free(link);
}

/* Types whose data no file here can hold. */
static int refuse_remote(const struct vd_link *link, const struct vd_extent_line *line,
                         struct vd_error *err)
{
    const char *what;
    if (line->type == VD_EXTENT_VMFSRDM)
        what = "a raw device map, whose data are on a LUN";
    else if (line->type == VD_EXTENT_VSANSPARSE)
        what = "a vSAN object";
    else
        return 0;
    return vd_error_set(err, VD_E_DESC_EXTENT_TYPE,
                        "the extent '%s' of '%s' is %s that only its ESX host can read (%s)",
                        line->file, link->path, what, vd_extent_type_text(line->type));
}

static extent_opener *sparse_opener(enum vd_file_kind kind)
{
    switch (kind) {
    case VD_FILE_KDMV:
        return vd_extent_sparse_open;
    case VD_FILE_COWD:
        return vd_extent_cowd_open;
    case VD_FILE_SESPARSE:
        return vd_extent_sesparse_open;
    default:
        return NULL;
    }
}

static int open_sparse(const struct vd_extent_params *params, struct vd_extent **ret,
                       struct vd_error *err)
{
    const char *path = vd_block_path(params->block);
    enum vd_file_kind expected = vd_file_kind_expected(params->line->type);
    enum vd_file_kind kind = VD_FILE_KDMV;
    int r = params->header != NULL ? 0 : vd_probe_block(params->block, &kind, err);
    if (r < 0)
        return r;
    extent_opener *opener = sparse_opener(kind);
    if (opener == NULL)
        return vd_error_set(err, kind == VD_FILE_INCOMPLETE_KDMV ? VD_E_INCOMPLETE : VD_E_DAMAGED,
                            "the extent '%s' is %s, expected %s", path, vd_file_kind_text(kind),
                            vd_file_kind_text(expected));
    if (kind != expected)
        vd_log(params->log, VD_LOG_WARNING, "'%s' is %s, although its descriptor calls it %s", path,
               vd_file_kind_text(kind), vd_extent_type_text(params->line->type));
    return opener(params, ret, err);
}

/* The tables of a file that is smaller than its line says cannot tell where the rest is. The other
 * way round is harmless: some writers round the header up. */
static int check_capacity(const struct vd_link *link, const struct vd_extent_line *line,
                          const struct vd_link_extent *opened, struct vd_error *err)
{
    uint64_t header_sectors = opened->extent->facts.header_capacity_sectors;
    if (opened->extent->grain_sectors == 0 || header_sectors >= line->sectors)
        return 0;
    return vd_error_set(err, VD_E_DAMAGED,
                        "the extent '%s' has %" PRIu64 " sectors, but its descriptor '%s' says "
                        "%" PRIu64,
                        opened->path, header_sectors, link->path, line->sectors);
}

static int open_format(const struct vd_link *link, const struct vd_link_context *context,
                       const struct vd_extent_line *line, struct vd_link_extent *extent,
                       struct vd_error *err)
{
    const struct vd_extent_params params = {
        .block = extent->block,
        .cache = context->cache,
        .log = context->log,
        .line = line,
        .fill_short = (context->flags & VD_VMDK_FILL_SHORT) != 0,
        .embedded = link->embedded,
        .header = link->embedded ? &link->header : NULL,
        .writable = context->write && line->access == VD_ACCESS_RW,
    };
    int r;
    if (extent->block == NULL)
        r = vd_extent_zero_open(&params, &extent->extent, err);
    else if (vd_extent_type_is_raw(line->type) && !link->embedded)
        r = vd_extent_flat_open(&params, &extent->extent, err);
    else
        r = open_sparse(&params, &extent->extent, err);
    return r < 0 ? r : check_capacity(link, line, extent, err);
}

int vd_link_open_extent(struct vd_link *link, const struct vd_link_context *context,
                        size_t line_index, struct vd_link_extent *ret, struct vd_error *err)
{
    const struct vd_extent_line *line = &link->descriptor->extents[line_index];
    struct vd_link_extent extent = {.line = line_index};
    int r = 0;
    if (link->embedded) {
        extent.block = VD_TAKE_PTR(link->container);
        assert(extent.block != NULL); /* an embedded link has one extent */
    } else if (line->type != VD_EXTENT_ZERO) {
        bool write = context->write && line->access == VD_ACCESS_RW;
        r = refuse_remote(link, line, err);
        if (r >= 0)
            r = vd_resolve_extent(&context->resolve, write ? NULL : context->pool, &link->folders,
                                  line, link->path, &extent.block, err);
    }
    if (r >= 0) {
        extent.path = extent.block != NULL ? vd_block_path(extent.block) : NULL;
        r = open_format(link, context, line, &extent, err);
    }
    if (r < 0) {
        vd_link_extent_done(&extent);
        return r;
    }
    *ret = extent;
    return 0;
}

static int open_lines(struct vd_link *link, const struct vd_link_context *context,
                      struct vd_error *err)
{
    uint64_t start_sectors = 0;
    for (size_t i = 0; i < link->descriptor->num_extents; i++) {
        uint64_t sectors = link->descriptor->extents[i].sectors;
        if (sectors == 0)
            continue;
        struct vd_link_extent *extent = &link->extents[link->num_extents];
        int r = vd_link_open_extent(link, context, i, extent, err);
        if (r < 0)
            return r;
        extent->start_sectors = start_sectors;
        start_sectors += sectors;
        link->num_extents++;
    }
    assert(start_sectors == link->capacity_sectors);
    return 0;
}

int vd_link_open_extents(struct vd_link *link, const struct vd_link_context *context,
                         struct vd_error *err)
{
    assert(link->extents == NULL);
    link->extents = calloc(link->descriptor->num_extents, sizeof *link->extents);
    if (link->extents == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to open '%s'", link->path);
    int r = open_lines(link, context, err);
    return r < 0 ? r : vd_link_check_files(link, err);
}

int vd_link_open(const char *path, const struct vd_vmdk_options *options,
                 struct vd_table_cache *cache, struct vd_link **ret, struct vd_error *err)
{
    struct vd_link_context context;
    int r = vd_link_context_init(&context, path, options, cache, err);
    if (r < 0)
        return r;
    VD_CLEANUP(vd_link_free_cleanup) struct vd_link *link = NULL;
    r = vd_link_load(path, NULL, &context, &link, err);
    if (r >= 0)
        r = vd_link_open_extents(link, &context, err);
    vd_link_context_done(&context);
    if (r >= 0)
        *ret = VD_TAKE_PTR(link);
    return r;
}

size_t vd_link_extent_at(const struct vd_link *link, uint64_t sector)
{
    assert(sector < link->capacity_sectors);
    size_t low = 0;
    size_t high = link->num_extents; /* extents[low] starts at or before `sector`, high after */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (link->extents[middle].start_sectors <= sector)
            low = middle;
        else
            high = middle;
    }
    return low;
}
