/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian integers in byte buffers, at any alignment, on any machine. */
#ifndef VD_BASE_BYTES_H
#define VD_BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t vd_le16_decode(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return le16toh(v);
}

static inline uint32_t vd_le32_decode(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static inline uint64_t vd_le64_decode(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static inline void vd_le16_encode(void *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, sizeof v);
}

static inline void vd_le32_encode(void *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static inline void vd_le64_encode(void *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}

/* True when every byte is zero; runs at memory speed. */
bool vd_bytes_all_zero(const void *p, size_t length_bytes);

#endif
