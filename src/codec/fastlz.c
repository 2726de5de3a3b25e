/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/fastlz.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LEVEL_2_BYTES  65536u
#define LITERALS_MAX   32u /* of one run: five bits, counted from 1 */
#define MATCH_MIN      3u
#define LENGTH_FIELD   6u /* larger lengths continue in the next byte */
#define LEVEL_1_LENGTH (MATCH_MIN + LENGTH_FIELD + 255u)
#define NEAR_DISTANCE  8191u /* level 2: beyond, two bytes more */
#define LEVEL_1_WINDOW 8192u
#define LEVEL_2_WINDOW (8192u + 65535u)
#define FAR_LENGTH     5u /* a shorter match that far away costs as much as its bytes */
/* The original ends every block in literals, and its decoder stops looking for matches near the
 * end; so no match of ours reaches into the last bytes. */
#define TAIL_BYTES 12u
#define HASH_BITS  13u

/* --- decoding --- */

struct reader {
    const unsigned char *at, *end;
    unsigned char *out, *out_at, *out_end;
};

static bool copy_literals(struct reader *reader, size_t count)
{
    if ((size_t)(reader->end - reader->at) < count ||
        (size_t)(reader->out_end - reader->out_at) < count)
        return false;
    memcpy(reader->out_at, reader->at, count);
    reader->at += count;
    reader->out_at += count;
    return true;
}

/* Source and target overlap where the distance is short: that is how runs are written. */
static bool copy_match(struct reader *reader, size_t distance, size_t length)
{
    if ((size_t)(reader->out_at - reader->out) < distance ||
        (size_t)(reader->out_end - reader->out_at) < length)
        return false;
    const unsigned char *from = reader->out_at - distance;
    if (distance >= length)
        memcpy(reader->out_at, from, length);
    else if (distance == 1)
        memset(reader->out_at, *from, length);
    else
        for (size_t i = 0; i < length; i++)
            reader->out_at[i] = from[i];
    reader->out_at += length;
    return true;
}

static bool next_byte(struct reader *reader, size_t *ret)
{
    if (reader->at == reader->end)
        return false;
    *ret = *reader->at++;
    return true;
}

static bool read_length(struct reader *reader, unsigned level, size_t *length)
{
    size_t more = 255;
    bool good = true;
    while (good && more == 255) {
        good = next_byte(reader, &more);
        *length += more;
        if (level == 1 || *length > (size_t)(reader->out_end - reader->out))
            break;
    }
    return good;
}

static bool read_distance(struct reader *reader, unsigned level, size_t high, size_t *ret)
{
    size_t low, far_high, far_low;
    if (!next_byte(reader, &low))
        return false;
    *ret = (high << 8 | low) + 1;
    if (level == 1 || high != 31 || low != 255)
        return true;
    if (!next_byte(reader, &far_high) || !next_byte(reader, &far_low))
        return false;
    *ret = (far_high << 8 | far_low) + NEAR_DISTANCE + 1;
    return true;
}

static bool read_match(struct reader *reader, unsigned level, size_t instruction)
{
    size_t length = (instruction >> 5) - 1;
    size_t distance;
    return (length != LENGTH_FIELD || read_length(reader, level, &length)) &&
           read_distance(reader, level, instruction & 31, &distance) &&
           copy_match(reader, distance, length + MATCH_MIN);
}

int vd_fastlz_decompress(const void *in, size_t in_bytes, void *out, size_t out_bytes)
{
    struct reader reader = {in, (const unsigned char *)in + in_bytes, out, out,
                            (unsigned char *)out + out_bytes};
    size_t instruction;
    if (!next_byte(&reader, &instruction) || instruction >> 5 > 1)
        return VD_E_PROTOCOL;
    unsigned level = (unsigned)(instruction >> 5) + 1;
    bool good = copy_literals(&reader, (instruction & 31) + 1);
    while (good && next_byte(&reader, &instruction))
        good = instruction < 32 ? copy_literals(&reader, instruction + 1)
                                : read_match(&reader, level, instruction);
    return good && reader.out_at == reader.out_end ? VD_OK : VD_E_PROTOCOL;
}

/* --- encoding --- */

struct writer {
    unsigned char *out, *at, *end;
    unsigned level;
    bool full;
};

static void put(struct writer *writer, size_t byte)
{
    if (writer->at == writer->end)
        writer->full = true;
    else
        *writer->at++ = (unsigned char)byte;
}

static void put_literals(struct writer *writer, const unsigned char *from, size_t count)
{
    while (count && !writer->full) {
        size_t run = VD_MIN(count, LITERALS_MAX);
        put(writer, run - 1);
        if ((size_t)(writer->end - writer->at) < run) {
            writer->full = true;
            return;
        }
        memcpy(writer->at, from, run);
        writer->at += run;
        from += run;
        count -= run;
    }
}

static void put_length(struct writer *writer, size_t beyond)
{
    for (; writer->level == 2 && beyond >= 255; beyond -= 255)
        put(writer, 255);
    put(writer, beyond);
}

static void put_match(struct writer *writer, size_t distance, size_t length)
{
    bool is_far = writer->level == 2 && distance > NEAR_DISTANCE;
    size_t stated = is_far ? NEAR_DISTANCE : distance - 1;
    size_t field = length - MATCH_MIN;
    put(writer, (VD_MIN(field, LENGTH_FIELD) + 1) << 5 | stated >> 8);
    if (field >= LENGTH_FIELD)
        put_length(writer, field - LENGTH_FIELD);
    put(writer, stated & 255);
    if (is_far) {
        put(writer, (distance - NEAR_DISTANCE - 1) >> 8);
        put(writer, (distance - NEAR_DISTANCE - 1) & 255);
    }
}

static uint32_t three_bytes(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
}

static uint32_t hash_of(uint32_t bytes)
{
    return bytes * 2654435761u >> (32u - HASH_BITS); /* Knuth's multiplicative hash */
}

static size_t match_length(const unsigned char *a, const unsigned char *b, size_t max)
{
    size_t length = 0;
    while (length + 8 <= max && memcmp(a + length, b + length, 8) == 0)
        length += 8;
    while (length < max && a[length] == b[length])
        length++;
    return length;
}

/* The places where three bytes were seen last; a block has fewer than 2^32. */
struct finder {
    uint32_t last[1u << HASH_BITS]; /* offset + 1; 0: never */
};

/* The length of a match at `at` worth writing, 0 for none. */
static size_t find(struct finder *finder, const struct writer *writer, const unsigned char *in,
                   size_t at, size_t limit, size_t *ret_distance)
{
    uint32_t here = three_bytes(in + at);
    uint32_t *slot = &finder->last[hash_of(here)];
    size_t seen = *slot;
    *slot = (uint32_t)at + 1;
    size_t window = writer->level == 2 ? LEVEL_2_WINDOW : LEVEL_1_WINDOW;
    if (seen == 0 || at - (seen - 1) > window || three_bytes(in + seen - 1) != here)
        return 0;
    size_t max = limit - at;
    if (writer->level == 1)
        max = VD_MIN(max, LEVEL_1_LENGTH);
    size_t length = match_length(in + seen - 1, in + at, max);
    *ret_distance = at - (seen - 1);
    bool is_far = writer->level == 2 && *ret_distance > NEAR_DISTANCE;
    return length >= (is_far ? FAR_LENGTH : MATCH_MIN) ? length : 0;
}

static void compress(struct writer *writer, const unsigned char *in, size_t in_bytes)
{
    struct finder finder = {{0}};
    size_t limit = in_bytes - TAIL_BYTES;
    size_t written = 0;
    size_t at = 0;
    /* Blocks begin with literals: the level sits in the first instruction's upper bits. */
    while (at + MATCH_MIN <= limit && !writer->full) {
        size_t distance = 0;
        size_t length = find(&finder, writer, in, at, limit, &distance);
        if (length == 0) {
            at++;
            continue;
        }
        put_literals(writer, in + written, at - written);
        put_match(writer, distance, length);
        at += length;
        written = at;
    }
    put_literals(writer, in + written, in_bytes - written);
}

size_t vd_fastlz_compress(const void *in, size_t in_bytes, void *out, size_t out_bytes)
{
    if (in_bytes < VD_FASTLZ_MIN_BYTES || in_bytes > UINT32_MAX - 1 || out_bytes == 0)
        return 0;
    unsigned char *start = out;
    struct writer writer = {start, start, start + out_bytes, in_bytes >= LEVEL_2_BYTES ? 2 : 1,
                            false};
    compress(&writer, in, in_bytes);
    if (writer.full)
        return 0;
    if (writer.level == 2)
        *start |= 1u << 5;
    return (size_t)(writer.at - start);
}
