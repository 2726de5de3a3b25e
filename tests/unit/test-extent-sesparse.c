/* SPDX-License-Identifier: Apache-2.0 */
#include "build-extent.h"
#include "build-sesparse.h"

static const uint8_t grain_bytes[8 * 512] = {1};

static void open_sesparse(struct build_extent *opened, const struct build_sesparse *se)
{
    struct vd_extent_line line = {.sectors = se->capacity_sectors};
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(build_extent_open(opened, vd_extent_sesparse_open, &se->image, &line, &err),
                   VD_OK, &err);
}

static void refused(const struct build_sesparse *se, int code, const char *part)
{
    build_extent_refused(vd_extent_sesparse_open, &se->image, se->capacity_sectors, code, part);
}

static void field_refused(uint64_t at, uint64_t value, int code, const char *part)
{
    struct build_sesparse se;
    build_sesparse_init(&se, 100000, 64);
    build_image_u64(&se.image, at, value);
    refused(&se, code, part);
    build_sesparse_done(&se);
}

static uint64_t slot_bytes(const struct build_sesparse *se, uint64_t slot)
{
    return (se->areas[AREA_GRAINS] + slot * 8) * 512;
}

VD_TEST(an_empty_file_is_one_absent_run)
{
    struct build_sesparse se;
    struct build_extent opened = {0};
    build_sesparse_init(&se, 204800, 64);
    open_sesparse(&opened, &se);
    check_lookup(build_extent_lookup(&opened, 0, 204800), VD_LOOKUP_ABSENT, 204800, 0);
    check_str_eq(opened.extent->facts.format, "SESparse");
    check_u64_eq(opened.extent->facts.version, 2);
    check_u64_eq(opened.extent->facts.grain_sectors, 8);
    check_u64_eq(opened.extent->facts.table_entries, 4096);
    check_u64_eq(opened.extent->facts.num_tables, 7);
    build_extent_done(&opened);
    build_sesparse_done(&se);
}

VD_TEST(all_four_types)
{
    struct build_sesparse se;
    struct build_extent opened = {0};
    build_sesparse_init(&se, 1000, 64);
    build_sesparse_zero(&se, 1, 1);
    build_sesparse_zero(&se, 2, 2);
    build_sesparse_data(&se, 3, grain_bytes);
    build_sesparse_data(&se, 4, grain_bytes);
    open_sesparse(&opened, &se);
    check_lookup(build_extent_lookup(&opened, 0, 1000), VD_LOOKUP_ABSENT, 8, 0);
    check_lookup(build_extent_lookup(&opened, 8, 992), VD_LOOKUP_ZERO, 16, 0);
    check_lookup(build_extent_lookup(&opened, 24, 976), VD_LOOKUP_DATA, 16, slot_bytes(&se, 0));
    check_lookup(build_extent_lookup(&opened, 30, 4), VD_LOOKUP_DATA, 4,
                 slot_bytes(&se, 0) + 6 * 512);
    check_lookup(build_extent_lookup(&opened, 40, 960), VD_LOOKUP_ABSENT, 960, 0);
    build_extent_done(&opened);
    build_sesparse_done(&se);
}

/* The low 12 bits of a slot are stored above the others. */
VD_TEST(slots_above_4095)
{
    struct build_sesparse se;
    struct build_extent opened = {0};
    build_sesparse_init(&se, 8 * 20000, 64);
    build_sesparse_data_at(&se, 0, 4095, grain_bytes);
    build_sesparse_data_at(&se, 1, 4096, grain_bytes);
    build_sesparse_data_at(&se, 2, 12345, grain_bytes);
    check_u64_eq(build_sesparse_slot_entry(12345), UINT64_C(0x3039000000000003));
    open_sesparse(&opened, &se);
    check_lookup(build_extent_lookup(&opened, 0, 24), VD_LOOKUP_DATA, 16, slot_bytes(&se, 4095));
    check_lookup(build_extent_lookup(&opened, 16, 8), VD_LOOKUP_DATA, 8, slot_bytes(&se, 12345));
    build_extent_done(&opened);
    build_sesparse_done(&se);
}

/* Tables are numbered in order of first use, not in order of address. */
VD_TEST(tables_out_of_order_and_runs_across_them)
{
    struct build_sesparse se;
    struct build_extent opened = {0};
    build_sesparse_init(&se, 64 * 8 * 4, 1);
    build_sesparse_zero(&se, 64 * 3, 2); /* the last table first */
    for (unsigned i = 60; i < 70; i++)
        build_sesparse_data(&se, i, grain_bytes);
    open_sesparse(&opened, &se);
    check_lookup(build_extent_lookup(&opened, 0, 2048), VD_LOOKUP_ABSENT, 480, 0);
    check_lookup(build_extent_lookup(&opened, 480, 1568), VD_LOOKUP_DATA, 80, slot_bytes(&se, 0));
    check_lookup(build_extent_lookup(&opened, 560, 1488), VD_LOOKUP_ABSENT, 976, 0);
    check_lookup(build_extent_lookup(&opened, 1536, 512), VD_LOOKUP_ZERO, 8, 0);
    build_extent_done(&opened);
    build_sesparse_done(&se);
}

VD_TEST(a_short_last_grain)
{
    struct build_sesparse se;
    struct build_extent opened = {0};
    build_sesparse_init(&se, 1003, 64);
    build_sesparse_data(&se, 125, grain_bytes); /* sectors 1000 to 1002 */
    se.image.length -= 5 * 512;
    open_sesparse(&opened, &se);
    check_lookup(build_extent_lookup(&opened, 1000, 3), VD_LOOKUP_DATA, 3, slot_bytes(&se, 0));
    build_extent_done(&opened);
    se.image.length -= 1;
    open_sesparse(&opened, &se);
    build_extent_lookup_fails(&opened, 1000, VD_E_GTE, "entry 125 of grain table 0");
    build_extent_done(&opened);
    build_sesparse_done(&se);
}

static void gte_refused(uint64_t value)
{
    struct build_sesparse se;
    struct build_extent opened = {0};
    build_sesparse_init(&se, 4096, 64);
    build_sesparse_data(&se, 6, grain_bytes);
    build_image_u64(&se.image, build_sesparse_gte(&se, 7), value);
    open_sesparse(&opened, &se);
    check_u64_eq(build_extent_lookup(&opened, 48, 4048).length_sectors, 8);
    build_extent_lookup_fails(&opened, 56, VD_E_GTE, "entry 7 of grain table 0");
    build_extent_done(&opened);
    build_sesparse_done(&se);
}

VD_TEST(bad_table_entries_are_told)
{
    gte_refused(1);                                            /* type 0 must be all zero */
    gte_refused(UINT64_C(0x0fffffffffffffff));                 /* likewise */
    gte_refused(UINT64_C(4) << 60);                            /* no such type */
    gte_refused(UINT64_C(0xffffffffffffffff));                 /* no such type */
    gte_refused(build_sesparse_slot_entry(1));                 /* behind the file */
    gte_refused(build_sesparse_slot_entry(512));               /* behind the grain area */
    gte_refused(UINT64_C(0x3fffffffffffffff));                 /* the largest slot */
    gte_refused(build_sesparse_slot_entry(UINT64_C(1) << 59)); /* would wrap as bytes */
}

static void gde_refused(uint64_t value)
{
    struct build_sesparse se;
    struct build_extent opened = {0};
    build_sesparse_init(&se, 8 * 64 * 2, 1);
    build_sesparse_data(&se, 0, grain_bytes);
    build_image_u64(&se.image, build_sesparse_gde(&se, 0), value);
    open_sesparse(&opened, &se);
    build_extent_lookup_fails(&opened, 0, VD_E_GDE, "grain directory entry 0 at byte 4096");
    check_lookup(build_extent_lookup(&opened, 512, 512), VD_LOOKUP_ABSENT, 512, 0);
    build_extent_done(&opened);
    build_sesparse_done(&se);
}

VD_TEST(bad_directory_entries_are_told)
{
    gde_refused(1);                            /* no type */
    gde_refused(UINT64_C(0x1000000000000002)); /* the area has tables 0 and 1 */
    gde_refused(UINT64_C(0x10000000ffffffff)); /* far behind */
    gde_refused(UINT64_C(0x1000000100000000)); /* a bit between type and number */
    gde_refused(UINT64_C(0x2000000000000000)); /* another type */
    gde_refused(UINT64_C(0xffffffffffffffff));
}

VD_TEST(a_table_behind_the_end_of_the_file_is_told)
{
    struct build_sesparse se;
    struct build_extent opened = {0};
    build_sesparse_init(&se, 8 * 64 * 2, 1);
    (void)build_sesparse_gte(&se, 0); /* table 0 */
    se.image.length = (size_t)(se.areas[AREA_TABLES] * 512) + 511;
    open_sesparse(&opened, &se);
    build_extent_lookup_fails(&opened, 0, VD_E_GDE, "inside the file's");
    build_extent_done(&opened);
    build_sesparse_done(&se);
}

VD_TEST(header_fields_are_judged)
{
    field_refused(SESPARSE_AT_MAGIC, 0xcafebabf, VD_E_SESPARSE_HEADER, "magic 0xcafebabf");
    field_refused(SESPARSE_AT_MAGIC, UINT64_C(0x1cafebabe), VD_E_SESPARSE_HEADER, "0x1cafebabe");
    field_refused(SESPARSE_AT_VERSION, UINT64_C(0x200000002), VD_E_VERSION, "0x200000002");
    field_refused(SESPARSE_AT_VERSION, 1, VD_E_VERSION, "version 0x1");
    field_refused(SESPARSE_AT_CAPACITY, 0, VD_E_SESPARSE_HEADER, "capacity 0");
    field_refused(SESPARSE_AT_CAPACITY, UINT64_MAX, VD_E_SESPARSE_HEADER, "18446744073709551615");
    field_refused(SESPARSE_AT_CAPACITY, 99999, VD_E_SESPARSE_HEADER, "expected the 100000");
    field_refused(SESPARSE_AT_CAPACITY, 1u << 30, VD_E_SESPARSE_HEADER, "grain directory of");
    field_refused(SESPARSE_AT_GRAIN, 0, VD_E_SESPARSE_HEADER, "grain size 0");
    field_refused(SESPARSE_AT_GRAIN, 9, VD_E_SESPARSE_HEADER, "grain size 9");
    field_refused(SESPARSE_AT_GRAIN, UINT64_C(1) << 40, VD_E_SESPARSE_HEADER, "grain size 1099");
    field_refused(SESPARSE_AT_TABLE, 0, VD_E_SESPARSE_HEADER, "table size 0");
    field_refused(SESPARSE_AT_TABLE, 63, VD_E_SESPARSE_HEADER, "table size 63");
    field_refused(SESPARSE_AT_TABLE, UINT64_C(1) << 62, VD_E_SESPARSE_HEADER, "table size 46");
    field_refused(SESPARSE_AT_FLAGS, 1, VD_E_DISK_FEATURE, "flags 0x1");
    field_refused(SESPARSE_AT_RESERVED1, 0x201, VD_E_DISK_FEATURE, "reserved field 0x201");
    field_refused(SESPARSE_AT_RESERVED1 + 8, 0x200, VD_E_DISK_FEATURE, "byte 56");
    field_refused(SESPARSE_AT_RESERVED1 + 24, 1, VD_E_DISK_FEATURE, "byte 72");
    field_refused(512, 0xcafebabe, VD_E_SESPARSE_HEADER, "volatile header");
}

VD_TEST(areas_are_judged)
{
    field_refused(build_sesparse_area_at(AREA_GRAINS), 0, VD_E_SESPARSE_HEADER, "grains at sector");
    field_refused(build_sesparse_area_at(AREA_GRAINS), UINT64_MAX, VD_E_SESPARSE_HEADER,
                  "grains at sector 1844");
    field_refused(build_sesparse_area_at(AREA_GRAINS) + 8, UINT64_MAX, VD_E_SESPARSE_HEADER,
                  "grains at sector");
    field_refused(build_sesparse_area_at(AREA_TABLES), 7, VD_E_SESPARSE_HEADER,
                  "grain tables (sector 7, 256 sectors) and journal");
    field_refused(build_sesparse_area_at(AREA_TABLES), 8, VD_E_SESPARSE_HEADER,
                  "and grain directory");
    field_refused(build_sesparse_area_at(AREA_BACKMAP) + 8, 1u << 20, VD_E_SESPARSE_HEADER,
                  "and backmap");
    field_refused(build_sesparse_area_at(AREA_DIRECTORY) + 8, 0, VD_E_SESPARSE_HEADER,
                  "grain directory of 0 sectors");
    field_refused(build_sesparse_area_at(AREA_VOLATILE) + 8, 0, VD_E_SESPARSE_HEADER,
                  "volatile header of 0 sectors");
}

VD_TEST(reserved1_of_newer_esxi_is_accepted)
{
    struct build_sesparse se;
    struct build_extent opened = {0};
    build_sesparse_init(&se, 1000, 64);
    build_image_u64(&se.image, SESPARSE_AT_RESERVED1, 0x200);
    open_sesparse(&opened, &se);
    build_extent_done(&opened);
    build_sesparse_done(&se);
}

VD_TEST(a_journal_to_replay_is_refused)
{
    field_refused(SESPARSE_AT_REPLAY, 1, VD_E_SESPARSE_JOURNAL, "let ESXi open the disk once");
}

VD_TEST(files_cut_in_their_headers_are_truncated)
{
    struct build_sesparse se;
    build_sesparse_init(&se, 1000, 64);
    se.image.length = 0;
    refused(&se, VD_E_TRUNCATED, "constant header");
    se.image.length = 511;
    refused(&se, VD_E_TRUNCATED, "constant header");
    se.image.length = 1023;
    refused(&se, VD_E_TRUNCATED, "volatile header");
    se.image.length = 8 * 512 + 7;
    refused(&se, VD_E_TRUNCATED, "grain directory of 8 bytes");
    build_sesparse_done(&se);
}

/* 64 TiB: tables of nothing cost nothing, and long absent stretches are few runs. */
VD_TEST(a_huge_empty_disk)
{
    struct build_sesparse se;
    struct build_extent opened = {0};
    build_sesparse_init_short(&se, UINT64_C(1) << 37, 512);
    open_sesparse(&opened, &se);
    uint64_t sector = 0;
    unsigned lookups = 0;
    while (sector < se.capacity_sectors) {
        sector += build_extent_lookup(&opened, sector, se.capacity_sectors - sector).length_sectors;
        lookups++;
    }
    check(lookups <= 32);
    build_extent_done(&opened);
    build_sesparse_done(&se);
}
