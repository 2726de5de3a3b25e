/* SPDX-License-Identifier: Apache-2.0 */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "codec/inflate.h"
#include "tests/harness.h"

#define GRAIN_BYTES 65536u

static struct vd_inflate *new_inflate(void)
{
    struct vd_inflate *inflate = NULL;
    check_code(vd_inflate_new(&inflate, NULL), VD_OK);
    return inflate;
}

static size_t deflate(const void *in, size_t in_bytes, uint8_t *out, size_t out_bytes)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
    size_t done = libdeflate_zlib_compress(compressor, in, in_bytes, out, out_bytes);
    libdeflate_free_compressor(compressor);
    check(done > 0);
    return done;
}

static void fill(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 300 * 13);
}

/* The last bytes before a page that cannot be touched. */
struct guarded {
    uint8_t *map;
    size_t map_bytes;
    uint8_t *bytes;
};

static struct guarded guarded_new(size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t data = (length + page - 1) / page * page;
    struct guarded guarded = {.map_bytes = data + page};

    guarded.map =
        mmap(NULL, guarded.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(guarded.map != MAP_FAILED);
    check_int_eq(mprotect(guarded.map + data, page, PROT_NONE), 0);
    guarded.bytes = guarded.map + data - length;
    return guarded;
}

static void guarded_free(struct guarded *guarded)
{
    munmap(guarded->map, guarded->map_bytes);
}

VD_TEST(stream_of_known_bytes)
{
    /* zlib, level 1 header 78 01, stored block "hello", Adler-32 062c0215 */
    static const uint8_t in[] = {0x78, 0x01, 0x01, 0x05, 0x00, 0xfa, 0xff, 'h',
                                 'e',  'l',  'l',  'o',  0x06, 0x2c, 0x02, 0x15};
    struct vd_inflate VD_CLEANUP(vd_inflate_free_cleanup) *inflate = new_inflate();
    uint8_t out[8];
    size_t done = 0;

    check_code(vd_inflate_zlib(inflate, in, sizeof in, out, sizeof out, &done), VD_OK);
    check_u64_eq(done, 5);
    check_mem_eq(out, "hello", 5);
}

VD_TEST(exact_room_and_one_byte_less)
{
    struct vd_inflate VD_CLEANUP(vd_inflate_free_cleanup) *inflate = new_inflate();
    uint8_t plain[3000], packed[4000], out[3000];
    size_t done = 0;

    fill(plain, sizeof plain);
    size_t length = deflate(plain, sizeof plain, packed, sizeof packed);
    check_code(vd_inflate_zlib(inflate, packed, length, out, sizeof out, &done), VD_OK);
    check_u64_eq(done, sizeof plain);
    check_mem_eq(out, plain, sizeof plain);
    check_code(vd_inflate_zlib(inflate, packed, length, out, sizeof out - 1, &done),
               VD_E_GRAIN_INFLATE);
}

VD_TEST(bytes_after_the_stream_are_ignored)
{
    struct vd_inflate VD_CLEANUP(vd_inflate_free_cleanup) *inflate = new_inflate();
    uint8_t plain[100], packed[400], out[200];
    size_t done = 0;

    fill(plain, sizeof plain);
    memset(packed, 0xee, sizeof packed);
    (void)deflate(plain, sizeof plain, packed, sizeof packed);
    check_code(vd_inflate_zlib(inflate, packed, sizeof packed, out, sizeof out, &done), VD_OK);
    check_u64_eq(done, sizeof plain);
}

VD_TEST(wrong_checksum)
{
    struct vd_inflate VD_CLEANUP(vd_inflate_free_cleanup) *inflate = new_inflate();
    uint8_t plain[1000], packed[1400], out[1000];
    size_t done = 77;

    fill(plain, sizeof plain);
    size_t length = deflate(plain, sizeof plain, packed, sizeof packed);
    packed[length - 1] ^= 1;
    check_code(vd_inflate_zlib(inflate, packed, length, out, sizeof out, &done),
               VD_E_GRAIN_INFLATE);
    check_u64_eq(done, 77);
}

VD_TEST(every_cut_is_refused)
{
    struct vd_inflate VD_CLEANUP(vd_inflate_free_cleanup) *inflate = new_inflate();
    uint8_t plain[300], packed[600], out[300];
    size_t done;

    fill(plain, sizeof plain);
    size_t length = deflate(plain, sizeof plain, packed, sizeof packed);
    for (size_t cut = 0; cut < length; cut++)
        check_code(vd_inflate_zlib(inflate, packed, cut, out, sizeof out, &done),
                   VD_E_GRAIN_INFLATE);
}

/* 64 MiB of zeros in a few KiB: stopped at the room given. */
VD_TEST(bomb_stops_at_the_room)
{
    struct vd_inflate VD_CLEANUP(vd_inflate_free_cleanup) *inflate = new_inflate();
    size_t big = 64u << 20;
    uint8_t VD_FREE *plain = calloc(1, big);
    uint8_t VD_FREE *packed = malloc(1u << 20);
    struct guarded out = guarded_new(GRAIN_BYTES);
    size_t done;

    check(plain && packed);
    size_t length = deflate(plain, big, packed, 1u << 20);
    check(length < 100000);
    check_code(vd_inflate_zlib(inflate, packed, length, out.bytes, GRAIN_BYTES, &done),
               VD_E_GRAIN_INFLATE);
    guarded_free(&out);
}

/* Neither a byte too many read nor written, for sizes around the fast loops' strides. */
VD_TEST(guard_pages_on_both_sides)
{
    struct vd_inflate VD_CLEANUP(vd_inflate_free_cleanup) *inflate = new_inflate();
    uint8_t VD_FREE *plain = malloc(GRAIN_BYTES);
    uint8_t VD_FREE *packed = malloc(2 * GRAIN_BYTES);

    check(plain && packed);
    fill(plain, GRAIN_BYTES);
    for (size_t length = 1; length <= GRAIN_BYTES; length = length < 70 ? length + 1 : length * 2) {
        size_t packed_bytes = deflate(plain, length, packed, 2 * GRAIN_BYTES);
        struct guarded in = guarded_new(packed_bytes);
        struct guarded out = guarded_new(length);
        size_t done = 0;
        memcpy(in.bytes, packed, packed_bytes);
        check_code(vd_inflate_zlib(inflate, in.bytes, packed_bytes, out.bytes, length, &done),
                   VD_OK);
        check_u64_eq(done, length);
        check_mem_eq(out.bytes, plain, length);
        check_code(
            vd_inflate_zlib(inflate, in.bytes, packed_bytes, out.bytes + 1, length - 1, &done),
            VD_E_GRAIN_INFLATE);
        guarded_free(&in);
        guarded_free(&out);
    }
}

VD_TEST(noise_never_overruns)
{
    struct vd_inflate VD_CLEANUP(vd_inflate_free_cleanup) *inflate = new_inflate();
    struct guarded in = guarded_new(512);
    struct guarded out = guarded_new(4096);
    uint32_t seed = 1;
    size_t done;

    for (int round = 0; round < 5000; round++) {
        in.bytes[0] = 0x78;
        in.bytes[1] = 0x01;
        for (size_t i = 2; i < 512; i++) {
            seed = seed * 1664525u + 1013904223u;
            in.bytes[i] = (uint8_t)(seed >> 24);
        }
        done = 0;
        int r = vd_inflate_zlib(inflate, in.bytes, 512, out.bytes, 4096, &done);
        check(r == VD_OK || r == VD_E_GRAIN_INFLATE);
        check(done <= 4096);
    }
    guarded_free(&in);
    guarded_free(&out);
}

VD_TEST(free_takes_null)
{
    vd_inflate_free(NULL);
}
