/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An empty SESparse file: both headers, an empty journal, no bit set in bitmap and backmap, whose
 * meaning is not public. qemu and this library read it; whether ESXi writes to it is unknown.
 */
#include "base/units.h"
#include "vmdk/create-int.h"
#include "vmdk/sesparse-header.h"

#define TABLE_SECTORS 64u

int vd_create_sesparse(struct vd_create *create, struct vd_block *block, uint64_t sectors,
                       struct vd_error *err)
{
    struct vd_sesparse_header header = {
        .version = VD_SESPARSE_VERSION,
        .capacity_sectors = sectors,
        .grain_sectors = create->grain_sectors,
        .table_sectors = TABLE_SECTORS,
    };
    uint8_t bytes[2 * VD_SESPARSE_HEADER_BYTES] = {0}; /* the volatile header is in sector 1 */
    vd_sesparse_lay_out(&header);
    uint64_t grains = header.areas[VD_SESPARSE_GRAINS].offset_sectors;
    int r = vd_block_resize(block, vd_sectors_to_bytes(grains), err);
    if (r < 0)
        return r;
    vd_sesparse_header_encode(&header, bytes);
    vd_sesparse_volatile_encode(0, bytes + VD_SESPARSE_HEADER_BYTES);
    return vd_block_write(block, 0, bytes, sizeof bytes, err);
}
