/* SPDX-License-Identifier: Apache-2.0 */
/* An empty COWD file: header and a directory without tables. The link to the parent and the CID
 * stand in the text descriptor alone. */
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/cowd-header.h"
#include "vmdk/create-int.h"
#include "vmdk/geometry.h"

#define FLAGS            3u    /* root and checked, in children too, as ESX writes it */
#define ROOT_GEOMETRY_AT 32u   /* cylinders, heads, sectors */

static void encode(const struct vd_create *create, uint32_t num_tables, uint64_t free_sector,
                   uint8_t bytes[VD_COWD_HEADER_BYTES])
{
    memset(bytes, 0, VD_COWD_HEADER_BYTES);
    vd_le32_encode(bytes, VD_COWD_MAGIC);
    vd_le32_encode(bytes + 4, 1);
    vd_le32_encode(bytes + 8, FLAGS);
    vd_le32_encode(bytes + 12, (uint32_t)create->capacity_sectors);
    vd_le32_encode(bytes + 16, (uint32_t)create->grain_sectors);
    vd_le32_encode(bytes + 20, VD_COWD_HEADER_SECTORS);
    vd_le32_encode(bytes + 24, num_tables);
    vd_le32_encode(bytes + 28, (uint32_t)free_sector);
    if (create->params->parent_path == NULL) {
        struct vd_geometry chs = vd_geometry_for(create->capacity_sectors, VD_ADAPTER_LSILOGIC);
        vd_le32_encode(bytes + ROOT_GEOMETRY_AT, chs.cylinders);
        vd_le32_encode(bytes + ROOT_GEOMETRY_AT + 4, chs.heads);
        vd_le32_encode(bytes + ROOT_GEOMETRY_AT + 8, chs.sectors);
    }
}

int vd_create_cowd(struct vd_create *create, struct vd_block *block, uint64_t sectors,
                   struct vd_error *err)
{
    uint64_t num_tables = vd_div_up(sectors, create->grain_sectors * VD_COWD_TABLE_ENTRIES);
    /* At most 2^20 tables: a directory of 4 MiB. */
    uint64_t free_sector = vd_cowd_front_sectors(VD_COWD_HEADER_SECTORS, num_tables);
    uint8_t bytes[VD_COWD_HEADER_BYTES];
    int r = vd_block_resize(block, vd_sectors_to_bytes(free_sector), err);
    if (r < 0)
        return r;
    encode(create, (uint32_t)num_tables, free_sector, bytes);
    return vd_block_write(block, 0, bytes, sizeof bytes, err);
}
