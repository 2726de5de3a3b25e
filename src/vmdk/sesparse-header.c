/* SPDX-License-Identifier: Apache-2.0 */
#include "vmdk/sesparse-header.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/units.h"

#define FLAGS_AT         40u
#define RESERVED_AT      48u
#define RESERVED_FIELDS  4u
#define RESERVED_BY_ESXI UINT64_C(0x200)
#define AREAS_AT         80u
#define FREE_TABLE_AT    8u
#define REPLAY_AT        24u
/* Areas of a new file begin and end at multiples of this. */
#define AREA_SECTORS 2048u

const char *vd_sesparse_area_text(enum vd_sesparse_area_kind kind)
{
    static const char *const texts[VD_SESPARSE_AREAS] = {
        [VD_SESPARSE_VOLATILE] = "volatile header", [VD_SESPARSE_JOURNAL_HEADER] = "journal header",
        [VD_SESPARSE_JOURNAL] = "journal",          [VD_SESPARSE_DIRECTORY] = "grain directory",
        [VD_SESPARSE_TABLES] = "grain tables",      [VD_SESPARSE_BITMAP] = "free bitmap",
        [VD_SESPARSE_BACKMAP] = "backmap",          [VD_SESPARSE_GRAINS] = "grains",
    };
    return texts[kind];
}

static void fields_decode(const uint8_t *bytes, struct vd_sesparse_header *ret)
{
    *ret = (struct vd_sesparse_header){
        .version = vd_le64_decode(bytes + 8),
        .capacity_sectors = vd_le64_decode(bytes + 16),
        .grain_sectors = vd_le64_decode(bytes + 24),
        .table_sectors = vd_le64_decode(bytes + 32),
    };
    for (unsigned i = 0; i < VD_SESPARSE_AREAS; i++) {
        ret->areas[i].offset_sectors = vd_le64_decode(bytes + AREAS_AT + i * 16u);
        ret->areas[i].size_sectors = vd_le64_decode(bytes + AREAS_AT + i * 16u + 8u);
    }
}

static int kind_check(const uint8_t *bytes, const char *where, struct vd_error *err)
{
    uint64_t magic = vd_le64_decode(bytes);
    if (magic != VD_SESPARSE_MAGIC)
        return vd_error_set(err, VD_E_SESPARSE_HEADER,
                            "opening '%s': magic 0x%" PRIx64 " at byte 0, expected 0x%" PRIx64
                            " (SESparse)",
                            where, magic, VD_SESPARSE_MAGIC);
    uint64_t version = vd_le64_decode(bytes + 8);
    if (version != VD_SESPARSE_VERSION)
        return vd_error_set(err, VD_E_VERSION,
                            "opening '%s': version 0x%" PRIx64
                            " in the SESparse header at byte 8, expected 0x%" PRIx64,
                            where, version, VD_SESPARSE_VERSION);
    return 0;
}

/* Fields that would announce something this reader does not know. */
static int features_check(const uint8_t *bytes, const char *where, struct vd_error *err)
{
    uint64_t flags = vd_le64_decode(bytes + FLAGS_AT);
    if (flags != 0)
        return vd_error_set(err, VD_E_DISK_FEATURE,
                            "opening '%s': flags 0x%" PRIx64
                            " in the SESparse header at byte %u, expected 0",
                            where, flags, FLAGS_AT);
    for (unsigned i = 0; i < RESERVED_FIELDS; i++) {
        unsigned at = RESERVED_AT + i * 8u;
        uint64_t reserved = vd_le64_decode(bytes + at);
        if (reserved == 0 || (i == 0 && reserved == RESERVED_BY_ESXI))
            continue;
        return vd_error_set(err, VD_E_DISK_FEATURE,
                            "opening '%s': reserved field 0x%" PRIx64
                            " in the SESparse header at byte %u, expected 0%s",
                            where, reserved, at, i == 0 ? " or 0x200" : "");
    }
    return 0;
}

static int sizes_check(const struct vd_sesparse_header *header, const char *where,
                       struct vd_error *err)
{
    if (header->capacity_sectors == 0 || header->capacity_sectors > VD_MAX_SECTORS)
        return vd_error_set(err, VD_E_SESPARSE_HEADER,
                            "opening '%s': capacity %" PRIu64
                            " sectors in the SESparse header at byte 16, expected 1 to %" PRIu64,
                            where, header->capacity_sectors, VD_MAX_SECTORS);
    if (!vd_is_power_of_two(header->grain_sectors) ||
        header->grain_sectors < VD_SESPARSE_MIN_GRAIN_SECTORS ||
        header->grain_sectors > VD_SESPARSE_MAX_GRAIN_SECTORS)
        return vd_error_set(err, VD_E_SESPARSE_HEADER,
                            "opening '%s': grain size %" PRIu64
                            " sectors in the SESparse header at byte 24, expected 8",
                            where, header->grain_sectors);
    if (!vd_is_power_of_two(header->table_sectors) ||
        header->table_sectors > VD_SESPARSE_MAX_TABLE_SECTORS)
        return vd_error_set(err, VD_E_SESPARSE_HEADER,
                            "opening '%s': grain table size %" PRIu64
                            " sectors in the SESparse header at byte 32, expected 64",
                            where, header->table_sectors);
    return 0;
}

/* Sector 0 is nobody's area, and every area ends where byte offsets still fit. */
static int area_bounds_check(const struct vd_sesparse_header *header, unsigned kind,
                             const char *where, struct vd_error *err)
{
    const struct vd_sesparse_area *area = &header->areas[kind];
    bool fits = vd_range_inside(area->offset_sectors, area->size_sectors, VD_MAX_SECTORS);
    if (fits && (area->size_sectors == 0 || area->offset_sectors > 0))
        return 0;
    return vd_error_set(err, VD_E_SESPARSE_HEADER,
                        "opening '%s': %s at sector %" PRIu64 ", %" PRIu64
                        " sectors, in the SESparse header at byte %u, expected a place behind the "
                        "header and below sector %" PRIu64,
                        where, vd_sesparse_area_text(kind), area->offset_sectors,
                        area->size_sectors, AREAS_AT + kind * 16u, VD_MAX_SECTORS);
}

static bool areas_overlap(const struct vd_sesparse_area *a, const struct vd_sesparse_area *b)
{
    return a->size_sectors > 0 && b->size_sectors > 0 &&
           a->offset_sectors < b->offset_sectors + b->size_sectors &&
           b->offset_sectors < a->offset_sectors + a->size_sectors;
}

static int areas_overlap_check(const struct vd_sesparse_header *header, unsigned kind,
                               const char *where, struct vd_error *err)
{
    const struct vd_sesparse_area *area = &header->areas[kind];
    for (unsigned i = 0; i < kind; i++) {
        const struct vd_sesparse_area *other = &header->areas[i];
        if (areas_overlap(area, other))
            return vd_error_set(
                err, VD_E_SESPARSE_HEADER,
                "opening '%s': %s (sector %" PRIu64 ", %" PRIu64 " sectors) and %s (sector %" PRIu64
                ", %" PRIu64 " sectors) overlap in the SESparse header, expected them apart",
                where, vd_sesparse_area_text(kind), area->offset_sectors, area->size_sectors,
                vd_sesparse_area_text(i), other->offset_sectors, other->size_sectors);
    }
    return 0;
}

static int areas_check(const struct vd_sesparse_header *header, const char *where,
                       struct vd_error *err)
{
    for (unsigned i = 0; i < VD_SESPARSE_AREAS; i++) {
        int r = area_bounds_check(header, i, where, err);
        if (r < 0)
            return r;
        r = areas_overlap_check(header, i, where, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The directory must have an entry for every table the capacity needs. */
static int directory_check(const struct vd_sesparse_header *header, const char *where,
                           struct vd_error *err)
{
    uint64_t per_table = header->grain_sectors * vd_sesparse_table_entries(header);
    uint64_t tables = vd_div_up(header->capacity_sectors, per_table);
    uint64_t needed = vd_bytes_to_sectors_up(tables * 8);
    uint64_t size = header->areas[VD_SESPARSE_DIRECTORY].size_sectors;
    if (size < needed)
        return vd_error_set(err, VD_E_SESPARSE_HEADER,
                            "opening '%s': grain directory of %" PRIu64
                            " sectors in the SESparse header at byte 136, expected at least "
                            "%" PRIu64 " for %" PRIu64 " tables",
                            where, size, needed, tables);
    if (header->areas[VD_SESPARSE_VOLATILE].size_sectors == 0)
        return vd_error_set(err, VD_E_SESPARSE_HEADER,
                            "opening '%s': volatile header of 0 sectors in the SESparse header at "
                            "byte 88, expected 1",
                            where);
    return 0;
}

int vd_sesparse_header_decode(const uint8_t *bytes, const char *where,
                              struct vd_sesparse_header *ret, struct vd_error *err)
{
    int r = kind_check(bytes, where, err);
    if (r < 0)
        return r;
    r = features_check(bytes, where, err);
    if (r < 0)
        return r;
    struct vd_sesparse_header header;
    fields_decode(bytes, &header);
    r = sizes_check(&header, where, err);
    if (r < 0)
        return r;
    r = areas_check(&header, where, err);
    if (r < 0)
        return r;
    r = directory_check(&header, where, err);
    if (r < 0)
        return r;
    *ret = header;
    return 0;
}

int vd_sesparse_volatile_check(const uint8_t *bytes, const char *where, struct vd_error *err)
{
    uint64_t magic = vd_le64_decode(bytes);
    if (magic != VD_SESPARSE_VOLATILE_MAGIC)
        return vd_error_set(err, VD_E_SESPARSE_HEADER,
                            "opening '%s': magic 0x%" PRIx64
                            " in the SESparse volatile header, expected 0x%" PRIx64,
                            where, magic, VD_SESPARSE_VOLATILE_MAGIC);
    uint64_t replay = vd_le64_decode(bytes + REPLAY_AT);
    if (replay != 0)
        return vd_error_set(err, VD_E_SESPARSE_JOURNAL,
                            "opening '%s': the SESparse journal holds updates that its tables lack "
                            "(replay mark %" PRIu64
                            " in the volatile header, expected 0): let ESXi open the disk once, "
                            "which replays it",
                            where, replay);
    return 0;
}

static uint64_t whole_areas(uint64_t sectors)
{
    return vd_div_up(sectors, AREA_SECTORS) * AREA_SECTORS;
}

void vd_sesparse_lay_out(struct vd_sesparse_header *header)
{
    uint64_t num_grains = vd_div_up(header->capacity_sectors, header->grain_sectors);
    uint64_t num_tables = vd_div_up(num_grains, vd_sesparse_table_entries(header));
    const uint64_t sizes[VD_SESPARSE_AREAS] = {
        [VD_SESPARSE_JOURNAL] = AREA_SECTORS,
        [VD_SESPARSE_DIRECTORY] = whole_areas(vd_bytes_to_sectors_up(num_tables * 8)),
        [VD_SESPARSE_TABLES] = whole_areas(num_tables * header->table_sectors),
        [VD_SESPARSE_BITMAP] = whole_areas(vd_bytes_to_sectors_up(vd_div_up(num_grains, 8))),
        [VD_SESPARSE_BACKMAP] = whole_areas(num_tables * header->table_sectors),
        [VD_SESPARSE_GRAINS] = num_grains * header->grain_sectors,
    };
    header->areas[VD_SESPARSE_VOLATILE] = (struct vd_sesparse_area){1, 1};
    header->areas[VD_SESPARSE_JOURNAL_HEADER] = (struct vd_sesparse_area){2, 2};
    uint64_t at = AREA_SECTORS;
    for (unsigned i = VD_SESPARSE_JOURNAL; i < VD_SESPARSE_AREAS; i++) {
        header->areas[i] = (struct vd_sesparse_area){at, sizes[i]};
        at += sizes[i];
    }
}

void vd_sesparse_header_encode(const struct vd_sesparse_header *header, uint8_t *bytes)
{
    vd_le64_encode(bytes, VD_SESPARSE_MAGIC);
    vd_le64_encode(bytes + 8, header->version);
    vd_le64_encode(bytes + 16, header->capacity_sectors);
    vd_le64_encode(bytes + 24, header->grain_sectors);
    vd_le64_encode(bytes + 32, header->table_sectors);
    for (unsigned i = 0; i < VD_SESPARSE_AREAS; i++) {
        vd_le64_encode(bytes + AREAS_AT + i * 16u, header->areas[i].offset_sectors);
        vd_le64_encode(bytes + AREAS_AT + i * 16u + 8u, header->areas[i].size_sectors);
    }
}

void vd_sesparse_volatile_encode(uint64_t next_table, uint8_t *bytes)
{
    vd_le64_encode(bytes, VD_SESPARSE_VOLATILE_MAGIC);
    vd_le64_encode(bytes + FREE_TABLE_AT, next_table);
    vd_le64_encode(bytes + REPLAY_AT, 0);
}
