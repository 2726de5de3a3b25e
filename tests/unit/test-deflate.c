/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/deflate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/inflate.h"
#include "harness.h"

#define LENGTH 65536u

static void fill(uint8_t *bytes, int kind)
{
    uint32_t state = 1;
    for (size_t i = 0; i < LENGTH; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = kind == 0 ? 0 : kind == 1 ? (uint8_t)(i / 97) : (uint8_t)(state >> 24);
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
        for (int kind = 0; kind < 3; kind++) {
            size_t length = 0;
            size_t inflated = 0;
            fill(in, kind);
            check_code(vd_deflate_zlib(deflate, in, LENGTH, out, room, &length), VD_OK);
            check(kind == 2 || length < LENGTH / 2);
            check_int_eq(out[0], 0x78);
            check_code(vd_inflate_zlib(inflate, out, length, back, LENGTH, &inflated), VD_OK);
            check_u64_eq(inflated, LENGTH);
            check_mem_eq(back, in, LENGTH);
        }
    }
}

VD_TEST(what_does_not_fit_is_not_written)
{
    VD_FREE uint8_t *in = malloc(LENGTH);
    VD_CLEANUP(vd_deflate_free_cleanup) struct vd_deflate *deflate = NULL;
    uint8_t out[101];
    size_t length = 7;
    check(in != NULL);
    fill(in, 2);
    out[100] = 0xaa;
    check_code(vd_deflate_new(1, &deflate, NULL), VD_OK);
    check_code(vd_deflate_zlib(deflate, in, LENGTH, out, 100, &length), VD_E_BUFFER_TOO_SMALL);
    check_u64_eq(length, 7);
    check_int_eq(out[100], 0xaa);
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
