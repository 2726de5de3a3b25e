/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/compare.h"

#include "fake-disk.h"
#include "harness.h"

/* The two patterns in blocks of so many sectors. UINT64_MAX when the same. */
static uint64_t compare(const char *a, const char *b, uint64_t block_sectors, uint64_t *ret_read)
{
    struct fake_disk disk_a;
    struct fake_disk disk_b;
    struct vd_compare_result result;
    struct vd_error err = VD_ERROR_INIT;

    fake_disk_init(&disk_a, a, block_sectors);
    fake_disk_init(&disk_b, b, block_sectors);
    disk_b.file = "other-data";
    check_code_err(vd_compare(&disk_a.disk, &disk_b.disk, NULL, &result, &err), VD_OK, &err);
    if (ret_read)
        *ret_read = disk_a.sectors_read + disk_b.sectors_read;
    return result.same ? UINT64_MAX : result.first_difference_bytes;
}

VD_TEST(same_content_in_other_clothes)
{
    static const uint64_t blocks[] = {1, 7, 2048, 3000};

    for (size_t i = 0; i < VD_ARRAY_SIZE(blocks); i++) {
        check_u64_eq(compare("", "", blocks[i], NULL), UINT64_MAX);
        check_u64_eq(compare("d-zn", "dzn-", blocks[i], NULL), UINT64_MAX);
        check_u64_eq(compare("d-zn-d", "dn-z-d", blocks[i], NULL), UINT64_MAX);
        check_u64_eq(compare("dd", "dd--zn", blocks[i], NULL), UINT64_MAX);
        check_u64_eq(compare("dd--zn", "dd", blocks[i], NULL), UINT64_MAX);
        check_u64_eq(compare("", "--", blocks[i], NULL), UINT64_MAX);
    }
}

VD_TEST(the_first_byte_that_differs)
{
    static const uint64_t blocks[] = {1, 7, 2048, 3000};

    for (size_t i = 0; i < VD_ARRAY_SIZE(blocks); i++) {
        uint64_t bytes = blocks[i] * VD_SECTOR_BYTES;

        check_u64_eq(compare("d", "-", blocks[i], NULL), 0);
        check_u64_eq(compare("d-n-d-", "d-n-z-", blocks[i], NULL), 4 * bytes);
        check_u64_eq(compare("dzd", "dddd", blocks[i], NULL), bytes);
        check_u64_eq(compare("dd", "dd-d", blocks[i], NULL), 3 * bytes);
        check_u64_eq(compare("dd-d", "dd", blocks[i], NULL), 3 * bytes);
    }
}

VD_TEST(what_is_known_to_be_equal_is_not_read)
{
    struct fake_disk a;
    struct fake_disk b;
    struct vd_compare_result result;
    uint64_t sectors_read;

    check_u64_eq(compare("-z-z---", "z--z---", 2048, &sectors_read), UINT64_MAX);
    check_u64_eq(sectors_read, 0);
    fake_disk_init(&a, "ddd-d", 2048); /* the same file at the same places */
    fake_disk_init(&b, "ddd-z", 2048);
    check_code(vd_compare(&a.disk, &b.disk, NULL, &result, NULL), VD_OK);
    check_u64_eq(result.first_difference_bytes, 4 * VD_MIB);
    check_u64_eq(a.sectors_read + b.sectors_read, 2048);
}

VD_TEST(errors_come_through)
{
    struct fake_disk a;
    struct fake_disk b;
    struct vd_compare_result result;
    struct vd_error err = VD_ERROR_INIT;

    fake_disk_init(&a, "dxd", 2048);
    fake_disk_init(&b, "ddd", 2048);
    b.file = "other-data";
    check_code(vd_compare(&a.disk, &b.disk, NULL, &result, &err), VD_E_IO);
    vd_error_clear(&err);
    fake_disk_init(&a, "ddd", 2048);
    a.map_error_sector = 2048;
    check_code(vd_compare(&a.disk, &b.disk, NULL, &result, &err), VD_E_GTE);
}

VD_TEST(a_difference_before_an_error_is_an_answer)
{
    struct fake_disk a;
    struct fake_disk b;
    struct vd_compare_result result;
    struct vd_error err = VD_ERROR_INIT;

    fake_disk_init(&a, "-dx", 2048);
    fake_disk_init(&b, "ddd", 2048);
    check_code_err(vd_compare(&a.disk, &b.disk, NULL, &result, &err), VD_OK, &err);
    check_u64_eq(result.first_difference_bytes, 0);
}
