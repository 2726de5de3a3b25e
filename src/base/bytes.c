/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

/* A group is large enough that one branch per group costs nothing beside the loads, and small
 * enough that data, which is rarely zero for long, is told apart at once. Words are fetched with
 * memcpy, so alignment does not matter, and the compiler turns the inner loop into vector loads. */
#define GROUP_WORDS 16
#define GROUP_BYTES (GROUP_WORDS * sizeof(uint64_t))

static inline uint64_t or_of_group(const unsigned char *p)
{
    uint64_t words[GROUP_WORDS];
    memcpy(words, p, sizeof words);
    uint64_t seen = 0;
    for (int i = 0; i < GROUP_WORDS; i++)
        seen |= words[i];
    return seen;
}

bool vd_bytes_all_zero(const void *p, size_t length_bytes)
{
    const unsigned char *at = p;
    for (; length_bytes >= GROUP_BYTES; at += GROUP_BYTES, length_bytes -= GROUP_BYTES)
        if (or_of_group(at) != 0)
            return false;

    unsigned char seen = 0;
    for (; length_bytes > 0; at++, length_bytes--)
        seen |= *at;
    return seen == 0;
}
