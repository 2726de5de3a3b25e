/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "tests/harness.h"

VD_TEST(little_endian_at_any_alignment)
{
    unsigned char raw[16];
    for (size_t shift = 0; shift < 8; shift++) {
        vd_le64_encode(raw + shift, UINT64_C(0x1122334455667788));
        check_int_eq(raw[shift], 0x88);
        check_int_eq(raw[shift + 7], 0x11);
        check_u64_eq(vd_le64_decode(raw + shift), UINT64_C(0x1122334455667788));
        check_u64_eq(vd_le32_decode(raw + shift), 0x55667788);
        check_u64_eq(vd_le16_decode(raw + shift), 0x7788);
        vd_le32_encode(raw + shift, 0xa1b2c3d4);
        check_u64_eq(vd_le32_decode(raw + shift), 0xa1b2c3d4);
        vd_le16_encode(raw + shift, 0xeeff);
        check_u64_eq(vd_le16_decode(raw + shift), 0xeeff);
    }
}

/* Every length and alignment around the group size, one wrong byte at every place. */
VD_TEST(all_zero_sees_every_byte)
{
    unsigned char raw[300] = {0};
    for (size_t start = 0; start < 9; start++) {
        for (size_t length = 0; length + start <= sizeof raw; length += 1 + length / 9) {
            check(vd_bytes_all_zero(raw + start, length));
            for (size_t i = 0; i < length; i++) {
                raw[start + i] = 0x80;
                check(!vd_bytes_all_zero(raw + start, length));
                raw[start + i] = 0;
            }
        }
    }
}

VD_TEST(all_zero_ignores_what_is_outside)
{
    unsigned char raw[260];
    memset(raw, 0xff, sizeof raw);
    memset(raw + 1, 0, 258);
    check(vd_bytes_all_zero(raw + 1, 258));
    check(!vd_bytes_all_zero(raw, 258));
    check(!vd_bytes_all_zero(raw + 1, 259));
    check(vd_bytes_all_zero(raw, 0));
}

/* The bytes end where the page ends, and the next page cannot be read. */
VD_TEST(all_zero_never_reads_past_the_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *map =
        mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(map != MAP_FAILED);
    check_int_eq(mprotect(map + page, page, PROT_NONE), 0);
    for (size_t length = 0; length <= 600; length++)
        check(vd_bytes_all_zero(map + page - length, length));
    check_int_eq(munmap(map, 2 * page), 0);
}
