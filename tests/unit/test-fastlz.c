/* SPDX-License-Identifier: Apache-2.0 */
/* FastLZ: blocks written by hand from the format's description, and round trips. */
#include "codec/fastlz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"

struct vector {
    const char *what;
    size_t in_bytes;
    const char *in;
    const char *out;
};

/* The bytes after "in" follow the public description; none was made by this encoder. */
static const struct vector VECTORS[] = {
    {"literals", 4,
     "\x02"
     "abc",
     "abc"},
    {"literals of level 2", 4,
     "\x22"
     "abc",
     "abc"},
    {"two runs of literals", 5,
     "\x00"
     "a\x01"
     "bc",
     "abc"},
    {"a match of three", 6,
     "\x02"
     "abc\x20\x02",
     "abcabc"},
    {"a match of eight", 6,
     "\x02"
     "abc\xc0\x02",
     "abcabcabcab"},
    {"distance one repeats", 4,
     "\x00"
     "x\x40\x00",
     "xxxxx"},
    {"a long match, level 1", 7,
     "\x02"
     "abc\xe0\x03\x02",
     "abcabcabcabcabc"},
    {"a long match, level 2", 7,
     "\x22"
     "abc\xe0\x03\x02",
     "abcabcabcabcabc"},
    {"literals after a match", 8,
     "\x02"
     "abc\x20\x02\x00"
     "z",
     "abcabcz"},
};

VD_TEST(blocks_from_the_description_are_read)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(VECTORS); i++) {
        const struct vector *vector = &VECTORS[i];
        char out[64] = "";
        size_t length = strlen(vector->out);
        check_code(vd_fastlz_decompress(vector->in, vector->in_bytes, out, length), VD_OK);
        check_mem_eq(out, vector->out, length);
    }
}

VD_TEST(another_length_is_refused)
{
    for (size_t i = 0; i < VD_ARRAY_SIZE(VECTORS); i++) {
        const struct vector *vector = &VECTORS[i];
        char out[64];
        size_t length = strlen(vector->out);
        check_code(vd_fastlz_decompress(vector->in, vector->in_bytes, out, length - 1),
                   VD_E_PROTOCOL);
        check_code(vd_fastlz_decompress(vector->in, vector->in_bytes, out, length + 1),
                   VD_E_PROTOCOL);
        for (size_t cut = 0; cut < vector->in_bytes; cut++)
            check_code(vd_fastlz_decompress(vector->in, cut, out, length), VD_E_PROTOCOL);
    }
}

VD_TEST(what_points_outside_is_refused)
{
    char out[64];
    check_code(vd_fastlz_decompress("\x00"
                                    "a\x20\x01",
                                    4, out, 4),
               VD_E_PROTOCOL); /* in front of the block */
    check_code(vd_fastlz_decompress("\x40"
                                    "a",
                                    2, out, 1),
               VD_E_PROTOCOL); /* level 3 */
}

VD_TEST(a_far_match_of_level_2)
{
    /* 8193 bytes back: the two bytes of distance say 8193 - 8192 = 1. */
    size_t filler = 8192;
    size_t in_bytes = 0;
    unsigned char *in = malloc(filler * 2), *out = malloc(filler + 4);
    check(in && out);
    in[in_bytes++] = 0x20;
    in[in_bytes++] = 'A';
    for (size_t i = 0; i < filler; i++) {
        if (i % 32 == 0)
            in[in_bytes++] = 31;
        in[in_bytes++] = (unsigned char)(i == 0 ? 'B' : i == 1 ? 'C' : i % 251);
    }
    static const unsigned char match[] = {0x20 | 31, 255, 0, 1};
    memcpy(in + in_bytes, match, sizeof match);
    in_bytes += sizeof match;
    check_code(vd_fastlz_decompress(in, in_bytes, out, filler + 4), VD_OK);
    check_mem_eq(out + filler + 1, "ABC", 3);
    free(in);
    free(out);
}

static void round_trip(const unsigned char *in, size_t in_bytes, size_t *ret_bytes)
{
    size_t room = in_bytes + in_bytes / 16 + 66;
    unsigned char *block = malloc(room), *back = malloc(in_bytes);
    check(block && back);
    size_t length = vd_fastlz_compress(in, in_bytes, block, room);
    check(length > 0);
    check_int_eq(block[0] >> 5, in_bytes >= 65536);
    check_code(vd_fastlz_decompress(block, length, back, in_bytes), VD_OK);
    check_mem_eq(back, in, in_bytes);
    /* Less room than needed is told, and not one byte more is written (the sanitizer looks). */
    for (size_t less = 0; less < length; less += length / 7 + 1) {
        unsigned char *tight = malloc(less + (less == 0));
        check(tight != NULL);
        check_u64_eq(vd_fastlz_compress(in, in_bytes, tight, less), 0);
        free(tight);
    }
    *ret_bytes = length;
    free(block);
    free(back);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

VD_TEST(round_trips_of_many_sizes)
{
    static const size_t sizes[] = {16, 17, 31, 33, 100, 512, 4096, 65535, 65536, 65537, 300000};
    for (size_t i = 0; i < VD_ARRAY_SIZE(sizes); i++) {
        unsigned char *in = malloc(sizes[i]);
        size_t noise, text, zeros;
        uint32_t state = (uint32_t)i;
        check(in != NULL);
        for (size_t at = 0; at < sizes[i]; at++)
            in[at] = (unsigned char)next_random(&state);
        round_trip(in, sizes[i], &noise);
        for (size_t at = 0; at < sizes[i]; at++)
            in[at] = (unsigned char)"the quick brown fox "[next_random(&state) % 8 + at % 12];
        round_trip(in, sizes[i], &text);
        memset(in, 0, sizes[i]);
        round_trip(in, sizes[i], &zeros);
        if (sizes[i] >= 4096)
            check(zeros < sizes[i] / 40 && text < noise);
        free(in);
    }
}

VD_TEST(repeats_of_every_distance)
{
    /* A phrase, noise, the phrase again: near, at the edge of each window, beyond it. */
    static const size_t gaps[] = {1,     100,   8170,  8171,  8172, 8173,
                                  73700, 73706, 73707, 73708, 90000};
    for (size_t i = 0; i < VD_ARRAY_SIZE(gaps); i++) {
        size_t size = gaps[i] + 60, length;
        unsigned char *in = malloc(size);
        uint32_t state = 7;
        check(in != NULL);
        for (size_t at = 0; at < size; at++)
            in[at] = (unsigned char)next_random(&state);
        memcpy(in, "a phrase of twenty..", 20);
        memcpy(in + 20 + gaps[i], "a phrase of twenty..", 20);
        round_trip(in, size, &length);
        free(in);
    }
}

VD_TEST(little_is_not_compressed)
{
    char out[64];
    check_u64_eq(vd_fastlz_compress("0123456789abcde", 15, out, sizeof out), 0);
    check_u64_eq(vd_fastlz_compress("0123456789abcdef", 16, out, 0), 0);
}
