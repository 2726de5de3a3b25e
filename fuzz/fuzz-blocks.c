/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes as a FastLZ and a SkipZ block of a length they state themselves, and as data that must
 * come back the same through both. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/fastlz.h"
#include "codec/skipz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const uint8_t *data, size_t size)
{
    size_t out_bytes = (size_t)data[0] << 8 | data[1];
    uint8_t *out = malloc(out_bytes + 1);

    if (!out)
        return;
    VD_DISCARD(vd_fastlz_decompress(data + 2, size - 2, out, out_bytes));
    VD_DISCARD(vd_skipz_decompress(data + 2, size - 2, out, out_bytes));
    free(out);
}

static void round_trip(const uint8_t *data, size_t size)
{
    size_t room = size * 2 + 66;
    uint8_t *block = malloc(room);
    uint8_t *back = malloc(size + 1);

    if (block && back) {
        size_t length = vd_fastlz_compress(data, size, block, room);
        int r = length ? vd_fastlz_decompress(block, length, back, size) : VD_OK;
        assert(r == VD_OK && (!length || memcmp(data, back, size) == 0));
        length = vd_skipz_compress(data, size, block, room);
        r = length ? vd_skipz_decompress(block, length, back, size) : VD_OK;
        assert(r == VD_OK && (!length || memcmp(data, back, size) == 0));
    }
    free(block);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 2)
        decode(data, size);
    if (size)
        round_trip(data, size);
    return 0;
}
