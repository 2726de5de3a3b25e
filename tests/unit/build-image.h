/* SPDX-License-Identifier: Apache-2.0 */
/* An image built byte by byte in memory, for tests. Running out of memory ends the program. */
#ifndef VD_TESTS_BUILD_IMAGE_H
#define VD_TESTS_BUILD_IMAGE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/units.h"

struct build_image {
    uint8_t *bytes;
    size_t length;
    size_t allocated;
};

static inline void build_image_done(struct build_image *image)
{
    free(image->bytes);
    *image = (struct build_image){0};
}

/* Makes the image at least `length` bytes long; what is new is zeros. */
static inline void build_image_extend(struct build_image *image, size_t length)
{
    if (length > image->allocated) {
        size_t allocated = VD_MAX(length, image->allocated * 2);
        uint8_t *bytes = realloc(image->bytes, allocated);
        if (!bytes)
            abort();
        memset(bytes + image->allocated, 0, allocated - image->allocated);
        image->bytes = bytes;
        image->allocated = allocated;
    }
    image->length = VD_MAX(image->length, length);
}

static inline void build_image_put(struct build_image *image, uint64_t offset, const void *bytes,
                                   size_t length)
{
    build_image_extend(image, (size_t)offset + length);
    if (length > 0)
        memcpy(image->bytes + offset, bytes, length);
}

static inline void build_image_u32(struct build_image *image, uint64_t offset, uint32_t value)
{
    build_image_extend(image, (size_t)offset + sizeof value);
    vd_le32_encode(image->bytes + offset, value);
}

static inline void build_image_u64(struct build_image *image, uint64_t offset, uint64_t value)
{
    build_image_extend(image, (size_t)offset + sizeof value);
    vd_le64_encode(image->bytes + offset, value);
}

static inline uint32_t build_image_get_u32(const struct build_image *image, uint64_t offset)
{
    return vd_le32_decode(image->bytes + offset);
}

static inline uint64_t build_image_get_u64(const struct build_image *image, uint64_t offset)
{
    return vd_le64_decode(image->bytes + offset);
}

/* Repeatable numbers: a xorshift generator; the state is its seed and must not be 0. */
static inline uint64_t build_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline uint64_t build_random_below(uint64_t *state, uint64_t limit)
{
    return build_random(state) % limit;
}

/* `count` sectors of bytes that are all but surely unlike any other's. */
static inline void build_random_sectors(uint64_t *state, uint8_t *bytes, uint64_t count)
{
    for (uint64_t i = 0; i < count * VD_SECTOR_BYTES; i += 8)
        vd_le64_encode(bytes + i, build_random(state));
}

/* A seed from the environment variable VD_TEST_SEED or the default, told as a TAP comment. */
static inline uint64_t build_random_seed(uint64_t usual)
{
    const char *text = getenv("VD_TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : usual;
    printf("# VD_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed ? seed : 1;
}

#endif
