/* SPDX-License-Identifier: Apache-2.0 */
/* ZERO extents: sectors that are zeros by declaration, without a file. */
#include "vmdk/extent.h"

#include <assert.h>

static int zero_lookup(struct vd_extent *self, uint64_t sector, uint64_t max_sectors,
                       struct vd_lookup *ret, struct vd_error *err)
{
    (void)self;   /* every sector is alike */
    (void)sector; /* likewise */
    (void)err;    /* cannot fail */
    *ret = (struct vd_lookup){.kind = VD_LOOKUP_ZERO, .length_sectors = max_sectors};
    return 0;
}

static void zero_free(struct vd_extent *self)
{
    free(self);
}

static const struct vd_extent_ops zero_ops = {
    .name = "zero",
    .lookup = zero_lookup,
    .free = zero_free,
};

int vd_extent_zero_open(const struct vd_extent_params *params, struct vd_extent **ret,
                        struct vd_error *err)
{
    assert(!params->block);
    struct vd_extent *extent = calloc(1, sizeof *extent);
    if (!extent)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory opening a ZERO extent");
    extent->ops = &zero_ops;
    extent->cache = params->cache;
    extent->capacity_sectors = params->line->sectors;
    extent->facts.format = "zero";
    *ret = extent;
    return 0;
}
