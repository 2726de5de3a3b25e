/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/runs.h"

#include "fake-disk.h"
#include "harness.h"

static void walk(const char *pattern, size_t most_runs, char *out)
{
    struct fake_disk fake;
    struct vd_runs runs;
    struct vd_run run;
    uint64_t expected_start = 0;
    int r;

    fake_disk_init(&fake, pattern, 8);
    fake.map_most_runs = most_runs;
    vd_runs_init(&runs, &fake.disk, 0, vd_disk_capacity(&fake.disk));
    while ((r = vd_runs_next(&runs, &run, NULL)) > 0) {
        check_u64_eq(run.start_sectors, expected_start);
        expected_start = vd_run_end(&run);
        *out++ = "dz-"[run.kind];
        *out++ = (char)('0' + run.length_sectors / 8);
    }
    *out = '\0';
    check_int_eq(r, 0);
    check_u64_eq(expected_start, vd_disk_capacity(&fake.disk));
}

VD_TEST(runs_that_continue_each_other_are_one)
{
    char text[64];

    walk("ddd--zzd", 0, text);
    check_str_eq(text, "d3-2z2d1");
    walk("", 0, text);
    check_str_eq(text, "");
}

VD_TEST(runs_are_merged_across_batches)
{
    char text[64];

    walk("dddddd---", 1, text);
    check_str_eq(text, "d6-3");
    walk("dddddd---", 2, text);
    check_str_eq(text, "d6-3");
}

VD_TEST(an_error_of_the_map_comes_through)
{
    struct fake_disk fake;
    struct vd_runs runs;
    struct vd_run run;
    struct vd_error err = VD_ERROR_INIT;
    char pattern[201];

    for (size_t i = 0; i < sizeof pattern - 1; i++)
        pattern[i] = "d-"[i % 2];
    pattern[sizeof pattern - 1] = '\0';
    fake_disk_init(&fake, pattern, 8);
    fake.map_error_sector = 100 * 8;
    vd_runs_init(&runs, &fake.disk, 0, vd_disk_capacity(&fake.disk));
    /* Everything in front of the trouble, though it lies in the middle of the second batch. */
    for (size_t i = 0; i < 100; i++)
        check_int_eq(vd_runs_next(&runs, &run, &err), 1);
    check_str_eq(err.text, "");
    check_code(vd_runs_next(&runs, &run, &err), VD_E_GTE);
    check_str_has(err.text, "sector 800");
}

VD_TEST(the_run_at_a_sector)
{
    struct fake_disk fake;
    struct vd_runs runs;
    struct vd_run run;

    fake_disk_init(&fake, "dd--d", 8);
    vd_runs_init(&runs, &fake.disk, 0, 40);
    check_code(vd_runs_at(&runs, 3, &run, NULL), VD_OK);
    check_u64_eq(run.start_sectors, 0);
    check_u64_eq(run.length_sectors, 16);
    check_code(vd_runs_at(&runs, 15, &run, NULL), VD_OK);
    check_u64_eq(run.start_sectors, 0);
    check_code(vd_runs_at(&runs, 39, &run, NULL), VD_OK);
    check_u64_eq(run.start_sectors, 32);
    check_code(vd_runs_at(&runs, 40, &run, NULL), VD_OK);
    check(vd_run_is_hole(&run));
    check_u64_eq(vd_run_end(&run), UINT64_MAX);
}
