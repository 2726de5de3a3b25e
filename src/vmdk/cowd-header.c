/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/cowd-header.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/units.h"

/* Flags only hosted files have: multi-file, and valid hardware version fields. */
#define HOSTED_FLAGS         0x18u
#define HOSTED_TABLE_ENTRIES 512u
#define UNCLEAN_AT           1648u
#define GEOMETRY_AT          32u

static void fields_decode(const uint8_t *bytes, struct vd_cowd_header *ret)
{
    *ret = (struct vd_cowd_header){
        .version = vd_le32_decode(bytes + 4),
        .flags = vd_le32_decode(bytes + 8),
        .capacity_sectors = vd_le32_decode(bytes + 12),
        .grain_sectors = vd_le32_decode(bytes + 16),
        .directory_sector = vd_le32_decode(bytes + 20),
        .num_tables = vd_le32_decode(bytes + 24),
        .free_sector = vd_le32_decode(bytes + 28),
        .unclean_shutdown = vd_le32_decode(bytes + UNCLEAN_AT) != 0,
    };
}

static uint64_t tables_of(const struct vd_cowd_header *header, unsigned table_entries)
{
    return vd_div_up(header->capacity_sectors, (uint64_t)header->grain_sectors * table_entries);
}

/* The two kinds are told apart by the number of tables; for disks so small that both kinds would
 * have the same number, by the flags. */
static bool header_is_hosted(const struct vd_cowd_header *header)
{
    if (header->version == 3)
        return true;
    uint64_t hosted = tables_of(header, HOSTED_TABLE_ENTRIES);
    uint64_t esx = tables_of(header, VD_COWD_TABLE_ENTRIES);
    if (header->num_tables != hosted)
        return false;
    return hosted != esx || (header->flags & HOSTED_FLAGS) != 0;
}

static int header_check_version(const struct vd_cowd_header *header, const char *where,
                                struct vd_error *err)
{
    if (header->version == 1 || header->version == 3)
        return 0;
    return vd_error_set(err, VD_E_VERSION,
                        "opening '%s': version %" PRIu32
                        " in the COWD header at byte 4, expected 1",
                        where, header->version);
}

static int header_check_kind(const struct vd_cowd_header *header, const char *where,
                             struct vd_error *err)
{
    if (!header_is_hosted(header))
        return 0;
    return vd_error_set(err, VD_E_DISK_FEATURE,
                        "opening '%s': this is a COW disk of VMware %s (COWD version %" PRIu32
                        ", grains of %" PRIu32 " sectors, %" PRIu32
                        " tables of 512 entries), only the COWD files of ESX can be read",
                        where, header->version == 3 ? "3" : "2", header->version,
                        header->grain_sectors, header->num_tables);
}

static int header_check_sizes(const struct vd_cowd_header *header, const char *where,
                              struct vd_error *err)
{
    if (header->capacity_sectors == 0)
        return vd_error_set(err, VD_E_COWD_HEADER,
                            "opening '%s': capacity 0 in the COWD header at byte 12, expected at "
                            "least 1 sector",
                            where);
    if (!vd_is_power_of_two(header->grain_sectors) ||
        header->grain_sectors > VD_COWD_MAX_GRAIN_SECTORS)
        return vd_error_set(err, VD_E_COWD_HEADER,
                            "opening '%s': grain size %" PRIu32
                            " sectors in the COWD header at byte 16, expected a power of two up to "
                            "%u",
                            where, header->grain_sectors, VD_COWD_MAX_GRAIN_SECTORS);
    return 0;
}

static int header_check_directory(const struct vd_cowd_header *header, const char *where,
                                  struct vd_error *err)
{
    uint64_t tables = tables_of(header, VD_COWD_TABLE_ENTRIES);
    if (header->num_tables != tables)
        return vd_error_set(err, VD_E_COWD_HEADER,
                            "opening '%s': %" PRIu32
                            " grain directory entries in the COWD header at byte 24, expected "
                            "%" PRIu64 " for %" PRIu32 " sectors in grains of %" PRIu32,
                            where, header->num_tables, tables, header->capacity_sectors,
                            header->grain_sectors);
    if (header->directory_sector < VD_COWD_HEADER_SECTORS)
        return vd_error_set(err, VD_E_COWD_HEADER,
                            "opening '%s': grain directory at sector %" PRIu32
                            " in the COWD header at byte 20, expected %u or more",
                            where, header->directory_sector, VD_COWD_HEADER_SECTORS);
    return 0;
}

int vd_cowd_header_decode(const uint8_t *bytes, const char *where, struct vd_cowd_header *ret,
                          struct vd_error *err)
{
    uint32_t magic = vd_le32_decode(bytes);
    if (magic != VD_COWD_MAGIC)
        return vd_error_set(err, VD_E_COWD_HEADER,
                            "opening '%s': magic 0x%08" PRIx32
                            " at byte 0, expected 0x%08x (\"COWD\")",
                            where, magic, VD_COWD_MAGIC);
    struct vd_cowd_header header;
    fields_decode(bytes, &header);
    int r = header_check_version(&header, where, err);
    if (r < 0)
        return r;
    r = header_check_sizes(&header, where, err);
    if (r < 0)
        return r;
    r = header_check_kind(&header, where, err);
    if (r < 0)
        return r;
    r = header_check_directory(&header, where, err);
    if (r < 0)
        return r;
    *ret = header;
    return 0;
}

uint64_t vd_cowd_front_sectors(uint64_t directory_sector, uint64_t num_tables)
{
    uint64_t end = directory_sector + vd_bytes_to_sectors_up(num_tables * 4);
    return vd_div_up(end, VD_COWD_FILE_SECTORS) * VD_COWD_FILE_SECTORS;
}

void vd_cowd_header_encode(const struct vd_cowd_header *header, uint8_t *bytes)
{
    vd_le32_encode(bytes, VD_COWD_MAGIC);
    vd_le32_encode(bytes + 4, header->version);
    vd_le32_encode(bytes + 8, header->flags);
    vd_le32_encode(bytes + 12, header->capacity_sectors);
    vd_le32_encode(bytes + 16, header->grain_sectors);
    vd_le32_encode(bytes + 20, header->directory_sector);
    vd_le32_encode(bytes + 24, header->num_tables);
    vd_le32_encode(bytes + 28, header->free_sector);
    vd_le32_encode(bytes + UNCLEAN_AT, header->unclean_shutdown);
}

void vd_cowd_geometry_encode(struct vd_geometry geometry, uint8_t *bytes)
{
    vd_le32_encode(bytes + GEOMETRY_AT, geometry.cylinders);
    vd_le32_encode(bytes + GEOMETRY_AT + 4, geometry.heads);
    vd_le32_encode(bytes + GEOMETRY_AT + 8, geometry.sectors);
}
