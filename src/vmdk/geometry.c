/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/geometry.h"

#include "base/cleanup.h"

#define IDE_MAX_CYLINDERS 16383u

static struct vd_geometry with_cylinders(uint64_t capacity_sectors, uint32_t heads,
                                         uint32_t sectors, uint64_t max_cylinders)
{
    uint64_t cylinders = capacity_sectors / (heads * sectors);
    cylinders = VD_MIN(VD_MAX(cylinders, UINT64_C(1)), max_cylinders);
    return (struct vd_geometry){(uint32_t)cylinders, heads, sectors};
}

struct vd_geometry vd_geometry_for(uint64_t capacity_sectors, enum vd_adapter adapter)
{
    if (adapter == VD_ADAPTER_IDE)
        return with_cylinders(capacity_sectors, 16, 63, IDE_MAX_CYLINDERS);
    /* A BIOS counts 1024 cylinders, the last of which is not used: fewer heads while they do. */
    if (capacity_sectors <= 1023u * 64 * 32)
        return with_cylinders(capacity_sectors, 64, 32, UINT32_MAX);
    if (capacity_sectors <= 1023u * 128 * 32)
        return with_cylinders(capacity_sectors, 128, 32, UINT32_MAX);
    return with_cylinders(capacity_sectors, 255, 63, UINT32_MAX);
}
