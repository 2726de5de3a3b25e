/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An empty SESparse file: both headers, every area where ESXi 6.5 puts it (log of a 100 MiB disk
 * published with qemu's SESparse patches), an empty journal, no bit set in bitmap and backmap,
 * whose meaning is not public. qemu and this library read it; whether ESXi writes to it is unknown.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/units.h"
#include "vmdk/create-int.h"
#include "vmdk/sesparse-header.h"

#define TABLE_SECTORS 64u
#define TABLE_ENTRIES 4096u
#define AREA_SECTORS  2048u /* areas begin and end at multiples of this */
#define AREAS_AT      80u

static uint64_t whole_areas(uint64_t sectors)
{
    return vd_div_up(sectors, AREA_SECTORS) * AREA_SECTORS;
}

static void lay_out(uint64_t capacity_sectors, uint64_t grain_sectors,
                    struct vd_sesparse_area areas[VD_SESPARSE_AREAS])
{
    uint64_t num_grains = vd_div_up(capacity_sectors, grain_sectors);
    uint64_t num_tables = vd_div_up(num_grains, TABLE_ENTRIES);
    const uint64_t sizes[VD_SESPARSE_AREAS] = {
        [VD_SESPARSE_JOURNAL] = AREA_SECTORS,
        [VD_SESPARSE_DIRECTORY] = whole_areas(vd_bytes_to_sectors_up(num_tables * 8)),
        [VD_SESPARSE_TABLES] = whole_areas(num_tables * TABLE_SECTORS),
        [VD_SESPARSE_BITMAP] = whole_areas(vd_bytes_to_sectors_up(vd_div_up(num_grains, 8))),
        [VD_SESPARSE_BACKMAP] = whole_areas(num_tables * TABLE_SECTORS),
        [VD_SESPARSE_GRAINS] = num_grains * grain_sectors,
    };
    areas[VD_SESPARSE_VOLATILE] = (struct vd_sesparse_area){1, 1};
    areas[VD_SESPARSE_JOURNAL_HEADER] = (struct vd_sesparse_area){2, 2};
    uint64_t at = AREA_SECTORS;
    for (unsigned i = VD_SESPARSE_JOURNAL; i < VD_SESPARSE_AREAS; i++) {
        areas[i] = (struct vd_sesparse_area){at, sizes[i]};
        at += sizes[i];
    }
}

static void encode(const struct vd_create *create,
                   const struct vd_sesparse_area areas[VD_SESPARSE_AREAS],
                   uint8_t bytes[2 * VD_SESPARSE_HEADER_BYTES])
{
    memset(bytes, 0, 2 * VD_SESPARSE_HEADER_BYTES);
    vd_le64_encode(bytes, VD_SESPARSE_MAGIC);
    vd_le64_encode(bytes + 8, VD_SESPARSE_VERSION);
    vd_le64_encode(bytes + 16, create->capacity_sectors);
    vd_le64_encode(bytes + 24, create->grain_sectors);
    vd_le64_encode(bytes + 32, TABLE_SECTORS);
    for (unsigned i = 0; i < VD_SESPARSE_AREAS; i++) {
        vd_le64_encode(bytes + AREAS_AT + i * 16u, areas[i].offset_sectors);
        vd_le64_encode(bytes + AREAS_AT + i * 16u + 8u, areas[i].size_sectors);
    }
    /* The volatile header: the first table, transaction and journal mark are all 0. */
    vd_le64_encode(bytes + VD_SESPARSE_HEADER_BYTES, VD_SESPARSE_VOLATILE_MAGIC);
}

int vd_create_sesparse(struct vd_create *create, struct vd_block *block, uint64_t sectors,
                       struct vd_error *err)
{
    struct vd_sesparse_area areas[VD_SESPARSE_AREAS];
    lay_out(sectors, create->grain_sectors, areas);
    uint64_t grains = areas[VD_SESPARSE_GRAINS].offset_sectors;
    uint8_t bytes[2 * VD_SESPARSE_HEADER_BYTES];
    int r = vd_block_resize(block, vd_sectors_to_bytes(grains), err);
    if (r < 0)
        return r;
    encode(create, areas, bytes);
    return vd_block_write(block, 0, bytes, sizeof bytes, err);
}
