/* SPDX-License-Identifier: Apache-2.0 */
#include "build-extent.h"

VD_TEST(every_sector_is_zero)
{
    struct vd_extent_line line = {.type = VD_EXTENT_ZERO, .sectors = UINT64_C(1) << 40};
    struct vd_extent_params params = {.line = &line};
    struct vd_extent *extent = NULL;
    check_code(vd_extent_zero_open(&params, &extent, NULL), VD_OK);
    struct build_extent opened = {.extent = extent};
    check_lookup(build_extent_lookup(&opened, 0, line.sectors), VD_LOOKUP_ZERO, line.sectors, 0);
    check_lookup(build_extent_lookup(&opened, line.sectors - 1, 1), VD_LOOKUP_ZERO, 1, 0);
    check_u64_eq(extent->grain_sectors, 0);
    check_str_eq(extent->facts.format, "zero");
    vd_extent_free(extent);
}

VD_TEST(free_takes_null)
{
    vd_extent_free(NULL);
}
