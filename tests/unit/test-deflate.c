/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/deflate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "codec/inflate.h"
#include "harness.h"

#define LENGTH 65536u
#define KINDS  4

static void fill(uint8_t *bytes, int kind)
{
    uint32_t state = 1;
    for (size_t i = 0; i < LENGTH; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = kind == 0   ? 0
                   : kind == 1 ? (uint8_t)(i / 97)
                   : kind == 2 ? (uint8_t)(state >> 24)
                   : i % 3     ? (uint8_t)(state >> 30) /* between: neither runs nor noise */
                               : (uint8_t)(state >> 26);
    }
}

VD_TEST(every_level_round_trips)
{
    VD_FREE uint8_t *in = malloc(LENGTH);
    VD_FREE uint8_t *back = malloc(LENGTH);
    VD_CLEANUP(vd_inflate_free_cleanup) struct vd_inflate *inflate = NULL;
    check(in && back);
    check_code(vd_inflate_new(&inflate, NULL), VD_OK);
    for (int level = VD_DEFLATE_MIN_LEVEL; level <= VD_DEFLATE_MAX_LEVEL; level++) {
        VD_CLEANUP(vd_deflate_free_cleanup) struct vd_deflate *deflate = NULL;
        check_code(vd_deflate_new(level, &deflate, NULL), VD_OK);
        size_t room = vd_deflate_bound(deflate, LENGTH);
        VD_FREE uint8_t *out = malloc(room);
        check(out && room < LENGTH + 500); /* a record never exceeds a grain by a sector */
        for (int kind = 0; kind < KINDS; kind++) {
            size_t length = 0;
            size_t inflated = 0;
            fill(in, kind);
            check_code(vd_deflate_zlib(deflate, in, LENGTH, out, room, &length), VD_OK);
            check(kind == 2 || length < LENGTH * 3 / 4);
            check_int_eq(out[0], 0x78);
            check_code(vd_inflate_zlib(inflate, out, length, back, LENGTH, &inflated), VD_OK);
            check_u64_eq(inflated, LENGTH);
            check_mem_eq(back, in, LENGTH);
        }
    }
}

/* Every reader of a stream has zlib; both encoders must be good enough for it. */
VD_TEST(zlib_reads_every_level)
{
    VD_FREE uint8_t *in = malloc(LENGTH);
    VD_FREE uint8_t *back = malloc(LENGTH);
    check(in && back);
    for (int level = VD_DEFLATE_MIN_LEVEL; level <= VD_DEFLATE_MAX_LEVEL; level++) {
        VD_CLEANUP(vd_deflate_free_cleanup) struct vd_deflate *deflate = NULL;
        check_code(vd_deflate_new(level, &deflate, NULL), VD_OK);
        size_t room = vd_deflate_bound(deflate, LENGTH);
        VD_FREE uint8_t *out = malloc(room);
        check(out != NULL);
        static const size_t lengths[] = {LENGTH, 4096, 512, 1};
        for (int i = 0; i < KINDS * 4; i++) {
            size_t length = 0;
            uLongf inflated = LENGTH;
            fill(in, i / 4);
            check_code(vd_deflate_zlib(deflate, in, lengths[i % 4], out, room, &length), VD_OK);
            check_int_eq(uncompress(back, &inflated, out, (uLong)length), Z_OK);
            check_u64_eq(inflated, lengths[i % 4]);
            check_mem_eq(back, in, lengths[i % 4]);
        }
    }
}

/* ISA-L gives up where its output does not fit; what then takes over must fit the bound. */
VD_TEST(noise_fits_the_bound_at_every_level)
{
    VD_FREE uint8_t *in = malloc(LENGTH);
    check(in != NULL);
    fill(in, 2);
    for (int level = VD_DEFLATE_MIN_LEVEL; level <= VD_DEFLATE_MAX_LEVEL; level++) {
        VD_CLEANUP(vd_deflate_free_cleanup) struct vd_deflate *deflate = NULL;
        check_code(vd_deflate_new(level, &deflate, NULL), VD_OK);
        for (size_t length = 1; length <= LENGTH; length *= 2) {
            size_t room = vd_deflate_bound(deflate, length);
            VD_FREE uint8_t *out = malloc(room);
            size_t done = 0;
            check(out != NULL);
            check_code(vd_deflate_zlib(deflate, in, length, out, room, &done), VD_OK);
            check(done <= room);
        }
    }
}

VD_TEST(what_does_not_fit_is_not_written)
{
    VD_FREE uint8_t *in = malloc(LENGTH);
    uint8_t out[101];
    size_t length = 7;
    check(in != NULL);
    fill(in, 2);
    out[100] = 0xaa;
    for (int level = VD_DEFLATE_MIN_LEVEL; level <= VD_DEFLATE_MAX_LEVEL; level++) {
        VD_CLEANUP(vd_deflate_free_cleanup) struct vd_deflate *deflate = NULL;
        check_code(vd_deflate_new(level, &deflate, NULL), VD_OK);
        check_code(vd_deflate_zlib(deflate, in, LENGTH, out, 100, &length), VD_E_BUFFER_TOO_SMALL);
        check_u64_eq(length, 7);
        check_int_eq(out[100], 0xaa);
    }
}

VD_TEST(levels_have_limits)
{
    struct vd_deflate *deflate = NULL;
    struct vd_error err = VD_ERROR_INIT;
    check_code(vd_deflate_new(13, &deflate, &err), VD_E_INVALID_ARG);
    check_str_eq(err.text, "compression level 13, expected 1 to 12");
    check_code(vd_deflate_new(0, &deflate, NULL), VD_E_INVALID_ARG);
    check_code(vd_deflate_new(-1, &deflate, NULL), VD_E_INVALID_ARG);
}
