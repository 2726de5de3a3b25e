/* SPDX-License-Identifier: Apache-2.0 */
#include "build-cowd.h"
#include "build-extent.h"

static void open_cowd(struct build_extent *opened, const struct build_cowd *cowd)
{
    struct vd_extent_line line = {.sectors = cowd->capacity_sectors};
    struct vd_error err = VD_ERROR_INIT;
    check_code_err(build_extent_open(opened, vd_extent_cowd_open, &cowd->image, &line, &err), VD_OK,
                   &err);
}

static void refused(const struct build_cowd *cowd, int code, const char *part)
{
    build_extent_refused(vd_extent_cowd_open, &cowd->image, cowd->capacity_sectors, code, part);
}

/* A header field set to a bad value must be refused. */
static void field_refused(unsigned at, uint32_t value, int code, const char *part)
{
    struct build_cowd cowd;
    build_cowd_init(&cowd, 10000, 1);
    build_image_u32(&cowd.image, at, value);
    refused(&cowd, code, part);
    build_cowd_done(&cowd);
}

static const uint8_t grain_bytes[2048 * 512] = {1};

VD_TEST(an_empty_file_is_one_absent_run)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    build_cowd_init(&cowd, 4096 * 1000 + 5, 1);
    open_cowd(&opened, &cowd);
    check_lookup(build_extent_lookup(&opened, 0, cowd.capacity_sectors), VD_LOOKUP_ABSENT,
                 cowd.capacity_sectors, 0);
    check_lookup(build_extent_lookup(&opened, 4096 * 1000 + 4, 1), VD_LOOKUP_ABSENT, 1, 0);
    check_str_eq(opened.extent->facts.format, "COWD");
    check_u64_eq(opened.extent->facts.num_tables, 1001);
    check_u64_eq(opened.extent->facts.table_entries, 4096);
    check_u64_eq(opened.extent->facts.grain_sectors, 1);
    check(!opened.extent->facts.unclean_shutdown);
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

VD_TEST(absent_zero_and_data_runs)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    build_cowd_init(&cowd, 1000, 1);
    for (unsigned i = 10; i < 20; i++)
        build_cowd_data(&cowd, i, grain_bytes);
    for (unsigned i = 20; i < 25; i++)
        build_cowd_zero(&cowd, i);
    open_cowd(&opened, &cowd);
    uint64_t data = (COWD_DIRECTORY_SECTOR + 1 + COWD_TABLE_SECTORS) * 512;
    check_lookup(build_extent_lookup(&opened, 0, 1000), VD_LOOKUP_ABSENT, 10, 0);
    check_lookup(build_extent_lookup(&opened, 10, 990), VD_LOOKUP_DATA, 10, data);
    check_lookup(build_extent_lookup(&opened, 13, 2), VD_LOOKUP_DATA, 2, data + 3 * 512);
    check_lookup(build_extent_lookup(&opened, 20, 980), VD_LOOKUP_ZERO, 5, 0);
    check_lookup(build_extent_lookup(&opened, 25, 975), VD_LOOKUP_ABSENT, 975, 0);
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

VD_TEST(data_that_is_not_contiguous_is_not_one_run)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    build_cowd_init(&cowd, 64, 8);
    build_cowd_data(&cowd, 1, grain_bytes);
    build_cowd_data(&cowd, 0, grain_bytes);
    open_cowd(&opened, &cowd);
    uint64_t data = (COWD_DIRECTORY_SECTOR + 1 + COWD_TABLE_SECTORS) * 512;
    check_lookup(build_extent_lookup(&opened, 3, 13), VD_LOOKUP_DATA, 5, data + 11 * 512);
    check_lookup(build_extent_lookup(&opened, 8, 8), VD_LOOKUP_DATA, 8, data);
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

VD_TEST(runs_go_on_across_tables)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    build_cowd_init(&cowd, 3 * 4096, 1);
    for (unsigned i = 4000; i < 5000; i++)
        (void)build_cowd_gte(&cowd, i); /* both tables first, so that the data is contiguous */
    for (unsigned i = 4000; i < 5000; i++)
        build_cowd_data(&cowd, i, grain_bytes);
    open_cowd(&opened, &cowd);
    check_lookup(build_extent_lookup(&opened, 0, 3 * 4096), VD_LOOKUP_ABSENT, 4000, 0);
    uint64_t data = (COWD_DIRECTORY_SECTOR + 1 + 2 * COWD_TABLE_SECTORS) * 512;
    check_lookup(build_extent_lookup(&opened, 4000, 8288), VD_LOOKUP_DATA, 1000, data);
    check_lookup(build_extent_lookup(&opened, 5000, 7288), VD_LOOKUP_ABSENT, 7288, 0);
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

VD_TEST(the_largest_grain)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    build_cowd_init(&cowd, 5000, 2048);
    build_cowd_data(&cowd, 2, grain_bytes); /* of which 904 sectors are below the capacity */
    cowd.image.length -= (2048 - 904) * 512;
    open_cowd(&opened, &cowd);
    check_lookup(build_extent_lookup(&opened, 0, 5000), VD_LOOKUP_ABSENT, 4096, 0);
    struct vd_lookup at = build_extent_lookup(&opened, 4096, 904);
    check_int_eq(at.kind, VD_LOOKUP_DATA);
    check_u64_eq(at.length_sectors, 904);
    check_u64_eq(at.stored_sectors, 904);
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

VD_TEST(a_grain_cut_off_inside_the_capacity_is_told)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    build_cowd_init(&cowd, 100, 8);
    build_cowd_data(&cowd, 0, grain_bytes);
    build_cowd_data(&cowd, 1, grain_bytes);
    cowd.image.length -= 1;
    open_cowd(&opened, &cowd);
    /* the good grain before it is still answered for */
    check_u64_eq(build_extent_lookup(&opened, 0, 100).length_sectors, 8);
    build_extent_lookup_fails(&opened, 8, VD_E_GTE, "entry 1 of grain table 0");
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

/* Capacity that is no multiple of 2 MiB: only the used entries of the last table need be there. */
VD_TEST(the_last_table_may_be_cut_behind_its_used_entries)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    build_cowd_init(&cowd, 4096 + 128, 1);
    build_cowd_zero(&cowd, 4096);
    cowd.image.length -= (4096 - 128) * 4;
    open_cowd(&opened, &cowd);
    check_lookup(build_extent_lookup(&opened, 4096, 128), VD_LOOKUP_ZERO, 1, 0);
    check_lookup(build_extent_lookup(&opened, 4097, 127), VD_LOOKUP_ABSENT, 127, 0);
    build_extent_done(&opened);

    cowd.image.length -= 1;
    open_cowd(&opened, &cowd);
    build_extent_lookup_fails(&opened, 4096, VD_E_GDE, "grain directory entry 1 at byte 2052");
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

static void gde_refused(uint32_t value)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    build_cowd_init(&cowd, 2 * 4096, 1);
    build_cowd_zero(&cowd, 0);
    build_image_u32(&cowd.image, build_cowd_gde(0), value);
    open_cowd(&opened, &cowd);
    build_extent_lookup_fails(&opened, 5, VD_E_GDE, "grain directory entry 0 at byte 2048");
    check_lookup(build_extent_lookup(&opened, 4096, 4096), VD_LOOKUP_ABSENT, 4096, 0);
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

VD_TEST(tables_in_impossible_places_are_told)
{
    gde_refused(1);           /* inside the header */
    gde_refused(4);           /* the directory itself */
    gde_refused(6);           /* ends behind the file */
    gde_refused(1000);        /* behind the file */
    gde_refused(0xffffffffu); /* far behind the file */
}

static void gte_refused(uint32_t value)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    build_cowd_init(&cowd, 4096, 1);
    build_cowd_data(&cowd, 6, grain_bytes);
    build_image_u32(&cowd.image, build_cowd_gte(&cowd, 7), value);
    open_cowd(&opened, &cowd);
    check_u64_eq(build_extent_lookup(&opened, 6, 4090).length_sectors, 1);
    build_extent_lookup_fails(&opened, 7, VD_E_GTE, "entry 7 of grain table 0");
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

VD_TEST(grains_in_impossible_places_are_told)
{
    gte_refused(2);           /* inside the header */
    gte_refused(4);           /* the directory */
    gte_refused(38);          /* the first sector behind the file */
    gte_refused(0xffffffffu); /* far behind the file */
}

VD_TEST(header_fields_are_judged)
{
    field_refused(0, 0x564d444b, VD_E_COWD_HEADER, "magic 0x564d444b");
    field_refused(COWD_AT_VERSION, 0, VD_E_VERSION, "version 0");
    field_refused(COWD_AT_VERSION, 2, VD_E_VERSION, "version 2");
    field_refused(COWD_AT_CAPACITY, 0, VD_E_COWD_HEADER, "capacity 0");
    field_refused(COWD_AT_CAPACITY, 9999, VD_E_COWD_HEADER, "expected the 10000");
    field_refused(COWD_AT_CAPACITY, 0xffffffff, VD_E_COWD_HEADER, "expected 1048576");
    field_refused(COWD_AT_GRAIN, 0, VD_E_COWD_HEADER, "grain size 0");
    field_refused(COWD_AT_GRAIN, 3, VD_E_COWD_HEADER, "grain size 3");
    field_refused(COWD_AT_GRAIN, 4096, VD_E_COWD_HEADER, "grain size 4096");
    field_refused(COWD_AT_GRAIN, 0x80000000, VD_E_COWD_HEADER, "grain size 2147483648");
    field_refused(COWD_AT_TABLES, 0, VD_E_COWD_HEADER, "0 grain directory entries");
    field_refused(COWD_AT_TABLES, 4, VD_E_COWD_HEADER, "expected 3");
    field_refused(COWD_AT_TABLES, 0xffffffff, VD_E_COWD_HEADER, "expected 3");
    field_refused(COWD_AT_DIRECTORY, 0, VD_E_COWD_HEADER, "sector 0");
    field_refused(COWD_AT_DIRECTORY, 3, VD_E_COWD_HEADER, "sector 3");
    field_refused(COWD_AT_DIRECTORY, 5, VD_E_TRUNCATED, "sector 5");
    field_refused(COWD_AT_DIRECTORY, 0xffffffff, VD_E_TRUNCATED, "sector 4294967295");
}

VD_TEST(a_file_shorter_than_its_header_is_truncated)
{
    struct build_cowd cowd;
    build_cowd_init(&cowd, 10000, 1);
    cowd.image.length = 2047;
    refused(&cowd, VD_E_TRUNCATED, "2047 bytes");
    cowd.image.length = 0;
    refused(&cowd, VD_E_TRUNCATED, "0 bytes");
    build_cowd_done(&cowd);
}

VD_TEST(a_header_larger_than_the_line_is_read_up_to_the_line)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    struct vd_extent_line line = {.sectors = 5000};
    build_cowd_init(&cowd, 10000, 1);
    check_code(build_extent_open(&opened, vd_extent_cowd_open, &cowd.image, &line, NULL), VD_OK);
    check_u64_eq(opened.extent->capacity_sectors, 5000);
    check_u64_eq(opened.extent->facts.header_capacity_sectors, 10000);
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

VD_TEST(unclean_shutdown_is_reported_not_refused)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    build_cowd_init(&cowd, 10000, 1);
    build_image_u32(&cowd.image, COWD_AT_UNCLEAN, 1);
    open_cowd(&opened, &cowd);
    check(opened.extent->facts.unclean_shutdown);
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

static void hosted_refused(uint32_t version, uint32_t flags, uint32_t capacity, uint32_t grain,
                           const char *part)
{
    struct build_cowd cowd;
    build_cowd_init(&cowd, capacity, grain);
    build_image_u32(&cowd.image, COWD_AT_VERSION, version);
    build_image_u32(&cowd.image, COWD_AT_FLAGS, flags);
    build_image_u32(&cowd.image, COWD_AT_TABLES,
                    (uint32_t)vd_div_up(capacity, (uint64_t)grain * 512));
    refused(&cowd, VD_E_DISK_FEATURE, part);
    build_cowd_done(&cowd);
}

VD_TEST(hosted_files_are_refused_by_name)
{
    hosted_refused(1, 0x13, 4194304, 32, "VMware 2");
    hosted_refused(1, 0x02, 4194304, 32, "VMware 2");
    hosted_refused(3, 0x1b, 4194304, 128, "VMware 3");
    /* so small that both kinds would have one table */
    hosted_refused(1, 0x12, 1000, 32, "VMware 2");
    hosted_refused(3, 0x03, 1000, 128, "VMware 3");
}

VD_TEST(a_tiny_esx_file_is_not_taken_for_a_hosted_one)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    build_cowd_init(&cowd, 100, 1);
    open_cowd(&opened, &cowd);
    check_lookup(build_extent_lookup(&opened, 0, 100), VD_LOOKUP_ABSENT, 100, 0);
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

/* 32-bit addresses reach 2 TiB; nothing wraps just below. */
VD_TEST(the_largest_capacity)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    build_cowd_init(&cowd, 0xffffffffu, 2048);
    open_cowd(&opened, &cowd);
    check_lookup(build_extent_lookup(&opened, 0, 0xffffffffu), VD_LOOKUP_ABSENT, 0xffffffffu, 0);
    check_lookup(build_extent_lookup(&opened, 0xfffffffeu, 1), VD_LOOKUP_ABSENT, 1, 0);
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}

/* One lookup looks at a bounded number of entries: a table full of entries that say nothing ends
 * the run early, and the next lookup goes on. */
VD_TEST(a_lookup_is_bounded)
{
    struct build_cowd cowd;
    struct build_extent opened = {0};
    const uint32_t capacity = 4096 * 20;
    build_cowd_init(&cowd, capacity, 1);
    for (unsigned i = 0; i < capacity; i += 4096)
        (void)build_cowd_gte(&cowd, i); /* tables, all absent */
    open_cowd(&opened, &cowd);
    uint64_t sector = 0;
    unsigned lookups = 0;
    while (sector < capacity) {
        struct vd_lookup at = build_extent_lookup(&opened, sector, capacity - sector);
        check_int_eq(at.kind, VD_LOOKUP_ABSENT);
        sector += at.length_sectors;
        lookups++;
    }
    check_int_eq(lookups, 5);
    build_extent_done(&opened);
    build_cowd_done(&cowd);
}
