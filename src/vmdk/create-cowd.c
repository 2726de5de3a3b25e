/* SPDX-License-Identifier: Apache-2.0 */
/* An empty COWD file: header and a directory without tables. The link to the parent and the CID
 * stand in the text descriptor alone. */
#include "base/units.h"
#include "vmdk/cowd-header.h"
#include "vmdk/create-int.h"
#include "vmdk/geometry.h"

#define FLAGS 3u /* root and checked, in children too, as ESX writes it */

int vd_create_cowd(struct vd_create *create, struct vd_block *block, uint64_t sectors,
                   struct vd_error *err)
{
    /* At most 2^20 tables: a directory of 4 MiB. */
    uint64_t num_tables = vd_div_up(sectors, create->grain_sectors * VD_COWD_TABLE_ENTRIES);
    uint64_t free_sector = vd_cowd_front_sectors(VD_COWD_HEADER_SECTORS, num_tables);
    const struct vd_cowd_header header = {
        .version = 1,
        .flags = FLAGS,
        .capacity_sectors = (uint32_t)sectors,
        .grain_sectors = (uint32_t)create->grain_sectors,
        .directory_sector = VD_COWD_HEADER_SECTORS,
        .num_tables = (uint32_t)num_tables,
        .free_sector = (uint32_t)free_sector,
    };
    uint8_t bytes[VD_COWD_HEADER_BYTES] = {0};
    int r = vd_block_resize(block, vd_sectors_to_bytes(free_sector), err);
    if (r < 0)
        return r;
    vd_cowd_header_encode(&header, bytes);
    if (create->params->parent_path == NULL)
        vd_cowd_geometry_encode(vd_geometry_for(sectors, VD_ADAPTER_LSILOGIC), bytes);
    return vd_block_write(block, 0, bytes, sizeof bytes, err);
}
