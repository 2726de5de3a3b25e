/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/skipz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"

VD_TEST(zeros_are_eight_bytes)
{
    unsigned char zeros[1000] = {0}, out[16], back[1000];
    check_u64_eq(vd_skipz_compress(zeros, sizeof zeros, out, sizeof out), 8);
    check_mem_eq(out, "\xe8\x03\0\0\0\0\0", 8);
    memset(back, 1, sizeof back);
    check_code(vd_skipz_decompress(out, 8, back, sizeof back), VD_OK);
    check_mem_eq(back, zeros, sizeof zeros);
}

VD_TEST(a_block_from_the_description_is_read)
{
    static const char block[] = "\x08\0\0\0\0\0\0\0"
                                "\x01\0\0\0\x02\0\0\0ab"
                                "\x06\0\0\0\x01\0\0\0c";
    char out[8];
    check_code(vd_skipz_decompress(block, sizeof block - 1, out, sizeof out), VD_OK);
    check_mem_eq(out, "\0ab\0\0\0c\0", 8);
}

VD_TEST(broken_blocks_are_refused)
{
    char out[8];
    check_code(vd_skipz_decompress("\x08\0\0\0\0\0\0", 7, out, 8), VD_E_PROTOCOL);
    check_code(vd_skipz_decompress("\x09\0\0\0\0\0\0\0", 8, out, 8), VD_E_PROTOCOL);
    check_code(vd_skipz_decompress("\x08\0\0\0\x01\0\0\0", 8, out, 8), VD_E_PROTOCOL);
    check_code(vd_skipz_decompress("\x08\0\0\0\0\0\0\0\x07\0\0\0\x02\0\0\0ab", 18, out, 8),
               VD_E_PROTOCOL); /* beyond the end */
    check_code(vd_skipz_decompress("\x08\0\0\0\0\0\0\0\x07\0\0\0\xff\xff\xff\xff", 16, out, 8),
               VD_E_PROTOCOL);
    check_code(vd_skipz_decompress("\x08\0\0\0\0\0\0\0\x02\0\0\0\x02\0\0\0a", 17, out, 8),
               VD_E_PROTOCOL); /* cut */
    check_code(vd_skipz_decompress("\x08\0\0\0\0\0\0\0\x02\0\0\0\x01\0\0\0a"
                                   "\x02\0\0\0\x01\0\0\0b",
                                   26, out, 8),
               VD_E_PROTOCOL); /* the same byte twice */
}

VD_TEST(round_trips)
{
    size_t size = 70000;
    unsigned char *in = malloc(size), *block = malloc(size * 2), *back = malloc(size);
    check(in && block && back);
    for (uint32_t seed = 0; seed < 40; seed++) {
        uint32_t state = seed;
        for (size_t at = 0; at < size; at++) {
            state = state * 1664525u + 1013904223u;
            in[at] = (at / (1u << seed % 16)) % 2 ? 0 : (unsigned char)(state >> 24);
        }
        size_t length = vd_skipz_compress(in, size - seed, block, size * 2);
        check(length > 0);
        memset(back, 0xaa, size);
        check_code(vd_skipz_decompress(block, length, back, size - seed), VD_OK);
        check_mem_eq(back, in, size - seed);
        check_u64_eq(vd_skipz_compress(in, size - seed, block, length - 1), 0);
    }
    free(in);
    free(block);
    free(back);
}
