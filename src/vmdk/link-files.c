/* SPDX-License-Identifier: Apache-2.0 */
/* No byte of a file may be two sectors of a link: it would be damage, or a trap. */
#include "base/units.h"
#include "vmdk/link-int.h"

#define NO_LINE SIZE_MAX /* the descriptor's own text */

struct file_use {
    struct vd_block_identity identity;
    uint64_t start_bytes;
    uint64_t end_bytes;
    size_t line;
    const char *path;
};

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_uses(const void *left, const void *right)
{
    const struct file_use *a = left;
    const struct file_use *b = right;
    int order = compare_u64(a->identity.device, b->identity.device);
    if (order == 0)
        order = compare_u64(a->identity.inode, b->identity.inode);
    if (order == 0)
        order = compare_u64(a->start_bytes, b->start_bytes);
    return order;
}

static bool same_file(const struct file_use *a, const struct file_use *b)
{
    return a->identity.device == b->identity.device && a->identity.inode == b->identity.inode;
}

/* Raw extents use their range, sparse ones the whole file. */
static struct file_use use_of(const struct vd_link *link, const struct vd_link_extent *extent)
{
    const struct vd_extent_line *line = &link->descriptor->extents[extent->line];
    struct file_use use = {extent->block->identity, 0, UINT64_MAX, extent->line, extent->path};
    if (vd_extent_type_is_raw(line->type)) {
        use.start_bytes = vd_sectors_to_bytes(line->offset_sectors);
        use.end_bytes = use.start_bytes + vd_sectors_to_bytes(line->sectors);
    }
    return use;
}

static size_t gather(const struct vd_link *link, struct file_use *uses)
{
    size_t count = 0;
    for (size_t i = 0; i < link->num_extents; i++) {
        if (link->extents[i].block != NULL)
            uses[count++] = use_of(link, &link->extents[i]);
    }
    if (!link->embedded)
        uses[count++] = (struct file_use){link->identity, 0, UINT64_MAX, NO_LINE, link->path};
    return count;
}

static int overlap(const struct vd_link *link, const struct file_use *a, const struct file_use *b,
                   struct vd_error *err)
{
    const struct file_use *data = a->line == NO_LINE ? b : a;
    if (a->line == NO_LINE || b->line == NO_LINE)
        return vd_error_set(err, VD_E_DESC_EXTENT,
                            "'%s': extent %zu names the descriptor itself as its data", link->path,
                            data->line + 1);
    return vd_error_set(err, VD_E_DESC_EXTENT,
                        "'%s': extents %zu and %zu use the same part of '%s'", link->path,
                        a->line + 1, b->line + 1, a->path);
}

int vd_link_check_files(const struct vd_link *link, struct vd_error *err)
{
    VD_FREE struct file_use *uses = calloc(link->num_extents + 1, sizeof *uses);
    if (uses == NULL)
        return vd_error_set(err, VD_E_NO_MEMORY, "no memory to open '%s'", link->path);
    size_t count = gather(link, uses);
    qsort(uses, count, sizeof *uses, compare_uses);
    size_t furthest = 0; /* of the same file, the one that reaches furthest so far */
    for (size_t i = 1; i < count; i++) {
        bool same = same_file(&uses[furthest], &uses[i]);
        if (same && uses[i].start_bytes < uses[furthest].end_bytes)
            return overlap(link, &uses[furthest], &uses[i], err);
        if (!same || uses[i].end_bytes > uses[furthest].end_bytes)
            furthest = i;
    }
    return 0;
}
